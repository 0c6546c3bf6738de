// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { registry } from "../../protocols/mod.ts";
import { topicText } from "../../lib/cli/help.ts";

Deno.test("topicText() of an overlay without types of its own lists its options", () => {
  assertStringIncludes(topicText(registry, "log"), "\n  log-file=<string> ");
});

Deno.test("topicText() of an overlay whose layer has types names the types with the same options", () => {
  assertStringIncludes(topicText(registry, "ws-u"), "options: those of WS-LISTEN\n");
});

Deno.test("topicText() explains an option that only an overlay takes", () => {
  const text = topicText(registry, "log-file");
  assertStringIncludes(text, "log-file=<string>\n");
  assertStringIncludes(text, "Example: l7mp - log:TCP:127.0.0.1:8080,log-file=copy.log\n  for: log:");
});

Deno.test("topicText() knows the option of all transforms", () => {
  assertStringIncludes(
    topicText(registry, "dir"),
    "  for: LOGGER METRIC LINES LENGTHPREFIX CHUNKS JSONENCAP JSONDECAP\n",
  );
  assertStringIncludes(topicText(registry, "jsonencap"), "\n  dir=<ltr|rtl> ");
});

Deno.test("topicText() tells what an option means to listeners first, and who takes it last", () => {
  const sections = topicText(registry, "fork").trimEnd().split("\n\n");
  assertEquals(sections.map((text) => text.split("\n")[1]), [
    "  Serve many sessions, not only the first",
    "  Connect again after each session",
  ]);
  for (const text of sections) assert(text.indexOf("Example: ") < text.indexOf("  for: "), text);
});

Deno.test("topicText() tells options that differ in case only apart, and explains the client of the REST API", () => {
  assertEquals(topicText(registry, "-t").match(/^-\S+ /gm), ["-t "]);
  assertEquals(topicText(registry, "-T").match(/^-\S+ /gm), ["-T "]);
  assertStringIncludes(topicText(registry, "ctl"), "l7mp ctl [options] get KIND");
});
