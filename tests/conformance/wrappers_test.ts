// Every wrapper around a stream keeps the stream's contract.
import { reconnecting } from "../../lib/session/reconnect.ts";
import { waitForData } from "../../lib/session/wait_for_data.ts";
import { bytePair, datagramPair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream, Stream } from "../../lib/stream/stream.ts";
import { log } from "../../protocols/log.ts";
import { testContext } from "../support/context.ts";
import { protocolSuite } from "./protocol_suite.ts";

const heldBackBytes = 1 << 20;
const context = testContext();

/** Without attempts a loss is what it is for the connection itself. */
const policy = { count: 0, on: "error", bufferBytes: 1 << 20, intervalMs: 1 } as const;

const wrappers: Readonly<Record<string, (stream: Stream) => Stream>> = {
  "reconnecting()": (first) =>
    reconnecting(first, {
      policy,
      direction: "both",
      log: context.log,
      open: () => Promise.reject(new Error("nothing is opened again")),
    }),
  "waitForData()": (stream) => waitForData(stream.kind, stream.info, async () => stream),
  "log:": (stream) => log.wrap!(stream, log.spec.parse({ log_file: "/dev/null" }, ""), context),
};

const why = "nothing is opened, and so nothing read, before the first data";
const skips: Readonly<Record<string, Readonly<Record<"byte" | "datagram", readonly string[]>>>> = {
  "waitForData()": {
    byte: [
      "half-closes from the far side",
      "ends a pending read by half-close",
      "shows a writing peer an error after an abort",
      "closes cleanly when aborted after both ends",
    ],
    datagram: ["goes on in the other direction after closeWrite"],
  },
};
const optionsOf = (name: string, kind: "byte" | "datagram") => ({
  heldBackBytes,
  skip: (skips[name]?.[kind] ?? []).map((test) => [test, why] as const),
});

for (const [name, wrap] of Object.entries(wrappers)) {
  protocolSuite(`${name} over bytePair()`, "byte", async () => {
    const [near, far] = bytePair();
    return { near: wrap(near) as ByteStream, far };
  }, optionsOf(name, "byte"));
  protocolSuite(`${name} over datagramPair()`, "datagram", async () => {
    const [near, far] = datagramPair();
    return { near: wrap(near) as DatagramStream, far };
  }, optionsOf(name, "datagram"));
}
