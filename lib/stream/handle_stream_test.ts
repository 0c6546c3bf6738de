// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { bytesOf, textOf } from "../../tests/support/streams.ts";
import { StreamError } from "../errors.ts";
import { type Handle, HandleStream } from "./handle_stream.ts";

const info = { protocol: "FD", name: "FD 3" };
const wouldBlock = [new Deno.errors.WouldBlock("later"), Object.assign(new Error("later"), { code: "EAGAIN" })];

/** A handle whose calls fail with `failures` in turn, then move everything. */
function failing(failures: readonly Error[]): Handle & { calls: number } {
  const left = [...failures];
  const handle = {
    calls: 0,
    next<T>(result: T): Promise<T> {
      handle.calls++;
      const failure = left.shift();
      return failure ? Promise.reject(failure) : Promise.resolve(result);
    },
    read(buffer: Uint8Array) {
      buffer.set(bytesOf("abc"));
      return handle.next(3);
    },
    write: (bytes: Uint8Array) => handle.next(bytes.length),
    close() {},
  };
  return handle;
}

Deno.test("HandleStream asks again while the descriptor would block, less and less often", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    for (const failure of wouldBlock) {
      for (const name of ["read", "write"] as const) {
        const handle = failing(new Array(9).fill(failure));
        const stream = new HandleStream(handle, info);
        const call = name === "read" ? stream.read().then((bytes) => textOf(bytes!)) : stream.write(bytesOf("xyz"));
        // 1, 2, 4 ... 64, 64, 64: the ninth retry is the first to get through.
        await clock.tickAsync(127 + 64 + 63);
        assertEquals(handle.calls, 9);
        await clock.tickAsync(1);
        assertEquals(handle.calls, 10);
        assertEquals(await call, name === "read" ? "abc" : undefined);
      }
    }
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("HandleStream abort() ends a call that waits for the descriptor, and its timer", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const stream = new HandleStream(failing(new Array(99).fill(wouldBlock[0])), info);
    const read = stream.read();
    await clock.tickAsync(10);
    const reason = new StreamError("on purpose");
    stream.abort(reason);
    assertEquals(await read.catch((error) => error), reason);
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("HandleStream fails with any other error, named after the call", async () => {
  const full = Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  const stream = new HandleStream(failing([full]), info);
  const error = await assertRejects(() => stream.write(bytesOf("x")), StreamError);
  assertEquals([error.code, error.message], ["ENOSPC", "write(FD 3): No space left on device"]);
});
