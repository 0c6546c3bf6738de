// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { exposition } from "./exposition.ts";
import { evaluated } from "../../tests/support/evaluated.ts";
import { processFamilies } from "./process.ts";

Deno.test("exposition() escapes what names may hold, and leaves out what has no values", async () => {
  const { text, contentType } = await exposition([
    { name: "a_total", help: "A", type: "counter", samples: [{ labels: { l: 'a"b\\c\nd' }, value: 3 }] },
    { name: "none", help: "N", type: "gauge", samples: [] },
    { name: "a_total", help: "again", type: "gauge", samples: [{ labels: {}, value: 1 }] },
    { name: "g", help: "G", type: "gauge", samples: [{ labels: {}, value: 0.5 }] },
  ]);
  assertEquals(contentType, "text/plain; version=0.0.4; charset=utf-8");
  assertEquals(
    text,
    '# HELP a_total A\n# TYPE a_total counter\na_total{l="a\\"b\\\\c\\nd"} 3\n\n# HELP g G\n# TYPE g gauge\ng 0.5\n',
  );
});

Deno.test("processFamilies() tell memory, time and descriptors", async () => {
  const { text } = await exposition(processFamilies("1.2.3"));
  const value = (name: string) => Number(new RegExp(`^${name}(?:{.*})? (\\S+)$`, "m").exec(text)?.[1]);
  assertEquals(value("l7mp_build_info"), 1);
  assertEquals(Math.abs(value("process_start_time_seconds") - performance.timeOrigin / 1000) < 1, true);
  assertEquals(value("process_resident_memory_bytes") > 2 ** 20, true);
  if (Deno.build.os !== "linux") return;
  assertEquals(value("process_cpu_seconds_total") > 0, true);
  // Other tests of this process open and close theirs meanwhile.
  const counts = await evaluated(
    "processFamilies",
    new URL("./process.ts", import.meta.url),
    `
    const count = () => processFamilies("").find(({ name }) => name === "process_open_fds").samples[0].value;
    const before = count();
    Deno.openSync("/dev/null");
    console.log(before > 2, count() - before);`,
  );
  assertEquals(counts, "true 1\n");
});
