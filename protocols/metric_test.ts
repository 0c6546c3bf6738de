// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../lib/errors.ts";
import type { StepCounterNames } from "../lib/protocol.ts";
import { bytes, collectingLog, makeStep, runStep, stepContext } from "../tests/support/steps.ts";
import { metric } from "./metric.ts";

Deno.test("METRIC counts bytes and messages, and passes them on", () => {
  const { log, lines } = collectingLog();
  const step = makeStep(metric, { label: "x" }, stepContext("datagram", { log }));
  assertEquals(runStep(step, [bytes("abc"), bytes("")]), [bytes("abc"), bytes("")]);
  assertEquals(lines, ["I x ltr: 2 message(s), 3 byte(s)"]);
});

Deno.test("i-41: METRIC counts under the names it was given", () => {
  const counted = { bytes: 10, messages: 1 };
  const asked: [StepCounterNames, string | undefined][] = [];
  const counter = (names: StepCounterNames, label?: string) => {
    asked.push([names, label]);
    return counted;
  };
  for (const direction of ["forward", "backward"] as const) {
    const settings = { byteCounterName: "my_bytes_total", packetCounterName: "my_messages_total" };
    runStep(makeStep(metric, settings, stepContext("byte", { counter }), direction), [bytes("abc")]);
  }
  assertEquals(counted, { bytes: 16, messages: 3 });
  const names = { bytes: "my_bytes_total", messages: "my_messages_total" };
  assertEquals(asked, [[names, undefined], [names, undefined]]);
});

for (
  const [settings, message] of [
    [{ byteCounterName: "1x" }, 'at.byteCounterName: "1x" is not a name of letters, digits and _'],
    [{ byteCounterName: "l7mp_x" }, 'METRIC: byteCounterName "l7mp_x" is the name of a metric that counts'],
    [{ packetCounterName: "session_byte_counter_total" }, "is the name of a metric that counts something else"],
    [{ byteCounterName: "x", packetCounterName: "x" }, 'METRIC: packetCounterName "x" counts bytes already'],
  ] as const
) {
  Deno.test(`METRIC refuses ${JSON.stringify(settings)}`, () => {
    assertThrows(() => metric.check!(metric.spec.parse(settings, "at")), ConfigError, message);
  });
}

Deno.test("METRIC takes the usual names too", () => {
  const byteCounterName = "session_byte_counter_total";
  metric.check!(metric.spec.parse({ byteCounterName, packetCounterName: "session_packet_counter_total" }, "at"));
});
