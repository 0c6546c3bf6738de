// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { ConnectError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { StreamInfo } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { textOf } from "../../tests/support/streams.ts";
import { callersHandshake } from "./forwarding.ts";
import { ws } from "./ws.ts";

const headers = {
  host: "outside",
  connection: "keep-alive, Upgrade, X-Hop",
  upgrade: "websocket",
  "x-hop": "1",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13",
  "sec-websocket-extensions": "permessage-deflate",
  "sec-websocket-protocol": "v1, v2",
  cookie: "a=b",
  "x-name": "\xc3\xa9",
};
const HTTP = { method: "GET", url: { path: "/chat?room=1" }, headers };
const downstream: StreamInfo = {
  protocol: "WebSocket",
  name: "caller",
  facts: { method: "GET", path: "/chat?room=1", headers, subprotocol: "v2" },
};

/** The request that our client sends. */
async function sent(settings: Record<string, unknown>, context: Partial<Context>): Promise<string> {
  const [lower, peer] = bytePair();
  const connecting = ws.client!(
    lower,
    ws.spec.parse({ address: "h", port: 80, ...settings }, ""),
    testContext(context),
  );
  const refused = assertRejects(() => connecting, ConnectError);
  const request = textOf((await peer.read())!);
  peer.abort();
  await refused;
  return request.replace(/Sec-WebSocket-Key: .*/, "Sec-WebSocket-Key: X");
}

Deno.test("i-4: callers without a request reach a WebSocket server as before", async () => {
  const asked = await sent({ path: "/p" }, {});
  assertMatch(asked, /^GET \/p HTTP\/1\.1\r\n[^]*Host: h\r\n/);
  for (
    const metadata of [{}, { name: "UDP:1", UDP: {} }, { labels: { HTTP: 1 } }, { HTTP: {} }, { HTTP: { url: {} } }]
  ) {
    assertEquals(await sent({ path: "/p" }, { metadata, downstream: { protocol: "UDP", name: "u" } }), asked);
  }
});
Deno.test("i-31: path, header and subprotocol of the caller are sent once, those of its connection are not", async () => {
  const request = await sent({}, { metadata: { HTTP }, downstream });
  assertMatch(request, /^GET \/chat\?room=1 HTTP\/1\.1\r\n/);
  const lines = request.toLowerCase().split("\r\n").slice(1, -2).sort();
  assertEquals(lines, [
    "connection: upgrade",
    "cookie: a=b",
    "host: h",
    "sec-websocket-key: x",
    "sec-websocket-protocol: v2",
    "sec-websocket-version: 13",
    "upgrade: websocket",
    "x-name: é",
  ]);
});
Deno.test("settings of a WebSocket connector win over what the caller said", async () => {
  const settings = { path: "/base", host: "inside", origin: "http://me", subprotocol: "v9", header: ["COOKIE: c"] };
  const metadata = { HTTP: { ...HTTP, headers: { ...headers, origin: "http://page" } } };
  const request = await sent(settings, { metadata, downstream });
  assertMatch(request, /^GET \/base\/chat\?room=1 HTTP\/1\.1\r\n/);
  for (const line of ["Host: inside", "Origin: http://me", "Sec-WebSocket-Protocol: v9", "COOKIE: c"]) {
    assertEquals(
      request.split("\r\n").filter((one) => one.split(":")[0]!.toLowerCase() === line.split(":")[0]!.toLowerCase()),
      [line],
    );
  }
});
Deno.test("rewritten metadata make the handshake, also for callers of other protocols", () => {
  const metadata = {
    HTTP: { url: { path: "a b", host: "name", port: "81" }, headers: { a: "é" } },
    trace: { traceparent: "00-1" },
  };
  assertEquals(callersHandshake({ metadata }, undefined), {
    path: "/a%20b",
    host: "name:81",
    lines: [["a", "\xc3\xa9"], ["traceparent", "00-1"]],
    subprotocols: [],
  });
});
Deno.test("subprotocols of the metadata are asked for once each, and have to be words", () => {
  const asking = (value: string) => ({ metadata: { HTTP: { headers: { "sec-websocket-protocol": value } } } });
  assertEquals(callersHandshake(asking("v1, v2,, v1"), undefined).subprotocols, ["v1", "v2"]);
  const message = 'ask for the subprotocols "v1, v 2", which are no words';
  assertThrows(() => callersHandshake(asking("v1, v 2"), undefined), ConnectError, message);
});
Deno.test("the bytes of a caller's path are kept", () => {
  const metadata = { HTTP: { url: { path: "/\xc3\xa9" } } };
  const caller = { ...downstream, facts: { ...downstream.facts, path: "/\xc3\xa9" } };
  assertEquals(callersHandshake({ metadata, downstream: caller }, undefined).path, "/%C3%A9");
});
