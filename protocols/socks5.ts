/** SOCKS version 5, the client's side of CONNECT (RFC 1928, RFC 1929). */
import { ConfigError } from "../lib/errors.ts";
import type { Layer } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { checkDestination, destinationFields, type ProxySpec, throughProxy } from "./_proxy_client.ts";

const spec = s.object({
  ...destinationFields,
  socksport: s.integer({ min: 1, max: 65535, below: "port", group: "proxy", help: "Port of the SOCKS proxy (1080)" }),
  socksuser: s.string({ group: "proxy", help: "User name for the SOCKS5 proxy, at most 255 bytes", example: "me" }),
  sockspass: s.string({
    group: "proxy",
    secret: true,
    aliases: ["sockspassword"],
    help: "Password for the SOCKS5 proxy; needs socksuser",
    example: "secret,socksuser=me",
  }),
});
type Socks5Spec = s.SpecOf<typeof spec> & ProxySpec;

export const socks5: Layer<Socks5Spec> = {
  name: "SOCKS5",
  types: [{
    names: ["SOCKS5", "SOCKS5-CONNECT"],
    role: "connect",
    parameters: { form: "server:host:port", serverPort: 1080 },
    help: "Connect through a SOCKS5 proxy, which resolves the host",
  }],
  schemes: ["socks5"],
  needs: "byte",
  gives: "byte",
  end: "half",
  base: "TCP",
  spec,
  proxy: {
    schemes: { socks5: { port: 1080 }, socks5h: { port: 1080 } },
    login: (socksuser, sockspass = "") => ({ socksuser, sockspass }),
  },

  check(spec, { role }) {
    checkDestination("SOCKS5", spec, role);
    if (spec.sockspass !== undefined && spec.socksuser === undefined) {
      throw new ConfigError('SOCKS5: option "sockspass" needs option "socksuser"');
    }
    const texts = { host: spec.address, "option socksuser": spec.socksuser, "option sockspass": spec.sockspass };
    for (const [what, text = ""] of Object.entries(texts)) {
      if (new TextEncoder().encode(text).length > 255) throw new ConfigError(`SOCKS5: ${what} has more than 255 bytes`);
    }
  },

  async client(lower, spec, context) {
    return await throughProxy(lower, spec, "socks5", async () => {
      const { Socks5Client } = await import("./_socks5_codec.ts");
      const { address = "", port = 0, socksuser, sockspass } = spec;
      return new Socks5Client({ host: address, port, user: socksuser, password: sockspass });
    }, context);
  },
};
