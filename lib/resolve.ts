/**
 * Host names to addresses, for every driver. Literals, `localhost` and the hosts file are answered here; only a name
 * that needs the system's resolver loads it.
 */
import { ConnectError } from "./errors.ts";
import { parseIp } from "./stream/net_range.ts";
import type { SocketAddress } from "./stream/stream.ts";

export type IpVersion = 4 | 6 | 0;

/** As `Driver.resolve`: all addresses of `host`, with port 0, in the resolver's order. Rejects with `signal.reason`. */
export async function resolve(
  host: string,
  version: IpVersion,
  signal: AbortSignal,
): Promise<readonly SocketAddress[]> {
  signal.throwIfAborted();
  const literal = addressOf(host.replace(/^\[(.*)\]$/, "$1"));
  if (literal) {
    if (fits(literal, version)) return [literal];
    throw failure(host, "EAI_ADDRFAMILY", "Address family for hostname not supported");
  }
  const listed = await fromHostsFile(host, version, signal);
  if (listed.length > 0) return listed;
  if (/^(.+\.)?localhost\.?$/i.test(host)) return loopback(version);
  return await fromSystem(host, version, signal);
}

function addressOf(host: string): SocketAddress | undefined {
  const bytes = parseIp(host);
  return bytes && { family: bytes.length === 4 ? "inet" : "inet6", host, port: 0 };
}

function fits(address: SocketAddress, version: IpVersion): boolean {
  return version === 0 || (address.family === "inet") === (version === 4);
}

/** RFC 6761 section 6.3: `localhost` never needs asking. */
function loopback(version: IpVersion): SocketAddress[] {
  return [version === 6 ? { family: "inet6", host: "::1", port: 0 } : { family: "inet", host: "127.0.0.1", port: 0 }];
}

async function fromHostsFile(host: string, version: IpVersion, signal: AbortSignal): Promise<SocketAddress[]> {
  if (Deno.build.os === "windows") return [];
  let text: string;
  try {
    text = await Deno.readTextFile("/etc/hosts", { signal });
  } catch {
    signal.throwIfAborted();
    return [];
  }
  const wanted = host.toLowerCase();
  const found: SocketAddress[] = [];
  for (const line of text.split("\n")) {
    const [ip, ...names] = line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/);
    const address = names.includes(wanted) ? addressOf(ip!) : undefined;
    if (address && fits(address, version)) found.push(address);
  }
  return found;
}

const texts: Readonly<Record<string, string>> = {
  ENOTFOUND: "Name or service not known",
  ENODATA: "Name or service not known",
  EAI_AGAIN: "Temporary failure in name resolution",
};

async function fromSystem(host: string, version: IpVersion, signal: AbortSignal): Promise<SocketAddress[]> {
  const { lookup } = await import("node:dns");
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    // The system's call cannot be stopped; a cancel only stops waiting for it.
    const cancel = () => reject(signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    lookup(host, { all: true, family: version, verbatim: true }, (error, addresses) => {
      signal.removeEventListener("abort", cancel);
      if (error) {
        const code = (error as { code?: string }).code ?? "ENOTFOUND";
        return reject(failure(host, code, texts[code] ?? error.message));
      }
      resolve(addresses.map(({ address, family }) => ({
        family: family === 6 ? "inet6" : "inet",
        host: address,
        port: 0,
      })));
    });
  });
}

function failure(host: string, code: string, text: string): ConnectError {
  return new ConnectError(`getaddrinfo(${JSON.stringify(host)}): ${text}`, { code });
}
