/** The OpenAPI 3.1 document, made of the operations and schemas that requests are checked against. */
import type { Registry } from "../protocol.ts";
import { jsonTypes, mergePatchType, yamlTypes } from "./body.ts";
import { formats } from "./format.ts";
import type { Operation } from "./operation.ts";
import { type JsonSchema, name, ref, schemas } from "./schemas.ts";

/** What all paths begin with. */
export const prefix = "/api/v1";

export function openApiDocument(operations: readonly Operation[], registry: Registry, version: string): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) (paths[operation.path] ??= {})[operation.method.toLowerCase()] = item(operation);
  return {
    openapi: "3.1.0",
    info: {
      title: "l7mp",
      version,
      description:
        "What a running proxy does can be seen, and changed, here. An error is {status, message, content}; " +
        "an object that is not there is a 400, not a 404.",
    },
    servers: [{ url: prefix }],
    security: [{}, { bearer: [] }],
    paths,
    components: {
      schemas: schemas(registry),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "For callers from other machines" },
      },
    },
  };
}

/** Names of the parameters in a path, in their order. */
export function pathParameters(path: string): readonly string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter!);
}

/** Schema of a parameter in the path: a rule that is deleted from its list may be named there. */
function pathParameter({ method }: Operation, parameter: string): JsonSchema {
  if (parameter !== "position") return name;
  const position = { type: "integer" };
  return method === "DELETE" ? { anyOf: [position, name] } : position;
}

/** Schema of each query parameter of an operation. */
function queryParameters({ method, query = [] }: Operation): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries([
    ...query.map((parameter) => [parameter, { enum: ["true", "false"] }] as const),
    ...(method === "GET" ? [["format", { enum: [...formats] }] as const] : []),
  ]);
}

/** What strict mode checks: the whole request as one value. */
export function requestSchema(operation: Operation): JsonSchema {
  const parameters = pathParameters(operation.path).map((
    parameter,
  ) => [parameter, pathParameter(operation, parameter)]);
  return {
    type: "object",
    properties: {
      path: { type: "object", properties: Object.fromEntries(parameters) },
      query: { type: "object", properties: queryParameters(operation), additionalProperties: false },
      ...(operation.body && { requestBody: operation.body }),
    },
  };
}

function item(operation: Operation): JsonSchema {
  const { id, summary, body, method, answer } = operation;
  const types = [...jsonTypes, ...yamlTypes, ...(method === "PATCH" ? [mergePatchType] : [])];
  const content = (schema: JsonSchema) => Object.fromEntries(types.map((type) => [type, { schema }]));
  const error = (description: string) => ({ description, content: { "application/json": { schema: ref("Error") } } });
  return {
    operationId: id,
    summary,
    parameters: [
      ...pathParameters(operation.path).map((parameter) => (
        { name: parameter, in: "path", required: true, schema: pathParameter(operation, parameter) }
      )),
      ...Object.entries(queryParameters(operation)).map(([parameter, schema]) => (
        { name: parameter, in: "query", required: false, schema }
      )),
      ...(["PUT", "PATCH", "DELETE"].includes(method) && id !== "deleteSession"
        ? [{ name: "If-Match", in: "header", required: false, schema: { type: "string" } }]
        : []),
    ],
    ...(body && { requestBody: { required: true, content: content(body) } }),
    responses: {
      "200": {
        description: "Success",
        content: {
          "application/json": { schema: answer },
          ...(operation.query?.includes("watch") && { "application/x-ndjson": { schema: ref("SessionChange") } }),
        },
      },
      "400": error("The request cannot be done: what it names is unknown or taken, or something in it is wrong"),
      "403": error("The caller may not use the API"),
      "422": error("Strict mode: the request does not fit its schema"),
      ...(["PUT", "PATCH", "DELETE"].includes(method) && { "412": error("The object is not the one If-Match names") }),
      ...(body && {
        "413": error("The body is too long"),
        "415": error("The body is neither JSON nor YAML by its content type"),
      }),
      ...(id === "getReadiness" && { "503": error("Not ready") }),
    },
  };
}
