/** METRIC: counts what passes, under a label. */
import type { Step, StepContext, Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const spec = s.object({ label: s.string({ help: "Name under which to count" }) });
type MetricSpec = s.SpecOf<typeof spec>;

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
  forward: step,
  backward: step,
};

function step(spec: MetricSpec, { log, flow }: StepContext): Step {
  const label = spec.label || "METRIC";
  let bytes = 0;
  let messages = 0;
  return {
    push(data, emit) {
      bytes += data.data.length;
      messages++;
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
