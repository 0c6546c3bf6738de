/** Network interfaces as the runtime wants them named: by an IPv4 address, or by an IPv6 one with a zone. */
import { ConfigError } from "../errors.ts";
import { parseIp } from "../stream/net_range.ts";

/** The IPv4 address that stands for the interface with this address or name. Throws `ConfigError` where there is none. */
export function interface4(text: string): string {
  if (parseIp(text)?.length === 4) return text;
  const found = Deno.networkInterfaces().find(({ name, family }) => name === text && family === "IPv4");
  if (!found) throw new ConfigError(`there is no network interface "${text}" with an IPv4 address`);
  return found.address;
}

/** `::%eth0` for the interface with this name or number. Throws `ConfigError` where there is none. */
export function interface6(text: string): string {
  const known = Deno.networkInterfaces().some(({ name, scopeid }) => name === text || String(scopeid) === text);
  if (!known) throw new ConfigError(`there is no network interface "${text}"`);
  return `::%${text}`;
}
