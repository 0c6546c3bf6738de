/** PROMETHEUS: the metrics as an answer, for whatever asks. */
import { ConnectError } from "../lib/errors.ts";
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const prometheusSpec = s.object({});

/** Every caller gets the metrics as they are when it first reads, and the end; what it sends is thrown away. */
export const prometheus: Protocol<s.SpecOf<typeof prometheusSpec>> = {
  name: "Prometheus",
  types: [{
    names: ["PROMETHEUS"],
    role: "local",
    parameters: { form: "none" },
    help: "The metrics, for Prometheus behind HTTP-LISTEN",
  }],
  kind: "byte",
  end: "end of body",
  spec: prometheusSpec,
  async connect(_spec, { signal, downstream, metrics }) {
    signal.throwIfAborted();
    if (!metrics) {
      const why = "this process counts nothing; --admin, --prometheus or a configuration (-c) makes it";
      throw new ConnectError(`PROMETHEUS: ${why}`, {
        code: "NO_METRICS",
        status: 500,
        retryable: false,
        side: "local",
      });
    }
    const { webAnswer } = await import("./_web_answer.ts");
    return webAnswer({
      info: { protocol: "Prometheus", name: "PROMETHEUS", halfCloses: true, answer: "read" },
      downstream,
      async answer() {
        const { text, contentType } = await metrics();
        return new Response(text, { headers: { "content-type": contentType, "cache-control": "no-cache" } });
      },
    });
  },
};
