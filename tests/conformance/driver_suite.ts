/** The contract of `Driver`, run by every driver. Traffic stays on the loopback interface. */
import type { Driver } from "../../lib/driver.ts";
import { datagramTests } from "./driver_datagrams.ts";
import { openingTests } from "./driver_openings.ts";
import type { DriverSuiteOptions } from "./driver_scene.ts";
import { streamTests } from "./driver_streams.ts";
import { systemTests } from "./driver_system.ts";

const tests = { ...streamTests, ...openingTests, ...datagramTests, ...systemTests };

/** Registers one test per promise of the contract. */
export function driverSuite(name: string, open: () => Promise<Driver>, options: DriverSuiteOptions): void {
  for (const [test, run] of Object.entries(tests)) {
    const reason = options.skips?.find(([skipped]) => skipped === test)?.[1];
    Deno.test({
      name: `driver ${name}: ${test}${reason ? ` (${reason})` : ""}`,
      ignore: reason !== undefined,
      async fn() {
        const driver = await open();
        const folder = await Deno.makeTempDir({ prefix: "l7mp-driver-" });
        const releases: (() => void)[] = [];
        try {
          await run({ driver, folder, defer: (release) => releases.push(release) }, options);
        } finally {
          for (const release of releases.reverse()) release();
          await driver.close();
          await Deno.remove(folder, { recursive: true });
        }
      },
    });
  }
  const unknown = options.skips?.filter(([test]) => !(test in tests)) ?? [];
  if (unknown.length > 0) throw new TypeError(`no such test to skip: ${unknown.map(([test]) => test).join(", ")}`);
}
