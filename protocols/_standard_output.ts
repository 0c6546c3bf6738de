/** Standard output as several addresses of one session share it (`STDIO`, `TEXT`, the writing half of a dual address). */
import type { Driver } from "../lib/driver.ts";
import type { Context } from "../lib/protocol.ts";

/** How many write to the process's one standard output, for as long as their driver lives. */
const writers = new WeakMap<Driver, number>();

export interface OutputWriter {
  /** Writes part of `bytes` and tells how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Has no more to write: the last of all to say so ends standard output for its reader, where no session follows. */
  end(): void;
  /** Is gone, however it ended; may follow `end`. */
  leave(): void;
}

/** One more that writes to standard output, from now until `end` or `leave`. */
export function standardOutput({ driver, onlySession = false }: Context): OutputWriter {
  writers.set(driver, (writers.get(driver) ?? 0) + 1);
  let writes = true;
  const leave = () => {
    if (writes) writers.set(driver, writers.get(driver)! - 1);
    writes = false;
  };
  return {
    write: (bytes) => Deno.stdout.write(bytes),
    end() {
      leave();
      if (onlySession && writers.get(driver) === 0) driver.closeStdout();
    },
    leave,
  };
}
