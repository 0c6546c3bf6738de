import type { ByteStream } from "../../lib/stream/stream.ts";
import { tls } from "../../protocols/tls/tls.ts";
import { ws } from "../../protocols/ws/ws.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";
import { layerPair, layerSuite } from "./layer_suite.ts";

const certificates = makeCertificates();

if (certificates) {
  const server = { cert: certificates.path("server-both.pem") };
  const client = { address: "localhost", cafile: certificates.path("ca.pem") };
  const overTls = layerPair(tls, { client, server });
  const webSockets = layerPair(ws, { client: {}, server: {} });
  layerSuite("WebSocket over TLS", "datagram", async (near, far) => {
    const pair = await overTls(near, far);
    return await webSockets(pair.near as ByteStream, pair.far as ByteStream);
  });
}

if (!certificates) Deno.test({ name: `WebSocket over TLS (skipped: ${noOpenssl})`, ignore: !certificates, fn() {} });
