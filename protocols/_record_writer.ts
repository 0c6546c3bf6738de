/** Writes copies of payload, one record a line: to a file, standard error or standard output. For LOGGER and `log:`. */
import { ConnectError, messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import * as s from "../lib/schema.ts";
import { concat } from "../lib/stream/concat.ts";
import type { Datagram } from "../lib/stream/stream.ts";

export const recordOptions = {
  log_prefix: s.string({ aliases: ["prefix"], help: "Written before each record, with a colon" }),
  format: s.choice(["text", "hex", "base64", "json"], { default: "text", help: "How payload is written" }),
  time: s.boolean({ default: false, help: "Write the time before each record" }),
};
const schema = s.object(recordOptions);
export type RecordOptions = s.SpecOf<typeof schema>;

/** What a record in JSON tells beside the payload. */
export interface RecordFacts {
  readonly session: string;
  /** Which way it flows. */
  readonly flow: string;
}

/** Appends records to what `name` names: a file, `stderr`, or `-` for standard output. Its owner closes it. */
export class RecordWriter {
  readonly #name: string;
  readonly #options: RecordOptions;
  readonly #log: Log;
  readonly #target: Target;
  #broken = false;

  /** Throws a `ConnectError` when the file cannot be opened. */
  constructor(name: string, options: RecordOptions, log: Log) {
    this.#name = name;
    this.#options = options;
    this.#log = log;
    this.#target = openTarget(name);
  }

  write(data: Datagram, facts: RecordFacts): void {
    if (this.#broken) return;
    try {
      writeAll(this.#target, formatRecord(data, this.#options, facts, new Date()));
    } catch (error) {
      // The copy is lost from here on, the traffic is not.
      this.#broken = true;
      const message = `write("${this.#name}"): ${systemText(error)}; LOGGER stops in this session`;
      this.#log.error("logger.error", message);
    }
  }

  close(): void {
    this.#broken = true;
    this.#target.close();
  }
}

/** One record, ending in a newline. A text record keeps its payload as it is. */
export function formatRecord(
  { data, meta }: Datagram,
  options: RecordOptions,
  { session, flow }: RecordFacts,
  now: Date,
): Uint8Array {
  const encoder = new TextEncoder();
  const time = now.toISOString();
  if (options.format === "json") {
    const record = {
      ...(options.time && { time }),
      session,
      flow,
      ...(options.log_prefix && { prefix: options.log_prefix }),
      ...meta,
      payload: data.toBase64(),
    };
    return encoder.encode(`${JSON.stringify(record)}\n`);
  }
  const head = `${options.time ? `${time} ` : ""}${options.log_prefix ? `${options.log_prefix}: ` : ""}`;
  if (options.format === "hex") return encoder.encode(`${head}${data.toHex()}\n`);
  if (options.format === "base64") return encoder.encode(`${head}${data.toBase64()}\n`);
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
