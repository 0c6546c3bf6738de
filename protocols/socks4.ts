/** SOCKS version 4 and 4A, the client's side of CONNECT. */
import { ConfigError } from "../lib/errors.ts";
import type { AddressType, Layer } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { checkDestination, destinationFields, type ProxySpec, targetHost, throughProxy } from "./_proxy_client.ts";

const spec = s.object({
  ...destinationFields,
  resolve: s.boolean({ default: false, group: "proxy", help: "Resolve the host here, not at the proxy" }),
  socksport: s.integer({ min: 1, max: 65535, below: "port", group: "proxy", help: "Port of the SOCKS proxy (1080)" }),
  socksuser: s.string({
    pattern: /^[^\0]*$/,
    expected: "a user id without NUL",
    group: "proxy",
    help: "User id for the SOCKS4 proxy (default $LOGNAME)",
    example: "me",
  }),
});
type Socks4Spec = s.SpecOf<typeof spec> & ProxySpec;

const parameters = { form: "server:host:port", serverPort: 1080 } as const;
const types: readonly AddressType[] = [
  {
    names: ["SOCKS4", "SOCKS", "SOCKS4-CONNECT"],
    role: "connect",
    parameters,
    preset: { resolve: true },
    help: "Connect through a SOCKS4 proxy; the host is resolved here, to IPv4",
  },
  {
    names: ["SOCKS4A", "SOCKS4A-CONNECT"],
    role: "connect",
    parameters,
    preset: { resolve: false },
    help: "Connect through a SOCKS4A proxy, which resolves the host",
  },
];

export const socks4: Layer<Socks4Spec> = {
  name: "SOCKS4",
  types,
  schemes: ["socks4a"],
  needs: "byte",
  gives: "byte",
  end: "half",
  base: "TCP",
  spec,
  proxy: {
    schemes: {
      socks4: { port: 1080, settings: { resolve: true, socksuser: "" } },
      socks4a: { port: 1080, settings: { resolve: false, socksuser: "" } },
    },
    login(socksuser, password) {
      if (password === undefined) return { socksuser };
      throw new ConfigError("SOCKS4 has user ids but no passwords; socks5:// has");
    },
  },

  check(spec, { role }) {
    checkDestination("SOCKS4", spec, role);
    if (spec.address?.includes(":")) throw new ConfigError(`SOCKS4 carries no IPv6 address: ${spec.address}`);
  },

  async client(lower, spec, context) {
    return await throughProxy(lower, spec, "socks4", async () => {
      const { Socks4Client } = await import("./_socks4_codec.ts");
      const host = await targetHost(spec, spec.resolve, 4, context);
      return new Socks4Client({ host, port: spec.port ?? 0, user: spec.socksuser ?? Deno.env.get("LOGNAME") ?? "" });
    }, context);
  },
};
