/** HTTP/1.1 (RFC 9110, RFC 9112), both sides, over any byte stream; over TLS it is HTTPS. */
import { ConfigError } from "../../lib/errors.ts";
import type { Layer } from "../../lib/protocol.ts";
import type { ByteStream, Stream } from "../../lib/stream/stream.ts";
import { checkHeaders, checkHttpSpec, type HttpSpec, httpSpec } from "./spec.ts";

const overTls = { transport: { protocol: "TLS" } };

export const http: Layer<HttpSpec> = {
  name: "HTTP",
  types: [
    {
      names: ["HTTP", "HTTP-CONNECT"],
      role: "connect",
      parameters: { form: "host:port", path: true, defaultPort: 80 },
      help: "Send a request: its body goes out, the answer's comes back; behind HTTP-LISTEN a reverse proxy",
    },
    {
      names: ["HTTP-LISTEN", "HTTP-L", "L-HTTP", "LISTEN-HTTP"],
      role: "listen",
      parameters: { form: "[host:]port", path: true },
      implies: { fork: true },
      help: "Serve requests: each is a session, its body comes in, the answer's goes out",
    },
    {
      names: ["HTTPS", "HTTPS-CONNECT"],
      role: "connect",
      parameters: { form: "host:port", path: true, defaultPort: 443 },
      preset: overTls,
      help: "As HTTP, over TLS",
    },
    {
      names: ["HTTPS-LISTEN", "HTTPS-L", "L-HTTPS", "LISTEN-HTTPS"],
      role: "listen",
      parameters: { form: "[host:]port", path: true },
      preset: overTls,
      implies: { fork: true },
      example: "cert=server.pem",
      help: "As HTTP-LISTEN, over TLS",
    },
  ],
  schemes: ["http"],
  overlays: [{ name: "http-c", role: "connect" }, { name: "http-u", role: "listen" }],
  needs: "byte",
  gives: "byte",
  end: "end of body",
  base: "TCP",
  sequential: true,
  spec: httpSpec,
  check: checkHttpSpec,

  async prepare(_spec, { role }, { http }) {
    if (role === "connect") checkHeaders(http?.headers ?? [], "-H");
  },

  async client(lower, spec, context) {
    const { connectHttp } = await import("./client.ts");
    return await connectHttp(bytes(lower), spec, context);
  },

  async server(lower, spec, context) {
    const { serveHttp } = await import("./server.ts");
    return await serveHttp(bytes(lower), spec, context);
  },
};

function bytes(lower: Stream): ByteStream {
  if (lower.kind === "byte") return lower;
  lower.abort();
  throw new ConfigError(`HTTP needs a byte stream, and ${lower.info.name} is not one`);
}
