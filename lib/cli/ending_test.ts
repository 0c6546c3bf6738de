// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { ConnectError } from "../errors.ts";
import { Log } from "../log.ts";
import { Ending, type EndingOptions } from "./ending.ts";

/** Something to end that ends when it is told to, and remembers what was asked of it. */
class Scripted {
  readonly calls: string[] = [];
  readonly stopped = Promise.withResolvers<void>();
  stop(graceMs: number): Promise<void> {
    this.calls.push(`stop ${graceMs}`);
    return this.stopped.promise;
  }
  cut(): void {
    this.calls.push("cut");
  }
}

function ending(target: Scripted, changes: Partial<EndingOptions> = {}): { ending: Ending; lines: string[] } {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.replace(/^.*?\] /, ""));
  const log = new Log({ level: "warn", format: "socat", program: "l7mp", microseconds: false, pid: 1, write });
  return { ending: new Ending(target, { log, graceMs: 0, exitClass: false, cutLimitMs: 60_000, ...changes }), lines };
}

const term = { name: "SIGTERM", number: 15, patient: true } as const;

Deno.test("Ending by itself is 0, or 1, or the class of the error", async () => {
  const { ending: clean } = ending(new Scripted());
  clean.byItself(undefined);
  assertEquals(await clean.status, 0);
  const { ending: failed } = ending(new Scripted());
  failed.byItself(new ConnectError("refused"));
  assertEquals(await failed.status, 1);
  const { ending: classed } = ending(new Scripted(), { exitClass: true });
  classed.byItself(new ConnectError("refused"));
  assertEquals(await classed.status, 3);
});

Deno.test("Ending by a signal stops, waits, and is 128 and the signal whatever the sessions say", async () => {
  const target = new Scripted();
  const { ending: end, lines } = ending(target);
  end.bySignal(term);
  end.byItself(undefined);
  target.stopped.resolve();
  assertEquals(await end.status, 143);
  assertEquals(target.calls, ["stop 0"]);
  assertEquals(lines, ["W exiting on signal 15"]);
});

Deno.test("Ending gives sessions the grace, and a second signal cuts them", async () => {
  const target = new Scripted();
  const { ending: end, lines } = ending(target, { graceMs: 5000 });
  end.bySignal(term);
  assertEquals(target.calls, ["stop 5000"]);
  end.bySignal({ ...term, patient: false });
  assertEquals(target.calls, ["stop 5000", "cut"]);
  target.stopped.resolve();
  assertEquals(await end.status, 143);
  assertEquals(lines, ["W exiting on signal 15"]);
});

Deno.test("Ending by SIGHUP or SIGQUIT gives no grace", async () => {
  const target = new Scripted();
  const { ending: end } = ending(target, { graceMs: 5000 });
  end.bySignal({ name: "SIGQUIT", number: 3, patient: false });
  assertEquals(target.calls, ["stop 0"]);
  target.stopped.resolve();
  assertEquals(await end.status, 131);
});

Deno.test("Ending does not wait for ever for sessions that do not end", async () => {
  const { ending: end } = ending(new Scripted(), { cutLimitMs: 20 });
  end.bySignal(term);
  assertEquals(await end.status, 143);
});

Deno.test("Ending by timeout is 124 with one error line", async () => {
  const target = new Scripted();
  const { ending: end, lines } = ending(target);
  end.byTimeout(1500);
  target.stopped.resolve();
  assertEquals(await end.status, 124);
  assertEquals(lines, ["E not done after 1.5 s (--timeout)"]);
});

Deno.test("Ending by a fault of ours is 1 with a fatal line", async () => {
  const target = new Scripted();
  const { ending: end, lines } = ending(target);
  end.byFault(new TypeError("x is not a function"));
  target.stopped.resolve();
  assertEquals(await end.status, 1);
  assertMatch(
    lines[0]!,
    /^F internal error: TypeError: x is not a function; please report it with the id [0-9a-f]{8}, what you ran, and what -d4 says$/,
  );
});
