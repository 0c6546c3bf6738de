/** LOGGER: writes a copy of what passes to a file, standard error or standard output, one record a line. */
import type { Step, StepContext, Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { recordOptions, RecordWriter } from "./_record_writer.ts";

const spec = s.object({
  log_file: s.string({ default: "-", help: "File to append to; stderr; - is standard output" }),
  ...recordOptions,
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

function step(spec: LoggerSpec, { log, session, flow }: StepContext): Step {
  const writer = new RecordWriter(spec.log_file ?? "-", spec, log);
  const facts = { session: session.name, flow };
  return {
    push(data, emit) {
      writer.write(data, facts);
      emit(data);
    },
    close() {
      writer.close();
    },
  };
}
