// PTY: what a program sees of the device, what happens when it is opened and closed, and what is left behind.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import { acceptance, type Child, eventually, l7mp, type Program, type Run, socat, stays } from "./harness.ts";
import { connect, serveStreams } from "./peers.ts";
import { absent } from "./programs.ts";
import { noTerminals as skip } from "../support/machine.ts";
import { patternBytes } from "../support/streams.ts";

const both = { socat: "any" } as const;
const noSocat = absent("socat") ?? skip;

const shell: Program = { name: "sh", command: ["sh", "-c"] };

/** Starts the program and waits until its links are there. */
async function linked(run: Run, args: readonly string[], links: readonly string[], options = {}): Promise<Child> {
  const child = run.spawn(args, { stderr: "any", ...options });
  await eventually(`links ${links}`, () => links.every(leads), { details: () => child.describe() });
  return child;
}

/** Whether `link` leads to a pseudo-terminal. */
function leads(link: string): boolean {
  try {
    return /^\/dev\/pts\/\d+$/.test(Deno.readLinkSync(link));
  } catch {
    return false;
  }
}

/** A program has the device open and reads it until it got `text`. */
async function reads(run: Run, device: string, text: string, meanwhile = async () => {}): Promise<void> {
  const reading = run.spawn([`exec cat <"${device}"`], { program: shell, stderr: "any" });
  await meanwhile();
  await reading.prints(text);
  // How a reader ends when the terminal is hung up is its own affair.
  reading.kill("SIGKILL");
  await reading.end();
}

/** Opens the device, writes `text` and closes it again. */
async function write(run: Run, device: string, text: string): Promise<void> {
  await run.out([`printf '${text}' >"${device}"`], { program: shell });
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** What `stty` says of a device. */
function stty(device: string, ...words: string[]): string {
  const { stdout } = new Deno.Command("stty", { args: ["-F", device, ...words], env: { LC_ALL: "C" } }).outputSync();
  return new TextDecoder().decode(stdout);
}

/** How many descriptors a program has open. */
function descriptors(child: Child): number {
  return [...Deno.readDirSync(`/proc/${child.pid}/fd`)].length;
}

acceptance("4.2", "two pseudo-terminals are a null modem, while programs come and go", async (run) => {
  const [a, b] = [run.path("a"), run.path("b")];
  const modem = await linked(run, ["-d", "-d", `PTY,link=${a},raw,echo=0`, `pty,link=${b},raw,echo=0`], [a, b]);
  for (const [from, to] of [[a, b], [b, a], [a, b]] as const) {
    await reads(run, to, "one\ntwo\n", async () => {
      await write(run, from, "one\\n");
      await write(run, from, "two\\n");
    });
  }
  // Nobody has either of them open: what is written waits for the next.
  await write(run, a, "kept");
  await reads(run, b, "kept");
  assert(modem.running, modem.describe());
  if (!run.isL7mp) return;
  const names = [...modem.stderr.matchAll(/ N PTY is (\/dev\/pts\/\d+)$/gm)].map(([, name]) => name!);
  assertEquals(names, [Deno.readLinkSync(a), Deno.readLinkSync(b)]);
  modem.kill("SIGTERM");
  await modem.end();
  assertEquals([...Deno.readDirSync(run.dir)], []);
}, { ...both, skip });

for (const [name, first, second] of [["ours to theirs", l7mp, socat], ["theirs to ours", socat, l7mp]] as const) {
  acceptance("4.2", `a serial port that is far away, ${name}`, async (run) => {
    const [near, far] = [run.path("near"), run.path("far")];
    const tcp = run.port();
    const device = await run.serve([`TCP-L:${tcp},reuseaddr`, `PTY,link=${far},raw,echo=0`], { tcp }, {
      program: second,
      stderr: "any",
    });
    const child = run.spawn([`PTY,link=${near},rawer,wait-slave`, `TCP:127.0.0.1:${tcp}`], {
      program: first,
      stderr: "any",
    });
    await eventually("the link", () => leads(near), { details: () => child.describe() });
    const user = run.spawn([`exec 3<>"${near}"; printf ping >&3; head -c 4 <&3; exec 3>&-`], { program: shell });
    await eventually("the other link", () => leads(far), { details: () => child.describe() });
    await reads(run, far, "ping");
    await write(run, far, "pong");
    assertEquals((await user.end()).stdout, "pong");
    // Nobody has the near one open any more: its end goes all the way.
    await child.end();
    await device.end();
  }, { skip: noSocat });
}

acceptance("4.2", "with wait-slave nothing is connected until the device is opened, again and again", async (run) => {
  const link = run.path("tty");
  const tcp = run.port();
  const heard: string[] = [];
  const server = serveStreams(run, { tcp }, async (peer) => void heard.push(await peer.restText()));
  const line = ["-d", "-d", `PTY,link=${link},rawer,wait-slave,pty-interval=0.02,fork`, `TCP:127.0.0.1:${tcp}`];
  const child = run.spawn(line, { stderr: "any" });
  for (const [i, text] of ["first", "second"].entries()) {
    // The link of the session before may still be there.
    await eventually("the terminal", () => child.stderr.match(/ N PTY is /g)?.length === i + 1);
    if (text === "first") await stays("a connection", 200, () => server.connections > 0);
    await write(run, link, text);
    await eventually(text, () => heard.at(-1) === text, { details: () => child.describe() });
  }
  assertEquals(heard, ["first", "second"]);
  child.kill("SIGTERM");
  await child.end();
  assertEquals([...Deno.readDirSync(run.dir)], []);
}, { skip });

acceptance("4.2", "ignoreeof waits for the next who opens the device", async (run) => {
  const link = run.path("tty");
  const line = [`PTY,link=${link},rawer,wait-slave,ignoreeof,pty-interval=0.02,pollinterval=0.02`, "-"];
  const child = await linked(run, ["-U", ...line.toReversed()], [link]);
  let expected = "";
  for (const text of ["one", "two", "three"]) {
    await write(run, link, text);
    await child.prints(expected += text);
  }
}, { skip });

acceptance("4.2", "64 MiB through two pseudo-terminals arrive whole at a slow reader", async (run) => {
  const [a, b, file] = [run.path("a"), run.path("b"), run.path("data")];
  await linked(run, [`PTY,link=${a},rawer`, `PTY,link=${b},rawer`], [a, b]);
  // Blocks of a size that fits into nothing.
  const total = 64 << 20;
  const block = patternBytes(1_000_003);
  const source = await Deno.open(file, { write: true, create: true });
  for (let at = 0; at < total; at += block.length) await writeAll(source, block.subarray(0, total - at));
  source.close();
  const reading = run.spawn([`exec cat <"${b}"`], { program: shell, rawOutput: true, stderr: "any" });
  const writing = run.spawn([`exec cat "${file}" >"${a}"`], { program: shell });
  let read = 0;
  for await (const chunk of reading.stdoutStream) {
    for (let i = 0; i < chunk.length; i++) {
      if (chunk[i] !== block[(read + i) % block.length]) throw new Error(`differs at ${read + i}`);
    }
    // Now and then it does not read, until what lies between is full.
    if ((read >> 22) !== ((read += chunk.length) >> 22)) await new Promise((resolve) => setTimeout(resolve, 50));
    if (read >= total) break;
  }
  assertEquals(read, total);
  await writing.end();
}, { skip });

acceptance("5.8", "a pseudo-terminal has the settings, the window and the permissions asked for", async (run) => {
  const link = run.path("tty");
  const settings = `raw,echo=0,ixon=0,b115200,winsize=132x43,mode=0606,user=${Deno.uid()}`;
  await linked(run, [`PTY,link=${link},${settings}`, "STALL"], [link]);
  const all = stty(link, "-a");
  for (const part of [/speed 115200 baud; rows 43; columns 132;/, /-icanon/, /-echo /, /-ixon/]) assertMatch(all, part);
  assertEquals(Deno.statSync(link).mode! & 0o777, 0o606);
}, { skip });

acceptance("4.2", "a link to elsewhere is replaced, a file is not, and another's link is not removed", async (run) => {
  const [link, file] = [run.path("tty"), run.path("file")];
  await Deno.symlink("/nonexistent", link);
  const child = await linked(run, [`PTY,link=${link}`, "STALL"], [link]);
  const device = Deno.readLinkSync(link);
  const other = await linked(run, [`PTY,link=${link}`, "STALL"], [link]);
  await eventually("the other's link", () => leads(link) && Deno.readLinkSync(link) !== device);
  child.kill("SIGTERM");
  await child.end();
  assert(leads(link), "the link of the other has gone");
  other.kill("SIGTERM");
  await other.end();
  await Deno.writeTextFile(file, "precious");
  const stderr =
    / E symlink\("\/dev\/pts\/\d+", ".*\/file"\): File exists, and is no link; remove it or choose another/;
  await run.out(["-", `PTY,link=${file}`], { code: 1, stderr });
  assertEquals(await Deno.readTextFile(file), "precious");
  assertEquals([...Deno.readDirSync(run.dir)].map(({ name }) => name), ["file"]);
}, { skip });

acceptance("4.2", "a device nobody opens holds nothing up, and wait-slave ends by a signal", async (run) => {
  const [idle, waiting] = [run.path("idle"), run.path("waiting")];
  const tcp = run.port();
  const child = await run.serve([`TCP-L:${tcp}`, `PTY,link=${idle},rawer`], { tcp });
  const peer = await connect(run, { tcp });
  // More than the terminal holds: the writer is held back, and the end of the peer is not lost.
  const sending = peer.send(new Uint8Array(16 << 20)).catch(() => {});
  await eventually("the link", () => leads(idle));
  const second = await linked(run, [`PTY,link=${waiting},wait-slave`, "STALL"], [waiting], { stderr: [] });
  for (const one of [child, second]) {
    one.kill("SIGTERM");
    await one.end();
  }
  await sending;
  assertEquals([...Deno.readDirSync(run.dir)], []);
}, { skip });

acceptance("4.2", "a session gives back all that a pseudo-terminal took", async (run) => {
  const tcp = run.port();
  const child = await run.serve([`TCP-L:${tcp},fork`, "PTY,rawer,echo"], { tcp });
  const session = async () => {
    const peer = await connect(run, { tcp });
    await peer.send("x");
    assertEquals(await peer.text(1), "x");
    return peer;
  };
  (await session()).close();
  const device = () => [...Deno.readDirSync(`/proc/${child.pid}/fd`)].filter(({ name }) => isPty(child, name)).length;
  await eventually("the end of the session", () => device() === 0);
  const before = descriptors(child);
  const peers = await Promise.all(Array.from({ length: 20 }, session));
  assertEquals(device(), 40);
  for (const peer of peers) peer.close();
  await eventually("the end of all sessions", () => device() === 0 && descriptors(child) === before, {
    details: () => child.describe(),
  });
}, { skip });

function isPty(child: Child, fd: string): boolean {
  try {
    return /^\/dev\/(ptmx|pts\/)/.test(Deno.readLinkSync(`/proc/${child.pid}/fd/${fd}`));
  } catch {
    return false;
  }
}

acceptance("4.2", "without the native driver a pseudo-terminal is refused before anything opens", async (run) => {
  const stderr =
    / E PTY: a pseudo-terminal needs the native driver, which only Linux has; leave out --driver=portable$/;
  const file = run.path("f");
  await run.out(["--driver=portable", `OPEN:${file},creat`, "PTY"], { code: 1, stderr });
  assertEquals([...Deno.readDirSync(run.dir)], []);
}, { skip });
