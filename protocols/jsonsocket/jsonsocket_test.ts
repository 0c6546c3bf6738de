// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectError, L7mpError, ProtocolError } from "../../lib/errors.ts";
import { bytePair, datagramPair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream, Stream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { oneByte } from "../../tests/support/one_byte.ts";
import { bytesOf, textOf } from "../../tests/support/streams.ts";
import { jsonSocket } from "./jsonsocket.ts";

const specOf = (spec: Record<string, unknown> = {}) => jsonSocket.spec.parse(spec, "");

function client(lower: Stream, spec: Record<string, unknown> = {}, changes = {}) {
  return jsonSocket.client!(lower, specOf(spec), testContext(changes));
}
function server(lower: Stream, spec: Record<string, unknown> = {}, changes = {}) {
  return jsonSocket.server!(lower, specOf(spec), testContext(changes));
}

async function say(stream: Stream, ...texts: string[]): Promise<void> {
  if (stream.kind === "byte") { for (const text of texts) await stream.write(bytesOf(text)); }
  else await stream.send(texts.map((text) => ({ data: bytesOf(text) })));
}

/** What comes next, as text. */
async function heard(stream: Stream): Promise<string | null> {
  if (stream.kind === "byte") {
    const data = await stream.read();
    return data && textOf(data);
  }
  const batch = await stream.receive();
  return batch && batch.map(({ data }) => textOf(data)).join("|");
}

const ok = JSON.stringify({ JSONSocketVersion: 1, JSONSocketStatus: 200 });
const request = JSON.stringify({ JSONSocketVersion: 1, user: { name: "u" } });
const pairs = { datagram: datagramPair, byte: bytePair } as const;

for (const kind of ["datagram", "byte"] as const) {
  const pair = (): [Stream, Stream] => pairs[kind]();

  Deno.test(`JSONSocket over ${kind} streams: client and server meet, and payload flows both ways`, async () => {
    const [near, far] = pair();
    const metadata = { user: "u" };
    const connecting = client(near, { header: [{ path: { from: "/user", to: "/who" } }] }, { metadata });
    const incoming = await server(far);
    assertEquals(incoming.info.facts?.jsonsocket, { who: "u", JSONSocketVersion: 1 });
    const ours = await incoming.accept(new AbortController().signal);
    const theirs = await connecting;
    assertEquals(theirs.info.facts?.jsonsocket, {
      JSONSocketVersion: 1,
      JSONSocketStatus: 200,
      JSONSocketMessage: "OK",
    });
    await say(theirs, "ping");
    assertEquals(await heard(ours), "ping");
    await say(ours, "pong");
    assertEquals(await heard(theirs), "pong");
    ours.abort();
    theirs.abort();
  });

  Deno.test(`i-38: JSONSocket over ${kind} streams loses nothing that comes with or after a header`, async () => {
    const [near, far] = pair();
    await say(near, request, "one", "two");
    const incoming = await server(far);
    await say(near, "three");
    const ours = await incoming.accept(new AbortController().signal);
    assertEquals(await heard(near), JSON.stringify({ ...JSON.parse(ok), JSONSocketMessage: "OK" }));
    let all = "";
    while (!all.endsWith("three")) all += await heard(ours);
    assertEquals(all.replaceAll("|", ""), "onetwothree");
    ours.abort();
    near.abort();

    const [here, there] = pair();
    await say(there, ok, "one", "two");
    const theirs = await client(here);
    assertEquals((await heard(theirs))!.replaceAll("|", ""), "onetwo");
    await say(there, "three");
    assertEquals(await heard(theirs), "three");
    theirs.abort();
    there.abort();
  });

  Deno.test(`i-37: a JSONSocket client over ${kind} streams takes nothing but a 2xx`, async () => {
    const answers: [string, string][] = [
      ["dummy", "the header is no JSON object"],
      ['{"JSONSocketVersion":1,"Status":200}', "the response has no JSONSocketStatus"],
      [
        '{"JSONSocketVersion":1,"JSONSocketStatus":404,"JSONSocketMessage":"no route"}',
        'JSONSocketStatus 404: "no route"',
      ],
      ['{"JSONSocketVersion":2,"JSONSocketStatus":200}', "JSONSocketVersion 2"],
    ];
    for (const [answer, message] of answers) {
      const [near, far] = pair();
      await say(far, answer);
      const error = await assertRejects(() => client(near), ConnectError, message);
      assert(error.message.startsWith("jsonsocket memory: "), error.message);
      assert(error.retryable);
      // The transport is closed: the request, and then the end.
      assertEquals(JSON.parse((await heard(far))!), { JSONSocketVersion: 1 });
      assertEquals(await heard(far), null);
      far.abort();
    }
  });

  Deno.test(`JSONSocket over ${kind} streams: a client waits no longer than its limit, and not after an abort`, async () => {
    const [near, far] = pair();
    const late = await assertRejects(() => client(near, { handshake_timeout: 20 }), ConnectError);
    assertEquals(late.message, "jsonsocket memory: no complete header within 0.02 s (handshake-timeout)");
    assertEquals([late.code, late.retryable], ["ETIMEDOUT", true]);
    far.abort();

    const [here, there] = pair();
    const abort = new AbortController();
    const connecting = client(here, {}, { signal: abort.signal });
    const reason = new ConnectError("out of time");
    abort.abort(reason);
    assertStrictEquals(await connecting.catch((error) => error), reason);
    there.abort();
  });

  Deno.test(`JSONSocket over ${kind} streams: a server refuses bad requests with 400 and 505`, async () => {
    const requests: [string, number][] = [
      ["dummy", 400],
      ['{"a":1}', 400],
      ['{"JSONSocketVersion":"a"}', 400],
      ['{"JSONSocketVersion":0.4}', 400],
      [`{"a":${"[".repeat(200)}`, 400],
      ['{"JSONSocketVersion":2}', 505],
      ['{"JSONSocketVersion":0}', 505],
    ];
    for (const [sent, status] of requests) {
      const [near, far] = pair();
      await say(near, sent);
      const error = await assertRejects(() => server(far), ProtocolError, `answered ${status}: `);
      assertEquals(error.level, "warn");
      const answer = JSON.parse((await heard(near))!);
      assertEquals([answer.JSONSocketVersion, answer.JSONSocketStatus], [1, status]);
      assertEquals(error.message.endsWith(answer.JSONSocketMessage), true, answer.JSONSocketMessage);
      assertEquals(await heard(near), null);
      near.abort();
    }
  });

  Deno.test(`JSONSocket over ${kind} streams: a server waits no longer than its limit`, async () => {
    const [near, far] = pair();
    if (near.kind === "byte") await say(near, '{"JSON');
    await assertRejects(() => server(far, { handshake_timeout: 20 }), ConnectError, "no complete header within 0.02 s");
    near.abort();
  });

  Deno.test(`JSONSocket over ${kind} streams: a caller hears why it is not served, and no more`, async () => {
    const faults: [L7mpError, number, string][] = [
      [new ConnectError("no rule fits", { status: 404 }), 404, "no rule fits"],
      [new ConnectError("connect(10.0.0.9:80): refused"), 502, "the server behind this one cannot be reached"],
      [new ConnectError("late", { code: "ETIMEDOUT" }), 504, "the server behind this one does not answer in time"],
    ];
    for (const [error, status, message] of faults) {
      const [near, far] = pair();
      await say(near, request);
      await (await server(far)).reject(error);
      const answer = JSON.parse((await heard(near))!);
      assertEquals(answer, { JSONSocketVersion: 1, JSONSocketStatus: status, JSONSocketMessage: message });
      assertEquals(await heard(near), null);
      near.abort();
    }
  });
}

Deno.test("JSONSocket finds the end of its headers in streams of single bytes", async () => {
  const [near, far] = bytePair();
  const connecting = client(oneByte(near), { header: [{ set: { key: "/t", value: '}{"\\é' } }] });
  const incoming = await server(oneByte(far));
  assertEquals(incoming.info.facts?.jsonsocket, { t: '}{"\\é', JSONSocketVersion: 1 });
  const ours = await incoming.accept(new AbortController().signal) as ByteStream;
  const theirs = await connecting as ByteStream;
  await ours.write(bytesOf("{"));
  assertEquals(await heard(theirs), "{");
  ours.abort();
  theirs.abort();
});

Deno.test("JSONSocket headers are text where messages have a type, and payload keeps its own", async () => {
  const [near, far] = datagramPair();
  const connecting = client(near);
  const [first] = (await far.receive())!;
  assertEquals(first!.meta, { type: "text" });
  await far.send([{ data: bytesOf(ok), meta: { type: "text" } }, { data: bytesOf("x"), meta: { type: "binary" } }]);
  const stream = await connecting as DatagramStream;
  assertEquals((await stream.receive())![0]!.meta, { type: "binary" });
  stream.abort();
  far.abort();
});

Deno.test("JSONSocket knows the addresses, and whose they are, of what lies below", async () => {
  const local = { family: "inet", host: "127.0.0.1", port: 1 } as const;
  const remote = { family: "inet", host: "127.0.0.1", port: 2 } as const;
  const [near, far] = datagramPair({ info: { protocol: "UDP", name: "udp", local, remote } });
  await say(near, request);
  const { info } = await server(far);
  assertEquals({ ...info, facts: undefined }, {
    protocol: "JSONSocket",
    name: "jsonsocket from AF=2 127.0.0.1:2",
    local,
    remote,
    halfCloses: undefined,
    facts: undefined,
  });
  assertEquals(info.facts?.transport, "UDP");
  near.abort();
  far.abort();
});

Deno.test("JSONSocket refuses a header on a listener, and no time at all", () => {
  const check = (spec: Record<string, unknown>, role: "listen" | "connect") => {
    try {
      jsonSocket.check!(specOf(spec), { role, direction: "both" });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  assertEquals(check({ header: [] }, "listen"), 'JSONSOCKET-LISTEN: option "header" is for clients');
  assertEquals(check({ handshake_timeout: 0 }, "connect"), "JSONSOCKET: a handshake-timeout of 0 leaves no time");
  assertEquals(check({ header: [] }, "connect"), undefined);
});
