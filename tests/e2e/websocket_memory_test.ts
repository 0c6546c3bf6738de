// A fast sender offers 1 GiB to a consumer that reads nothing: what a relay between WebSocket and TCP holds meanwhile.

// @ts-types="../deno_std.d.ts"
import { assert, assertLess } from "@std/assert";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";
import { acceptance } from "./harness.ts";
import { measureStall, stalls } from "./stalled_consumer.ts";

const certificates = makeCertificates();
const stallMs = 5000;
const mostGrowth = 16 * 2 ** 20;
/** What the kernel's buffers and ours take at the most. */
const mostTaken = 64 * 2 ** 20;

for (const transport of ["ws", "wss", "ws+unix"] as const) {
  acceptance("memory", `${transport} holds back a sender whose consumer reads nothing`, async (run) => {
    const results = await Promise.all(
      stalls(transport).map((stall) => measureStall(run, stall, certificates!, stallMs)),
    );
    for (const { role, sender, taken, growth, peakGrowth } of results) {
      const which = `${transport} ${role}, ${sender} sends: ${growth} bytes held, at most ${peakGrowth}`;
      assert(taken > 0, which);
      assertLess(taken, mostTaken, which);
      assertLess(growth, mostGrowth, which);
      assertLess(peakGrowth, mostGrowth, which);
    }
  }, { skip: certificates === undefined ? noOpenssl : undefined });
}
