/** Which of a stack's levels the user named by a type with parameters; what lies above are overlays. */
import { type Level, pluginOf, type Stack } from "./stack.ts";

/** The overlays in front, and the level whose type carries the parameters. */
export function partsOf(stack: Stack): { readonly overlays: string; readonly typed: Level } {
  const { levels, role } = stack;
  let overlays = "";
  let first = 0;
  while (first < levels.length - 1 && !standsOnBase(levels.slice(first))) {
    const layer = levels[first]!.layer!;
    const overlay = layer.overlays?.find((overlay) => (overlay.role === "listen") === (role === "listen"));
    if (!overlay) break;
    overlays += `${overlay.name}:`;
    first++;
  }
  return { overlays, typed: levels[first]! };
}

/** Whether the first level's type name alone stands for all of `levels`. */
function standsOnBase(levels: readonly Level[]): boolean {
  for (const [i, level] of levels.entries()) {
    const lower = levels[i + 1];
    if (i === 0 && level.type?.preset?.transport) return true;
    if (level.layer && lower && level.layer.base !== pluginOf(lower).name) return false;
  }
  return levels[0]!.type !== undefined;
}
