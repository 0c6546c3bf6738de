// Conformance of WebSockets, judged by Autobahn's test suite (`wstest`, Python 2.7) in both roles. Its sections 9 (speed),
// 12 and 13 (compression, a thousand messages each) are left out but for a case of each: they take minutes.

// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";
import { tcp } from "../../protocols/tcp.ts";
import { ws } from "../../protocols/ws/ws.ts";
import { acceptance, type Program, type Run, versionOf } from "../e2e/harness.ts";
import { openDriver } from "../support/drivers.ts";
import { testContext } from "../support/fake_driver.ts";

const command = Deno.env.get("WSTEST") ?? "wstest";
const wstest: Program = { name: "wstest", command: [command] };
const version = versionOf(command, ["--autobahnversion"], /AutobahnTestSuite (\S+)/);
const skip = version === undefined ? "Autobahn's wstest is not installed" : undefined;

const cases = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "9.1.3", "9.2.3", "12.1.3", "12.5.3", "13.2.3"];
/** How many these are: a suite that runs none must not pass. */
const caseCount = 252;

/**
 * Cases of which the suite would like more than RFC 6455 demands. 6.4: that a text is refused at its first bad byte, not
 * at its end. The others, of the connecting side: that a message is answered although a fault came right behind it.
 */
const lenient = /^(6\.4\.\d|3\.[234]|4\.[12]\.[345]|5\.15)$/;

interface Result {
  readonly behavior: string;
  readonly behaviorClose: string;
}

async function assertConformance(path: string): Promise<void> {
  const report: Record<string, Record<string, Result>> = JSON.parse(await Deno.readTextFile(path));
  const results = Object.entries(report["l7mp"]!);
  assertEquals(results.length, caseCount);
  const good = (name: string, result: string) =>
    result === "OK" || result === "INFORMATIONAL" || (result === "NON-STRICT" && lenient.test(name));
  const bad = results.filter(([name, { behavior, behaviorClose }]) =>
    !good(name, behavior) || !good(name, behaviorClose)
  );
  assertEquals(bad.map(([name, { behavior, behaviorClose }]) => `${name}: ${behavior}, close ${behaviorClose}`), []);
}

/** A specification file for `wstest`. */
async function writeSpec(run: Run, target: Record<string, unknown>): Promise<string> {
  const spec = { outdir: run.path("report"), cases, "exclude-cases": [], "exclude-agent-cases": {}, ...target };
  await Deno.writeTextFile(run.path("spec.json"), JSON.stringify(spec));
  return run.path("spec.json");
}

acceptance("interop", "WS-LISTEN passes Autobahn's cases", async (run) => {
  const port = run.port();
  await run.serve([`ws-l:127.0.0.1:${port},fork,compress`, "ECHO"], { tcp: port }, { stderr: "any" });
  const servers = [{ agent: "l7mp", url: `ws://127.0.0.1:${port}` }];
  const spec = await writeSpec(run, { servers });
  const child = run.spawn(["-m", "fuzzingclient", "-s", spec], { program: wstest, stderr: "any" });
  await child.end(120_000);
  await assertConformance(run.path("report/index.json"));
}, { skip });

acceptance("interop", "WS passes Autobahn's cases", async (run) => {
  const port = run.port();
  const spec = await writeSpec(run, { url: `ws://127.0.0.1:${port}`, webport: 0 });
  const args = ["-m", "fuzzingserver", "-u", "0", "-s", spec];
  await run.serve(args, { tcp: port }, { program: wstest, stderr: "any" });
  const driver = await openDriver("portable");
  run.defer(() => driver.close());
  const context = testContext(driver);
  const open = async (path: string) => {
    const spec = { address: "127.0.0.1", port };
    const lower = await tcp.connect!(tcp.spec.parse(spec, ""), context) as ByteStream;
    const settings = ws.spec.parse({ ...spec, path, compress: true }, "");
    return await ws.client!(lower, settings, context) as DatagramStream;
  };
  const count = Number(await echoMessages(await open("/getCaseCount"), () => false));
  assertEquals(count, caseCount);
  for (let i = 1; i <= count; i++) await echoMessages(await open(`/runCase?case=${i}&agent=l7mp`));
  await echoMessages(await open("/updateReports?agent=l7mp"));
  await assertConformance(run.path("report/index.json"));
}, { skip });

/** Sends every message back until the peer closes; gives the last one as text. Faults are the suite's to judge. */
async function echoMessages(stream: DatagramStream, answers = () => true): Promise<string> {
  let last: Uint8Array = new Uint8Array(0);
  try {
    for (let batch = await stream.receive(); batch; batch = await stream.receive()) {
      last = batch.at(-1)!.data;
      if (answers()) await stream.send(batch);
    }
    await stream.closeWrite();
    stream.abort();
  } catch (error) {
    stream.abort(error);
  }
  return new TextDecoder().decode(last);
}
