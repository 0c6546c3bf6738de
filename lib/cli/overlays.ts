/** The overlays, for the help and for the README's table. */
import { optionOverlays } from "../config/option_overlays.ts";
import type { Registry } from "../protocol.ts";
import { layerOptions, type OptionEntry } from "./catalog.ts";

export interface OverlayEntry {
  readonly name: string;
  readonly help: string;
  /** Side it can stand on: of a connecting address or of a listener. */
  readonly role: "connect" | "listen";
  /** Options of its own; empty where a type has the same, which `like` names. */
  readonly options: readonly OptionEntry[];
  /** Types whose options it takes too. */
  readonly like: readonly string[];
}

const sides = { connect: ", the connecting side", listen: ", the listening side" } as const;

/** Those of the layers, then those that stand for an option. */
export function overlayEntries({ layers }: Registry): readonly OverlayEntry[] {
  const ofLayers = layers.flatMap((layer) =>
    [...Map.groupBy(layer.overlays ?? [], ({ name }) => name)].map(([name, uses]): OverlayEntry => {
      const roles = uses.map(({ role }) => role);
      const side = uses.length === 1 ? sides[roles[0]!] : "";
      return {
        name,
        help: uses[0]!.help ?? `${layer.name} over what follows${side}`,
        role: roles[0]!,
        options: layer.types.length === 0 ? layerOptions(layer) : [],
        like: layer.types.filter(({ role, preset }) => roles.some((one) => one === role) && !preset).map(({ names }) =>
          names[0]!
        ),
      };
    })
  );
  return [
    ...ofLayers,
    ...optionOverlays.map(({ name, help }) => ({ name, help, role: "connect" as const, options: [], like: [] })),
  ];
}
