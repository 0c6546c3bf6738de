// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectError, type L7mpError, LimitError, StreamError } from "../../lib/errors.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import { testContext } from "../../tests/support/context.ts";
import { bytesOf, readAll, receiveSome, textOf } from "../../tests/support/streams.ts";
import { openPair } from "./_test_pair.ts";
import { WebSocketClosedError } from "./stream.ts";
import { ws } from "./ws.ts";

/** A caller of ours and our listener's side of it; what the caller is told when the session ends with `error`. */
async function toldBy(error: L7mpError, side: "client" | "server" = "server"): Promise<unknown> {
  const { client, server } = await openPair();
  const [ends, learns] = side === "server" ? [server, client] : [client, server];
  const receiving = learns.receive().catch((error) => error);
  ends.abort(error);
  const told = await receiving;
  learns.abort(told ?? undefined);
  return told;
}

for (
  const [what, error, code, reason] of [
    ["that is denied", new ConnectError("not you", { status: 403 }), 1008, "not you"],
    ["whose words are long", new ConnectError("é".repeat(100), { status: 429 }), 1008, `${"é".repeat(60)}...`],
    [
      "whose upstream fails",
      new StreamError("read(AF=2 10.0.0.1:80): Connection reset by peer", { code: "ECONNRESET" }),
      1011,
      "the other side of the session has failed",
    ],
    ["beyond a limit", new LimitError("too much", { status: 503 }), 1011, "the other side of the session has failed"],
  ] as const
) {
  Deno.test(`i-32: a session ${what} after it began closes with code ${code}`, async () => {
    const told = await toldBy(error);
    assertInstanceOf(told, WebSocketClosedError);
    assertEquals([told.closeCode, told.closeReason], [code, reason]);
  });
}
Deno.test("a session that fails after its caller has ended does not look like the end of the answer", async () => {
  for (const failure of [new StreamError("reset"), new StreamError("ended from outside", { code: "STOPPED" })]) {
    const { client, server } = await openPair();
    await client.send([{ data: bytesOf("question") }]);
    await client.closeWrite();
    assertEquals((await receiveSome(server, 2)).map(textOf), ["question"]);
    await server.send([{ data: bytesOf("half an answ") }]);
    server.abort(failure);
    assertEquals((await receiveSome(client, 1)).map(textOf), ["half an answ"]);
    const told = await client.receive().catch((error) => error);
    const code = told instanceof WebSocketClosedError ? told.closeCode : client.ending?.code;
    assertEquals(code, failure.code === "STOPPED" ? 1001 : 1011);
    client.abort();
  }
});
for (const side of ["client", "server"] as const) {
  for (const code of ["STOPPED", "DELETED"]) {
    Deno.test(`i-32: a session that ends with ${code} closes with code 1001, an ordinary end, on its ${side} side`, async () => {
      assertEquals(await toldBy(new StreamError("ended from outside", { code }), side), null);
    });
  }
}
Deno.test("a server learns of a failed session by the loss of its connection", async () => {
  const told = await toldBy(new StreamError("reset"), "client");
  assertInstanceOf(told, WebSocketClosedError);
  assertEquals(told.closeCode, 1006);
});

Deno.test("i-32: a caller that is denied before it is accepted gets the status and the words of the denial", async () => {
  const [a, b] = bytePair();
  const spec = ws.spec.parse({ address: "h", port: 80 }, "");
  const connecting = ws.client!(a, spec, testContext());
  const refused = assertRejects(() => connecting, ConnectError, "server answered 403 Forbidden instead of 101");
  const incoming = await ws.server!(b, spec, testContext());
  await incoming.reject(new ConnectError("not you", { status: 403 }));
  await refused;
  const [caller, lower] = bytePair();
  const request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  await caller.write(new TextEncoder().encode(request));
  const rejecting = (await ws.server!(lower, spec, testContext())).reject(new ConnectError("not you", { status: 403 }));
  await caller.closeWrite();
  const answer = textOf(await readAll(caller));
  await rejecting;
  assertEquals(answer.split("\r\n\r\n")[1], "403 Forbidden: not you\n");
});
