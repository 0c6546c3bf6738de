/** Hosts and ports as addresses write them (addresses.md section 3). */
import { ConfigError } from "../errors.ts";
import { parseIp } from "../stream/net_range.ts";

/**
 * Reads a port: decimal, or the name of a service; 0 (any free port) only where `anyPort` says so. `at` is the address,
 * for messages. Throws `ConfigError`.
 */
export function parsePort(text: string, anyPort: boolean, at: string): number {
  if (!/^\d+$/.test(text)) return servicePort(text);
  const port = Number(text);
  if (port > 65535) throw new ConfigError(`port "${text}" out of range 0..65535 in "${at}"`);
  if (port === 0 && !anyPort) throw new ConfigError(`port 0 is for listeners only, not for "${at}"`);
  return port;
}

/** Services people write that a small system's /etc/services may lack. */
const wellKnown: Readonly<Record<string, number>> = {
  echo: 7,
  discard: 9,
  daytime: 13,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  tftp: 69,
  http: 80,
  pop3: 110,
  ntp: 123,
  imap2: 143,
  snmp: 161,
  ldap: 389,
  https: 443,
  syslog: 514,
  ldaps: 636,
  imaps: 993,
  pop3s: 995,
  socks: 1080,
  mysql: 3306,
  postgresql: 5432,
  "http-alt": 8080,
};

function servicePort(name: string): number {
  const port = servicesFile().get(name) ?? wellKnown[name];
  if (port === undefined) throw new ConfigError(`service "${name}" is neither a number nor in /etc/services`);
  return port;
}

function servicesFile(): Map<string, number> {
  const ports = new Map<string, number>();
  let text: string;
  try {
    text = Deno.readTextFileSync("/etc/services");
  } catch {
    // Absent or not readable: the short list has to do.
    return ports;
  }
  for (const line of text.split("\n")) {
    const [name, port, ...aliases] = line.replace(/#.*/, "").trim().split(/\s+/);
    const number = parseInt(port ?? "", 10);
    if (!name || Number.isNaN(number)) continue;
    for (const known of [name, ...aliases]) if (!ports.has(known)) ports.set(known, number);
  }
  return ports;
}

/** Reads a host: a name, or an IP address, version 6 in brackets. Throws `ConfigError`. */
export function parseHost(text: string, at: string): string {
  const host = /^\[(.*)\]$/s.exec(text)?.[1] ?? text;
  const isIpv6 = host.includes(":") && parseIp(host) !== undefined;
  if (host !== text && !isIpv6) throw new ConfigError(`"${text}" is not an IPv6 address in "${at}"`);
  if (!isIpv6 && /[\s/?#@:[\]]/.test(host)) throw new ConfigError(`"${text}" is not a host in "${at}"`);
  return host;
}

/** The inverse of `parseHost`. */
export function printHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/**
 * Where `words` (an address cut at its colons) are an IPv6 address without brackets and a port, the two as they should
 * be written.
 */
export function bracketedForm(words: readonly string[]): string | undefined {
  const host = words.slice(0, -1).join(":");
  if (words.length > 2 && /^[\w:.%]*$/.test(host) && parseIp(host)) return `[${host}]:${words.at(-1)}`;
  return undefined;
}
