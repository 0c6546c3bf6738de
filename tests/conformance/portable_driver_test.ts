import { openPortableDriver } from "../../lib/portable/driver.ts";
import { driverSuite } from "./driver_suite.ts";

driverSuite("portable", async () => openPortableDriver(), {
  module: { specifier: new URL("../../lib/portable/driver.ts", import.meta.url), open: "openPortableDriver" },
  idleSessionBytes: 32 * 1024,
  skips: [
    ["UDP refuses a broadcast address without the option", "the runtime allows it on every socket"],
    [
      "UDP tells the reader of a refusal that its sender came upon first",
      "the runtime cannot connect a datagram socket, and drops the system's ICMP errors",
    ],
    [
      "abort with a reason resets a TCP peer",
      "Deno.Conn has no reset: close() always shuts down first, so the peer sees an end",
    ],
    [
      "UDP tells a connected socket that nobody listens",
      "the runtime cannot connect a datagram socket, and drops the system's ICMP errors",
    ],
  ],
});
