/** The steps of one direction: those of options such as `lines` and `crnl`, and the transforms between. */
import { ConfigError } from "../errors.ts";
import type { Registry } from "../protocol.ts";
import { cr, crnl } from "../stream/line_ends.ts";
import type { InlineTransform } from "./document.ts";
import { isPassive, speaksJson } from "./framers.ts";
import { type Kind, kindOf, otherKind, readTransform } from "./document_reader.ts";
import type { AnyTransform } from "./names.ts";
import type { PlannedStep } from "./plan.ts";
import { pluginOf, type Stack } from "./stack.ts";

export interface Flow {
  readonly chain: readonly InlineTransform[];
  readonly from: Stack;
  readonly to: Stack;
  readonly registry: Registry;
  /** Path of the chain in the document. */
  readonly at: string;
}

interface Part {
  readonly transform: AnyTransform;
  readonly spec: unknown;
  readonly reverse: boolean;
  readonly name: string;
  readonly cluster?: string;
  /** Stands for `lines` or `null-lines` of the address that data goes to. */
  readonly framesTarget?: boolean;
}

/** The steps in the order data flows, and the kind that comes out of the last one. Throws `ConfigError`. */
export function planSteps({ chain, from, to, registry, at }: Flow): { steps: PlannedStep[]; output: Kind } {
  const between = chain.map((item, i): Part => {
    const { transform, settings, reverse } = readTransform(item, registry, `${at}[${i}]`);
    const spec = transform.spec.parse(settings, `${at}[${i}].spec`);
    transform.check?.(spec);
    return { transform, spec, reverse, name: transform.types[0]?.names[0] ?? transform.name, cluster: item.name };
  });
  let kind = kindOf(from);
  const steps: PlannedStep[] = [];
  const parts = [...optionParts(from, registry, false), ...between, ...optionParts(to, registry, true)];
  const lastFramer = parts.findLastIndex(({ transform }) => !isPassive(transform));
  for (const [i, { transform, spec, reverse, name, cluster, framesTarget }] of parts.entries()) {
    const untold = kind === "either" || (i === lastFramer && kindOf(to) === "either");
    if (transform.needs !== "any" && kind !== "either" && transform.needs !== kind) {
      const cure = kind === "byte" ? "; insert LINES or LENGTHPREFIX before it" : "";
      throw new ConfigError(`${name} needs ${words[transform.needs]}, but ${words[kind]} come to it${cure}`);
    }
    // Bytes for a byte address of lines: cut into lines first, so that it is lines that get their ends again.
    const reframe = framesTarget && kind === "byte" && kindOf(to) === "byte";
    for (let times = reframe ? 2 : 1; times > 0; times--) {
      steps.push({
        transform,
        spec,
        reverse,
        input: kind,
        ...(cluster !== undefined && { cluster }),
        ...(untold && speaksJson(transform) && { beside: plainLines(registry, reverse) }),
      });
      if (transform.gives === "other") kind = otherKind(kind);
    }
  }
  return { steps, output: kind };
}

/** Their messages are the blocks of the byte side beside them, or but one: no boundary is lost. */
const blocks = new Set(["Echo", "Discard", "LITERAL"]);

/** Whether messages come to a byte stream, where nothing keeps them apart. */
export function losesBoundaries({ from, to }: Flow, { steps, output }: ReturnType<typeof planSteps>): boolean {
  const blocksOnly = blocks.has(pluginOf(from.levels[0]).name) && steps.length === 0;
  return output === "datagram" && kindOf(to) === "byte" && !blocksOnly;
}

const words = { byte: "bytes", datagram: "messages" } as const;

/** LINES as the planner inserts it beside JSON; this is the part that only connecting tells. */
function plainLines(registry: Registry, reverse: boolean): PlannedStep {
  const transform = findTransform(registry, "LINES", "JSON beside bytes");
  return { transform, spec: transform.spec.parse({}, "LINES"), reverse, input: "either" };
}

function findTransform(registry: Registry, name: string, needer: string): AnyTransform {
  const found = registry.transforms.find((transform) => transform.name === name);
  if (!found) throw new ConfigError(`${needer} needs ${name}, which this build lacks`);
  return found;
}

/** What the options of an address stand for, in the order data passes: towards the address the other way round. */
function optionParts({ levels: [{ settings }] }: Stack, registry: Registry, towards: boolean): Part[] {
  const framers = (["lines", "null_lines", "chunks"] as const).filter((key) => settings[key] === true);
  const ends = (["crnl", "cr"] as const).filter((key) => settings[key] === true);
  for (const both of [framers, ends]) {
    if (both.length > 1) throw new ConfigError(`options "${both[0]}" and "${both[1]}" exclude each other`);
  }
  const parts: Part[] = ends.map((key) => ({
    transform: key === "cr" ? cr : crnl,
    spec: {},
    reverse: towards,
    name: key,
  }));
  for (const key of framers) {
    const wanted = key === "chunks" ? "CHUNKS" : "LINES";
    const transform = findTransform(registry, wanted, `option "${key}"`);
    const strict = key !== "chunks" && settings.strict === true;
    const spec = transform.spec.parse({ ...(key === "null_lines" && { sep: "\0" }), ...(strict && { strict }) }, key);
    parts.push({ transform, spec, reverse: towards, name: wanted, framesTarget: towards && key !== "chunks" });
  }
  return towards ? parts.reverse() : parts;
}
