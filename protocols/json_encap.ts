/** JSONENCAP: each message becomes a JSON object with the session's metadata and the message in base64. */
import type { Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { decapStep, encapStep } from "./_json_codec.ts";

const spec = s.object({});

export const jsonEncap: Transform<s.SpecOf<typeof spec>> = {
  name: "JSONEncap",
  types: [{
    names: ["JSONENCAP"],
    role: "local",
    parameters: { form: "none" },
    help: "Wrap each message in JSON with the session's metadata; unwrap what comes back",
  }],
  needs: "datagram",
  gives: "same",
  spec,
  forward: (_spec, context) => encapStep(context),
  backward: (_spec, context) => decapStep(context),
};
