// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { copied, type Copy } from "./copied.ts";
import { dual } from "./dual.ts";
import { bytePair, datagramPair } from "./memory.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A copy that takes a block each time `take` is called. */
class SlowCopy implements Copy {
  readonly taken: string[] = [];
  readonly #waiting: (() => void)[] = [];
  closed = false;

  write(data: Uint8Array): Promise<void> {
    const text = new TextDecoder().decode(data);
    return new Promise((resolve) => this.#waiting.push(() => resolve(void this.taken.push(text))));
  }
  take(): void {
    this.#waiting.shift()!();
  }
  close(): void {
    this.closed = true;
  }
}

Deno.test("copied() writes on only once the copy has the bytes, and reads on meanwhile", async () => {
  const [near, far] = bytePair();
  const copy = new SlowCopy();
  const stream = copied(near, copy);
  await far.write(bytes("answer"));
  let written = false;
  const writing = stream.kind === "byte" && stream.write(bytes("question")).then(() => written = true);
  assertEquals(stream.kind === "byte" && new TextDecoder().decode((await stream.read())!), "answer");
  assertEquals(written, false);
  copy.take();
  await writing;
  assertEquals(copy.taken, ["question"]);
  assertEquals(new TextDecoder().decode((await far.read())!), "question");
  stream.abort();
  assertEquals(copy.closed, true);
});

Deno.test("copied() copies the messages of a batch one after another, before any is sent", async () => {
  const [near, far] = datagramPair();
  const copy = new SlowCopy();
  const stream = copied(near, copy);
  if (stream.kind !== "datagram") throw new TypeError("kind");
  const sending = stream.send([{ data: bytes("a") }, { data: bytes("b") }]);
  copy.take();
  await Promise.resolve();
  copy.take();
  await sending;
  assertEquals(copy.taken, ["a", "b"]);
  assertEquals((await far.receive())!.map(({ data }) => new TextDecoder().decode(data)), ["a", "b"]);
  stream.abort();
});

Deno.test("copied() of a dual address copies what is written to its other half", async () => {
  const [reading] = bytePair();
  const [writing, far] = datagramPair();
  const copy = new SlowCopy();
  const stream = copied(dual(reading, writing), copy);
  if (stream.writing?.kind !== "datagram") throw new TypeError("kind");
  const sending = stream.writing.send([{ data: bytes("a") }]);
  copy.take();
  await sending;
  assertEquals(copy.taken, ["a"]);
  assertEquals((await far.receive())!.length, 1);
  stream.abort();
});
