/** A `Context` for tests of one plug-in. */
import { silentLog } from "../../lib/log.ts";
import type { Context } from "../../lib/protocol.ts";
import type { Driver } from "../../lib/driver.ts";

/** No driver is in it unless given: plug-ins that open sockets need one. */
export function testContext(changes: Partial<Context> = {}): Context {
  return {
    signal: new AbortController().signal,
    log: silentLog(),
    driver: undefined as unknown as Driver,
    direction: "both",
    ipVersion: 4,
    maxMessageBytes: 64 * 2 ** 20,
    program: "l7mp",
    ...changes,
  };
}
