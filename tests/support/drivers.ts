/** The two drivers, for tests that run on both. */
import type { Driver } from "../../lib/driver.ts";
import { openNativeDriver } from "../../lib/native/driver.ts";
import { openPortableDriver } from "../../lib/portable/driver.ts";
import type { Context } from "../../lib/protocol.ts";
import { testContext } from "./fake_driver.ts";

export type DriverName = Driver["name"];

export const driverNames: readonly DriverName[] = Deno.build.os === "linux" ? ["native", "portable"] : ["portable"];

/** A driver of the test's own, to be closed by it. */
export async function openDriver(which: DriverName): Promise<Driver> {
  return which === "native" ? openNativeDriver() : await openPortableDriver();
}

export interface Bench {
  readonly driver: Driver;
  readonly context: Context & { readonly lines: string[] };
  /** A folder of the test's own. */
  readonly folder: string;
}

interface DriverTestOptions {
  /** Why a driver cannot do it; the test is then shown as ignored. */
  readonly skip?: Partial<Readonly<Record<DriverName, string>>>;
}

/** Registers the test once for each driver; what the driver still holds afterwards is closed. */
export function driverTest(name: string, run: (bench: Bench) => Promise<void>, { skip = {} }: DriverTestOptions = {}) {
  for (const which of driverNames) {
    const reason = skip[which];
    Deno.test({
      name: `${name} (${which}${reason ? `: ${reason}` : ""})`,
      ignore: reason !== undefined,
      async fn() {
        const driver = await openDriver(which);
        const folder = await Deno.makeTempDir({ prefix: "l7mp-" });
        try {
          await run({ driver, context: testContext(driver), folder });
        } finally {
          await driver.close();
          await Deno.remove(folder, { recursive: true });
        }
      },
    });
  }
}
