/** Hosts and ports as addresses write them. */
import { ConfigError } from "../errors.ts";
import { parseIp } from "../stream/net_range.ts";
import { noService, servicePort } from "../stream/services.ts";

/**
 * Reads a port: decimal, or the name of a service; 0 (any free port) only where `anyPort` says so. `at` is the address,
 * for messages. Throws `ConfigError`.
 */
export function parsePort(text: string, anyPort: boolean, at: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : servicePort(text);
  if (port === undefined) throw new ConfigError(noService(text));
  if (port > 65535) throw new ConfigError(`port "${text}" out of range 0..65535 in "${at}"`);
  if (port === 0 && !anyPort) throw new ConfigError(`port 0 is for listeners only, not for "${at}"`);
  return port;
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
 * Where `words` (an address cut at its colons) are an IPv6 address without brackets, with a port or without, the two as
 * they should be written.
 */
export function bracketedForm(words: readonly string[]): string | undefined {
  if (words.length < 3) return undefined;
  const isIp = (text: string) => /^[\w:.%]*$/.test(text) && parseIp(text) !== undefined;
  const [all, host] = [words.join(":"), words.slice(0, -1).join(":")];
  return isIp(host) ? `[${host}]:${words.at(-1)}` : isIp(all) ? `[${all}]:<port>` : undefined;
}
