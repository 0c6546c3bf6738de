/** Checks requests against the schemas, for strict mode. The validator is loaded, and each schema compiled, at first use. */
import type { ErrorObject } from "ajv/2020";
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

/** `document` holds the schemas that `#/components/schemas/...` refers to. */
export async function loadValidator(document: JsonSchema): Promise<Validate> {
  const { Ajv2020 } = await import("ajv/2020");
  // Keywords of OpenAPI that are none of JSON Schema are no mistake; all errors are told, not only the first.
  const ajv = new Ajv2020({ strict: false, allErrors: true, discriminator: true, validateSchema: false });
  ajv.addSchema(document, "api");
  const compiled = new WeakMap<JsonSchema, ReturnType<typeof ajv.compile>>();
  return (schema, value) => {
    let check = compiled.get(schema);
    if (!check) {
      check = ajv.compile(rebased(schema) as JsonSchema);
      compiled.set(schema, check);
    }
    return check(value) ? [] : check.errors!.slice(0, most).map(violation);
  };
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
