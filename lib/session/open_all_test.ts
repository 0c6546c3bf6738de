// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectError, StreamError } from "../errors.ts";
import { bytePair } from "../stream/memory.ts";
import type { Stream } from "../stream/stream.ts";
import { openAll } from "./open_all.ts";

const never = new AbortController().signal;

/** An opening that only its signal ends. */
const hanging = (signal: AbortSignal) =>
  new Promise<Stream>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

Deno.test("openAll() ends the others when one fails, and closes what is open", async () => {
  const [near, far] = bytePair();
  const reason = new ConnectError("nobody there");
  const failing = async () => {
    await null;
    throw reason;
  };
  const opening = openAll([async () => near, hanging, failing], never);
  assertStrictEquals(await opening.catch((error) => error), reason);
  await assertRejects(() => far.read(), StreamError);
});

Deno.test("openAll() gives up all with the session", async () => {
  const [near, far] = bytePair();
  const control = new AbortController();
  const opening = openAll([async () => near, hanging], control.signal);
  const reason = new StreamError("stop");
  control.abort(reason);
  assertStrictEquals(await opening.catch((error) => error), reason);
  await assertRejects(() => far.read(), StreamError);
});

Deno.test("openAll() gives the streams in the order asked for", async () => {
  const [one, two] = bytePair();
  const slow = () => new Promise<Stream>((resolve) => setTimeout(() => resolve(one)));
  assertEquals(await openAll([slow, async () => two], never), [one, two]);
});
