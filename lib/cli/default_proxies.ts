/** The proxies of outgoing connections that `--via` names, or the environment where it may. */
import { ConfigError } from "../errors.ts";

/** Variables that name a proxy for any connection, and after them those for connections with a server behind CONNECT. */
const variables = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/** Reads one value of `--via`. Throws `ConfigError`. */
export function readProxy(text: string, option: string): string {
  if (text === "none" || text === "env" || /^[a-z][\w.-]*:\/\/./i.test(text)) return text;
  throw new ConfigError(`option "${option}": "${text}" is not none, env or a proxy such as socks5://127.0.0.1:1080`);
}

/**
 * The proxies that `written` means, nearest first. `env` is the first variable that is set, `http://` where it has no
 * scheme, or no proxy where none is set; NO_PROXY is not looked at.
 */
export function defaultProxies(
  written: readonly string[],
  environment: (name: string) => string | undefined,
): readonly string[] {
  const proxies = written.flatMap((one) => {
    if (one !== "env") return [one];
    const found = variables.map(environment).find((value) => value !== undefined && value !== "");
    return found === undefined ? [] : [found.includes("://") ? found : `http://${found}`];
  });
  if (!proxies.includes("none")) return proxies;
  if (proxies.length > 1) throw new ConfigError('option "--via": none excludes other proxies');
  return [];
}
