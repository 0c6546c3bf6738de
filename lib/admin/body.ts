/** Reads the body of a request: bounded in bytes and in depth, JSON or YAML by its content type. */
import { messageOf } from "../errors.ts";
import { concat } from "../stream/concat.ts";
import { Fault } from "./fault.ts";

export interface BodyLimits {
  readonly maxBytes: number;
  /** Containers within containers. */
  readonly maxDepth: number;
}

export const defaultLimits: BodyLimits = { maxBytes: 8 * 1024 * 1024, maxDepth: 64 };

export const jsonTypes = ["application/json", "application/x-json", "text/json", "text/x-json"] as const;
export const yamlTypes = ["text/yaml", "text/x-yaml", "application/yaml", "application/x-yaml"] as const;
/** For PATCH, beside the others. */
export const mergePatchType = "application/merge-patch+json";

/** Plain data out of the body. Throws a `Fault`: 415 for its type, 413 for its length, 400 for what is in it. */
export async function readBody(request: Request, limits: BodyLimits = defaultLimits): Promise<unknown> {
  const parse = parserFor(request);
  const bytes = await readBytes(request, limits.maxBytes);
  const text = decode(bytes);
  if (text.trim() === "") throw new Fault(400, "The body is empty");
  let value: unknown;
  try {
    value = await parse(text);
  } catch (error) {
    throw new Fault(400, error instanceof RangeError ? tooDeep(limits) : messageOf(error));
  }
  checkShape(value, limits, Math.max(10_000, bytes.length));
  return value;
}

type Parser = (text: string) => unknown;

function parserFor(request: Request): Parser {
  const written = request.headers.get("content-type");
  const [type, ...parameters] = (written ?? "").toLowerCase().split(";").map((part) => part.trim());
  const charset = parameters.map((parameter) => /^charset="?([^"]*)"?$/.exec(parameter)?.[1]).find(Boolean);
  if (charset !== undefined && !["utf-8", "utf8", "us-ascii"].includes(charset)) {
    throw new Fault(415, `Charset "${charset}" is not supported, only utf-8`);
  }
  const encoding = request.headers.get("content-encoding")?.toLowerCase();
  if (encoding !== undefined && encoding !== "identity") {
    throw new Fault(415, `Content encoding "${encoding}" is not supported, only identity`);
  }
  if ((jsonTypes as readonly string[]).includes(type!)) return parseJson;
  if ((yamlTypes as readonly string[]).includes(type!)) return parseYaml;
  if (type === mergePatchType && request.method === "PATCH") return parseJson;
  const known = "application/json, text/yaml, or one of their older names";
  throw new Fault(415, `${written === null ? "No content type" : `Content type "${written}"`}; expected ${known}`);
}

function parseJson(text: string): unknown {
  return JSON.parse(text);
}

async function parseYaml(text: string): Promise<unknown> {
  const { parse } = await import("@std/yaml");
  return parse(text, { schema: "core" });
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLong = new Fault(413, `The body is longer than ${maxBytes} bytes`, { "connection": "close" });
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLong;
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body.getReader();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > maxBytes) throw tooLong;
      // A chunk may be lent; what is kept is ours.
      chunks.push(value.slice());
    }
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error instanceof Fault ? error : new Fault(400, `The body cannot be read: ${messageOf(error)}`);
  }
  return concat(chunks);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Fault(400, "The body is not valid UTF-8");
  }
}

const tooDeep = ({ maxDepth }: BodyLimits) => `The body is nested deeper than ${maxDepth} levels`;

/**
 * Refuses what would hurt whoever walks through it: nesting, cycles and repetitions (of a YAML alias), and keys that
 * mean something else to JavaScript.
 */
function checkShape(value: unknown, limits: BodyLimits, maxValues: number): void {
  let left = maxValues;
  const visit = (item: unknown, depth: number) => {
    if (--left < 0) throw new Fault(400, `The body stands for more than ${maxValues} values`);
    if (typeof item !== "object" || item === null) return;
    if (depth === limits.maxDepth) throw new Fault(400, tooDeep(limits));
    for (const [key, member] of Object.entries(item)) {
      if (key === "__proto__") throw new Fault(400, 'The key "__proto__" is not allowed');
      visit(member, depth + 1);
    }
  };
  visit(value, 0);
}
