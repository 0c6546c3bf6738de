/** A registry with all the names the original's API knows. Nothing in it can be opened. */
import { testRegistry } from "../config/_test_registry.ts";
import { ConfigError } from "../errors.ts";
import type { AddressType, Protocol, Registry } from "../protocol.ts";
import * as s from "../schema.ts";

const port = { address: s.string(), port: s.integer({ min: 0, max: 65535 }) };
const listen = { role: "listen", parameters: { form: "[host:]port" }, help: "" } as const;
const connect = { role: "connect", parameters: { form: "host:port" }, help: "" } as const;
const local: AddressType = { names: ["LOCAL"], role: "local", parameters: { form: "none" }, help: "" };

function leaf(name: string, fields: s.Fieldset = {}): Protocol<Record<string, unknown>> {
  return { name, kind: "byte", end: "none", spec: s.object(fields), types: [{ ...local, names: [name] }] };
}

const listenerOf = ["TCP", "UDP"];

const bind: s.Schema<unknown> = {
  ...s.string(),
  json: () => ({ type: ["string", "object"] }),
  parse: (value, at) => s.isPlainObject(value) ? value : s.string().parse(value, at),
};

function needsAddress({ address }: Record<string, unknown>, { role }: { role: AddressType["role"] }): void {
  if (role === "connect" && address === undefined) throw new ConfigError("address is missing");
}

export const adminRegistry: Registry = {
  protocols: [
    ...testRegistry.protocols.map((protocol) => {
      const { fields } = protocol.spec;
      // The original's bind is an object.
      const spec = s.object({ ...fields, ...(listenerOf.includes(protocol.name) && { bind }) });
      return { ...protocol, spec, check: "address" in fields ? needsAddress : undefined };
    }),
    leaf("L7mpController"),
    leaf("Prometheus"),
    leaf("Sync", { query: s.string() }),
  ],
  layers: [
    ...testRegistry.layers,
    {
      name: "HTTP",
      types: [{ ...connect, names: ["HTTP"] }, { ...listen, names: ["HTTP-LISTEN"] }],
      schemes: ["http"],
      needs: "byte",
      gives: "byte",
      end: "end of body",
      base: "TCP",
      spec: s.object({ ...port, path: s.string() }),
    },
    {
      name: "JSONSocket",
      types: [{ ...connect, names: ["JSONSOCKET"] }, { ...listen, names: ["JSONSOCKET-LISTEN"] }],
      schemes: ["jsonsocket"],
      needs: "any",
      gives: "same",
      end: "none",
      base: "UDP",
      spec: s.object({
        header: {
          ...s.string(),
          parse: (value: unknown) => value,
          json: () => ({ type: "array" }),
        } as s.Schema<unknown>,
      }),
    },
  ],
  transforms: [
    ...testRegistry.transforms,
    { name: "Metric", needs: "any", gives: "same", spec: s.object({}), types: [{ ...local, names: ["METRIC"] }] },
  ],
};
