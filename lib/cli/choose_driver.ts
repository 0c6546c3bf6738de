/** Chooses how sockets are opened: `--driver`. Each driver is loaded only when it is the one. */
import type { Driver } from "../driver.ts";
import { ConfigError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";

/**
 * `auto` is libc on Linux where it opens, else the runtime alone. Throws `ConfigError` when `native` was asked for and
 * is not to be had.
 */
export async function chooseDriver(choice: "auto" | "native" | "portable", log: Log): Promise<Driver> {
  if (choice !== "portable") {
    if (Deno.build.os === "linux") {
      try {
        return (await import("../native/driver.ts")).openNativeDriver();
      } catch (error) {
        if (choice === "native") throw new ConfigError(`--driver=native: ${messageOf(error)}`, { cause: error });
        log.info("driver.fallback", `libc is not to be had (${messageOf(error)}); using the runtime's sockets`);
      }
    } else if (choice === "native") {
      throw new ConfigError(`--driver=native: only Linux has it, this is ${Deno.build.os}; leave the option out`);
    }
  }
  return (await import("../portable/driver.ts")).openPortableDriver();
}
