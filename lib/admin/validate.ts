/** Checks requests against the schemas; loaded for strict mode only. */
import { Ajv2020, type ErrorObject } from "ajv/2020";
import type { JsonSchema } from "./schemas.ts";

/** What is wrong, in the shape the original's clients know. */
export interface Violation {
  readonly keyword: string;
  /** `.requestBody.cluster.endpoints[0]`. */
  readonly dataPath: string;
  readonly schemaPath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** Empty: nothing is wrong. At most a hundred are told. */
export type Validate = (schema: JsonSchema, value: unknown) => readonly Violation[];

const most = 100;

/** `document` holds the schemas that `#/components/schemas/...` refers to. Each schema is compiled at first use. */
export function makeValidator(document: JsonSchema): Validate {
  // Keywords of OpenAPI that are none of JSON Schema are no mistake; all errors are told, not only the first.
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
  ajv.addKeyword({ keyword: "alternatives", errors: "full", validate: byProtocol });
  ajv.addSchema(lazy(document) as JsonSchema, "api");
  const compiled = new WeakMap<JsonSchema, ReturnType<typeof ajv.compile>>();
  return (schema, value) => {
    let check = compiled.get(schema);
    if (!check) {
      check = ajv.compile(rebased(schema) as JsonSchema);
      compiled.set(schema, check);
    }
    return check(value) ? [] : check.errors!.slice(0, most).map(violation);
  };

  /** Checks `value` against the alternative its protocol names, which is compiled when it is first needed. */
  function byProtocol(alternatives: Alternatives, value: unknown, _schema?: unknown, at?: { instancePath: string }) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return true;
    const { protocol } = value as { protocol?: unknown };
    if (protocol === undefined) return true;
    const instancePath = at?.instancePath ?? "";
    const name = typeof protocol === "string" && Object.hasOwn(alternatives, protocol) ? alternatives[protocol] : "";
    const check = name ? ajv.getSchema(`api${name}`)! : undefined;
    if (check?.(value)) return true;
    // How the library takes errors from a function: as a property of it.
    (byProtocol as { errors?: unknown }).errors = check
      ? check.errors!.map((error) => ({ ...error, instancePath: instancePath + error.instancePath }))
      : [{
        instancePath: `${instancePath}/protocol`,
        keyword: "enum",
        params: { allowedValues: Object.keys(alternatives) },
        message: "must be equal to one of the allowed values",
      }];
    return false;
  }
}

/** Reference to the schema of each protocol. */
type Alternatives = Readonly<Record<string, string>>;

/**
 * The schema with another keyword in place of `oneOf` where `protocol` tells the alternatives apart: there are some
 * dozens, each of some dozens of settings, and compiling them all would hold everything else up for a second.
 */
function lazy(document: JsonSchema): unknown {
  const { schemas } = document.components as { schemas: Record<string, JsonSchema> };
  const replaced = Object.entries(schemas).map(([name, schema]) => {
    const { oneOf, discriminator, ...rest } = schema as {
      oneOf?: readonly { $ref: string }[];
      discriminator?: unknown;
    };
    if (!oneOf || !discriminator) return [name, schema];
    const alternatives = oneOf.flatMap(({ $ref }) => {
      const { properties } = schemas[$ref.split("/").at(-1)!] as { properties: { protocol: { enum: string[] } } };
      return properties.protocol.enum.map((protocol) => [protocol, $ref]);
    });
    return [name, { ...rest, alternatives: Object.fromEntries(alternatives) }];
  });
  return { components: { schemas: Object.fromEntries(replaced) } };
}

/** The schema with its references into the document made complete, because it stands outside of it. */
function rebased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rebased);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) =>
    key === "$ref" ? [key, `api${member}`] as const : [key, rebased(member)] as const
  );
  return Object.fromEntries(entries);
}

function violation({ keyword, instancePath, schemaPath, params, message = "" }: ErrorObject): Violation {
  return { keyword, dataPath: dataPath(instancePath), schemaPath, params, message };
}

/** `/requestBody/rules/0/name` as `.requestBody.rules[0].name`. */
function dataPath(pointer: string): string {
  return pointer.split("/").slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((part) => /^\d+$/.test(part) ? `[${part}]` : /^[\w-]+$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`)
    .join("");
}
