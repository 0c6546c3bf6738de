/** Settings of everything with an IP address and a port: which version, which local end, which peers. */
import { ConfigError } from "../lib/errors.ts";
import type { AddressType } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { type Net, parseNet, printNet } from "../lib/stream/net_range.ts";
import { noService, servicePort } from "../lib/stream/services.ts";

/** A local end as written in `bind`: `host`, `host:port` or `:port`. */
export interface Bind {
  readonly host?: string;
  readonly port?: number;
}

/** Reads `127.0.0.1`, `localhost:http`, `:80`, `[::1]:80`. Throws `SyntaxError` with the reason. */
export function parseBind(text: string): Bind {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::([^:[\]]+))?$/.exec(text);
  if (!match) {
    const looksLikeIpv6 = /^[0-9a-fA-F:.]+(%\w+)?$/.test(text);
    throw new SyntaxError(
      looksLikeIpv6 ? `write IPv6 addresses in brackets: [${text}]` : `"${text}" is not host, host:port or :port`,
    );
  }
  const host = match[1] ?? match[2];
  const name = match[3];
  const port = name === undefined ? undefined : /^\d+$/.test(name) ? Number(name) : servicePort(name);
  if (name !== undefined && port === undefined) throw new SyntaxError(noService(name));
  if (!host && port === undefined) throw new SyntaxError(`"${text}" is not host, host:port or :port`);
  if (port !== undefined && port > 65535) throw new SyntaxError(`port "${match[3]}" out of range 0..65535`);
  return { ...(host && { host }), ...(port !== undefined && { port }) };
}

export function printBind(bind: Bind): string {
  const host = bind.host?.includes(":") ? `[${bind.host}]` : bind.host ?? "";
  return bind.port === undefined ? host : `${host}:${bind.port}`;
}

function bindField(notes: s.Notes<Bind>): s.Schema<Bind> {
  const text = s.custom("host[:port]", parseBind, printBind, notes);
  return {
    ...text,
    // Files may also write the two parts as an object, as the original's do.
    parse(value, at) {
      if (!s.isPlainObject(value)) return text.parse(value, at);
      const { address, port } = value;
      const host = address === undefined ? "" : s.string().parse(address, `${at}.address`);
      return text.parse(printBind({ host, port: port as number | undefined }), at);
    },
    json: () => ({ type: ["string", "object"] }),
  };
}

const families: Readonly<Record<string, "ip4" | "ip6">> = {
  ip4: "ip4",
  ipv4: "ip4",
  inet: "ip4",
  inet4: "ip4",
  "4": "ip4",
  "2": "ip4",
  ip6: "ip6",
  ipv6: "ip6",
  inet6: "ip6",
  "6": "ip6",
  "10": "ip6",
};

function parseFamily(text: string): "ip4" | "ip6" {
  const family = families[text.toLowerCase()];
  if (!family) throw new SyntaxError(`"${text}" is not ip4 or ip6`);
  return family;
}

/** Settings of every IP endpoint. Spread into the plug-in's schema. */
export const ipFields = {
  address: s.string({ help: "Host name or IP address" }),
  port: s.integer({ min: 0, max: 65535, help: "Port" }),
  pf: s.custom("ip4|ip6", parseFamily, String, {
    group: "address",
    aliases: ["protocol-family"],
    help: "IP version to use, and no other",
  }),
  bind: bindField({ group: "address", help: "Local address: host, host:port or :port" }),
};

/** For endpoints that choose their local port by them, or check their peers' port: the type says which. */
export const portFields = {
  sourceport: s.integer({
    min: 0,
    max: 65535,
    group: "address",
    aliases: ["sp"],
    help: "Connectors: local port; receivers: accept only this port of the sender",
  }),
  lowport: s.boolean({
    group: "address",
    help: "Connectors: a local port from 640 to 1023; receivers: accept only ports of the sender below 1024",
  }),
};

/** For receivers that check every datagram's sender themselves. */
export const range: s.Schema<readonly Net[]> = s.list(s.custom("net", parseNet, printNet), {
  group: "address",
  help: "Accept only senders in this network; repeatable",
});

/** The type itself and its forms for one IP version: `TCP-LISTEN` gives `TCP4-LISTEN` and `TCP6-LISTEN` too. */
export function ipForms(type: AddressType): AddressType[] {
  const form = (version: 4 | 6): AddressType => ({
    ...type,
    names: type.names.map((name) => name.replace(/TCP|UDP|INET/, `$&${version}`)),
    preset: { ...type.preset, pf: `ip${version}` },
    help: `${type.help}, IPv${version} only`,
  });
  return [type, form(4), form(6)];
}

/** Refuses a connector that `lowport` lets choose its local port and another option tells it. */
export function checkLocalPort(
  name: string,
  { bind, sourceport, lowport }: { readonly bind?: Bind; readonly sourceport?: number; readonly lowport?: boolean },
): void {
  const told = sourceport !== undefined
    ? "sourceport"
    : bind?.port !== undefined
    ? `bind=${printBind(bind)}`
    : undefined;
  if (!lowport || !told) return;
  throw new ConfigError(`${name}: options "lowport" and "${told}" exclude each other: both give the local port`);
}

/** Refuses an endpoint without a port or host, and a listener whose `bind` says another end than its parameters. */
export function checkIpParameters(
  name: string,
  spec: { readonly address?: string; readonly port?: number; readonly bind?: Bind },
  listens: boolean,
): void {
  if (!listens && !spec.address) throw new ConfigError(`${name}: address is missing`);
  if (spec.port === undefined && !(listens && spec.bind?.port !== undefined)) {
    throw new ConfigError(`${name}: port is missing`);
  }
  if (!listens || !spec.bind) return;
  const otherHost = spec.bind.host !== undefined && spec.address !== undefined && spec.bind.host !== spec.address;
  const otherPort = spec.bind.port !== undefined && spec.port !== undefined && spec.bind.port !== spec.port;
  if (otherHost || otherPort) {
    const written = printBind({ host: spec.address, port: spec.port });
    throw new ConfigError(`${name}: option "bind=${printBind(spec.bind)}" contradicts ${written}`);
  }
}
