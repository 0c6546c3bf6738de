/** Parameters of addresses: what stands between the type name and the options. */
import { ConfigError } from "../errors.ts";
import type { AddressType, Parameters } from "../protocol.ts";
import type { Fieldset } from "../schema.ts";
import { bracketedForm, parseHost, parsePort, printHost } from "./host_port.ts";
import { split, textOf, type Token } from "./lexer.ts";
import type { Settings } from "./stack.ts";

/** `TCP:<host>:<port>`, for messages and help. */
export function usage({ names, parameters }: AddressType): string {
  const name = names[0]!;
  switch (parameters.form) {
    case "none":
      return name;
    case "host:port":
      return `${name}:<host>:<port>${parameters.path ? "[/<path>]" : ""}`;
    case "[host:]port":
      return `${name}:[<host>:]<port>${parameters.path ? "[/<path>]" : ""}`;
    case "server:host:port":
      return `${name}:<server>[:<port>]:<host>:<port>`;
    case "text":
    case "number":
      return parameters.optional ? `${name}[:<${parameters.label}>]` : `${name}:<${parameters.label}>`;
    case "words":
      return `${name} ... -- <program> [<argument> ...]`;
  }
}

function wrongNumber(type: AddressType, got: number, wanted: number, why = ""): ConfigError {
  const counts = got === wanted ? "empty parameter" : `wrong number of parameters (${got} instead of ${wanted})`;
  return new ConfigError(`${type.names[0]}: ${counts}: ${why}usage ${usage(type)}`);
}

export interface WrittenParameters {
  /** What follows the colon after the type name; undefined without a colon. */
  readonly tokens: readonly Token[] | undefined;
  /** The whole address, for messages. */
  readonly address: string;
  /** Words after `--`. */
  readonly tail?: readonly string[];
}

/** Reads parameters into settings. `fields` has the schema of every key. Throws `ConfigError`. */
export function parseParameters(type: AddressType, written: WrittenParameters, fields: Fieldset): Settings {
  const { parameters } = type;
  const { tokens, tail } = written;
  const text = textOf(tokens ?? []);
  switch (parameters.form) {
    case "none":
      if (text !== "") throw wrongNumber(type, split(tokens!, ":").length, 0);
      return {};
    case "text":
      if (tokens === undefined && !parameters.optional) throw wrongNumber(type, 0, 1);
      if (text === "" && parameters.optional) return {};
      return { [parameters.key]: fromText(fields, parameters.key, text) };
    case "number":
      if (text === "" && parameters.optional) return {};
      if (text === "") throw wrongNumber(type, 0, 1);
      if (!/^\d+$/.test(text)) {
        throw new ConfigError(`${type.names[0]}: "${text}" is not a number; usage ${usage(type)}`);
      }
      return { [parameters.key]: Number(text) };
    case "words":
      if (text !== "") throw wrongNumber(type, 1, 0);
      if (!tail || tail.length === 0) {
        throw new ConfigError(`${type.names[0]}: the program is missing; usage ${usage(type)}`);
      }
      return { [parameters.key]: [...tail] };
    case "host:port":
    case "[host:]port":
      return parseHostPort(type, parameters, written);
    case "server:host:port":
      return parseThroughServer(type, parameters.serverPort, written);
  }
}

function fromText(fields: Fieldset, key: string, text: string): unknown {
  const schema = fields[key];
  return schema ? schema.print(schema.fromText(text, key)) : text;
}

type HostPort = Extract<Parameters, { form: "host:port" | "[host:]port" }>;

function parseHostPort(type: AddressType, parameters: HostPort, { tokens, address }: WrittenParameters): Settings {
  const [front, path] = parameters.path ? cutAtSlash(tokens ?? []) : [tokens ?? [], undefined];
  const words = tokens === undefined || front.length === 0 ? [] : split(front, ":").map(textOf);
  const listens = parameters.form === "[host:]port";
  const wanted = listens ? 1 : 2;
  const missing = wanted - words.length;
  if (missing === 1 && parameters.defaultPort !== undefined) words.push(String(parameters.defaultPort));
  if (words.length < wanted || words.length > 2) {
    const bracketed = bracketedForm(words);
    if (bracketed) throw new ConfigError(`write IPv6 addresses in brackets: ${type.names[0]}:${bracketed}`);
    throw wrongNumber(type, words.length, wanted);
  }
  const port = words.pop()!;
  const host = words.pop();
  if (port === "") throw wrongNumber(type, host ? 1 : 0, wanted, "port is missing; ");
  if (host === "" && !listens) throw wrongNumber(type, 1, wanted, "host is missing; ");
  return {
    ...(host && { address: parseHost(host, address) }),
    port: parsePort(port, listens, address),
    ...(path !== undefined && (listens || path !== "/") && { path }),
  };
}

/** `server[:port]:host:port`: the server's part gets the keys of what lies under. */
function parseThroughServer(type: AddressType, serverPort: number, { tokens, address }: WrittenParameters): Settings {
  const words = tokens === undefined ? [] : split(tokens, ":").map(textOf);
  if (words.length !== 3 && words.length !== 4) {
    const hint = words.length > 4 ? "IPv6 addresses stand in brackets; " : "";
    throw wrongNumber(type, words.length, 3, hint);
  }
  const port = words.pop()!;
  const host = words.pop()!;
  const [server, written = String(serverPort)] = words as [string, string?];
  for (const [what, word] of [["server", server], ["host", host], ["port", port], ["port", written]] as const) {
    if (word === "") throw wrongNumber(type, words.length + 1, 3, `${what} is missing; `);
  }
  return {
    address: parseHost(host, address),
    port: parsePort(port, false, address),
    "base.address": parseHost(server, address),
    "base.port": parsePort(written, false, address),
  };
}

/** Cuts before the first slash: what is the authority, and the path. */
function cutAtSlash(tokens: readonly Token[]): [Token[], string | undefined] {
  for (const [i, token] of tokens.entries()) {
    if ("special" in token) continue;
    const at = token.text.indexOf("/");
    if (at < 0) continue;
    const front = at > 0 ? [{ text: token.text.slice(0, at) }] : [];
    return [[...tokens.slice(0, i), ...front], token.text.slice(at) + textOf(tokens.slice(i + 1))];
  }
  return [[...tokens], undefined];
}

export type ParameterPrinter = (key: string) => unknown;

/** The keys that the parameters of `type` take. */
export function parameterKeys({ parameters }: AddressType): string[] {
  switch (parameters.form) {
    case "none":
      return [];
    case "host:port":
    case "[host:]port":
      return ["address", "port", ...(parameters.path ? ["path"] : [])];
    case "server:host:port":
      return ["address", "port", "base.address", "base.port"];
    default:
      return [parameters.key];
  }
}

/** The parameters as text, colon and all, not yet quoted; the inverse of `parseParameters`. */
export function printParameters({ parameters }: AddressType, settings: ParameterPrinter): string {
  switch (parameters.form) {
    case "none":
    case "words":
      return "";
    case "host:port":
    case "[host:]port": {
      const host = settings("address");
      const path = parameters.path ? settings("path") ?? "" : "";
      const port = settings("port") ?? parameters.defaultPort ?? "";
      return `:${host === undefined ? "" : `${printHost(String(host))}:`}${port}${path}`;
    }
    case "server:host:port": {
      const part = (prefix: string, usual: unknown) =>
        `${printHost(String(settings(`${prefix}address`) ?? ""))}:${settings(`${prefix}port`) ?? usual}`;
      return `:${part("base.", parameters.serverPort)}:${part("", "")}`;
    }
    default: {
      const value = settings(parameters.key);
      return value === undefined ? "" : `:${value}`;
    }
  }
}
