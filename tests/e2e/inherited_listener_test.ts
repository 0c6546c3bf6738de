// ACCEPT-FD: listening sockets that the parent opened, as systemd does for a socket unit.

// @ts-types="../deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { acceptance, type Run } from "./harness.ts";
import { connect } from "./peers.ts";
import { absent } from "./programs.ts";

const skip = absent("python3");

type Place = { readonly tcp: number } | { readonly unix: string };
/** Bound to a port, but not listening. */
type Idle = { readonly idle: number };

/** Opens each place, passes them from descriptor 3 on with the names given, and becomes the program. */
const parent = `
import os, socket, sys
sockets = []
for place in sys.argv[1].split(","):
    kind, where = place.split("=")
    sockets.append(socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET))
    sockets[-1].bind(where if kind == "unix" else ("127.0.0.1", int(where)))
    if kind != "idle": sockets[-1].listen()
for number, copy in enumerate([os.dup(one.fileno()) for one in sockets]):
    os.dup2(copy, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=sys.argv[2])
os.execvp(sys.argv[3], sys.argv[3:])
`;

/** Words in front of a program that pass it listening sockets, by name in their order. */
function passing(sockets: Readonly<Record<string, Place | Idle>>): string[] {
  const places = Object.values(sockets).map((place) => Object.entries(place).map((pair) => pair.join("="))[0]);
  return ["python3", "-c", parent, places.join(","), Object.keys(sockets).join(":")];
}

async function echoes(run: Run, place: Place): Promise<void> {
  const caller = await connect(run, place);
  await caller.send("hello");
  await caller.endWrite();
  assertEquals(await caller.restText(), "hello");
}

acceptance("ACCEPT-FD", "callers of an inherited socket are served, one after another", async (run) => {
  const place = { tcp: run.port() };
  await run.serve(["ACCEPT-FD:3,fork", "PIPE"], place, { prefix: passing({ web: place }) });
  await echoes(run, place);
  await echoes(run, place);
}, { socat: "1.8", skip });

acceptance("ACCEPT-FD", "without fork it serves one, and gives the socket up", async (run) => {
  const place = { tcp: run.port() };
  const child = await run.serve(["ACCEPT-FD:3", "PIPE"], place, { prefix: passing({ web: place }) });
  const caller = await connect(run, place);
  await caller.send("hello");
  assertEquals(await caller.text(5), "hello");
  await assertRejects(() => connect(run, place), Deno.errors.ConnectionRefused);
  await caller.endWrite();
  await child.end();
}, { skip });

acceptance("ACCEPT-FD", "fdname finds the socket among several, and range is about its callers", async (run) => {
  const sockets = { web: { tcp: run.port() }, far: { tcp: run.port() } };
  const prefix = passing(sockets);
  const stderr = / W refusing connection from AF=2 127\.0\.0\.1:\d+ due to range option$/;
  await run.serve(["ACCEPT,fdname=far,range=10.0.0.0/8", "PIPE"], sockets.far, { prefix, stderr });
  const caller = await connect(run, sockets.far);
  assertEquals(await caller.restText(), "");
}, { skip });

acceptance("ACCEPT-FD", "a UNIX socket has callers too, but none with an IP address", async (run) => {
  const stderr = / E option "range" does not apply to ACCEPT-FD:3: its callers have no IP address$/;
  const prefix = passing({ web: { unix: run.path("a") } });
  await run.out(["unix-listen-fd:3,range=10.0.0.0/8", "PIPE"], { prefix, code: 1, stderr });
  const place = { unix: run.path("b") };
  await run.serve(["unix-listen-fd:3,fork", "PIPE"], place, { prefix: passing({ web: place }) });
  await echoes(run, place);
  // It is the parent's, who may pass it again.
  await Deno.remove(place.unix);
}, { skip });

acceptance("ACCEPT-FD", "programs do not get the socket, and sessions open it one after another", async (run) => {
  const [place, front] = [{ tcp: run.port() }, { tcp: run.port() }];
  const prefix = passing({ web: place });
  await run.serve([`TCP-L:${front.tcp},fork,bind=127.0.0.1,reuseaddr`, "ACCEPT-FD:3"], front, { prefix });
  for (const text of ["one", "two"]) {
    const [near, far] = [await connect(run, front), await connect(run, place)];
    await near.send(text);
    assertEquals(await far.text(3), text);
    await Promise.all([near.endWrite(), far.endWrite()]);
    assertEquals([await near.restText(), await far.restText()], ["", ""]);
  }
  const other = { tcp: run.port() };
  await run.serve(["ACCEPT-FD:3,fork", "SYSTEM:[ -S /proc/self/fd/3 ] && echo inherited || echo not"], other, {
    prefix: passing({ web: other }),
  });
  const caller = await connect(run, other);
  await caller.endWrite();
  assertEquals(await caller.restText(), "not\n");
}, { skip });

acceptance("ACCEPT-FD", "what cannot be had is said", async (run) => {
  const fails = async (address: string, stderr: RegExp, options: object) => {
    await run.out([address, "PIPE"], { code: 1, stderr, ...options });
  };
  const closed = / E ACCEPT-FD:19999: Bad file descriptor; whoever starts the program must have opened it$/;
  await fails("ACCEPT-FD:19999", closed, {});
  const file = / E accept\(descriptor 3\): Invalid argument; it is not a listening stream socket$/;
  await fails("ACCEPT-FD:3", file, { redirect: "3</dev/null" });
  await fails("ACCEPT-FD:3", file, { prefix: passing({ a: { idle: run.port() } }) });
  const portable = / E ACCEPT-FD:3: a descriptor that listens needs the native driver, which only Linux has; /;
  await run.out(["--driver=portable", "ACCEPT-FD:3", "PIPE"], { code: 1, stderr: portable });
  await fails("ACCEPT-FD,fdname=x", / E ACCEPT-FD: fdname "x": no sockets were passed \(LISTEN_FDS\); /, {});
  const prefix = passing({ a: { tcp: run.port() } });
  const unnamed = / E ACCEPT-FD: fdname "x": no socket with this name was passed; their names are: a$/;
  await fails("ACCEPT-FD,fdname=x", unnamed, { prefix });
}, { skip });
