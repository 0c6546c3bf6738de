/** The addresses of `--admin` and `--prometheus`. */
import { ConfigError } from "../errors.ts";
import { parseIp } from "../stream/net_range.ts";

export interface ControlAddress {
  /** The listener, as a word of the command line. */
  readonly word: string;
  /** Only this machine can reach it. */
  readonly local: boolean;
  /** Callers must show a certificate. */
  readonly certificates: boolean;
}

/**
 * Reads `PORT`, `:PORT`, `HOST:PORT` or `unix:PATH`, which TLS options may follow. `only` is the one path that is
 * served. Throws `ConfigError`, naming `option`.
 */
export function readControlAddress(text: string, option: string, only?: string): ControlAddress {
  const [place = "", ...options] = text.split(",");
  const token = options.find((one) => /^(admin[-_])?token([-_]?file)?=/i.test(one))?.split("=")[0];
  if (token !== undefined) {
    const cure = option === "--admin" ? "; the token has an option of its own, --admin-token-file=FILE" : "";
    throw new ConfigError(`${option}: unknown option ${JSON.stringify(token)}${cure}`);
  }
  const tls = options.some((one) => /^(cert|certificate|cafile)=/.test(one));
  const certificates = options.some((one) => one.startsWith("cafile="));
  const settings = [
    ...options,
    ...(certificates ? ["verify=1"] : []),
    ...(only === undefined ? [] : [`path=${only}`]),
    "fork",
  ].join(",");
  const path = /^unix:(.+)$/i.exec(place)?.[1];
  if (path !== undefined) {
    if (tls) throw new ConfigError(`${option}: a UNIX socket takes no TLS options`);
    return { word: `http-u:unix-l:${path},unlink-early,${settings}`, local: true, certificates };
  }
  const found = /^(?:(.*):)?(\d+)$/.exec(place);
  if (!found) throw new ConfigError(`${option}: ${JSON.stringify(place)} is not PORT, HOST:PORT or unix:PATH`);
  const host = found[1] || "127.0.0.1";
  const word = `${tls ? "HTTPS" : "HTTP"}-LISTEN:${host}:${found[2]},${settings}`;
  return { word, local: isLoopback(host), certificates };
}

function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  if (bare.toLowerCase() === "localhost" || bare === "::1") return true;
  return parseIp(bare) !== undefined && bare.startsWith("127.");
}
