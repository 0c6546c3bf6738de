/**
 * Prints what an idle session costs: growth of resident memory per pair of connected sockets with pending reads, in
 * bytes. Arguments: module and export that open the driver. Needs `--v8-flags=--expose-gc`.
 */
import type { Driver } from "../../lib/driver.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";

const [specifier, open] = Deno.args;
const driver: Driver = await (await import(specifier!))[open!]();
const never = new AbortController().signal;
const listener = await driver.listenStream({ family: "inet", host: "127.0.0.1", port: 0 }, { backlog: 511 });
const streams: ByteStream[] = [];

async function session(): Promise<void> {
  const [near, far] = await Promise.all([driver.connectStream(listener.local, {}, never), listener.accept()]);
  for (const [from, to] of [[near, far!], [far!, near]] as const) {
    streams.push(from);
    await from.write(new Uint8Array(100));
    await to.read();
  }
  for (const stream of [near, far!]) stream.read().catch(() => {});
}

async function residentBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    (globalThis as unknown as { gc(): void }).gc();
  }
  return Deno.memoryUsage().rss;
}

const [warm, count] = [500, 3500];
for (let i = 0; i < warm; i++) await session();
const before = await residentBytes();
for (let i = 0; i < count; i++) await session();
const after = await residentBytes();
for (const stream of streams) stream.abort();
listener.close();
driver.close();
console.log(Math.round((after - before) / count));
