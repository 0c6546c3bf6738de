// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { type DumpFormat, dumpTap } from "./dump.ts";

const encoder = new TextEncoder();

function dump(format: DumpFormat, pieces: readonly (readonly ["ltr" | "rtl", string | Uint8Array])[]): string {
  const blocks: string[] = [];
  const tap = dumpTap({
    format,
    write: (block) => blocks.push(block),
    now: () => new Date(2026, 10, 21, 23, 15, 7).getTime() + 0.209,
  });
  for (const [direction, data] of pieces) tap(direction, typeof data === "string" ? encoder.encode(data) : data);
  return blocks.join("");
}

Deno.test("dumpTap() as text escapes what does not print and adds no newline", () => {
  assertEquals(
    dump("text", [["ltr", "hello\n"], ["rtl", "\ta\x07\b\v\f\r\\\x1b\x7f"]]),
    "> 2026/11/21 23:15:07.000209  length=6 from=0 to=5\nhello\n" +
      "< 2026/11/21 23:15:07.000209  length=10 from=0 to=9\n\ta\\a\\b\\v\\f\\r\\\\..",
  );
});

Deno.test("dumpTap() counts offsets in each direction", () => {
  const headers = dump("hex", [["ltr", "abc"], ["rtl", "x"], ["ltr", "de"]]).split("\n").filter((l) => /^[<>]/.test(l));
  assertEquals(headers.map((line) => line.replace(/ \S+ \S+/, "")), [
    ">  length=3 from=0 to=2",
    "<  length=1 from=0 to=0",
    ">  length=2 from=3 to=4",
  ]);
});

Deno.test("dumpTap() in hex writes one line", () => {
  const bytes = Uint8Array.from([0, 10, 255]);
  assertEquals(dump("hex", [["ltr", bytes]]).split("\n").slice(1), [" 00 0a ff", ""]);
});

Deno.test("dumpTap() in both columns ends lines after sixteen bytes and after a newline", () => {
  assertEquals(dump("both", [["ltr", "hi\nabcdefghijklmnopq"]]).split("\n").slice(1), [
    " 68 69 0a                                         hi.",
    " 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70  abcdefghijklmnop",
    " 71                                               q",
    "--",
    "",
  ]);
});

const hasSocat = await new Deno.Command("socat", { args: ["-V"], stdout: "null" }).output().then(
  () => true,
  () => false,
);

for (const [format, flags] of [["text", ["-v"]], ["hex", ["-x"]], ["both", ["-v", "-x"]]] as const) {
  const reason = hasSocat ? "" : " (skipped: socat is not installed)";
  Deno.test({
    name: `dumpTap() as ${format} is what socat prints${reason}`,
    ignore: !hasSocat,
    fn: async () => {
      const data = Uint8Array.from({ length: 300 }, (_, i) => i < 256 ? i : [10, 65][i % 2]!);
      const child = new Deno.Command("socat", {
        args: [...flags, "-", "PIPE"],
        stdin: "piped",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(data);
      await writer.close();
      const { stderr } = await child.output();
      const withoutTime = (text: string) => text.replace(/([<>]) \d{4}\/\S+ [\d:.]+/g, "$1");
      const theirs = withoutTime(new TextDecoder().decode(stderr));
      assertEquals(withoutTime(dump(format, [["ltr", data], ["rtl", data]])), theirs);
    },
  });
}
