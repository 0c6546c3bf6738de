// What the program does without until the first byte of a plain line has been relayed: it is to start at once.

// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { acceptance } from "./harness.ts";
import { connect, echo, serveStreams } from "./peers.ts";

const program = {
  name: "l7mp",
  command: [Deno.execPath(), "run", "-A", "--preload=tests/e2e/tell_timers.ts", "main.ts"],
};

acceptance(
  "startup",
  "the runtime's timers are not loaded for the first byte of a line without limits",
  async (run) => {
    const [from, to] = [run.port(), run.port()];
    serveStreams(run, { tcp: to }, echo);
    const args = [`TCP-L:${from},fork`, `TCP:127.0.0.1:${to}`];
    const child = await run.serve(args, { tcp: from }, { program, stderr: "any" });
    const peer = await connect(run, { tcp: from });
    await peer.send("a");
    assertEquals(await peer.text(1), "a");
    // What was said before stands before it.
    child.poke("SIGUSR1");
    const statistics = / I STATISTICS: /;
    await child.logs(statistics);
    const said = child.stderr.split("\n");
    assertEquals(said.slice(0, said.findIndex((line) => statistics.test(line))), []);
  },
);
