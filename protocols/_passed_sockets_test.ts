// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConnectError } from "../lib/errors.ts";
import { passedSocket } from "./_passed_sockets.ts";

const passed: Record<string, string> = { LISTEN_PID: "7", LISTEN_FDS: "3", LISTEN_FDNAMES: "web:ctl:web" };

function socket(name: string, number?: number, environment = passed): number {
  return passedSocket(name, number, 7, (variable) => environment[variable]);
}

Deno.test("passedSocket() finds a socket by its name, and by its number among those of one name", () => {
  assertEquals(socket("ctl"), 4);
  assertEquals(socket("ctl", 4), 4);
  assertEquals([socket("web", 3), socket("web", 5)], [3, 5]);
});

Deno.test("passedSocket() says why there is none", () => {
  const fails = (why: string, ...args: Parameters<typeof socket>) =>
    assertThrows(() => socket(...args), ConnectError, `ACCEPT-FD: fdname "${args[0]}": ${why}`);
  fails("no sockets were passed (LISTEN_FDS)", "web", undefined, {});
  fails("the sockets were passed to process 8 (LISTEN_PID), this is 7", "web", 3, { ...passed, LISTEN_PID: "8" });
  fails("the sockets were passed to nobody (LISTEN_PID), this is 7", "web", 3, { LISTEN_FDS: "1" });
  fails("no socket with this name was passed; their names are: web ctl web", "x");
  fails("several sockets have this name; write which: ACCEPT-FD:<num>,fdname=web with 3, 5", "web");
  fails("descriptor 4 has another name; with this one there is 3, 5", "web", 4);
  // Names without a socket are none.
  fails("no socket with this name was passed; their names are: web", "ctl", undefined, { ...passed, LISTEN_FDS: "1" });
});
