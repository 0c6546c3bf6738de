/** A small registry shaped like the real one, for the tests of this folder. Nothing in it can be opened. */
import type { AddressType, Layer, Protocol, Registry, Transform } from "../protocol.ts";
import * as s from "../schema.ts";

// deno-lint-ignore no-explicit-any
type AnyObject = s.ObjectSchema<any>;

function protocol(
  name: string,
  kind: Protocol["kind"],
  spec: AnyObject,
  types: readonly Partial<AddressType>[],
): Protocol<Record<string, unknown>> {
  const usual = { names: [name.toUpperCase()], role: "local", parameters: { form: "none" }, help: "" } as const;
  return { name, kind, end: "none", spec, types: types.map((type) => ({ ...usual, ...type })) };
}

function transform(
  name: string,
  needs: Transform["needs"],
  gives: Transform["gives"],
  spec: AnyObject = s.object({}),
  type: Partial<AddressType> = {},
): Transform<Record<string, unknown>> {
  const usual = { names: [name.toUpperCase()], role: "local", parameters: { form: "none" }, help: "" } as const;
  return { name, needs, gives, spec, types: [{ ...usual, ...type }] };
}

const ip = {
  address: s.string(),
  port: s.integer({ min: 0, max: 65535 }),
  pf: s.choice(["ip4", "ip6"], { aliases: ["protocol-family"] }),
  bind: s.string(),
  reuseaddr: s.boolean(),
  sourceport: s.integer({ min: 0, max: 65535, aliases: ["sp"] }),
  ip_multicast_ttl: s.integer({ aliases: ["multicast-ttl"] }),
};

function forms(type: Partial<AddressType> & { names: readonly string[] }, name: RegExp): Partial<AddressType>[] {
  const version = (v: 4 | 6) => ({
    ...type,
    names: type.names.map((n) => n.replace(name, `$&${v}`)),
    preset: { pf: `ip${v}` },
  });
  return [type, version(4), version(6)];
}

const hostPort = { role: "connect", parameters: { form: "host:port" } } as const;
const listenPort = { role: "listen", parameters: { form: "[host:]port" } } as const;
const path = (key: string, role: AddressType["role"] = "local", optional = false) =>
  ({ role, parameters: { form: "text", key, label: "path", optional } }) as const;

const tcpFields = { ...ip, nodelay: s.boolean({ default: true }), keepalive: s.boolean(), backlog: s.integer() };
const fileFields = { address: s.string(), filename: s.string(), mode: s.mode({ aliases: ["perm"] }), bind: s.string() };

export const testRegistry: Registry = {
  protocols: [
    protocol("TCP", "byte", s.object(tcpFields), [
      ...forms({ ...hostPort, names: ["TCP", "TCP-CONNECT"] }, /TCP/),
      ...forms({ ...listenPort, names: ["TCP-LISTEN", "TCP-L"] }, /TCP/),
    ]),
    protocol("UDP", "datagram", s.object(ip), [
      ...forms({ ...hostPort, names: ["UDP", "UDP-CONNECT"] }, /UDP/),
      ...forms({ ...listenPort, names: ["UDP-LISTEN", "UDP-L"] }, /UDP/),
      { ...listenPort, names: ["UDP-SERVER"], implies: { fork: true } },
    ]),
    protocol("UDP-RECV", "datagram", s.object(ip), [{ ...listenPort, role: "local", direction: "read" }]),
    protocol("UDP-DATAGRAM", "datagram", s.object(ip), [{ ...hostPort, role: "local" }]),
    protocol("UnixDomainSocket", "byte", s.object(fileFields), [
      { ...path("address", "connect"), names: ["UNIX-CONNECT", "LOCAL"] },
      { ...path("filename", "listen"), names: ["UNIX-LISTEN", "UNIX-L"] },
    ]),
    protocol("UNIX-CLIENT", "either", s.object({ address: s.string() }), [
      { ...path("address", "connect"), names: ["UNIX-CLIENT", "UNIX"] },
    ]),
    protocol("Stdio", "byte", s.object({}), [{ names: ["STDIO"] }]),
    protocol("STDIN", "byte", s.object({}), [{ direction: "read" }]),
    protocol("STDOUT", "byte", s.object({}), [{ direction: "write" }]),
    protocol("FD", "either", s.object({ fd: s.integer({ min: 0 }) }), [
      { parameters: { form: "number", key: "fd", label: "num" } },
    ]),
    protocol("OPEN", "byte", s.object({ ...fileFields, rdonly: s.boolean(), creat: s.boolean() }), [
      { ...path("filename"), names: ["OPEN", "FILE"] },
    ]),
    protocol("GOPEN", "either", s.object({ ...fileFields, append: s.boolean() }), [path("filename")]),
    protocol("EXEC", "byte", s.object({ command: s.string(), env: s.list(s.string()), stderr: s.boolean() }), [
      { parameters: { form: "text", key: "command", label: "command line" } },
    ]),
    protocol("EXEC-ARG", "byte", s.object({ command: s.list(s.string()), stderr: s.boolean() }), [
      { parameters: { form: "words", key: "command" } },
    ]),
    protocol("TEXT", "byte", s.object({ text: s.string() }), [
      { parameters: { form: "text", key: "text", label: "string" } },
    ]),
    protocol("Echo", "datagram", s.object({}), [{ names: ["ECHO", "MIRROR"] }]),
    protocol("Discard", "datagram", s.object({}), [{ names: ["DISCARD", "NULL"] }]),
    protocol("PIPE", "byte", s.object({ filename: s.string() }), [{ ...path("filename", "local", true) }]),
  ],
  layers: [
    {
      name: "WebSocket",
      types: [
        {
          names: ["WS", "WS-CONNECT", "WEBSOCKET"],
          role: "connect",
          parameters: { form: "host:port", path: true, defaultPort: 80 },
          help: "",
        },
        { names: ["WS-LISTEN", "WS-L"], role: "listen", parameters: { form: "[host:]port", path: true }, help: "" },
      ],
      schemes: ["ws"],
      overlays: [{ name: "ws-c", role: "connect" }, { name: "ws-u", role: "listen" }],
      needs: "byte",
      gives: "datagram",
      end: "close frame",
      base: "TCP",
      spec: s.object({
        address: s.string(),
        port: s.integer(),
        path: s.string(),
        protocol_name: s.string({ aliases: ["subprotocol"] }),
        header: s.list(s.string()),
        text: s.boolean(),
        binary: s.boolean(),
        basic_auth: s.string({ secret: true }),
        keepalive: s.boolean(),
      }),
    } satisfies Layer<Record<string, unknown>>,
    {
      name: "TLS",
      types: [
        { names: ["OPENSSL", "TLS"], role: "connect", parameters: { form: "host:port" }, help: "" },
        { names: ["OPENSSL-LISTEN", "TLS-L"], role: "listen", parameters: { form: "[host:]port" }, help: "" },
      ],
      schemes: ["tls"],
      overlays: [{ name: "tls", role: "connect" }],
      needs: "byte",
      gives: "byte",
      end: "half",
      base: "TCP",
      spec: s.object({ cert: s.string({ aliases: ["certificate"] }), verify: s.boolean() }),
    } satisfies Layer<Record<string, unknown>>,
  ],
  transforms: [
    transform("LINES", "any", "other", s.object({ sep: s.string({ default: "\n" }), strict: s.boolean() })),
    transform("CHUNKS", "any", "other", s.object({ max: s.size() }), {
      parameters: { form: "text", key: "max", label: "bytes", optional: true },
    }),
    transform("JSONEncap", "datagram", "same"),
    transform("JSONDecap", "datagram", "same"),
    transform("STAMP", "datagram", "same"),
    transform(
      "Logger",
      "any",
      "same",
      s.object({ log_file: s.string(), log_prefix: s.string({ aliases: ["prefix"] }) }),
      {
        parameters: { form: "text", key: "log_file", label: "file", optional: true },
        implies: { log_file: "stderr" },
      },
    ),
  ],
};
