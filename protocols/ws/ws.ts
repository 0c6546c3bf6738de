/** WebSocket (RFC 6455), both sides, over any byte stream; over TLS it is WSS. */
import { ConfigError } from "../../lib/errors.ts";
import type { Layer } from "../../lib/protocol.ts";
import type { ByteStream, Stream } from "../../lib/stream/stream.ts";
import { checkWsSpec, type WsSpec, wsSpec } from "./spec.ts";

const overTls = { transport: { protocol: "TLS" } };

export const ws: Layer<WsSpec> = {
  name: "WebSocket",
  types: [
    {
      names: ["WS", "WS-CONNECT", "WEBSOCKET", "WEBSOCKET-CONNECT"],
      role: "connect",
      parameters: { form: "host:port", path: true, defaultPort: 80 },
      help: "Connect to a WebSocket server",
    },
    {
      names: ["WS-LISTEN", "WS-L", "WEBSOCKET-LISTEN", "WEBSOCKET-L", "L-WS", "LISTEN-WS"],
      role: "listen",
      parameters: { form: "[host:]port", path: true },
      help:
        "Accept WebSocket connections; to a byte stream messages are joined: lines, lengthprefix or jsonencap keep them apart",
    },
    {
      names: ["WSS", "WSS-CONNECT"],
      role: "connect",
      parameters: { form: "host:port", path: true, defaultPort: 443 },
      preset: overTls,
      help: "As WS, over TLS",
    },
    {
      names: ["WSS-LISTEN", "WSS-L", "L-WSS", "LISTEN-WSS"],
      role: "listen",
      parameters: { form: "[host:]port", path: true },
      preset: overTls,
      example: "cert=server.pem",
      help: "As WS-LISTEN, over TLS",
    },
  ],
  schemes: ["ws"],
  overlays: [{ name: "ws-c", role: "connect" }, { name: "ws-u", role: "listen" }],
  needs: "byte",
  gives: "datagram",
  end: "close frame",
  base: "TCP",
  spec: wsSpec,
  check: checkWsSpec,

  async client(lower, spec, context) {
    const { connectWebSocket } = await import("./client.ts");
    return await connectWebSocket(bytes(lower), spec, context);
  },

  async server(lower, spec, context) {
    const { serveWebSocket } = await import("./server.ts");
    return await serveWebSocket(bytes(lower), spec, context);
  },
};

function bytes(lower: Stream): ByteStream {
  if (lower.kind === "byte") return lower;
  lower.abort();
  throw new ConfigError(`WebSocket needs a byte stream, and ${lower.info.name} is not one`);
}
