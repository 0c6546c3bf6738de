/** The URL form of addresses: `tcp://host:port`, `ws+unix:///path`. */
import { ConfigError } from "../errors.ts";
import { textOf, type Token } from "./lexer.ts";
import { type Found, type Names, unknownType } from "./names.ts";
import { parseParameters } from "./parameters.ts";
import { knowsKey, type Level, pluginOf, setKey, type Stack, typeName } from "./stack.ts";
import { putOver, stackOf } from "./stack_of.ts";
import { loginSettings } from "./via.ts";

function partsOf(body: readonly Token[]): { schemes: string[]; rest: string } | undefined {
  const text = textOf(body);
  const match = /^([A-Za-z0-9][\w-]*(?:\+[A-Za-z0-9][\w-]*)*):\/\//.exec(text);
  return match ? { schemes: match[1]!.split("+"), rest: text.slice(match[0].length) } : undefined;
}

/** Whether `body` is a URL. `OPEN://tmp/x` is not: a local type with text takes its slashes literally. */
export function isUrl(body: readonly Token[], names: Names): boolean {
  const parts = partsOf(body);
  if (!parts) return false;
  if (parts.schemes.length > 1) return true;
  const found = names.scheme(parts.schemes[0]!);
  return found !== undefined && !(found.type.role === "local" && found.type.parameters.form === "text");
}

/** Reads a URL. Throws `ConfigError`. */
export function parseUrl(body: readonly Token[], names: Names): Stack {
  const { schemes, rest } = partsOf(body)!;
  const address = textOf(body);
  const found = schemes.map((scheme) => {
    const one = names.scheme(scheme);
    if (!one) throw unknownType(scheme, names);
    return one;
  });
  const base = found.at(-1)!;
  let stack = stackOf(base, names);
  for (const [i, outer] of found.slice(0, -1).reverse().entries()) {
    const scheme = schemes[found.length - 2 - i]!;
    if (!outer.layer) throw new ConfigError(`"${scheme}" cannot lie over another protocol in "${address}"`);
    stack = putOver(outer.layer, stack.role === "listen" ? "listen" : "connect", stack, scheme);
  }
  const { parameters } = base.type;
  const client = stack.levels.find((level) => level.layer?.proxy);
  if (client) {
    readThroughServer(stack, client, rest, address);
  } else if (parameters.form === "host:port" || parameters.form === "[host:]port") {
    readAuthority(stack, base, rest, address);
  } else {
    const tokens = rest === "" || rest === "/" && parameters.form === "none" ? undefined : [{ text: rest }];
    const fields = pluginOf(stack.levels[found.length - 1]!).spec.fields;
    const settings = parseParameters(base.type, { tokens, address }, fields);
    for (const [key, value] of Object.entries(settings)) setKey(stack, key, value);
  }
  return stack;
}

/** `[user:password@]proxy[:port]/host:port`: the proxy, and the destination it is to connect to. */
function readThroughServer(stack: Stack, client: Level, rest: string, address: string): void {
  const match = /^(?:(.*)@)?([^@/]+)\/([^/]+)\/?$/s.exec(rest);
  if (!match) throw new ConfigError(`write scheme://proxy[:port]/host:port, not "${address}"`);
  const tokens = authorityTokens(`${match[2]}:${match[3]}`);
  for (const [key, value] of Object.entries(parseParameters(client.type!, { tokens, address }, {}))) {
    setKey(stack, key, value);
  }
  Object.assign(client.settings, loginSettings(client.layer!, match[1]));
}

/** `[user:password@]host[:port][/path?query#fragment]`. */
function readAuthority(stack: Stack, base: Found, rest: string, address: string): void {
  const match = /^(?:([^@/?#]*)@)?([^/?#]*)(.*)$/s.exec(rest)!;
  const [, user, authority, after] = match;
  const port = stack.levels.map(defaultPort).findLast((port) => port !== undefined);
  const type = { ...base.type, parameters: { ...base.type.parameters, path: false, defaultPort: port } as never };
  const settings = parseParameters(type, { tokens: authorityTokens(authority!), address }, {});
  for (const [key, value] of Object.entries(settings)) setKey(stack, key, value);
  const path = after!.startsWith("/") ? after! : after === "" ? "" : `/${after}`;
  if (path !== "" && (path !== "/" || stack.role === "listen")) setUrlPart(stack, "path", path, address);
  if (user !== undefined) setUrlPart(stack, "basic_auth", decode(user, address), address);
}

function defaultPort({ type }: Level): number | undefined {
  const parameters = type?.parameters;
  return parameters && "defaultPort" in parameters ? parameters.defaultPort : undefined;
}

function authorityTokens(authority: string): Token[] {
  const words = authority.match(/\[[^\]]*\]?|[^:[]+|:/g) ?? [];
  const tokens: Token[] = words.map((word) => word === ":" ? { special: ":" } : { text: word });
  return tokens;
}

function setUrlPart(stack: Stack, key: "path" | "basic_auth", value: string, address: string): void {
  if (knowsKey(stack, key)) return setKey(stack, key, value);
  const what = key === "path" ? "path" : "user name";
  throw new ConfigError(`${typeName(stack)} takes no ${what}: "${address}"`);
}

function decode(text: string, address: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConfigError(`bad percent encoding in "${address}"`);
  }
}
