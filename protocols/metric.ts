/** METRIC: counts what passes. */
import { ConfigError } from "../lib/errors.ts";
import type { Step, StepContext, Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const name = (what: string, usual: string) =>
  s.string({
    help: `Name of the metric that counts ${what} (default ${usual})`,
    pattern: /^[a-zA-Z_][a-zA-Z0-9_]*$/,
    expected: "a name of letters, digits and _",
  });

const spec = s.object({
  label: s.string({ help: "Name under which to count, instead of the cluster's" }),
  byteCounterName: name("bytes", "session_byte_counter_total"),
  packetCounterName: name("messages", "session_packet_counter_total"),
});
type MetricSpec = s.SpecOf<typeof spec>;

/** Names of metrics that count something else. */
const taken = /^(l7mp|process)_|^(listener|cluster)_requests_total$|^session_packet_counter_total$/;
const takenForMessages = /^(l7mp|process)_|^(listener|cluster)_requests_total$|^session_byte_counter_total$/;

export const metric: Transform<MetricSpec> = {
  name: "Metric",
  types: [{
    names: ["METRIC"],
    role: "local",
    parameters: { form: "text", key: "label", label: "label", optional: true },
    help: "Count bytes and messages",
  }],
  needs: "any",
  gives: "same",
  spec,
  check({ byteCounterName: bytes, packetCounterName: messages }) {
    const wrong = (key: string, name: string, why: string) =>
      new ConfigError(`METRIC: ${key} "${name}" ${why}; choose another name`);
    const used = "is the name of a metric that counts something else";
    if (bytes !== undefined && taken.test(bytes)) throw wrong("byteCounterName", bytes, used);
    if (messages === undefined) return;
    if (takenForMessages.test(messages)) throw wrong("packetCounterName", messages, used);
    if (messages === bytes) throw wrong("packetCounterName", messages, "counts bytes already");
  },
  forward: step,
  backward: step,
};

function step(spec: MetricSpec, { log, flow, counter }: StepContext): Step {
  const label = spec.label || "METRIC";
  const shown = counter?.({ bytes: spec.byteCounterName, messages: spec.packetCounterName }, spec.label || undefined);
  let bytes = 0;
  let messages = 0;
  return {
    push(data, emit) {
      bytes += data.data.length;
      messages++;
      if (shown) {
        shown.bytes += data.data.length;
        shown.messages++;
      }
      emit(data);
    },
    close() {
      log.info("metric", `${label} ${flow}: ${messages} message(s), ${bytes} byte(s)`, {
        label,
        flow,
        messages,
        bytes,
      });
    },
  };
}
