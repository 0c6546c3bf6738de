/**
 * The REST API: requests in, answers out, over whatever carries them. Its paths, statuses and texts are those of the
 * original's API, and more; see `operations.ts`.
 */
import type { Context as HonoContext } from "hono";
import type { Control } from "../control/control.ts";
import { L7mpError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Registry } from "../protocol.ts";
import type { StreamInfo } from "../stream/stream.ts";
import { type AccessRules, checkAccess, corsHeaders } from "./access.ts";
import { faultAnswer, jsonAnswer } from "./answer.ts";
import { type BodyLimits, defaultLimits, readBody } from "./body.ts";
import { Fault } from "./fault.ts";
import { openApiDocument, pathParameters, prefix, requestSchema } from "./openapi.ts";
import { type Call, type Operation, Tagged } from "./operation.ts";
import { operations } from "./operations.ts";
import { isKnown, loadTag, type Tag } from "./precondition.ts";
import type { JsonSchema } from "./schemas.ts";
import { readToken } from "./token.ts";
import type { Validate } from "./validate.ts";

export interface AdminOptions {
  readonly registry: Registry;
  readonly log: Log;
  /** Requests are checked against the schemas, whatever `admin.strict` says (`--strict-config`). */
  readonly strict?: boolean;
  /** File with the bearer token for callers from elsewhere; absent: `admin.token_file`. Read anew for each of them. */
  readonly tokenFile?: string;
  /** Origins of web pages that may use the API, beside its own. */
  readonly origins?: readonly string[];
  readonly limits?: BodyLimits;
}

/** Answers one request of `caller`. Never rejects. */
export type Admin = (request: Request, caller: StreamInfo) => Promise<Response>;

/** The API of the proxy behind `control`. The libraries it needs are loaded by the first request. */
export function createAdmin(control: Control, options: AdminOptions): Admin {
  const { log } = options;
  let app: Promise<Admin> | undefined;
  const rules: AccessRules = {
    get hosts() {
      return control.snapshot.admin.hosts ?? [];
    },
    origins: options.origins ?? [],
    token: () => tokenOf(options.tokenFile ?? control.snapshot.admin.token_file, log),
  };
  return async (request, caller) => {
    let answer: Response;
    try {
      await checkAccess(request, caller, rules);
      app ??= loadApp(control, options);
      answer = await (await app)(request, caller);
    } catch (error) {
      answer = faultAnswer(faultOf(error, log));
    }
    for (const [name, value] of Object.entries(corsHeaders(request, rules))) answer.headers.set(name, value);
    const { pathname } = new URL(request.url);
    log.info("admin.request", `${caller.name}: ${request.method} ${pathname}: ${answer.status}`, {
      method: request.method,
      path: pathname,
      status: answer.status,
    });
    return answer;
  };
}

/** A file that cannot be read lets nobody in. */
async function tokenOf(path: string | undefined, log: Log): Promise<string | undefined> {
  try {
    return path === undefined ? undefined : await readToken(path);
  } catch (error) {
    log.error("admin.token", messageOf(error));
    return undefined;
  }
}

function faultOf(error: unknown, log: Log): Fault {
  if (error instanceof Fault) return error;
  if (error instanceof L7mpError) return new Fault(400, error.message);
  log.error("admin.fault", `internal error in the REST API: ${messageOf(error)}`);
  log.debug("admin.fault.stack", error instanceof Error ? error.stack ?? "" : "");
  return new Fault(500, `Internal error: ${messageOf(error)}`);
}

async function loadApp(control: Control, options: AdminOptions): Promise<Admin> {
  const [{ Hono }, tag] = await Promise.all([import("hono"), loadTag()]);
  const { registry, log, limits = defaultLimits } = options;
  const all = [...operations, selfDescription(() => document)];
  const document = openApiDocument(all, registry, control.programVersion);
  let validator: Promise<Validate> | undefined;
  const strict = () => options.strict === true || control.snapshot.admin.strict === true;
  const loadValidator = async () => (await import("./validate.ts")).makeValidator(document);
  const validate = async () => strict() ? await (validator ??= loadValidator()) : undefined;

  const app = new Hono({ strict: false });
  const paths = new Map<string, string[]>();
  for (const operation of all) {
    const schema = requestSchema(operation);
    const places = atRoot.has(operation.path) ? [prefix, ""] : [prefix];
    for (const place of places) {
      const path = place + operation.path.replace(/\{(\w+)\}/g, ":$1");
      paths.set(path, [...(paths.get(path) ?? []), operation.method]);
      app.on(operation.method, path, async (c) => {
        const call = await callOf(c, operation, { control, tag, limits });
        return answerTo(await runChecked(call, operation, schema, await validate()), c.req.raw, call.query);
      });
    }
  }
  for (const [path, methods] of paths) {
    const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
    app.all(path, (c) => {
      if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
      // The original knows no other status for it.
      throw new Fault(404, `${unknownOperation}: this path takes ${allow}`, { allow });
    });
  }
  app.notFound(() => faultAnswer(new Fault(404, unknownOperation)));
  app.onError((error) => faultAnswer(faultOf(error, log)));
  return async (request) => await app.fetch(request);
}

const atRoot: ReadonlySet<string> = new Set(["/openapi.json", "/healthz", "/readyz"]);

const unknownOperation = "Unknown API operation";

function selfDescription(document: () => JsonSchema): Operation {
  return {
    id: "getOpenApi",
    method: "GET",
    path: "/openapi.json",
    summary: "This document",
    answer: { type: "object" },
    run: document,
  };
}

type Parts = { readonly control: Control; readonly tag: Tag; readonly limits: BodyLimits };

async function callOf(c: HonoContext, { path, body }: Operation, parts: Parts): Promise<Omit<Call, "check">> {
  const { control, tag, limits } = parts;
  const request = c.req.raw;
  const { pathname, searchParams: query } = new URL(request.url);
  try {
    decodeURIComponent(pathname);
  } catch {
    throw new Fault(400, "The path is not properly percent-encoded");
  }
  const [name = "", position = ""] = pathParameters(path).map((parameter) => c.req.param(parameter) ?? "");
  return { control, request, name, position, query, tag, body: body && await readBody(request, limits) };
}

async function runChecked(
  call: Omit<Call, "check">,
  operation: Operation,
  schema: JsonSchema,
  validate: Validate | undefined,
): Promise<unknown> {
  const path = Object.fromEntries(
    pathParameters(operation.path).map((parameter, i) => [parameter, i === 0 ? call.name : numeric(call.position)]),
  );
  const check = (schema: JsonSchema, value: unknown) => {
    const violations = validate?.(schema, value) ?? [];
    if (violations.length > 0) throw new Fault(422, violations);
  };
  check(schema, { path, query: Object.fromEntries(call.query), requestBody: call.body });
  return await operation.run({
    ...call,
    check: (schema, requestBody) => check(bodyOnly(schema), { requestBody }),
  });
}

/** A position is a number to its schema. */
function numeric(text: string): string | number {
  return /^-?\d+$/.test(text) ? Number(text) : text;
}

const bodySchemas = new WeakMap<JsonSchema, JsonSchema>();

/** One schema for one, so that it is compiled once. */
function bodyOnly(schema: JsonSchema): JsonSchema {
  let whole = bodySchemas.get(schema);
  if (!whole) bodySchemas.set(schema, whole = { type: "object", properties: { requestBody: schema } });
  return whole;
}

function answerTo(value: unknown, request: Request, query: URLSearchParams): Response {
  if (value instanceof Response) return value;
  const format = query.get("format");
  if (!(value instanceof Tagged)) return jsonAnswer(value, format);
  const headers = { etag: value.tag };
  if (isKnown(request, value.tag)) return new Response(null, { status: 304, headers });
  return jsonAnswer(value.value, format, headers);
}
