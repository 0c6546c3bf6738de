// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { EndedError, StreamError } from "../errors.ts";
import { delegateBytes } from "./delegate.ts";
import { bytePair, datagramPair } from "./memory.ts";
import type { RelaySummary } from "./relay.ts";
import type { ByteStream } from "./stream.ts";
import { encode, joined, readAll, receiveAll, start } from "./_test_relay.ts";

Deno.test("relay() half-closes upstream when downstream ends, and goes on the other way", async () => {
  const { client, server, done, flows } = joined();
  await client.write(encode("question"));
  await client.closeWrite();
  assertEquals(await readAll(server), "question");
  await server.write(encode("answer"));
  await server.closeWrite();
  assertEquals(await readAll(client), "answer");
  assertEquals((await done).end, "eof");
  assertEquals(flows.ltr.bytes, 8);
  assertEquals(flows.rtl.bytes, 6);
});

Deno.test("relay() half-closes downstream when upstream ends, and goes on the other way", async () => {
  const { client, server, done } = joined();
  await server.closeWrite();
  assertEquals(await readAll(client), "");
  await client.write(encode("late"));
  await client.closeWrite();
  assertEquals(await readAll(server), "late");
  assertEquals((await done).end, "eof");
});

for (const side of ["downstream", "upstream"] as const) {
  Deno.test(`relay() resets the other side when ${side} fails, and names the side`, async () => {
    const { client, server, done } = joined();
    const [broken, other] = side === "downstream" ? [client, server] : [server, client];
    const seen = assertRejects(() => readAll(other), StreamError);
    broken.abort(new StreamError("pulled the plug", { code: "ECONNRESET" }));
    await seen;
    const { end, error } = await done;
    assertEquals(end, "error");
    assertEquals((error as StreamError).side, side);
  });
}

for (const outcome of ["well", "badly"] as const) {
  Deno.test(`relay() ends an answer without a byte only when what gave it has ended ${outcome}`, async () => {
    const [client, lower] = bytePair();
    const [server, upper] = bytePair();
    const gone = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    let answered = false;
    const downstream = delegateBytes(lower, {
      info: { ...lower.info, answer: "written" },
      closeWrite: (ending) => {
        answered = true;
        return lower.closeWrite(ending);
      },
    });
    const finished = () => {
      asked.resolve();
      return gone.promise;
    };
    const { done } = start(downstream, delegateBytes(upper, { finished }));
    await Promise.all([client.closeWrite(), server.closeWrite()]);
    await asked.promise;
    assertEquals(answered, false);
    if (outcome === "well") gone.resolve();
    else gone.reject(new StreamError("exited with status 3"));
    const { end, error } = await done;
    assertEquals([end, answered], outcome === "well" ? ["eof", true] : ["error", false]);
    if (outcome === "badly") assertEquals((error as StreamError).side, "upstream");
    client.abort();
    server.abort();
  });
}

Deno.test("relay() ends an answer that has begun only when what gave it has ended well", async () => {
  const [client, lower] = bytePair();
  const [server, upper] = bytePair();
  const gone = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const downstream = delegateBytes(lower, { info: { ...lower.info, answer: "written" } });
  const finished = () => {
    asked.resolve();
    return gone.promise;
  };
  const { done } = start(downstream, delegateBytes(upper, { finished }));
  await client.closeWrite();
  await server.write(encode("half"));
  await server.closeWrite();
  assertEquals(new TextDecoder().decode((await client.read())!), "half");
  await asked.promise;
  gone.reject(new StreamError("exited with status 3"));
  await assertRejects(() => client.read(), StreamError);
  assertEquals((await done).end, "error");
  server.abort();
});

Deno.test("relay() ends an answer that has begun after lingerMs, whatever what gave it is still doing", async () => {
  const { client, server, upper, downstream } = apart();
  const gone = Promise.withResolvers<void>();
  const { done } = start(
    delegateBytes(downstream, { info: { ...downstream.info, answer: "written" } }),
    delegateBytes(upper, { finished: () => gone.promise }),
    { lingerMs: 20 },
  );
  await server.write(encode("all"));
  await server.closeWrite();
  assertEquals(await readAll(client), "all");
  await client.closeWrite();
  gone.resolve();
  assertEquals((await done).end, "eof");
});

Deno.test("relay() takes an answer for what it comes to, although the request goes on", async () => {
  const { client, server, upper, downstream } = apart();
  const finished = () => Promise.reject(new StreamError("server answered 413"));
  const upstream = delegateBytes(upper, { info: { ...upper.info, answer: "read" }, finished });
  const { done } = start(downstream, upstream);
  await server.write(encode("too much"));
  await server.closeWrite();
  assertEquals(await readAll(client), "too much");
  const { end, error } = await done;
  assertEquals([end, (error as StreamError).message], ["error", "server answered 413"]);
});

/** As `joined`, before the relay is started. */
function apart() {
  const [client, downstream] = bytePair();
  const [server, upper] = bytePair();
  return { client, server, downstream, upper };
}

const over = new EndedError("closed by peer");

Deno.test("relay() delivers what a peer said before it ended, then ends with the data it takes no more", async () => {
  const { client, server, upper, downstream } = apart();
  const { done } = start(downstream, delegateBytes(upper, { write: () => Promise.reject(over) }));
  await server.write(encode("last "));
  await client.write(encode("unwanted"));
  await server.write(encode("words"));
  await server.closeWrite();
  assertEquals(await readAll(client), "last words");
  const { end, error } = await done;
  assertEquals([end, error, over.side], ["error", over, "upstream"]);
});

Deno.test("relay() waits answerMs for the last words of a peer that has ended", async () => {
  const { client, server, upper, downstream } = apart();
  const { done } = start(downstream, delegateBytes(upper, { write: () => Promise.reject(over) }), { answerMs: 20 });
  await client.write(encode("unwanted"));
  const { end, error } = await done;
  assertEquals([end, error], ["error", over]);
  server.abort();
});

for (const side of ["downstream", "upstream"] as const) {
  Deno.test(`relay() takes what is meant for a ${side} that takes no more, for its sender may read no further before`, async () => {
    const { client, server, downstream, upper } = apart();
    const closed = { write: () => Promise.reject(over) };
    const { done } = side === "downstream"
      ? start(delegateBytes(downstream, closed), upper)
      : start(downstream, delegateBytes(upper, closed));
    const [ended, echo] = side === "downstream" ? [client, server] : [server, client];
    const echoing = (async () => {
      let heard = 0;
      for (let bytes; (bytes = await echo.read()) !== null;) {
        heard += bytes.length;
        await echo.write(bytes);
      }
      return heard;
    })();
    // More than all queues on the way hold together.
    for (let i = 0; i < 10; i++) await ended.write(new Uint8Array(100_000));
    await ended.closeWrite();
    assertEquals(await echoing, 1_000_000);
    assertEquals((await done).error, over);
  });
}

for (const open of ["downstream", "upstream"] as const) {
  Deno.test(`relay() tells that ${open} was silent after the other side's end`, async () => {
    const told: unknown[] = [];
    const onLinger = (...facts: unknown[]) => void told.push(facts);
    const { client, server, done } = joined({ lingerMs: 50, onLinger });
    await (open === "upstream" ? client : server).closeWrite();
    assertEquals((await done).end, "linger");
    assertEquals(told, [[open, 50]]);
  });
}

Deno.test("relay() ends after lingerMs of silence once one side has ended, and data restarts the clock", async () => {
  const { client, server, done } = joined({ lingerMs: 300 });
  await client.closeWrite();
  const began = performance.now();
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await server.write(encode("x"));
    await client.read();
  }
  assertEquals((await done).end, "linger");
  assert(performance.now() - began >= 850, "the clock was not restarted by data");
});

Deno.test("relay() of a process that stood still sees what came meanwhile before it takes that for silence", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const { client, server, done } = joined({ lingerMs: 300 });
    await client.closeWrite();
    assertEquals(await server.read(), null);
    for (let i = 0; i < 50; i++) await null;
    clock.jump(5000);
    await server.write(encode("late"));
    await server.closeWrite();
    assertEquals(await readAll(client), "late");
    assertEquals((await done).end, "eof");
  } finally {
    clock.uninstall();
  }
});

Deno.test("relay() does not limit the silence after an end that its sink did not pass on", async () => {
  const [client, downstream] = datagramPair();
  const [server, upstream] = datagramPair();
  const { done } = start(downstream, Object.assign(upstream, { staysOpen: true, closeWrite: async () => {} }), {
    lingerMs: 10,
    openLingerMs: Infinity,
  });
  await client.closeWrite();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.send([{ data: encode("late") }]);
  await server.closeWrite();
  assertEquals(await receiveAll(client), ["late"]);
  assertEquals((await done).end, "eof");
});

Deno.test("relay() with lingerMs 0 ends as soon as one side has", async () => {
  const { client, done } = joined({ lingerMs: 0 });
  await client.closeWrite();
  assertEquals((await done).end, "linger");
});

Deno.test("relay() ends after idleTimeoutMs of silence, without an error", async () => {
  const { done } = joined({ idleTimeoutMs: 20 });
  const { end, error } = await done;
  assertEquals(end, "idle");
  assertEquals(error, undefined);
});

Deno.test("relay() ends with the signal's reason, and both peers see an error", async () => {
  const control = new AbortController();
  const { client, server, done } = joined({ signal: control.signal });
  const reason = new StreamError("stop", { code: "STOPPED" });
  const seen = [assertRejects(() => readAll(client)), assertRejects(() => readAll(server))];
  control.abort(reason);
  await Promise.all(seen);
  assertEquals((await done).error, reason);
});

Deno.test("relay() in one direction shuts the unused half at once and does not wait for the target's", async () => {
  const { client, server, done } = joined({ direction: "ltr" });
  assertEquals(await readAll(client), "");
  await server.write(encode("nobody wants this"));
  await client.write(encode("data"));
  await client.closeWrite();
  assertEquals(await readAll(server), "data");
  assertEquals((await done).end, "eof");
});

Deno.test("relay() waits for finished() and reports its failure", async () => {
  const [client, downstream] = bytePair();
  const [server, upstream] = bytePair();
  const failing = delegateBytes(upstream, {
    finished: () => Promise.reject(new StreamError("child 1 exited with status 7")),
  });
  const { done } = start(downstream, failing);
  await client.closeWrite();
  await server.closeWrite();
  const summary: RelaySummary = await done;
  assertEquals(summary.end, "error");
  assertEquals((summary.error as Error).message, "child 1 exited with status 7");
});

Deno.test("relay() waits for an answer longer than for the rest of a stream, and fails without one", async () => {
  for (const side of ["downstream", "upstream"] as const) {
    const answer = side === "downstream" ? "written" : "read";
    const [client, downstream] = bytePair(side === "downstream" ? { info: { answer } } : {});
    const [server, upstream] = bytePair(side === "upstream" ? { info: { answer } } : {});
    const { done } = start(downstream, upstream, { lingerMs: 10, answerMs: 100 });
    const began = performance.now();
    await client.closeWrite();
    assertEquals(await server.read(), null);
    const { end, error } = await done;
    assert(performance.now() - began > 80, "did not wait");
    assertEquals(end, "error");
    assert(error instanceof StreamError && error.code === "ETIMEDOUT", String(error));
    assertEquals(error.message, "memory: no answer for 0.1 s after the request (-t sets the limit)");
  }
});

Deno.test("relay() waits for the rest of a request that is answered as for any stream", async () => {
  const [client, downstream] = bytePair({ info: { answer: "written" } });
  const [server, upstream] = bytePair();
  const { done } = start(downstream, upstream, { lingerMs: 10, answerMs: 60_000 });
  await server.closeWrite();
  assertEquals(await client.read(), null);
  assertEquals((await done).end, "linger");
});

Deno.test("relay() of a session that is over already moves nothing and releases both sides", async () => {
  const { client, server, downstream, upper } = apart();
  const reason = new StreamError("stop", { code: "STOPPED" });
  const { done } = start(downstream, upper, { signal: AbortSignal.abort(reason) });
  const seen = [assertRejects(() => readAll(client)), assertRejects(() => readAll(server))];
  assertEquals((await done).error, reason);
  await Promise.all(seen);
});

Deno.test("relay() begins no clock once the session is over, in whatever moment that is", async () => {
  for (let ticks = 0; ticks < 20; ticks++) {
    const told: unknown[] = [];
    const control = new AbortController();
    const { client, server, done } = joined({ signal: control.signal, lingerMs: 30, onLinger: () => told.push(ticks) });
    await client.closeWrite();
    for (let i = 0; i < ticks; i++) await null;
    control.abort(new StreamError("stop"));
    assertEquals((await done).end, "error");
    // A timer that went on after the end would fail this test, and tell of a silence in a session that is over.
    assertEquals(told, []);
    server.abort();
  }
});

for (const side of ["downstream", "upstream"] as const) {
  Deno.test(`relay() tells the end of ${side}, and waits until it has been passed on`, async () => {
    const ends: string[] = [];
    const shut = Promise.withResolvers<void>();
    const { client, server, downstream, upper } = apart();
    const slow = (stream: ByteStream) => delegateBytes(stream, { closeWrite: () => shut.promise });
    const passing = side === "downstream" ? [downstream, slow(upper)] as const : [slow(downstream), upper] as const;
    const { done } = start(...passing, { onEnd: (side) => void ends.push(side) });
    const [first, other] = side === "downstream" ? [client, server] : [server, client];
    await first.closeWrite();
    while (ends.length === 0) await null;
    assertEquals(ends, [side]);
    await other.closeWrite();
    let over = false;
    void done.then(() => over = true);
    while (ends.length === 1) await null;
    for (let i = 0; i < 50; i++) await null;
    assert(!over, "did not wait for the end to be passed on");
    shut.resolve();
    assertEquals((await done).end, "eof");
  });

  Deno.test(`relay() names ${side} where its end could not be passed on, or what is behind it failed`, async () => {
    for (const call of ["closeWrite", "finished"]) {
      const { client, server, downstream, upper } = apart();
      const fails = (stream: ByteStream) =>
        delegateBytes(stream, { [call]: () => Promise.reject(new StreamError("did not work")) });
      const broken = side === "downstream" ? [fails(downstream), upper] as const : [downstream, fails(upper)] as const;
      const { done } = start(...broken);
      await Promise.all([client.closeWrite(), server.closeWrite()]);
      const { end, error } = await done;
      assertEquals([call, end, (error as StreamError).side], [call, "error", side]);
    }
  });
}

Deno.test("relay() asks what is behind the streams only when both directions are over", async () => {
  const { client, server, downstream, upper } = apart();
  let asked = 0;
  const { done } = start(downstream, delegateBytes(upper, { finished: async () => void asked++ }));
  await client.write(encode("x"));
  assertEquals(new TextDecoder().decode((await server.read())!), "x");
  await client.closeWrite();
  assertEquals(await server.read(), null);
  assertEquals(asked, 0);
  await server.closeWrite();
  await done;
  assertEquals(asked, 1);
});

Deno.test("relay() waits answerMs, not lingerMs, for what gave an answer without a byte", async () => {
  const { client, server, downstream, upper } = apart();
  const { done } = start(
    delegateBytes(downstream, { info: { ...downstream.info, answer: "written" } }),
    delegateBytes(upper, { finished: () => new Promise<void>(() => {}) }),
    { lingerMs: 0, answerMs: 60 },
  );
  const began = performance.now();
  await Promise.all([client.closeWrite(), server.closeWrite()]);
  const { end, error } = await done;
  assert(performance.now() - began > 50, "did not wait");
  assertEquals([end, (error as StreamError).code], ["error", "ETIMEDOUT"]);
});
