// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectError, LimitError, ProtocolError, StreamError } from "../lib/errors.ts";
import { bytePair } from "../lib/stream/memory.ts";
import { oneByte } from "../tests/support/one_byte.ts";
import { bytesOf, readBytes, textOf } from "../tests/support/streams.ts";
import { converse, type Dialogue } from "./_dialogue.ts";

/** Says hello, wants a line of `name`, answers it, and wants `ok`. */
class Greeting implements Dialogue<string> {
  #text = "";
  #name: string | undefined;

  begin = () => bytesOf("hello\n");
  push(chunk: Uint8Array): void {
    this.#text += textOf(chunk);
  }
  next() {
    if (this.#text.startsWith("!")) throw new ProtocolError("no name begins so", { code: "BANG" });
    if (this.#text.startsWith("?")) throw new LimitError("too much");
    const [line, rest] = [/^(.*)\n([^]*)$/.exec(this.#text)?.[1], /^.*\n([^]*)$/.exec(this.#text)?.[1]];
    if (line === undefined || rest === undefined) return null;
    this.#text = rest;
    if (this.#name !== undefined) return { result: this.#name, rest: bytesOf(this.#text) };
    this.#name = line;
    return { send: bytesOf(`hello ${line}\n`) };
  }
}

const options = { name: "greeter x", limitMs: 10_000, awaited: "answer" };
const never = new AbortController().signal;

Deno.test("converse() leads a dialogue to its result, whatever the pieces", async () => {
  for (const cut of [false, true]) {
    const [near, far] = bytePair();
    const talking = converse(cut ? oneByte(near) : near, new Greeting(), { ...options, signal: never });
    assertEquals(textOf(await readBytes(far, 6)), "hello\n");
    await far.write(bytesOf("world\n"));
    assertEquals(textOf(await readBytes(far, 12)), "hello world\n");
    await far.write(bytesOf("ok\nmore"));
    const { result, rest } = await talking;
    assertEquals([result, cut ? "more" : textOf(rest)], ["world", "more"]);
    for (const stream of [near, far]) stream.abort();
  }
});

Deno.test("converse() goes on by itself where both answers came at once", async () => {
  const [near, far] = bytePair();
  await far.write(bytesOf("world\nok\nmore"));
  const { result, rest } = await converse(near, new Greeting(), { ...options, signal: never });
  assertEquals([result, textOf(rest)], ["world", "more"]);
  for (const stream of [near, far]) stream.abort();
});

for (
  const [what, play, kind, message] of [
    ["a fault of the peer", "!\n", ProtocolError, "greeter x: no name begins so"],
    ["a bound", "?\n", LimitError, "greeter x: too much"],
    ["an end in the middle", null, ConnectError, "greeter x: connection closed before the answer was complete"],
    [
      "a lost connection",
      new StreamError("power failure"),
      ConnectError,
      "greeter x: read(memory): Connection reset by peer",
    ],
  ] as const
) {
  Deno.test(`converse() tells ${what} under its name, and lets go of the stream`, async () => {
    const [near, far] = bytePair();
    const talking = converse(near, new Greeting(), { ...options, signal: never });
    talking.catch(() => {});
    if (play === null) await far.closeWrite();
    else if (typeof play === "string") await far.write(bytesOf(play));
    else far.abort(play);
    const error = await assertRejects(() => talking) as ConnectError;
    assert(error instanceof kind, String(error));
    assertEquals(error.message, message);
    if (kind === ConnectError) assert(error.retryable, "trying again may help");
    await assertRejects(() => near.read(), StreamError);
    far.abort();
  });
}

Deno.test("converse() gives up after its limit, also where single bytes come", async () => {
  const [near, far] = bytePair();
  const talking = converse(near, new Greeting(), { ...options, limitMs: 30, signal: never });
  const sending = setInterval(() => far.write(bytesOf("x")).catch(() => {}), 5);
  const error = await assertRejects(() => talking, ConnectError) as ConnectError;
  clearInterval(sending);
  assertEquals([error.message, error.code], ["greeter x: no complete answer within 0.03 s", "ETIMEDOUT"]);
  far.abort();
});

Deno.test("converse() rejects with the signal's reason, before and within", async () => {
  for (const before of [true, false]) {
    const [near, far] = bytePair();
    const stop = new AbortController();
    const reason = new StreamError("stopping");
    if (before) stop.abort(reason);
    const talking = converse(near, new Greeting(), { ...options, signal: stop.signal });
    talking.catch(() => {});
    stop.abort(reason);
    assertEquals(await assertRejects(() => talking), reason);
    await assertRejects(() => near.read(), StreamError);
    far.abort();
  }
});
