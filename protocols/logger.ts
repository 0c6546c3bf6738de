/** LOGGER: writes a copy of what passes to a file, standard error or standard output, one record a line. */
import { ConnectError, messageOf } from "../lib/errors.ts";
import type { Step, StepContext, Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import type { Datagram } from "../lib/stream/stream.ts";
import { concat } from "./_bytes.ts";

const spec = s.object({
  log_file: s.string({ default: "-", help: "File to append to; stderr; - is standard output" }),
  log_prefix: s.string({ aliases: ["prefix"], help: "Written before each record, with a colon" }),
  format: s.choice(["text", "hex", "base64", "json"], { default: "text", help: "How payload is written" }),
  time: s.boolean({ default: false, help: "Write the time before each record" }),
});
type LoggerSpec = s.SpecOf<typeof spec>;

export const logger: Transform<LoggerSpec> = {
  name: "Logger",
  types: [{
    names: ["LOGGER"],
    role: "local",
    parameters: { form: "text", key: "log_file", label: "file", optional: true },
    implies: { log_file: "stderr" },
    help: "Write a copy of what passes to a file, by default stderr",
  }],
  needs: "any",
  gives: "same",
  spec,
  forward: step,
  backward: step,
};

function step(spec: LoggerSpec, context: StepContext): Step {
  const name = spec.log_file ?? "-";
  const target = openTarget(name);
  let broken = false;
  return {
    push(data, emit) {
      if (!broken) {
        try {
          writeAll(target, formatRecord(data, spec, context, new Date()));
        } catch (error) {
          // The copy is lost from here on, the traffic is not.
          broken = true;
          context.log.error("logger.error", `write("${name}"): ${systemText(error)}; LOGGER stops in this session`);
        }
      }
      emit(data);
    },
    close() {
      target.close();
    },
  };
}

/** One record, ending in a newline. A text record keeps its payload as it is. */
export function formatRecord(
  { data, meta }: Datagram,
  spec: Pick<LoggerSpec, "log_prefix" | "format" | "time">,
  { session, flow }: Pick<StepContext, "session" | "flow">,
  now: Date,
): Uint8Array {
  const encoder = new TextEncoder();
  const time = now.toISOString();
  if (spec.format === "json") {
    const record = {
      ...(spec.time && { time }),
      session: session.name,
      flow,
      ...(spec.log_prefix && { prefix: spec.log_prefix }),
      ...meta,
      payload: data.toBase64(),
    };
    return encoder.encode(`${JSON.stringify(record)}\n`);
  }
  const head = `${spec.time ? `${time} ` : ""}${spec.log_prefix ? `${spec.log_prefix}: ` : ""}`;
  if (spec.format === "hex") return encoder.encode(`${head}${data.toHex()}\n`);
  if (spec.format === "base64") return encoder.encode(`${head}${data.toBase64()}\n`);
  const newline = data[data.length - 1] === 10 ? "" : "\n";
  return concat([encoder.encode(head), data, encoder.encode(newline)]);
}

interface Target {
  writeSync(bytes: Uint8Array): number;
  close(): void;
}

function openTarget(name: string): Target {
  if (name === "-") return { writeSync: (bytes) => Deno.stdout.writeSync(bytes), close: () => {} };
  if (name === "stderr") return { writeSync: (bytes) => Deno.stderr.writeSync(bytes), close: () => {} };
  try {
    const file = Deno.openSync(name, { append: true, create: true });
    return { writeSync: (bytes) => file.writeSync(bytes), close: () => file.close() };
  } catch (error) {
    const message = `open("${name}", O_WRONLY|O_CREAT|O_APPEND): ${systemText(error)}`;
    throw new ConnectError(message, { side: "local", cause: error });
  }
}

/** The system's words for an error, without the number and the path that the runtime adds. */
function systemText(error: unknown): string {
  return messageOf(error).replace(/ \(os error .*$/, "");
}

function writeAll(target: Target, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += target.writeSync(bytes.subarray(at));
}
