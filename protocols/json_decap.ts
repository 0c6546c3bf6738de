/** JSONDECAP: the inverse of JSONENCAP. */
import type { Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { decapStep, encapStep } from "./_json_codec.ts";

const spec = s.object({});

export const jsonDecap: Transform<s.SpecOf<typeof spec>> = {
  name: "JSONDecap",
  types: [{
    names: ["JSONDECAP"],
    role: "local",
    parameters: { form: "none" },
    help: "Unwrap the payload of each JSON message; wrap what goes back",
  }],
  needs: "datagram",
  gives: "same",
  spec,
  forward: (_spec, context) => decapStep(context),
  backward: (_spec, context) => encapStep(context),
};
