import type { Driver } from "../../lib/driver.ts";
import { openPortableDriver } from "../../lib/portable/driver.ts";
import type { ByteStream, SocketAddress } from "../../lib/stream/stream.ts";
import { oneByte } from "../support/one_byte.ts";
import { type Pair, protocolSuite } from "./protocol_suite.ts";

const never = new AbortController().signal;
const anyPort: SocketAddress = { family: "inet", host: "127.0.0.1", port: 0 };

async function openPair(local: (driver: Driver) => Promise<[SocketAddress, object]>): Promise<Pair<ByteStream>> {
  const driver = openPortableDriver();
  const [address, options] = await local(driver);
  const listener = await driver.listenStream(address, { backlog: 1 });
  const [near, far] = await Promise.all([driver.connectStream(listener.local, options, never), listener.accept()]);
  return { near, far: far!, close: () => driver.close() };
}

const openTcp = () => openPair(async () => [anyPort, {}]);
const openUnix = () => openPair(async () => [{ family: "unix", path: `@l7mp-${crypto.randomUUID()}` }, {}]);

const noReset = "Deno.Conn has no reset: close() always shuts down first, so the peer sees an end";

protocolSuite("TCP portable", "byte", openTcp, {
  heldBackBytes: 24 << 20,
  skip: [["shows the peer an error after an abort in the middle", noReset]],
});

protocolSuite("TCP portable one byte at a time", "byte", async () => {
  const { near, far, close } = await openTcp();
  return { near: oneByte(near), far: oneByte(far), close };
}, {
  largeBytes: 20_000,
  skip: [
    ["shows the peer an error after an abort in the middle", noReset],
    ["holds a writer back until its reader reads", "megabytes in single bytes take long"],
    ["rejects a held back write on abort", "megabytes in single bytes take long"],
  ],
});

protocolSuite("UNIX portable", "byte", openUnix, {
  skip: [["shows the peer an error after an abort in the middle", noReset]],
});

// Only a connection from a local address is made by node:net, which can reset.
protocolSuite("TCP portable from a local address", "byte", () => openPair(async () => [anyPort, { local: anyPort }]), {
  heldBackBytes: 24 << 20,
});
