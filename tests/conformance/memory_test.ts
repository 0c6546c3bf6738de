import { byteEcho, bytePair, datagramEcho, datagramPair } from "../../lib/stream/memory.ts";
import { oneByte } from "../support/one_byte.ts";
import { echoPair, protocolSuite } from "./protocol_suite.ts";

const heldBackBytes = 1 << 20;
const echo = true;

protocolSuite("bytePair()", "byte", async () => {
  const [near, far] = bytePair();
  return { near, far };
}, { heldBackBytes });

protocolSuite("bytePair() of 7 bytes", "byte", async () => {
  const [near, far] = bytePair({ capacityBytes: 7 });
  return { near, far };
}, {
  heldBackBytes,
  largeBytes: 100_000,
  skip: [
    ["keeps a lent view until the next read", "needs room for 22 bytes"],
    ["keeps everything that was written before the half-close", "needs room for 30,000 bytes"],
    ["half-closes from the near side", "needs room for 10 bytes"],
    ["half-closes from the far side", "needs room for 10 bytes"],
    ["shows the peer an error after an abort in the middle", "needs room for 11 bytes"],
    ["closes cleanly when aborted without a reason", "needs room for 20,000 bytes"],
    ["closes cleanly when aborted after both ends", "needs room for 20,000 bytes"],
  ],
});

protocolSuite("bytePair() one byte at a time", "byte", async () => {
  const [near, far] = bytePair();
  return { near: oneByte(near), far: oneByte(far) };
}, {
  heldBackBytes,
  largeBytes: 200_000,
});

protocolSuite("byteEcho()", "byte", async () => echoPair(byteEcho()), { heldBackBytes, echo });

protocolSuite("datagramPair()", "datagram", async () => {
  const [near, far] = datagramPair();
  return { near, far };
}, { heldBackBytes });

protocolSuite("datagramEcho()", "datagram", async () => echoPair(datagramEcho()), { heldBackBytes, echo });
