/** Requests made up from an OpenAPI document: mostly what it asks for, sometimes not. */
import * as fc from "fast-check";

// deno-lint-ignore no-explicit-any
type Schema = any;

export interface MadeUp {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Names are few, so that requests are about the same objects. */
const someName = fc.constantFrom("a", "b", "c/d", "L7mpControllerCluster", "controller-listener", "0", "1", "x-Rule-0");

export function requests(document: Schema): fc.Arbitrary<MadeUp> {
  const operations = Object.entries<Schema>(document.paths).flatMap(([path, item]) =>
    Object.entries<Schema>(item).map(([method, operation]) => request(document, path, method, operation))
  );
  return fc.oneof(...operations);
}

function request(document: Schema, path: string, method: string, operation: Schema): fc.Arbitrary<MadeUp> {
  const inPath = path.includes("{") ? fc.array(name, { minLength: 2, maxLength: 2 }) : fc.constant([]);
  const inQuery = operation.parameters.filter((parameter: Schema) =>
    parameter.in === "query" && parameter.name !== "watch"
  );
  const query = fc.record(
    Object.fromEntries(inQuery.map((parameter: Schema) => [parameter.name, odd(value(document, parameter.schema, 2))])),
    { requiredKeys: [] },
  );
  const schema = operation.requestBody?.content["application/json"].schema;
  const body = schema ? odd(value(document, schema, 7)) : fc.constant(undefined);
  return fc.record({ inPath, query, body }).map(({ inPath, query, body }) => {
    let i = 0;
    const filled = path.replace(/\{\w+\}/g, () => encodeURIComponent(inPath[i++]!));
    const written = (value: unknown) => typeof value === "string" ? value : JSON.stringify(value) ?? "";
    const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, written(value)]));
    return { method: method.toUpperCase(), path: `/api/v1${filled}?${search}`, body };
  });
}

const name = fc.oneof({ weight: 8, arbitrary: someName }, {
  weight: 1,
  arbitrary: fc.string({ minLength: 1 }).filter((text) => !/^\.\.?$/.test(text)),
});

/** Now and then something else altogether. */
function odd(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 59, arbitrary }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) });
}

/** What is undefined is not sent. */
function seldom(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

/** Values of a schema; below `depth` references are empty objects. */
export function value(document: Schema, schema: Schema, depth: number): fc.Arbitrary<unknown> {
  const of = (inner: Schema, less = 0) => odd(value(document, inner, depth - less));
  if (schema.$ref) {
    if (depth <= 0) return fc.constant({});
    const target = document.components.schemas[schema.$ref.split("/").at(-1)];
    return fc.constant(null).chain(() => value(document, target, depth - 1));
  }
  if (schema.allOf) {
    return fc.tuple(...schema.allOf.map((part: Schema) => value(document, part, depth))).map((parts) =>
      Object.assign({}, ...parts)
    );
  }
  if (schema.oneOf && !schema.properties) return fc.oneof(...schema.oneOf.map((part: Schema) => of(part)));
  if (schema.anyOf && !schema.properties) return fc.oneof(...schema.anyOf.map((part: Schema) => of(part)));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const types = [schema.type ?? "any"].flat();
  return fc.oneof(...types.map((type: string) => typed(schema, type, of)));
}

function typed(schema: Schema, type: string, of: (schema: Schema, less?: number) => fc.Arbitrary<unknown>) {
  switch (type) {
    case "object": {
      const { properties = {}, required = [] } = schema;
      const members = Object.fromEntries(
        Object.entries<Schema>(properties).map(([key, member]) => [key, key === "name" ? name : of(member)]),
      );
      for (const key of required) members[key] ??= name;
      // Most definitions say little beyond what they must.
      return fc.record(
        Object.fromEntries(
          Object.entries(members).map(([key, member]) => [key, required.includes(key) ? member : seldom(member)]),
        ),
      );
    }
    case "array":
      return fc.array(of(schema.items ?? {}, 1), { maxLength: 3 });
    case "string":
      return fc.oneof(name, fc.constantFrom("/IP/src_addr", "127.0.0.1", "1s"), fc.string({ maxLength: 8 }));
    case "integer":
      return fc.integer({ min: schema.minimum ?? -5, max: schema.maximum ?? (schema.minimum ?? 0) + 100_000 });
    case "number":
      return fc.double({ min: -1, max: 1e6, noNaN: true });
    case "boolean":
      return fc.boolean();
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}
