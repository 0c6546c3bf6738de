/** HTTP proxies: the client's side of CONNECT (RFC 9110 section 9.3.6). */
import { ConfigError, ConnectError, systemFault } from "../lib/errors.ts";
import type { Layer } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import {
  checkDestination,
  destinationFields,
  printTarget,
  type ProxySpec,
  targetHost,
  throughProxy,
} from "./_proxy_client.ts";

const spec = s.object({
  ...destinationFields,
  proxyport: s.integer({ min: 1, max: 65535, below: "port", group: "proxy", help: "Port of the HTTP proxy (8080)" }),
  proxyauth: s.string({
    group: "proxy",
    secret: true,
    aliases: ["proxy-authorization", "proxy-auth"],
    help: "USER:PASSWORD for the HTTP proxy (Basic authentication)",
    example: "me:secret",
  }),
  proxy_authorization_file: s.string({
    group: "proxy",
    aliases: ["proxyauthfile"],
    help: "File that holds USER:PASSWORD for the HTTP proxy",
  }),
  resolve: s.boolean({
    default: false,
    group: "proxy",
    aliases: ["proxy-resolve", "resolv"],
    help: "Resolve the host here, not at the proxy",
  }),
  ignorecr: s.boolean({ group: "proxy", help: "Ignore CR in the HTTP proxy's answer" }),
  http_version: s.choice(["1.1", "1.0"], { default: "1.1", group: "proxy", help: "HTTP version of the request" }),
});
type HttpConnectSpec = s.SpecOf<typeof spec> & ProxySpec;

export const httpConnect: Layer<HttpConnectSpec> = {
  name: "HTTPCONNECT",
  types: [{
    names: ["PROXY", "PROXY-CONNECT", "HTTPCONNECT"],
    role: "connect",
    parameters: { form: "server:host:port", serverPort: 8080 },
    help: "Connect through an HTTP proxy (CONNECT), which resolves the host",
  }],
  schemes: ["httpconnect"],
  needs: "byte",
  gives: "byte",
  end: "half",
  base: "TCP",
  spec,
  proxy: {
    schemes: { http: { port: 8080 }, https: { port: 443, over: "TLS" } },
    login: (user, password = "") => ({ proxyauth: `${user}:${password}` }),
  },

  check(spec, { role }) {
    checkDestination("PROXY", spec, role);
    if (spec.proxyauth !== undefined && spec.proxy_authorization_file !== undefined) {
      throw new ConfigError('PROXY: options "proxyauth" and "proxy-authorization-file" exclude each other');
    }
  },

  async client(lower, spec, context) {
    return await throughProxy(lower, spec, "proxy", async () => {
      const { ConnectClient } = await import("./_connect_codec.ts");
      const host = await targetHost(spec, spec.resolve, 0, context);
      return new ConnectClient({
        target: printTarget(host, spec.port ?? 0),
        version: spec.http_version ?? "1.1",
        login: spec.proxyauth ?? await readLogin(spec.proxy_authorization_file),
        ignoreCr: spec.ignorecr,
      });
    }, context);
  },
};

async function readLogin(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return (await Deno.readTextFile(file)).replace(/\r?\n$/, "");
  } catch (error) {
    const { code, text } = systemFault(error);
    const message = `proxy-authorization-file: open("${file}", O_RDONLY): ${text}`;
    throw new ConnectError(message, { code, cause: error, retryable: false });
  }
}
