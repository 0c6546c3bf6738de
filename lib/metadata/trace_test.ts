// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { addTrace, continueTrace, traceIn } from "./trace.ts";

const id = "0af7651916cd43dd8448eb211c80319c";
const span = "b7ad6b7169203331";

Deno.test("continueTrace() goes on in the caller's trace with a span of its own", () => {
  const trace = continueTrace(`00-${id}-${span}-01`, (bytes) => bytes.fill(0xab));
  const own = "ab".repeat(8);
  assertEquals(trace, { traceparent: `00-${id}-${own}-01`, trace_id: id, span_id: own, parent_id: span });
  assertEquals(continueTrace(`00-${id}-${span}-00`).traceparent.slice(-3), "-00");
});

Deno.test("continueTrace() passes on the flags that are known, and reads later versions", () => {
  assertEquals(continueTrace(`00-${id}-${span}-ff`).traceparent.slice(-3), "-03");
  const later = continueTrace(`cc-${id}-${span}-01-what-the-future-brings`);
  assertEquals([later.trace_id, later.traceparent.slice(0, 3)], [id, "00-"]);
});

for (
  const bad of [
    undefined,
    "",
    `00-${id}-${span}`,
    `00-${id}-${span}-01-more`,
    `00-${id}-${span}-01, 00-${id}-${span}-01`,
    `ff-${id}-${span}-01`,
    `00-${"0".repeat(32)}-${span}-01`,
    `00-${id}-${"0".repeat(16)}-01`,
    `00-${id.toUpperCase()}-${span}-01`,
    `00-${id.slice(1)}-${span}-01`,
  ]
) {
  Deno.test(`continueTrace() begins a new trace after ${JSON.stringify(bad)}`, () => {
    const { traceparent, trace_id, parent_id } = continueTrace(bad);
    assertMatch(traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assertNotEquals(trace_id, id);
    assertEquals(parent_id, undefined);
  });
}

Deno.test("continueTrace() takes no zeros from chance", () => {
  let calls = 0;
  const { trace_id, span_id } = continueTrace(undefined, (bytes) => bytes.fill(calls++ === 0 ? 0 : 1));
  assertEquals([trace_id, span_id, calls], ["01".repeat(16), "01".repeat(8), 2]);
});

Deno.test("addTrace() takes the header of an HTTP request, once", () => {
  const metadata: Record<string, unknown> = { HTTP: { headers: { traceparent: `00-${id}-${span}-01` } } };
  addTrace(metadata);
  const trace = traceIn(metadata)!;
  assertEquals(trace.trace_id, id);
  addTrace(metadata);
  assertEquals(traceIn(metadata), trace);
  assertEquals(traceIn(addTrace({ name: "s" }))?.parent_id, undefined);
  assertEquals([traceIn({}), traceIn(undefined), traceIn({ trace: "x" })], [undefined, undefined, undefined]);
});
