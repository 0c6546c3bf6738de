/**
 * What the options `via`, `proxy-protocol` and `accept-proxy` of an endpoint stand for: layers, put into its stack when
 * it is planned.
 */
import { ConfigError, messageOf } from "../errors.ts";
import type { ProxyScheme, Registry } from "../protocol.ts";
import { parseHost, parsePort, printHost } from "./host_port.ts";
import type { AnyLayer } from "./names.ts";
import { mask } from "./printer.ts";
import { type Level, type Settings, type Stack, typeFor } from "./stack.ts";

/** A proxy as `via=` names it. */
interface Proxy {
  readonly layer: AnyLayer;
  readonly scheme: ProxyScheme;
  readonly host: string;
  readonly port: number;
  /** Of the layer, in the document's form. */
  readonly settings: Settings;
}

/** `stack` with the layers that options of its connection stand for. Throws `ConfigError`. */
export function withProxies(stack: Stack, registry: Registry): Stack {
  const base = stack.levels.at(-1)!;
  const listens = stack.role === "listen";
  const used = listens ? ["accept_proxy"] : ["via", "proxy_protocol"];
  if (used.every((key) => base.settings[key] === undefined)) return stack;
  const fields = base.protocol?.spec.fields ?? {};
  const read = (key: string): unknown => {
    const value = used.includes(key) ? base.settings[key] : undefined;
    return value === undefined ? undefined : fields[key]?.parse(value, base.at ? `${base.at}.${key}` : key);
  };
  // What is for the other role stays, and is refused with the other settings.
  const settings = Object.fromEntries(Object.entries(base.settings).filter(([key]) => !used.includes(key)));
  const proxies = readVia(read("via") as readonly string[] ?? [], registry, fields.via?.notes.mask ?? String);
  const at = base.at && `${base.at}.via`;
  const [first, ...others] = proxies;
  const lowest = first ? { ...settings, address: first.host, port: first.port } : settings;
  const levels: Level[] = [{ ...base, settings: lowest } as Level];
  for (const [i, { layer, scheme, settings: own }] of proxies.entries()) {
    const next = others[i];
    const peer = next ? { address: next.host, port: next.port } : { address: settings.address, port: settings.port };
    if (scheme.over) levels.unshift(plainLevel(findLayer(scheme.over, registry), at));
    levels.unshift({ ...plainLevel(layer, at), settings: { ...own, ...peer } });
  }
  levels.unshift(...stack.levels.slice(0, -1));
  const header = (settings: Settings): Level => ({
    ...plainLevel(findLayer("PROXYPROTO", registry), base.at),
    settings,
  });
  const accept = read("accept_proxy");
  if (accept) levels.splice(-1, 0, header({ required: accept === "require" }));
  // The header is for the destination, so it goes through the proxies.
  const version = read("proxy_protocol");
  const outermost = levels.findIndex((level) => level.layer?.proxy);
  if (version !== undefined) levels.splice(outermost < 0 ? -1 : outermost, 0, header({ version }));
  return { ...stack, levels: levels as [Level, ...Level[]] };
}

function plainLevel(layer: AnyLayer, at: string | undefined): Level & { readonly layer: AnyLayer } {
  return { layer, type: typeFor(layer, "connect", {}), settings: {}, at };
}

function findLayer(name: string, registry: Registry): AnyLayer {
  const layer = registry.layers.find((layer) => layer.name === name);
  if (!layer) throw new ConfigError(`this build lacks ${name}`);
  return layer;
}

/** The proxies in order, nearest first; none for `none`. */
function readVia(urls: readonly string[], registry: Registry, masked: (url: string) => string): Proxy[] {
  if (urls.length === 1 && urls[0] === "none") return [];
  return urls.map((url) => {
    try {
      return readProxyUrl(url, registry);
    } catch (error) {
      throw new ConfigError(`option "via=${masked(url)}": ${messageOf(error)}`, { cause: error });
    }
  });
}

const proxyUrl = /^([a-z][\w.-]*):\/\/(?:(.*)@)?([^/]*)\/?$/is;

function readProxyUrl(url: string, registry: Registry): Proxy {
  if (url === "none") throw new ConfigError("none excludes other proxies");
  const match = proxyUrl.exec(url);
  if (!match) throw new ConfigError("a proxy is written scheme://[user:password@]host[:port]");
  const [, name, login, authority] = match;
  const wanted = name!.toLowerCase();
  const layer = registry.layers.find((layer) => layer.proxy && Object.hasOwn(layer.proxy.schemes, wanted));
  if (!layer) {
    const known = registry.layers.flatMap((layer) => Object.keys(layer.proxy?.schemes ?? {})).sort();
    throw new ConfigError(`unknown kind of proxy "${wanted}"; known are ${known.join(", ")}`);
  }
  const scheme = layer.proxy!.schemes[wanted]!;
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(\w+))?$/.exec(authority!);
  if (!parts || parts[1] === "") throw new ConfigError(`"${authority}" is not host or host:port`);
  return {
    layer,
    scheme,
    host: parseHost(parts[1]!, url),
    port: parts[2] === undefined ? scheme.port : parsePort(parts[2], false, url),
    settings: { ...scheme.settings, ...loginSettings(layer, login) },
  };
}

/** What `user:password` in front of a proxy's host stands for; percent encoding is undone. Throws `ConfigError`. */
export function loginSettings(layer: AnyLayer, login: string | undefined): Settings {
  if (login === undefined) return {};
  const [user, ...rest] = login.split(":");
  const password = rest.length === 0 ? undefined : rest.join(":");
  if (password === mask) throw new ConfigError("the password is masked; write the real one (--show-secrets)");
  return { ...layer.proxy!.login(decode(user!), password === undefined ? undefined : decode(password)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConfigError("bad percent encoding in user or password");
  }
}

/** `p:1080`: the proxy that `below`, the levels under its client, connect to. */
export function proxyName(below: readonly Level[]): string {
  const has = (key: string) => below.find((level) => level.settings[key] !== undefined)?.settings[key];
  const [host, port] = [String(has("address") ?? ""), has("port")];
  return port === undefined ? host : `${printHost(host)}:${port}`;
}
