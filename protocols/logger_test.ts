// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConnectError } from "../lib/errors.ts";
import { bytes, collectingLog, makeStep, runStep, stepContext, text } from "../tests/support/steps.ts";
import { formatRecord } from "./_record_writer.ts";
import { logger } from "./logger.ts";
import { metric } from "./metric.ts";

Deno.test("LOGGER passes everything on and appends it to its file", async () => {
  const file = await Deno.makeTempFile();
  try {
    const settings = { log_file: file, log_prefix: "in" };
    const there = runStep(makeStep(logger, settings, stepContext("byte")), ["a\n", "b"].map(bytes));
    const back = runStep(makeStep(logger, settings, stepContext("byte"), "backward"), [bytes("c\n")]);
    assertEquals([...there, ...back].map(text), ["a\n", "b", "c\n"]);
    assertEquals(await Deno.readTextFile(file), "in: a\nin: b\nin: c\n");
  } finally {
    await Deno.remove(file);
  }
});

const facts = { session: "cli-1", flow: "ltr" };
const noon = new Date("2026-11-21T12:00:00.000Z");
for (
  const [settings, meta, expected] of [
    [{ format: "text" }, undefined, "hé\n"],
    [{ format: "text", log_prefix: "in", time: true }, undefined, "2026-11-21T12:00:00.000Z in: hé\n"],
    [{ format: "hex", log_prefix: "x" }, undefined, "x: 68c3a9\n"],
    [{ format: "base64" }, undefined, "aMOp\n"],
    [
      { format: "json", time: true, log_prefix: "p" },
      { type: "text" },
      '{"time":"2026-11-21T12:00:00.000Z","session":"cli-1","flow":"ltr","prefix":"p","type":"text","payload":"aMOp"}\n',
    ],
  ] as const
) {
  Deno.test(`LOGGER writes ${JSON.stringify(settings)}`, () => {
    const spec = logger.spec.parse(settings, "");
    assertEquals(text(formatRecord({ data: bytes("hé"), meta }, spec, facts, noon)), expected);
  });
}

Deno.test("LOGGER says which file it cannot open", () => {
  const open = () => makeStep(logger, { log_file: "/nonexistent/log" }, stepContext("byte"));
  assertThrows(open, ConnectError, 'open("/nonexistent/log", O_WRONLY|O_CREAT|O_APPEND): No such file or directory');
});
Deno.test({
  name: "LOGGER reports a full disk once and lets the traffic pass",
  ignore: Deno.build.os !== "linux",
  fn() {
    const { log, lines } = collectingLog();
    const step = makeStep(logger, { log_file: "/dev/full" }, stepContext("byte", { log }));
    assertEquals(runStep(step, ["a", "b"].map(bytes)).map(text), ["a", "b"]);
    assertEquals(lines, ['E write("/dev/full"): No space left on device; LOGGER stops in this session']);
  },
});
Deno.test("METRIC counts bytes and messages under its label and tells them at the end", () => {
  const { log, lines } = collectingLog();
  const step = makeStep(metric, { label: "calls" }, stepContext("datagram", { log }));
  assertEquals(runStep(step, ["ab", "", "c"].map(bytes)).map(text), ["ab", "", "c"]);
  assertEquals(lines, ["I calls ltr: 3 message(s), 3 byte(s)"]);
});
