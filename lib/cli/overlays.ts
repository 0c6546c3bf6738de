/** The overlays, for the help and for the README's table. */
import { optionOverlays } from "../config/option_overlays.ts";
import type { Registry } from "../protocol.ts";

export interface OverlayEntry {
  readonly name: string;
  readonly help: string;
}

const sides = { connect: ", the connecting side", listen: ", the listening side" } as const;

/** Those of the layers, then those that stand for an option. */
export function overlayEntries({ layers }: Registry): readonly OverlayEntry[] {
  const ofLayers = layers.flatMap(({ name: layer, overlays = [] }) =>
    [...Map.groupBy(overlays, ({ name }) => name)].map(([name, uses]) => {
      const side = uses.length === 1 ? sides[uses[0]!.role] : "";
      return { name, help: uses[0]!.help ?? `${layer} over what follows${side}` };
    })
  );
  return [...ofLayers, ...optionOverlays];
}
