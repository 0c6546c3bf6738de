/** Runs one step of a transform on given input, for tests. */
import { Log } from "../../lib/log.ts";
import type { Step, StepContext, Transform } from "../../lib/protocol.ts";

/** Log lines of a test, `W text`. */
export function collectingLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.replace(/^.*?\] /, ""));
  return {
    log: new Log({ level: "info", format: "socat", program: "l7mp", microseconds: false, pid: 1, write }),
    lines,
  };
}

export function stepContext(input: "byte" | "datagram", changes: Partial<StepContext> = {}): StepContext {
  return {
    log: collectingLog().log,
    input,
    maxMessageBytes: 64 * 2 ** 20,
    session: { name: "cli-1", metadata: {} },
    flow: "ltr",
    drop() {},
    ...changes,
  };
}

/** What comes out of a step for these inputs, and then the end. Each chunk is overwritten once it has been used. */
export function runStep(step: Step, inputs: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  const emit = ({ data }: { data: Uint8Array }) => void out.push(data.slice());
  for (const input of inputs) {
    const lent = input.slice();
    step.push({ data: lent }, emit);
    lent.fill(0xee);
  }
  step.end?.(emit);
  step.close?.();
  return out;
}

/** A transform's step as an endpoint would get it: settings in the document's form. */
export function makeStep<Spec>(
  transform: Transform<Spec>,
  settings: Record<string, unknown>,
  context: StepContext,
  direction: "forward" | "backward" = "forward",
): Step {
  return transform[direction]!(transform.spec.parse(settings, ""), context);
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);
