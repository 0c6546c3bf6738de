// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { LinkedAbort } from "./linked_abort.ts";

Deno.test("LinkedAbort aborts with the other signal and its reason, also one that is aborted already", () => {
  const other = new AbortController();
  using early = new LinkedAbort(other.signal);
  assert(!early.signal.aborted);
  other.abort("why");
  using late = new LinkedAbort(other.signal);
  assertEquals([early.signal.reason, late.signal.reason], ["why", "why"]);
});

Deno.test("LinkedAbort can be aborted by itself, and hears nothing any more once it is disposed", () => {
  const other = new AbortController();
  const linked = new LinkedAbort(other.signal);
  const own = new LinkedAbort(other.signal);
  own.abort("own");
  assertEquals([own.signal.reason, other.signal.aborted], ["own", false]);
  linked[Symbol.dispose]();
  other.abort("other");
  assertEquals([linked.signal.aborted, own.signal.reason], [false, "own"]);
});
