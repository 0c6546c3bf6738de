// What --plan prints for any command line is loaded with -c, and is the same plan.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { namesOf } from "../../lib/config/names.ts";
import { registry } from "../../protocols/mod.ts";
import { addressWord } from "../support/address_words.ts";
import { runHere } from "../support/cli.ts";

const options = fc.subarray([
  ["-t", "2"],
  ["-T", "-1"],
  ["-b", "100"],
  ["-u"],
  ["-U"],
  ["-1"],
  ["-E"],
  ["-v"],
  ["-x"],
  ["-r", "in-$$"],
  ["-R", "out"],
  ["-4"],
  ["-6"],
  ["-0"],
  ["-k"],
  ["-n"],
  ["-p", "hi"],
  ["-P", "yo"],
  ["-H", "A: b"],
  ["--compat=socat"],
  ["--via=http://u:p@h:1"],
  ["--text"],
  ["--binary"],
  ["--null"],
  ["--ping-interval=3"],
  ["--statistics"],
  ["--grace=3"],
  ["--log-format=json"],
  ["--driver=portable"],
  ["--max-message=7"],
], { maxLength: 3 });

const transforms = fc.subarray([
  "LOGGER:x,format=hex",
  "LOGGER,dir=ltr",
  "METRIC",
  "LINES",
  "LINES,null",
  "LENGTHPREFIX,bytes=2",
  "CHUNKS",
  "JSONENCAP",
  "JSONDECAP,dir=ltr",
], { maxLength: 2 });

Deno.test("what --plan prints is loaded with -c and is the same plan, for any command line", async () => {
  const address = addressWord(namesOf(registry));
  let printed = 0;
  await fc.assert(
    fc.asyncProperty(options, address, transforms, address, fc.constantFrom("yaml", "json"), async (...drawn) => {
      const [options, first, between, last, format] = drawn;
      const asked = [`--plan=${format}`, "--show-secrets"];
      const plan = await runHere([...options.flat(), ...asked, first, ...between, last]);
      assert(!plan.log.includes("internal error"), plan.log);
      if (plan.status !== 0) return;
      printed++;
      // What the runtime's sockets lack is another question.
      const { status, log } = await runHere(["--check", "--driver=auto", "-c", "-"], {}, plan.stdout);
      assertEquals([status, log.replace(/^W .*\n/gm, "")], [0, ""], plan.stdout);
      assertEquals((await runHere([...asked, "-c", "-"], {}, plan.stdout)).stdout, plan.stdout);
    }),
    { numRuns: 400 },
  );
  assert(printed > 40, `only ${printed} plans were printed`);
});
