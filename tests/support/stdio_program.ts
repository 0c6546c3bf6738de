/** What `stdio_test.ts` runs in a process of its own: one scenario over the real standard streams. */
import type { Context } from "../../lib/protocol.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { stdio } from "../../protocols/stdio.ts";
import { openNativeDriver } from "../../lib/native/driver.ts";
import { fakeDriver, testContext } from "./fake_driver.ts";

const driver = {
  ...fakeDriver(),
  closeStdout() {
    const closed = new Deno.Command("true", { stdout: "inherit" }).outputSync().success;
    console.error(closed ? "closeStdout" : "");
  },
};

async function start(document: Record<string, unknown>, context: Partial<Context> = {}) {
  return await stdio.connect!(stdio.spec.parse(document, ""), testContext(driver, context)) as ByteStream;
}

async function copy(from: ByteStream, to: ByteStream): Promise<void> {
  for (let view = await from.read(); view !== null; view = await from.read()) await to.write(view);
}

const [scenario] = Deno.args;
if (scenario === "cat") {
  const stream = await start({}, { onlySession: true });
  await copy(stream, stream);
  await stream.closeWrite();
  stream.abort();
} else if (scenario === "half") {
  const native = openNativeDriver();
  const stream = await start({}, { onlySession: true, driver: native });
  await stream.write(new TextEncoder().encode("last words"));
  await stream.closeWrite();
  while (await stream.read() !== null);
  stream.abort();
  native.close();
  console.error("still here");
} else if (scenario === "read") {
  const stream = await start({}, { onlySession: true, direction: "read" });
  await stream.closeWrite();
  await stream.read();
  stream.abort();
} else if (scenario === "fail") {
  const stream = await start({ stream: "stdout" });
  try {
    for (;;) await stream.write(new Uint8Array(65_536).fill(10));
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    console.error(`${code} ${message}`);
  }
} else if (scenario === "leave") {
  const stream = await start({}, { onlySession: true });
  const reading = stream.read().catch((error) => console.error(error.code));
  await stream.write(new TextEncoder().encode("reading\n"));
  stream.abort();
  await reading;
} else if (scenario === "gone") {
  const [first, second] = [await start({}, { onlySession: true }), await start({}, { onlySession: true })];
  first.abort();
  await second.closeWrite();
  second.abort();
} else if (scenario === "rest") {
  const stream = await start({}, { onlySession: true });
  const first = await stream.read();
  stream.abort();
  // What has been read has ended nothing: the descriptor may be another address's too.
  await Deno.stdout.write(first!.slice());
  await Deno.stdin.readable.pipeTo(Deno.stdout.writable, { preventClose: true });
} else if (scenario === "share") {
  const first = await start({});
  const reading = first.read().catch(() => {});
  first.abort();
  await reading;
  const second = await start({});
  await second.write(new TextEncoder().encode("second\n"));
  await copy(second, second);
  await second.closeWrite();
  second.abort();
} else if (scenario === "raw") {
  const stream = await start(JSON.parse(Deno.args[1]!));
  new Deno.Command("stty", { args: ["-a"], stdin: "inherit", stdout: "inherit" }).outputSync();
  stream.abort();
  console.log("---");
  new Deno.Command("stty", { args: ["-a"], stdin: "inherit", stdout: "inherit" }).outputSync();
}
