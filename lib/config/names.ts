/** Finds plug-ins by what users write: type names, URL schemes, overlays, and document names. */
import { ConfigError } from "../errors.ts";
import type { AddressType, Layer, Protocol, Registry, Transform } from "../protocol.ts";
import { whyAbsent } from "./absent_types.ts";
import { suggestion } from "./suggest.ts";

// Plug-ins of one list have different specs.
// deno-lint-ignore no-explicit-any
export type AnyProtocol = Protocol<any>;
// deno-lint-ignore no-explicit-any
export type AnyLayer = Layer<any>;
// deno-lint-ignore no-explicit-any
export type AnyTransform = Transform<any>;

/** An address type and the plug-in behind it. */
export type Found =
  & { readonly type: AddressType }
  & ({ readonly protocol: AnyProtocol; readonly layer?: undefined } | {
    readonly layer: AnyLayer;
    readonly protocol?: undefined;
  });

export interface Names {
  readonly registry: Registry;
  type(name: string): Found | undefined;
  /** A URL's scheme: a type name, or a layer's short word; `unix` prefers UNIX-CONNECT to UNIX-CLIENT. */
  scheme(name: string): Found | undefined;
  /** Of several roles the one of what follows is meant. */
  overlay(name: string): { readonly layer: AnyLayer; readonly roles: readonly ("connect" | "listen")[] } | undefined;
  transform(name: string): { readonly transform: AnyTransform; readonly type: AddressType } | undefined;
  /** All address types, canonical name first. */
  readonly types: readonly Found[];
}

/** The one spelling names are compared in. */
export function normal(name: string): string {
  return name.toUpperCase().replaceAll("_", "-");
}

/** Indexes `registry`. */
export function namesOf(registry: Registry): Names {
  const types: Found[] = [
    ...registry.protocols.flatMap((protocol) => protocol.types.map((type) => ({ type, protocol }))),
    ...registry.layers.flatMap((layer) => layer.types.map((type) => ({ type, layer }))),
  ];
  const byName = new Map(types.flatMap((found) => found.type.names.map((name) => [normal(name), found] as const)));
  const overlays = new Map(
    registry.layers.flatMap((layer) =>
      (layer.overlays ?? []).map(({ name }) => {
        const roles = layer.overlays!.filter((other) => other.name === name).map(({ role }) => role);
        return [normal(name), { layer, roles }] as const;
      })
    ),
  );
  const transforms = new Map(
    registry.transforms.flatMap((transform) =>
      transform.types.flatMap((type) => type.names.map((name) => [normal(name), { transform, type }] as const))
    ),
  );
  const schemes = new Map(
    registry.layers.flatMap((layer) => {
      const type = layer.types.find((type) => type.role === "connect") ?? layer.types[0];
      return type ? layer.schemes.map((scheme) => [normal(scheme), { layer, type }] as const) : [];
    }),
  );
  const type = (name: string) => byName.get(normal(name));
  return {
    registry,
    types,
    type,
    scheme: (name) => type(`${name}-CONNECT`) ?? schemes.get(normal(name)) ?? type(name),
    overlay: (name) => overlays.get(normal(name)),
    transform: (name) => transforms.get(normal(name)),
  };
}

/** The error for a word that names no address type. `written` is the name as the user spelt it. */
export function unknownType(written: string, names: Names): ConfigError {
  const wanted = normal(written);
  const why = whyAbsent(wanted, written);
  if (why !== undefined) return new ConfigError(`unknown device/address "${written}": ${why}`);
  const known = names.types.flatMap((found) => found.type.names);
  const cure = suggestion(wanted, known) || '; use option "-h" for a list';
  return new ConfigError(`unknown device/address "${written}"${cure}`);
}
