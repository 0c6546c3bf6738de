// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectError } from "./errors.ts";
import { resolve } from "./resolve.ts";

const never = new AbortController().signal;

Deno.test("resolve() answers literals as they are, brackets and zones included", async () => {
  assertEquals(await resolve("10.1.2.3", 0, never), [{ family: "inet", host: "10.1.2.3", port: 0 }]);
  assertEquals(await resolve("[::1]", 0, never), [{ family: "inet6", host: "::1", port: 0 }]);
  assertEquals(await resolve("fe80::1%lo", 6, never), [{ family: "inet6", host: "fe80::1%lo", port: 0 }]);
});

Deno.test("resolve() refuses a literal of the other version", async () => {
  await assertRejects(() => resolve("10.1.2.3", 6, never), ConnectError, 'getaddrinfo("10.1.2.3")');
});

Deno.test("resolve() knows localhost in both versions", async () => {
  assertEquals((await resolve("localhost", 4, never))[0], { family: "inet", host: "127.0.0.1", port: 0 });
  assertEquals((await resolve("localhost", 6, never))[0], { family: "inet6", host: "::1", port: 0 });
});

Deno.test("resolve() leaves forms like 127.1 to the system", async () => {
  assertEquals(await resolve("127.1", 4, never), [{ family: "inet", host: "127.0.0.1", port: 0 }]);
});

Deno.test("resolve() rejects with the signal's reason", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const pending = resolve("nonexist.invalid", 0, controller.signal).catch((error) => error);
  controller.abort(reason);
  assertStrictEquals(await pending, reason);
  assertStrictEquals(await resolve("127.0.0.1", 0, controller.signal).catch((error) => error), reason);
});
