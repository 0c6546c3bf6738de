import { silentLog } from "../../lib/log.ts";
import { fromDuplex, toDuplex } from "../../lib/stream/duplex.ts";
import { type Codec, framed } from "../../lib/stream/framer.ts";
import { datagramPair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";
import { lengthPrefixCodec } from "../../protocols/length_prefix.ts";
import { lineCodec } from "../../protocols/lines.ts";
import { http } from "../../protocols/http/http.ts";
import { jsonSocket } from "../../protocols/jsonsocket/jsonsocket.ts";
import { ws } from "../../protocols/ws/ws.ts";
import { layerPair, layerSuite, type OpenOver } from "./layer_suite.ts";
import { type Pair, protocolSuite } from "./protocol_suite.ts";

const limit = { maxBytes: 64 * 2 ** 20, maxOption: "max" };

function framedPair(codec: Codec): OpenOver {
  return async (near, far) => ({
    near: framed(near, codec, silentLog()),
    far: framed(far, codec, silentLog()),
  });
}

async function adapted(lower: ByteStream): Promise<ByteStream> {
  return fromDuplex((await toDuplex(lower)).duplex, lower.info);
}

layerSuite("Duplex adapter", "byte", async (near, far) => ({ near: await adapted(near), far: await adapted(far) }));

layerSuite(
  "LENGTHPREFIX framer",
  "datagram",
  framedPair(lengthPrefixCodec({ prefixBytes: 4, littleEndian: false, ...limit })),
  { skip: [["keeps the type of a message", "a length says nothing about types"]] },
);

// A separator that is not among the pattern's bytes in this place; lines of one byte each would cost too much.
const separator = new TextEncoder().encode("\0<end of message>\0");
layerSuite(
  "LINES framer",
  "datagram",
  framedPair(lineCodec({ separator, strip: true, strict: false, ...limit })),
  { skip: [["keeps the type of a message", "a line says nothing about types"]] },
);

layerSuite("WebSocket", "datagram", layerPair(ws, { client: {}, server: {} }));
layerSuite(
  "WebSocket with compression",
  "datagram",
  layerPair(ws, { client: { compress: true }, server: { compress: true } }),
  {
    largeBytes: 1 << 20,
    skip: [["bounds what waits for a reader that does not read", "the stream below bounds compressed bytes"]],
  },
);
layerSuite(
  "WebSocket in frames of 100 bytes",
  "datagram",
  layerPair(ws, { client: { max_frame: 100 }, server: { max_frame: 100 } }),
  {
    largeBytes: 100_000,
  },
);

layerSuite("HTTP", "byte", layerPair(http, { client: {}, server: {} }));

const header = [{ set: { key: "/user", value: "u" } }];
const openJsonSocket = layerPair(jsonSocket, { client: { header }, server: {} });
layerSuite("JSONSocket", "byte", openJsonSocket);
protocolSuite(
  "JSONSocket over datagrams",
  "datagram",
  async () => await openJsonSocket(...datagramPair()) as Pair<DatagramStream>,
  { heldBackBytes: 1 << 20 },
);
