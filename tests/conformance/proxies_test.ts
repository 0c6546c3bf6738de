// The clients of proxies and the PROXY protocol as layers, against the proxy's part played by hand.
import type { Layer } from "../../lib/protocol.ts";
import { afterHandshake } from "../../lib/stream/peek.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { httpConnect } from "../../protocols/http_connect.ts";
import { proxyProtocol } from "../../protocols/proxy_protocol.ts";
import { socks4 } from "../../protocols/socks4.ts";
import { socks5 } from "../../protocols/socks5.ts";
import { testContext } from "../support/context.ts";
import { layerPair, layerSuite, type OpenOver } from "./layer_suite.ts";

/** What is answered to the bytes so far, and whether that was all; undefined: more has to come. */
type Answer = (heard: Uint8Array, round: number) => { send: string | Uint8Array; last?: boolean } | undefined;

/** The proxy's side of a handshake. */
async function answer(far: ByteStream, answers: Answer): Promise<ByteStream> {
  let heard = new Uint8Array(0);
  for (let round = 0;;) {
    const reply = answers(heard, round);
    if (reply) {
      await far.write(typeof reply.send === "string" ? new TextEncoder().encode(reply.send) : reply.send);
      heard = new Uint8Array(0);
      round++;
      if (reply.last) return afterHandshake(far, new Uint8Array(0), far.info);
      continue;
    }
    const chunk = await far.read();
    if (chunk === null) throw new Error("the client left");
    heard = new Uint8Array([...heard, ...chunk]);
  }
}

const destination = { address: "name.example", port: 80 };

function through<Spec>(layer: Layer<Spec>, settings: Record<string, unknown>, answers: Answer): OpenOver {
  return async (near, far) => {
    const spec = layer.spec.parse({ ...destination, ...settings }, "");
    const [client, server] = await Promise.all([layer.client!(near, spec, testContext()), answer(far, answers)]);
    return { near: client, far: server };
  };
}

layerSuite(
  "SOCKS5",
  "byte",
  through(socks5, { socksuser: "me", sockspass: "x" }, (heard, round) => {
    if (round === 0) return heard.length === 4 ? { send: new Uint8Array([5, 2]) } : undefined;
    if (round === 1) return heard.length === 6 ? { send: new Uint8Array([1, 0]) } : undefined;
    return heard.length === 19 ? { send: new Uint8Array([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), last: true } : undefined;
  }),
);
layerSuite(
  "SOCKS4",
  "byte",
  through(socks4, { socksuser: "me" }, (heard) => {
    return heard.length === 24 ? { send: new Uint8Array([0, 90, 0, 0, 0, 0, 0, 0]), last: true } : undefined;
  }),
);
layerSuite(
  "HTTPCONNECT",
  "byte",
  through(httpConnect, {}, (heard) => {
    const text = new TextDecoder().decode(heard);
    return text.endsWith("\r\n\r\n") ? { send: "HTTP/1.1 200 OK\r\n\r\n", last: true } : undefined;
  }),
);
layerSuite(
  "PROXYPROTO",
  "byte",
  layerPair(proxyProtocol, { client: { version: 2 }, server: { required: true } }),
);
