/** From the word of an address to its stack of layers and protocol. */
import { ConfigError } from "../errors.ts";
import { parseHost } from "./host_port.ts";
import { lexAddress, type LexedAddress, textOf, type Token } from "./lexer.ts";
import { type Names, unknownType } from "./names.ts";
import { optionOverlays } from "./option_overlays.ts";
import { applyOption } from "./options.ts";
import { parseParameters } from "./parameters.ts";
import { engineFields, getKey, pluginOf, setKey, type Stack, typeName } from "./stack.ts";
import { putOver, stackOf } from "./stack_of.ts";
import { partsOf } from "./typed_level.ts";
import { isUrl, parseUrl } from "./url_form.ts";

/** An address; a dual one reads from its first half and writes to its second. */
export type ParsedAddress = { readonly single: Stack } | {
  readonly dual: { readonly read: Stack; readonly write: Stack };
};

/**
 * Reads one address. `tail` are the words after `--`, for EXEC-ARG and SHELL-ARG. Throws `ConfigError`, which
 * names the word and what to write instead.
 */
export function parseAddress(word: string, names: Names, tail?: readonly string[]): ParsedAddress {
  const halves = lexAddress(word).map((half) => parseSingle(half, names, word, tail));
  if (halves.length === 1) return { single: halves[0]! };
  if (halves.length > 2) throw new ConfigError(`"${word}": a dual address has two halves, not ${halves.length}`);
  return { dual: { read: halves[0]!, write: halves[1]! } };
}

function parseSingle(lexed: LexedAddress, names: Names, word: string, tail?: readonly string[]): Stack {
  const body = parseBody(lexed.body, names, word, tail);
  for (const option of lexed.options) {
    // As socat: a comma too many says nothing. In a URL it may be part of the path, which must not get lost.
    if (option.name === "" && option.value === undefined && !body.isUrl) continue;
    applyOption(body.stack, option, names, body.isUrl);
  }
  for (const type of body.stack.levels.map((level) => level.type)) {
    for (const [key, value] of Object.entries(type?.implies ?? {})) {
      if (getKey(body.stack, key) === undefined) setKey(body.stack, key, value);
    }
  }
  bindIsAddress(body.stack, textOf(lexed.body));
  return body.stack;
}

interface Body {
  readonly stack: Stack;
  readonly isUrl: boolean;
}

function parseBody(body: readonly Token[], names: Names, word: string, tail?: readonly string[]): Body {
  const address = textOf(body);
  const head = body[0] && "text" in body[0] ? body[0].text : "";
  if (address === "") throw new ConfigError(`"${word}": an address is missing`);
  if (address === "-") return plain("STDIO", body, names);
  if (/^\d+$/.test(address)) return plain("FD", [{ text: "FD" }, { special: ":" }, ...body], names);
  if (isUrl(body, names)) return { stack: parseUrl(body, names), isUrl: true };
  const rest = body.slice(2);
  const overlay = names.overlay(head);
  if (overlay && rest.length > 0 && (!names.type(head) || beginsAddress(rest, names))) {
    const inner = parseBody(rest, names, word, tail);
    const role = overlay.roles.find((role) => (role === "listen") === (inner.stack.role === "listen"));
    return { ...inner, stack: putOver(overlay.layer, role ?? overlay.roles[0]!, inner.stack, head) };
  }
  const option = optionOverlays.find(({ name }) => name === head.toLowerCase());
  if (option && rest.length > 0 && !names.type(head)) {
    const inner = parseBody(rest, names, word, tail);
    const { key, value } = option;
    if (!(key in engineFields(inner.stack.role))) {
      throw new ConfigError(`"${head}" needs an address that connects after it, not ${typeName(inner.stack)}`);
    }
    inner.stack.levels[0].settings[key] = value;
    return inner;
  }
  const found = names.type(head);
  if (found) {
    const over = found.layer?.overlays?.find(({ role }) => role === found.type.role);
    const hint = over && rest.length > 0 && beginsAddress(rest, names)
      ? `; over another address it is ${over.name}:${textOf(rest)}`
      : "";
    return advising(hint, () => plain(head, body, names, tail));
  }
  if (head.includes("/")) return plain("GOPEN", [{ text: "GOPEN" }, { special: ":" }, ...body], names);
  if (names.transform(head)) {
    throw new ConfigError(`"${address}" is a transform, not an address; it stands between two addresses`);
  }
  if (overlay || option) {
    const example = overlay && !overlay.roles.includes("connect") ? "tcp-l:8080" : "tcp:localhost:80";
    throw new ConfigError(`"${head}" stands before an address, as in ${head}:${example}`);
  }
  if (looksLikeHostAndPort(address)) {
    throw new ConfigError(`unknown device/address "${head || address}"; did you mean "TCP:${address}"?`);
  }
  throw unknownType(head === "" ? address : head, names);
}

/** Runs `read`, whose errors get `hint` behind them. */
function advising<T>(hint: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) error.message += hint;
    throw error;
  }
}

/** `127.0.0.1:80`, `localhost:80`, `www.example.org:80`, `[::1]:80`: no type has such a name. */
function looksLikeHostAndPort(address: string): boolean {
  return /^(localhost|[\w-]+(\.[\w-]+)+|\[[\da-f:.]+\]):\d+$/i.test(address);
}

/** Whether `tokens` begin with a type name, so that the word before them is an overlay and not a type. */
function beginsAddress(tokens: readonly Token[], names: Names): boolean {
  const first = tokens[0]!;
  const head = "text" in first ? first.text : "";
  const isWord = tokens.length === 1 || "special" in tokens[1]!;
  return isUrl(tokens, names) || (isWord && (names.type(head) ?? names.overlay(head)) !== undefined);
}

/** `TYPE[:parameters]`. */
function plain(name: string, body: readonly Token[], names: Names, tail?: readonly string[]): Body {
  const tokens = body.length > 1 ? body.slice(2) : undefined;
  const written = names.type(name);
  const other = tokens?.length ? written?.type.withParameters : undefined;
  const found = other === undefined ? written : names.type(other);
  if (!found) throw unknownType(name, names);
  const stack = stackOf(found, names);
  const fields = Object.assign({}, ...stack.levels.map((level) => pluginOf(level).spec.fields).reverse());
  const settings = parseParameters(found.type, { tokens, address: textOf(body), tail }, fields);
  for (const [key, value] of Object.entries(settings)) setKey(stack, key, value);
  return { stack, isUrl: false };
}

/** For listeners that take `[host:]port`, `bind=host` is the same as the host. */
function bindIsAddress(stack: Stack, address: string): void {
  const owner = stack.levels.find((level) => level.settings.bind !== undefined);
  if (!owner || partsOf(stack).typed.type?.parameters.form !== "[host:]port") return;
  const bind = String(owner.settings.bind);
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(bind);
  if (!match) return;
  const host = parseHost(match[1]!, `bind=${bind}`);
  const before = { host: getKey(stack, "address"), port: getKey(stack, "port") };
  const otherHost = host !== "" && before.host !== undefined && before.host !== host;
  const otherPort = match[2] !== undefined && before.port !== Number(match[2]);
  if (otherHost || otherPort) throw new ConfigError(`option "bind=${bind}" contradicts "${address}"`);
  delete owner.settings.bind;
  if (host !== "") setKey(stack, "address", host);
}
