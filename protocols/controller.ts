/** CONTROLLER: the REST API as an endpoint, for callers of an HTTP listener. */
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const controllerSpec = s.object({});

/**
 * The caller's request goes to the API, its body as it comes; head and body of the answer go back. An answer without
 * end (a watch) goes on until the session ends, which cancels it.
 */
export const controller: Protocol<s.SpecOf<typeof controllerSpec>> = {
  name: "L7mpController",
  types: [{
    names: ["CONTROLLER"],
    role: "local",
    parameters: { form: "none" },
    help: "The REST API, for the callers of HTTP-LISTEN",
  }],
  kind: "byte",
  retriable: false,
  end: "end of body",
  spec: controllerSpec,
  async connect(_spec, context) {
    context.signal.throwIfAborted();
    const { apiAnswer } = await import("./_api_answer.ts");
    return apiAnswer(context);
  },
};
