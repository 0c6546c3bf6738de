// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { ConnectError, ProtocolError } from "../lib/errors.ts";
import { bytePair } from "../lib/stream/memory.ts";
import type { SocketAddress, StreamInfo } from "../lib/stream/stream.ts";
import { testContext } from "../tests/support/context.ts";
import { bytesOf, readAll, textOf } from "../tests/support/streams.ts";
import { encodeProxyHeader } from "./_proxy_protocol_codec.ts";
import { proxyProtocol } from "./proxy_protocol.ts";

const inet = (host: string, port: number): SocketAddress => ({ family: "inet", host, port });
const own = { local: inet("127.0.0.1", 80), remote: inet("127.0.0.1", 5000) };
const told = { source: inet("192.0.2.1", 1), destination: inet("192.0.2.2", 2) };

/** A caller that says `first`, and what becomes of it. */
async function called(first: Uint8Array, required: boolean, end = true) {
  const [near, far] = bytePair({ info: { ...own, facts: { mark: 1 } } });
  await far.write(first);
  if (end) await far.closeWrite();
  return { far, serving: proxyProtocol.server!(near, proxyProtocol.spec.parse({ required }, ""), testContext()) };
}

Deno.test("PROXYPROTO gives the caller the addresses of the header, before and after accept", async () => {
  const header = encodeProxyHeader(2, told);
  const { far, serving } = await called(new Uint8Array([...header, ...bytesOf("hello")]), true);
  const incoming = await serving;
  const wanted: Partial<StreamInfo> = { remote: told.source, local: told.destination };
  const stream = await incoming.accept(new AbortController().signal);
  for (const { remote, local, facts } of [incoming.info, stream.info]) {
    assertEquals({ remote, local }, wanted);
    assertEquals(facts!.mark, 1);
    assertEquals((facts!.proxyProtocol as { version: number }).version, 2);
  }
  assertEquals(stream.kind === "byte" && textOf(await readAll(stream)), "hello");
  stream.abort();
  far.abort();
});

for (const [what, first] of [["says nothing of addresses", "PROXY UNKNOWN\r\nx"], ["is not there", "x"]] as const) {
  Deno.test(`PROXYPROTO leaves the caller's own addresses where the header ${what}`, async () => {
    const { far, serving } = await called(bytesOf(first), false);
    const { info, reject } = await serving;
    assertEquals({ remote: info.remote, local: info.local }, own);
    await reject(new ConnectError("not today"));
    far.abort();
  });
}

for (
  const [what, first, message] of [
    ["a missing header", "GET / HTTP/1.1\r\n", "the connection does not begin with a PROXY header"],
    ["a malformed header", "PROXY TCP4 x y 1 2\r\n", "malformed PROXY header"],
    ["an end within the header", "PROXY TCP4", "connection closed before the PROXY header was complete"],
    ["an end before the header", "", "connection closed before the PROXY header was complete"],
  ] as const
) {
  Deno.test(`PROXYPROTO refuses a caller with ${what}, by name`, async () => {
    const { far, serving } = await called(bytesOf(first), true);
    const error = await assertRejects(() => serving) as Error;
    assertEquals(error instanceof ProtocolError || error instanceof ConnectError, true, String(error));
    assertEquals(error.message.startsWith(`accept-proxy from AF=2 127.0.0.1:5000: ${message}`), true, error.message);
    far.abort();
  });
}

Deno.test("PROXYPROTO sends the first side's addresses, or that there are none", async () => {
  const sent = async (version: 1 | 2, downstream?: StreamInfo) => {
    const [near, far] = bytePair();
    const context = testContext({ downstream });
    const stream = await proxyProtocol.client!(near, proxyProtocol.spec.parse({ version }, ""), context);
    await stream.closeWrite();
    const bytes = await readAll(far);
    far.abort();
    stream.abort();
    return bytes;
  };
  const stdio = { protocol: "Stdio", name: "stdio" };
  const caller = { protocol: "TCP", name: "x", ...own };
  assertEquals(textOf(await sent(1, caller)), "PROXY TCP4 127.0.0.1 127.0.0.1 5000 80\r\n");
  assertEquals(await sent(2, caller), encodeProxyHeader(2, { source: own.remote, destination: own.local }));
  assertEquals(textOf(await sent(1, stdio)), "PROXY UNKNOWN\r\n");
  assertEquals(await sent(2), encodeProxyHeader(2, undefined));
});
