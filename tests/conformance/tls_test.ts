import { tls } from "../../protocols/tls/tls.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";
import { layerPair, layerSuite } from "./layer_suite.ts";

const certificates = makeCertificates();

if (certificates) {
  const server = { cert: certificates.path("server-both.pem") };
  const client = { address: "localhost", cafile: certificates.path("ca.pem") };
  layerSuite("TLS 1.3", "byte", layerPair(tls, { client, server }));
  layerSuite("TLS 1.2", "byte", layerPair(tls, { client: { ...client, max_proto_version: "TLS1.2" }, server }));
}

if (!certificates) Deno.test({ name: `TLS (skipped: ${noOpenssl})`, ignore: !certificates, fn() {} });
