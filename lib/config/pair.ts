/** From the words of a command line to the document they stand for. */
import { ConfigError } from "../errors.ts";
import type { Registry } from "../protocol.ts";
import type {
  AdminDocument,
  Document,
  InlineCluster,
  InlineListener,
  RetryDocument,
  SessionDocument,
  SpecDocument,
} from "./document.ts";
import { applyDefaults, type Defaults } from "./defaults.ts";
import { parseAddress, type ParsedAddress } from "./endpoint_parser.ts";
import { completeDocument } from "./framers.ts";
import { namesOf } from "./names.ts";
import { ownerOf, type Place, type Settings, type Stack, toSpec, typeName, writtenRole } from "./stack.ts";
import { parseTransform } from "./transform_parser.ts";

export interface Words {
  /** All positionals: address1, transforms, address2. One alone has STDIO on its other side. */
  readonly addresses: readonly string[];
  /** The words after `--`, for EXEC-ARG and SHELL-ARG. */
  readonly tail?: readonly string[];
}

export interface PairOptions extends Defaults {
  readonly session: SessionDocument;
  readonly admin: AdminDocument;
}

/**
 * The document that `words` mean: one listener named `cli`. Complete: framers that the planner inserts and defaults
 * that differ from a file's stand in it. Throws `ConfigError`, which names the word.
 */
export function documentFromWords(words: Words, registry: Registry, options: PairOptions): Document {
  const { addresses, tail } = words;
  if (addresses.length === 0) {
    throw new ConfigError('exactly 2 addresses required (there are 0); use option "-h" for help');
  }
  const names = namesOf(registry);
  // With one address STDIO is the second.
  const last = addresses.length > 1 ? addresses.at(-1)! : "-";
  // The addresses before what stands between them: a colon forgotten in the first makes its port a word of its own.
  const first = parseAddress(addresses[0]!, names, tail);
  const second = parseAddress(last, names, tail);
  const transforms = addresses.slice(1, -1).map((word) => parseTransform(word, names));
  const withTail = [...stacksOf(first), ...stacksOf(second)].filter(takesWords).length;
  if (tail && withTail === 0) throw new ConfigError('words after "--" are for EXEC-ARG and SHELL-ARG only');
  if (tail && withTail > 1) throw new ConfigError('words after "--" can serve only one address');
  for (const stack of stacksOf(first)) applyDefaults(stack, "single" in first ? "listener" : "destination", options);
  for (const stack of stacksOf(second)) applyDefaults(stack, "destination", options);

  const opensOnce = "single" in first ? stacksOf(second) : [...stacksOf(first), ...stacksOf(second)];
  for (const stack of opensOnce) {
    if (stack.levels[0].settings.fork !== true) continue;
    const cure = stack.role === "listen" && "single" in first
      ? "; write it first, and broadcast: before the address that its sessions share (of -u and -U the other)"
      : "";
    const why = `only a first address that is not dual can have many sessions${cure}`;
    throw new ConfigError(`option "fork" of ${typeName(stack)} not allowed here: ${why}`);
  }

  const forward = transforms.filter(({ dir }) => dir !== "rtl").map(({ spec }) => ({ spec }));
  const backward = transforms.filter(({ dir }) => dir !== "ltr").reverse().map(({ spec }) => ({
    spec: { ...spec, reverse: true },
  }));
  const { destination, retry } = destinationOf(second);
  // Both ways it would say everything twice.
  const copy: SessionDocument = isStdio(first) && isStdio(second) ? { direction: "ltr" } : {};
  const session = withoutUndefined({ ...copy, ...sessionDefaults(options), ...withoutUndefined(options.session) });
  const listener: InlineListener = {
    name: "cli",
    spec: specOf(first, "listener"),
    ...(Object.keys(session).length > 0 && { options: session }),
    rules: [{
      action: {
        route: {
          ...(forward.length > 0 && { ingress: forward }),
          ...(backward.length > 0 && { egress: backward }),
          destination,
          ...(retry && { retry }),
        },
      },
    }],
  };
  const admin = withoutUndefined(options.admin);
  const document: Document = { ...(Object.keys(admin).length > 0 && { admin }), listeners: [listener] };
  return completeDocument(document, registry);
}

function stacksOf(address: ParsedAddress): Stack[] {
  return "single" in address ? [address.single] : [address.dual.read, address.dual.write];
}

function isStdio(address: ParsedAddress): boolean {
  return "single" in address && address.single.levels.length === 1 && typeName(address.single) === "STDIO";
}

function takesWords(stack: Stack): boolean {
  return stack.levels.some((level) => level.type?.parameters.form === "words");
}

function sessionDefaults({ compat }: PairOptions): SessionDocument {
  return compat === "socat" ? { linger: "500ms", block_size: 8192 } : {};
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}

/** The document's form of an address that stands at `place`. */
export function specOf(address: ParsedAddress, place: Place): SpecDocument {
  if ("dual" in address) {
    // The halves of a dual address are opened as a destination's are.
    const { read, write } = address.dual;
    return {
      protocol: "Dual",
      read: specOf({ single: read }, "destination"),
      write: specOf({ single: write }, "destination"),
    };
  }
  const role = writtenRole(address.single, place);
  const { protocol, ...spec } = toSpec(address.single);
  return { protocol, ...(role && { role }), ...spec };
}

const retryKeys = [
  "retry",
  "forever",
  "interval",
  "backoff",
  "connect_timeout",
  "reconnect",
  "reconnect_on",
  "reconnect_buffer",
] as const;

/** A connector's address goes to the cluster's endpoint, and its retry options to the route. */
function destinationOf(address: ParsedAddress): { destination: InlineCluster; retry?: RetryDocument } {
  const unlimited = stacksOf(address).some(mayWait) ? { retry: { timeout: "0s" } } : {};
  if ("dual" in address) return { destination: { spec: specOf(address, "destination") }, ...unlimited };
  const stack = address.single;
  if (stack.role === "listen") return { destination: { spec: specOf(address, "destination") }, ...unlimited };
  const outer = stack.levels[0].settings;
  const retry = retryOf(outer) ?? unlimited.retry;
  for (const key of retryKeys) delete outer[key];
  const base = (ownerOf("address", stack.levels) ?? stack.levels.at(-1)!).settings;
  const target = stack.role === "connect" ? base.address : undefined;
  if (target !== undefined) delete base.address;
  return {
    destination: {
      spec: specOf(address, "destination"),
      ...(target !== undefined && { endpoints: [{ spec: { address: target } }] }),
    },
    ...(retry && { retry }),
  };
}

/** Whether opening may take its time (a peer, a named pipe), to which a file sets a limit unless it says otherwise. */
function mayWait({ levels, role }: Stack): boolean {
  const { type, settings } = levels.at(-1)!;
  return role !== "local" || type?.parameters.form === "text" && type.parameters.key === "path" && "path" in settings;
}

function retryOf(settings: Settings): RetryDocument | undefined {
  if (retryKeys.every((key) => settings[key] === undefined)) return undefined;
  const { reconnect, reconnect_on, reconnect_buffer } = settings;
  return {
    retry_on: reconnect ? "always" : "connect-failure",
    num_retries: settings.forever === true ? -1 : settings.retry as number | undefined ?? 0,
    timeout: settings.connect_timeout as string | undefined ?? "0s",
    interval: settings.interval as string | undefined ?? "1s",
    ...(settings.backoff !== undefined && { backoff: settings.backoff as string }),
    ...(reconnect ? { num_reconnects: reconnect as number } : {}),
    ...(reconnect && reconnect_on !== undefined ? { reconnect_on: reconnect_on as "any" | "error" } : {}),
    ...(reconnect && reconnect_buffer !== undefined ? { buffer: reconnect_buffer as number } : {}),
  };
}
