/** A descriptor that the process was started with. */
import { ConfigError, ConnectError, L7mpError } from "../lib/errors.ts";
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const fdSpec = s.object({ fd: s.integer({ min: 0, max: 2 ** 31 - 1, help: "Number of the descriptor" }) });

/** A larger number that is not open was most likely not meant for a descriptor. */
const mostInherited = 255;

/**
 * Whatever is open at `fd`: its kind is told by the descriptor. It stays open afterwards where a later session may use
 * it, and for 0, 1 and 2.
 */
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
  prepare(spec, { driver, direction }) {
    const fd = spec.fd!;
    try {
      driver.descriptorKind(fd);
    } catch (error) {
      if (!(error instanceof L7mpError) || error.code !== "EBADF") throw error;
      const advice = fd <= mostInherited
        ? `it must be open when the program starts, as by ${fd}<FILE in a shell`
        : `no such descriptor was open when the program started; a port is written TCP:HOST:${fd} or TCP-LISTEN:${fd}`;
      const text = `Bad file descriptor; ${advice}`;
      throw new ConnectError(text, { code: error.code, retryable: false, cause: error });
    }
    const access = driver.descriptorAccess(fd);
    if (access === "both" || direction === "both" || access === direction) return;
    const [use, opened, sign] = direction === "write" ? ["writing", "reading", ">"] : ["reading", "writing", "<"];
    const text =
      `cannot be used for ${use}: it was opened for ${opened} only; open it as by ${fd}${sign}FILE in a shell`;
    throw new ConnectError(text, { code: "EBADF", retryable: false });
  },
  async connect(spec, { signal, driver, direction, onlySession }) {
    signal.throwIfAborted();
    const number = spec.fd!;
    const options = { name: `FD ${number}`, direction, keepOpen: number <= 2 || !onlySession, shared: !onlySession };
    return driver.adoptDescriptor(number, options);
  },
};
