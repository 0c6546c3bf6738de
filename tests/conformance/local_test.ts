import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";
import { controller } from "../../protocols/controller.ts";
import { echo as echoing } from "../../protocols/echo.ts";
import { exec, shell, system } from "../../protocols/exec.ts";
import { pipe } from "../../protocols/pipe.ts";
import { pty } from "../../protocols/pty.ts";
import { sync } from "../../protocols/sync.ts";
import { noTerminals } from "../support/machine.ts";
import { localContext } from "../support/local_context.ts";
import { openDriver } from "../support/drivers.ts";
import { testContext } from "../support/fake_driver.ts";
import { oneByte } from "../support/one_byte.ts";
import { echoPair, protocolSuite } from "./protocol_suite.ts";

const heldBackBytes = 1 << 20;
const echo = true;

const openPipe = async () => echoPair(await pipe.connect!(pipe.spec.parse({}, ""), localContext()) as ByteStream);

protocolSuite("PIPE", "byte", openPipe, { heldBackBytes, echo });

protocolSuite("PIPE one byte at a time", "byte", async () => echoPair(oneByte((await openPipe()).near)), {
  heldBackBytes,
  echo,
  largeBytes: 100_000,
});

const openCat = async (program: typeof exec | typeof system | typeof shell = exec, command = "cat") =>
  echoPair(await program.connect!(program.spec.parse({ command }, ""), localContext()) as ByteStream);

protocolSuite("EXEC:cat", "byte", () => openCat(), { heldBackBytes, echo });
// A shell that is not replaced by its last command goes a moment before it.
protocolSuite("SYSTEM:exec cat", "byte", () => openCat(system, "exec cat"), { heldBackBytes, echo });
protocolSuite("SHELL:exec cat", "byte", () => openCat(shell, "exec cat"), { heldBackBytes, echo });

protocolSuite("EXEC:cat one byte at a time", "byte", async () => echoPair(oneByte((await openCat()).near)), {
  heldBackBytes: 200_000,
  echo,
  largeBytes: 20_000,
  skip: [
    ["holds a writer back until its reader reads", "a megabyte in single bytes through a process takes long"],
  ],
});

const noHalfClose = "a terminal has no half-close";
const ofTerminals = {
  heldBackBytes,
  echo,
  absent: noTerminals,
  skip: [
    ["holds a writer back until its reader reads", noHalfClose],
    ["carries a large amount unchanged", noHalfClose],
    ["half-closes from the near side", noHalfClose],
    ["ends a pending read by half-close", noHalfClose],
    ["keeps everything that was written before the half-close", noHalfClose],
  ],
} as const;
protocolSuite("EXEC:cat with pty", "byte", async () => {
  const driver = await openDriver("native");
  const spec = exec.spec.parse({ command: "cat", pty: true, rawer: true }, "");
  const close = () => driver.close();
  return { ...echoPair(await exec.connect!(spec, testContext(driver)) as ByteStream), close };
}, ofTerminals);
// A program on the terminal gives back what it gets.
protocolSuite("PTY", "byte", async () => {
  const driver = await openDriver("native");
  const context = testContext(driver);
  const near = await pty.connect!(pty.spec.parse({ rawer: true }, ""), context) as ByteStream;
  const redirected = 'exec cat <"$0" >"$0"';
  const cat = new Deno.Command("/bin/sh", { args: ["-c", redirected, near.info.name], stderr: "null" }).spawn();
  return {
    ...echoPair(near),
    async close() {
      await cat.status;
      await driver.close();
    },
  };
}, ofTerminals);

protocolSuite(
  "ECHO",
  "datagram",
  async () => echoPair(await echoing.connect!(echoing.spec.parse({}, ""), localContext()) as DatagramStream),
  { heldBackBytes, echo },
);

const leaves = "who ends says goodbye to the others, who stay";
protocolSuite(
  "SYNC",
  "datagram",
  async () => {
    const kept = new Map<object, unknown>();
    const shared = <T>(key: object, make: () => T) => (kept.get(key) ?? kept.set(key, make()).get(key)) as T;
    const join = async () => await sync.connect!(sync.spec.parse({}, ""), localContext({ shared })) as DatagramStream;
    return { near: await join(), far: await join() };
  },
  {
    heldBackBytes,
    skip: [
      ["ends by closeWrite, after everything sent", leaves],
      ["goes on in the other direction after closeWrite", leaves],
      ["shows the peer an error after an abort in the middle", leaves],
    ],
  },
);

// An API that answers with what it is asked.
protocolSuite("CONTROLLER", "byte", async () => {
  const control = (request: Request) => Promise.resolve(new Response(request.body));
  const downstream = { protocol: "HTTP", name: "http", facts: { method: "POST", path: "/", headers: {} } };
  return echoPair(await controller.connect!({}, localContext({ control, downstream })) as ByteStream);
}, { heldBackBytes, echo });
