/** A descriptor that the process was started with. */
import { ConfigError } from "../lib/errors.ts";
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const fdSpec = s.object({ fd: s.integer({ min: 0, max: 2 ** 31 - 1, help: "Number of the descriptor" }) });

/** Whatever is open at `fd`: its kind is told by the descriptor. 0, 1 and 2 stay open afterwards. */
export const fd: Protocol<s.SpecOf<typeof fdSpec>> = {
  name: "FD",
  types: [{
    names: ["FD", "OPEN-FD", "ASYNC-FD"],
    role: "local",
    parameters: { form: "number", key: "fd", label: "num" },
    help: "A descriptor inherited from the parent",
  }],
  kind: "either",
  end: "half",
  spec: fdSpec,
  check(spec) {
    if (spec.fd === undefined) throw new ConfigError("FD: wrong number of parameters (0 instead of 1): usage FD:<num>");
  },
  async connect(spec, { signal, driver, direction }) {
    signal.throwIfAborted();
    const number = spec.fd!;
    return driver.adoptDescriptor(number, { name: `FD ${number}`, direction, keepOpen: number <= 2 });
  },
};
