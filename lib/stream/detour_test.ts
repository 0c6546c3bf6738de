// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects } from "@std/assert";
import { bytesOf, readAll, readBytes, receiveSome, textOf } from "../../tests/support/streams.ts";
import { EndedError, StreamError } from "../errors.ts";
import type { Step } from "../protocol.ts";
import { start } from "./_test_relay.ts";
import { delegateBytes } from "./delegate.ts";
import { type Stop, towardsDownstream, towardsUpstream } from "./detour.ts";
import { byteEcho, bytePair, datagramEcho, datagramPair } from "./memory.ts";
import type { RelayOptions } from "./relay.ts";
import type { ByteStream, Stream } from "./stream.ts";

const activity = () => ({ at: performance.now() });

/** A stop, and what stands behind it. */
function stop(): Stop & { peer: ByteStream } {
  const [stream, peer] = bytePair();
  return { stream, peer, steps: [], payload: "byte" };
}

/** Passes on what comes, behind `mark`, and the end. */
async function marking(peer: ByteStream, mark: string): Promise<void> {
  const text = textOf(await readAll(peer));
  await peer.write(bytesOf(`${mark}${text}`));
  await peer.closeWrite();
}

/** A relay whose upstream lies behind `out`, and whose answers come by `back`. */
function led({ out = [], back = [], ...changes }: { out?: Stop[]; back?: Stop[] } & Partial<RelayOptions>) {
  const [client, downstream] = bytePair({ capacityBytes: 1000 });
  const [server, upstream] = bytePair({ capacityBytes: 1000 });
  const abort = new AbortController();
  const failures: unknown[] = [];
  const fail = (error: unknown) => {
    failures.push(error);
    abort.abort(error);
  };
  const shared = activity();
  const { done } = start(downstream, upstream, {
    lingerMs: 60_000,
    signal: abort.signal,
    activity: shared,
    detours: {
      ltr: out.length > 0 ? towardsUpstream(upstream, out, shared, fail) : undefined,
      rtl: back.length > 0 ? towardsDownstream(upstream, back, shared, fail) : undefined,
    },
    ...changes,
  });
  return { client, server, done, failures };
}

Deno.test("detours lead both directions through their stops in order, and pass ends on", async () => {
  const [a, b, c, d] = [stop(), stop(), stop(), stop()];
  const marks = [marking(a.peer, "a"), marking(b.peer, "b"), marking(c.peer, "c"), marking(d.peer, "d")];
  const { client, server, done } = led({ out: [a, b], back: [c, d] });
  await client.write(bytesOf("x"));
  await client.closeWrite();
  const asked = textOf(await readAll(server));
  assertEquals(asked, "bax");
  await server.write(bytesOf(`<${asked}>`));
  await server.closeWrite();
  assertEquals(textOf(await readAll(client)), "dc<bax>");
  assertEquals((await done).end, "eof");
  await Promise.all(marks);
});

Deno.test("detours keep the boundaries of messages, and run the steps between stops", async () => {
  const [near, upstream] = datagramPair();
  const twice: Step = {
    push(data, emit) {
      emit(data);
      emit(data);
    },
  };
  const one: Stop = { stream: datagramEcho(), steps: [twice], payload: "datagram" };
  const two: Stop = { stream: datagramEcho(), steps: [], payload: "datagram" };
  const fail = () => {};
  const sink = towardsUpstream(upstream, [one, two], activity(), fail);
  assert(sink.kind === "datagram");
  await sink.send([{ data: bytesOf("a") }, { data: new Uint8Array() }]);
  assertEquals((await receiveSome(near, 4)).map(textOf), ["a", "a", "", ""]);
  await sink.closeWrite();
  assertEquals(await near.receive(), null);
  await sink.finished!();
});

Deno.test("the first failure of a stop ends both directions with itself, once", async () => {
  for (const place of ["out", "back"] as const) {
    const [first, second] = [stop(), stop()];
    const { client, server, done, failures } = led({ [place]: [first, second] });
    await client.write(bytesOf("x"));
    await server.write(bytesOf("y"));
    second.peer.abort(new Error("gone"));
    const { end, error } = await done;
    assertEquals(end, "error");
    assert(error instanceof StreamError && error.code === "ECONNRESET", String(error));
    assertEquals(failures[0], error);
    await assertRejects(() => readAll(client), StreamError, "reset");
    await assertRejects(() => readAll(server), StreamError, "reset");
    await assertRejects(() => readAll(first.peer), StreamError, "reset");
  }
});

/** `stream`, which takes `count` writes and then has ended in its own way. */
function endingAfter(count: number, stream: ByteStream): ByteStream {
  return delegateBytes(stream, {
    async write(bytes) {
      if (count-- <= 0) throw new EndedError("write(memory): the peer has ended");
      await stream.write(bytes);
    },
  });
}

Deno.test("an upstream that takes no more still has its say behind a stop, then the session fails", async () => {
  const [client, downstream] = bytePair();
  const [server, plain] = bytePair();
  const upstream = endingAfter(1, plain);
  const abort = new AbortController();
  const one: Stop = { stream: byteEcho(), steps: [], payload: "byte" };
  const shared = activity();
  const { done } = start(downstream, upstream, {
    lingerMs: 60_000,
    signal: abort.signal,
    detours: { ltr: towardsUpstream(upstream, [one], shared, (error) => abort.abort(error)) },
  });
  await client.write(bytesOf("1"));
  assertEquals(textOf(await readBytes(server, 1)), "1");
  await client.write(bytesOf("2"));
  // It has ended, as far as we are concerned; what it said comes late, and all of it.
  await new Promise((resolve) => setTimeout(resolve, 5));
  await server.write(bytesOf("answer"));
  await server.closeWrite();
  assertEquals(textOf(await readBytes(client, 6)), "answer");
  const { end, error } = await done;
  assertEquals(end, "error");
  assert(error instanceof EndedError, String(error));
});

Deno.test("what is written to stops before an upstream that takes no more is refused, and no stop goes on", async () => {
  const [, plain] = bytePair();
  const upstream = endingAfter(0, plain);
  const aborted = new Map<string, unknown>();
  const named = (name: string): Stop => {
    const stream = byteEcho();
    const abort = (reason?: unknown) => {
      aborted.set(name, reason);
      stream.abort(reason);
    };
    return { stream: delegateBytes(stream, { abort }), steps: [], payload: "byte" };
  };
  const failures: unknown[] = [];
  const way = towardsUpstream(upstream, [named("first"), named("second")], activity(), (error) => failures.push(error));
  if (way.kind !== "byte") throw new TypeError(way.kind);
  await way.write(bytesOf("x"));
  const error = await assertRejects(() => way.finished!(), EndedError);
  assertEquals([...aborted], [["first", error], ["second", error]]);
  assertEquals(await way.write(bytesOf("y")).catch((error) => error), error);
  assertEquals(failures, []);
});

Deno.test("a stop towards downstream that takes no more still has its say, then the session fails", async () => {
  const [stream, peer] = bytePair();
  const one: Stop = { stream: endingAfter(1, stream), steps: [], payload: "byte" };
  // The client goes on to be silent: the failure is told all the same.
  const { client, server, done, failures } = led({ back: [one], lingerMs: 20 });
  await server.write(bytesOf("1"));
  assertEquals(textOf(await readBytes(peer, 1)), "1");
  await server.write(bytesOf("2"));
  await new Promise((resolve) => setTimeout(resolve, 5));
  await peer.write(bytesOf("rest"));
  await peer.closeWrite();
  assertEquals(textOf(await readBytes(client, 4)), "rest");
  const { end, error } = await done;
  assertEquals(end, "error");
  assert(error instanceof EndedError, String(error));
  assertEquals(failures, []);
});

Deno.test("what lies behind a stop is waited for, and its failure is the session's", async () => {
  for (const place of ["out", "back"] as const) {
    const failed = new StreamError("child 1 exited with status 3", { code: "CHILD" });
    const program = delegateBytes(byteEcho(), { finished: () => Promise.reject(failed) });
    const { client, server, done } = led({ [place]: [{ stream: program, steps: [], payload: "byte" }] });
    await client.closeWrite();
    await server.closeWrite();
    assertEquals((await done).error, failed);
  }
});

Deno.test("an answer is waited for behind stops as it is without them, and its failure is told", async () => {
  const failed = new StreamError("child 1 exited with status 3", { code: "CHILD" });
  for (const place of ["out", "back"] as const) {
    const [client, downstream] = bytePair();
    const [server, plain] = bytePair({ info: { answer: "read" } });
    const upstream: Stream = delegateBytes(plain, { finished: () => Promise.reject(failed) });
    const one: Stop = { stream: byteEcho(), steps: [], payload: "byte" };
    const shared = activity();
    const fail = () => {};
    const { done } = start(downstream, upstream, {
      lingerMs: 1,
      answerMs: 60_000,
      detours: place === "out"
        ? { ltr: towardsUpstream(upstream, [one], shared, fail) }
        : { rtl: towardsDownstream(upstream, [one], shared, fail) },
    });
    await client.closeWrite();
    await readAll(server);
    // Longer than lingerMs.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await server.write(bytesOf("late"));
    await server.closeWrite();
    assertEquals(textOf(await readAll(client)), "late");
    assertEquals((await done).error, failed);
  }
});

Deno.test("a reader that does not read stops the writer before the first stop", async () => {
  const [client, downstream] = bytePair({ capacityBytes: 100 });
  const [server, upstream] = bytePair({ capacityBytes: 100 });
  const one: Stop = { stream: byteEcho({ capacityBytes: 100 }), steps: [], payload: "byte" };
  const shared = activity();
  const abort = new AbortController();
  const { done } = start(downstream, upstream, {
    lingerMs: 1,
    signal: abort.signal,
    detours: { ltr: towardsUpstream(upstream, [one], shared, (error) => abort.abort(error)) },
  });
  let written = 0;
  const writing = (async () => {
    for (; written < 100_000; written += 100) await client.write(new Uint8Array(100));
  })().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert(written < 1000, String(written));
  await readBytes(server, 100_000);
  await writing;
  assertEquals(written, 100_000);
  abort.abort(new StreamError("enough"));
  await done;
});
