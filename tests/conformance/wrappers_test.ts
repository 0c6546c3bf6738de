// Every wrapper around a stream keeps the stream's contract.
import { reconnecting } from "../../lib/session/reconnect.ts";
import { waitForData } from "../../lib/session/wait_for_data.ts";
import { bytePair, datagramPair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream, Stream } from "../../lib/stream/stream.ts";
import { broadcast } from "../../protocols/broadcast.ts";
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

const kept = "who ends leaves a connection that others share as it is";
const share = (stream: Stream) =>
  broadcast.share!(async () => stream, broadcast.spec.parse({ slow: "block" }, ""), context);
const heldBack = { heldBackBytes: 64 << 20 };
const aborts = ["shows the peer an error after an abort in the middle", kept] as const;

protocolSuite("broadcast: over bytePair()", "byte", async () => {
  const [near, far] = bytePair();
  return { near: await share(near) as ByteStream, far };
}, {
  ...heldBack,
  skip: [
    aborts,
    ...[
      "holds a writer back until its reader reads",
      "carries a large amount unchanged",
      "half-closes from the near side",
      "half-closes from the far side",
      "ends a pending read by half-close",
      "keeps everything that was written before the half-close",
      "shows a writing peer an error after an abort",
      "closes cleanly when aborted after both ends",
    ].map((test) => [test, kept] as const),
  ],
});
protocolSuite("bytePair() below broadcast:", "byte", async () => {
  const [near, far] = bytePair();
  return { near, far: await share(far) as ByteStream };
}, {
  ...heldBack,
  skip: [
    "half-closes from the near side",
    "half-closes from the far side",
    "closes cleanly when aborted after both ends",
  ]
    .map((test) => [test, kept] as const),
});
protocolSuite("broadcast: over datagramPair()", "datagram", async () => {
  const [near, far] = datagramPair();
  return { near: await share(near) as DatagramStream, far };
}, {
  ...heldBack,
  skip: [
    aborts,
    ["ends by closeWrite, after everything sent", kept],
    ["goes on in the other direction after closeWrite", kept],
  ],
});
protocolSuite("datagramPair() below broadcast:", "datagram", async () => {
  const [near, far] = datagramPair();
  return { near, far: await share(far) as DatagramStream };
}, heldBack);
