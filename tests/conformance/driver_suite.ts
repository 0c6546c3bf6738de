/** The contract of `Driver`, run by every driver. Traffic stays on the loopback interface. */
import type { Driver } from "../../lib/driver.ts";
import { noIpv6 } from "../support/machine.ts";
import { datagramTests } from "./driver_datagrams.ts";
import { openingTests } from "./driver_openings.ts";
import type { DriverSuiteOptions } from "./driver_scene.ts";
import { streamTests } from "./driver_streams.ts";
import { systemTests } from "./driver_system.ts";

/** Those that need more of IPv6 than its types. */
const ofIpv6: readonly string[] = [
  "TCP works over IPv6",
  "an IPv6 listener and receiver take IPv4 too when told so",
  "an IPv6 receiver takes no IPv4 when told so",
  "UDP works over IPv6",
  "UDP hears its peer however that is spelled",
  "UDP joins a multicast group on an interface by its name",
];

const tests = { ...streamTests, ...openingTests, ...datagramTests, ...systemTests };

/** Registers one test per promise of the contract. */
export function driverSuite(name: string, open: () => Promise<Driver>, options: DriverSuiteOptions): void {
  for (const [test, run] of Object.entries(tests)) {
    const reason = options.skips?.find(([skipped]) => skipped === test)?.[1] ??
      (ofIpv6.includes(test) ? noIpv6 : undefined);
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
  const skipped = [...ofIpv6, ...options.skips?.map(([test]) => test) ?? []];
  const unknown = skipped.filter((test) => !(test in tests));
  if (unknown.length > 0) throw new TypeError(`no such test to skip: ${unknown.join(", ")}`);
}
