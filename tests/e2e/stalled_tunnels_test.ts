// A fast sender offers 1 GiB to a consumer that reads nothing: what both ends of a tunnel hold, over every carrier.

// @ts-types="../deno_std.d.ts"
import { assert, assertLess } from "@std/assert";
import { type Carrier, carriers } from "./carriers.ts";
import { l7mp, Run } from "./harness.ts";
import { type Direction, measureStall, stackedCarriers } from "./stalled_tunnels.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";

const stallMs = 5000;
const mebibyte = 2 ** 20;
/** Resident memory at its peak, with garbage that nobody has asked for yet. */
const mostGrowth = 16 * mebibyte;
/** What the kernel's buffers take at the most on three connections, compression aside. */
const mostTaken = 128 * mebibyte;

async function stall(carrier: Carrier, direction: Direction): Promise<void> {
  await using run = await Run.begin(l7mp);
  const { taken, entry, exit } = await measureStall(run, carrier, direction, stallMs);
  const which = `${carrier.name} ${direction}: ${taken} taken, ${JSON.stringify({ entry, exit })}`;
  assert(taken > 0, which);
  if (!carrier.name.startsWith("compressed")) assertLess(taken, mostTaken, which);
  for (const { peakGrowth } of [entry, exit]) assertLess(peakGrowth, mostGrowth, which);
}

const certificates = makeCertificates();
const all = certificates ? stackedCarriers(carriers(certificates)) : [];
// Several at once, for most of it is waiting.
for (let i = 0; i < all.length; i += 3) {
  const some = all.slice(i, i + 3);
  Deno.test(`memory while a consumer reads nothing: ${some.map(({ name }) => name).join(", ")}`, async () => {
    const all = await Promise.allSettled(some.flatMap((carrier) => [stall(carrier, "up"), stall(carrier, "down")]));
    for (const one of all) if (one.status === "rejected") throw one.reason;
  });
}

if (!certificates) Deno.test({ name: `memory over layers (skipped: ${noOpenssl})`, ignore: !certificates, fn() {} });
