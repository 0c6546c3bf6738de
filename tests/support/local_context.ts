/** A context for plug-ins that never ask their driver for a socket. */
import type { Driver } from "../../lib/driver.ts";
import { ConnectError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { fakeDriver, testContext } from "./fake_driver.ts";

export interface LocalContext extends Context {
  /** What was logged, one line each: level letter and text. */
  readonly lines: readonly string[];
}

/** A driver that makes named pipes with the system's own command; every other call fails the test. */
function localDriver(): Driver {
  return {
    ...fakeDriver(),
    mkfifo(path, mode) {
      const { success } = new Deno.Command("mkfifo", { args: ["-m", (mode & ~Deno.umask()).toString(8), path] })
        .outputSync();
      if (!success) throw new ConnectError(`mkfifo("${path}"): File exists`, { code: "EEXIST" });
    },
  };
}

export function localContext(changes: Partial<Context> = {}): LocalContext {
  return testContext(localDriver(), changes);
}
