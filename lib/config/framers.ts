/** What the planner adds to a document by itself, visibly: line mode of WebSockets, LINES beside JSONENCAP. */
import type { Registry } from "../protocol.ts";
import type { Document, InlineListener, InlineTransform } from "./document.ts";
import { flowKind, half, type Kind, otherKind, readListener, readTransform } from "./document_reader.ts";
import type { ParsedAddress } from "./endpoint_parser.ts";
import type { AnyTransform } from "./names.ts";
import { mainLevel, pluginOf, type Stack } from "./stack.ts";

/**
 * A copy of `document`, whose structure has been checked, with what it implies: option `lines`
 * on a WebSocket whose other side is standard input or output, and the transform LINES between JSONENCAP or JSONDECAP
 * and a byte side. A document that has been completed comes back unchanged.
 */
export function completeDocument(document: Document, registry: Registry): Document {
  return { ...document, listeners: document.listeners.map((listener, i) => complete(listener, i, registry)) };
}

function complete(before: InlineListener, i: number, registry: Registry): InlineListener {
  const listener = withLineMode(before, i, registry);
  const { route, routeAt, source, target } = readListener(listener, i, registry);
  const chain = (key: "ingress" | "egress") => {
    const [from, to] = key === "ingress" ? [source, target] : [target, source];
    const ends = { from: half(from, "read"), to: half(to, "write"), reverse: key === "egress" };
    return withLines({ chain: route[key] ?? [], ...ends, registry, at: `${routeAt}.${key}` });
  };
  const ingress = chain("ingress");
  const egress = chain("egress");
  return withRoute(listener, {
    ...(ingress.length > 0 && { ingress }),
    ...(egress.length > 0 && { egress }),
    destination: route.destination,
    ...(route.retry && { retry: route.retry }),
  });
}

interface JsonFlow {
  readonly chain: readonly InlineTransform[];
  readonly from: Stack;
  readonly to: Stack;
  /** The lines inserted are those of `egress`. */
  readonly reverse: boolean;
  readonly registry: Registry;
  /** Path of the chain. */
  readonly at: string;
}

/**
 * The chain with LINES between JSONENCAP or JSONDECAP and a byte side: next to them, also where
 * what stands between lets everything pass as it is.
 */
export function withLines({ chain, from, to, reverse, registry, at }: JsonFlow): InlineTransform[] {
  const lines: InlineTransform = { spec: { protocol: "LINES", ...(reverse && { reverse: true }) } };
  const transforms = chain.map((item, n) => readTransform(item, registry, `${at}[${n}]`).transform);
  const lastFramer = transforms.findLastIndex((transform) => !isPassive(transform));
  const result: InlineTransform[] = [];
  let kind: Kind = flowKind(from);
  for (const [n, transform] of transforms.entries()) {
    const json = speaksJson(transform);
    if (json && kind === "byte") {
      result.push(lines);
      kind = "datagram";
    }
    result.push(chain[n]!);
    // What comes to JSON are messages: where only connecting tells, the plan of its steps sees to that.
    if (json) kind = "datagram";
    else if (transform.gives === "other") kind = otherKind(kind);
    if (json && n === lastFramer && flowKind(to) === "byte") result.push(lines);
  }
  return result;
}

/** Whether LINES belongs between it and bytes. */
export function speaksJson({ name }: AnyTransform): boolean {
  return name === "JSONEncap" || name === "JSONDecap";
}

/** Whether bytes and messages pass it as they are. */
export function isPassive({ gives, needs }: AnyTransform): boolean {
  return gives === "same" && needs === "any";
}

function withRoute(
  listener: InlineListener,
  route: InlineListener["rules"][0]["action"]["route"],
): InlineListener {
  return { ...listener, rules: [{ action: { route } }] };
}

/** Where people type: one line is one message of a WebSocket on the other side. */
const terminals = new Set(["Stdio", "STDIO", "STDIN", "STDOUT", "STDERR", "READLINE"]);

function withLineMode(listener: InlineListener, i: number, registry: Registry): InlineListener {
  const { route, routeAt, source, target } = readListener(listener, i, registry);
  const plain = (["ingress", "egress"] as const).every((key) =>
    (route[key] ?? []).every((item, n) => {
      return isPassive(readTransform(item, registry, `${routeAt}.${key}[${n}]`).transform);
    })
  );
  if (!plain) return listener;
  if (needsLineMode(source) && isTerminal(target)) return { ...listener, spec: { ...listener.spec, lines: true } };
  if (needsLineMode(target) && isTerminal(source)) {
    const destination = { ...route.destination, spec: { ...route.destination.spec, lines: true } };
    return withRoute(listener, { ...route, destination });
  }
  return listener;
}

function needsLineMode(address: ParsedAddress): boolean {
  if ("dual" in address) return false;
  const { levels } = address.single;
  const { layer, settings: own } = mainLevel(levels);
  const settings = { ...own, ...levels[0].settings };
  const spoken = ["binary", "lines", "null_lines", "chunks"];
  return layer?.name === "WebSocket" && spoken.every((key) => settings[key] === undefined);
}

function isTerminal(address: ParsedAddress): boolean {
  return ["read" as const, "write" as const].some((which) => {
    const stack = half(address, which);
    return terminals.has(pluginOf(mainLevel(stack.levels)).name) && flowKind(stack) === "byte";
  });
}
