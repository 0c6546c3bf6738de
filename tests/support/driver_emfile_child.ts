/**
 * Runs out of descriptors on purpose, under a lowered limit: `accept` must reject with `EMFILE`, again and again, and
 * serve the waiting caller once there is room. Arguments: module and export that open the driver. Prints `ok`.
 */
import type { Driver } from "../../lib/driver.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";

const [specifier, open] = Deno.args;
const driver: Driver = await (await import(specifier!))[open!]();
const never = new AbortController().signal;
const listener = await driver.listenStream({ family: "inet", host: "127.0.0.1", port: 0 }, { backlog: 511 });

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;
const clients: ByteStream[] = [];
let code: unknown;
while (code === undefined) {
  await driver.connectStream(listener.local, {}, never).then((c) => clients.push(c), (error) => code = codeOf(error));
}
const codes: unknown[] = [code];
for (let i = 0; i < 3; i++) codes.push(await listener.accept().then(() => "accepted", codeOf));

for (const client of clients.splice(0, 5)) client.abort(new Error("make room"));
const stream = await listener.accept();
stream?.abort();
listener.close();
for (const client of clients) client.abort();
driver.close();
console.log(codes.every((code) => code === "EMFILE") && stream ? "ok" : `codes ${codes.join()}, stream ${stream}`);
