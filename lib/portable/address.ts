/** Addresses as the runtime writes them. */
import { ConfigError } from "../errors.ts";
import type { SocketAddress } from "../stream/stream.ts";

/** `sun_path` has 108 bytes on Linux, one of them for the NUL. */
const longestPathBytes = 107;

/** A path for the runtime: an abstract name begins with NUL there. Throws a `ConfigError` for one that is too long. */
export function runtimePath(path: string): string {
  const length = new TextEncoder().encode(path).length;
  if (length > longestPathBytes) {
    throw new ConfigError(
      `UNIX socket path "${path}" is ${length} bytes long; the system's limit is ${longestPathBytes}`,
    );
  }
  if (!path.startsWith("@")) return path;
  if (Deno.build.os !== "linux") throw new ConfigError(`"${path}": only Linux has abstract UNIX socket names`);
  return `\0${path.slice(1)}`;
}

/** The runtime's address as ours. An unbound UNIX end has no path. */
export function fromRuntime(address: Deno.Addr): SocketAddress {
  if (address.transport === "tcp" || address.transport === "udp") {
    const { hostname, port } = address;
    return { family: hostname.includes(":") ? "inet6" : "inet", host: hostname, port };
  }
  const path = "path" in address ? address.path as string | null : null;
  return { family: "unix", path: path?.replace(/^\0/, "@") ?? "" };
}
