/**
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446), both sides, over any byte stream.
 *
 * The engine is `node:tls` over the gated adapter, whatever lies below. The runtime's own TLS takes a quarter less
 * processor time for bulk data, but runs only on connections of the runtime's own, and those cannot be reset: an aborted
 * session would look to the peer like one that ended. It also asks clients for no certificate and always trusts the
 * issuers that come with the runtime.
 */
import { ConfigError } from "../../lib/errors.ts";
import type { Layer } from "../../lib/protocol.ts";
import type { ByteStream, Stream } from "../../lib/stream/stream.ts";
import { endpointOf } from "./endpoint.ts";
import { checkCombinations, demandOf, ignoredOptions, type TlsSpec, tlsSpec } from "./spec.ts";

export const tls: Layer<TlsSpec> = {
  name: "TLS",
  types: [
    {
      names: ["OPENSSL", "OPENSSL-CONNECT", "SSL", "SSL-CONNECT", "TLS", "TLS-CONNECT"],
      role: "connect",
      parameters: { form: "host:port" },
      help: "Connect to a TLS server",
    },
    {
      names: ["OPENSSL-LISTEN", "OPENSSL-L", "SSL-LISTEN", "SSL-L", "TLS-LISTEN", "TLS-L"],
      role: "listen",
      parameters: { form: "[host:]port" },
      example: "cert=server.pem",
      help: "Accept TLS connections",
    },
  ],
  schemes: ["tls"],
  overlays: [
    { name: "tls", role: "connect" },
    { name: "tls", role: "listen" },
    { name: "ssl", role: "connect" },
    { name: "ssl", role: "listen" },
  ],
  needs: "byte",
  gives: "byte",
  end: "half",
  base: "TCP",
  spec: tlsSpec,

  check(spec, { role, type }) {
    checkCombinations(spec, role, type);
    endpointOf(spec, role);
  },

  async prepare(spec, { role, carries }, { log, insecure }) {
    const name = role === "listen" ? "OPENSSL-LISTEN" : "OPENSSL";
    for (const key of ignoredOptions) {
      if (spec[key] !== undefined) log.warn("tls.option", `${name}: option "${key}" has no effect`);
    }
    const demand = demandOf(spec, role, insecure === true);
    if (role === "listen") {
      // socat's listener would check them; nobody expects that of a web server.
      const undecided = spec.verify === undefined && !insecure && !carries && demand.certificate === "none";
      if (undecided) log.warn("tls.verify", `${name}: clients are not checked; ${listenerCure}`);
      // The first caller need not wait for the library.
      await endpointOf(spec, role).ready(log);
    } else if (spec.verify === "0") {
      log.warn("tls.verify", `${name}: the server's certificate is not checked (verify=0)`);
    }
  },

  async client(lower, spec, context) {
    const { connectTls } = await import("./client.ts");
    return await connectTls(bytes(lower), spec, context);
  },

  async server(lower, spec, context) {
    const { serveTls } = await import("./server.ts");
    return await serveTls(bytes(lower), spec, context);
  },
};

const listenerCure = "cafile=FILE checks them, verify=0 says that this is meant";

function bytes(lower: Stream): ByteStream {
  if (lower.kind === "byte") return lower;
  lower.abort();
  throw new ConfigError(`TLS needs a byte stream, and ${lower.info.name} is not one`);
}
