/** Builds the stack that a type name or an overlay stands for. */
import { ConfigError } from "../errors.ts";
import type { SpecDocument } from "./document.ts";
import type { AnyLayer, Found, Names } from "./names.ts";
import {
  baseLevels,
  engineFields,
  fromSpec,
  isWrapper,
  type Level,
  setKey,
  type Settings,
  type Stack,
  typeFor,
  typeOver,
} from "./stack.ts";

/** The stack a type name stands for, with the type's presets and no parameters yet. */
export function stackOf({ type, protocol, layer }: Found, names: Names): Stack {
  const { transport, ...preset } = type.preset ?? {};
  const levels: Level[] = protocol
    ? [{ protocol, type, settings: {} }]
    : [{ layer: layer!, type, settings: {} }, ...under(layer!, type, names, transport as SpecDocument | undefined)];
  const stack: Stack = { levels: levels as [Level, ...Level[]], role: type.role };
  for (const [key, value] of Object.entries(preset)) setKey(stack, key, value);
  return stack;
}

function under(
  layer: AnyLayer,
  { role }: Found["type"],
  names: Names,
  transport: SpecDocument | undefined,
): readonly Level[] {
  if (!transport) return baseLevels(layer, role, names.registry);
  return fromSpec(transport, role === "listen" ? "listener" : "destination", names.registry, layer.name).levels;
}

/** `stack` with one more layer on top. `written` is the overlay's name for messages. */
export function putOver(layer: AnyLayer, role: "connect" | "listen", stack: Stack, written: string): Stack {
  if ((role === "listen") !== (stack.role === "listen")) {
    const wanted = role === "listen" ? "listener" : "connector";
    throw new ConfigError(`"${written}" needs a ${wanted} after it, not ${stack.levels[0].type?.names[0]}`);
  }
  const level: Level = { layer, type: typeFor(layer, role, {}), settings: {} };
  // Options of the engine are about the whole stack: they stand at its outermost level.
  const [outer, ...lower] = stack.levels;
  const engine = engineFields(stack.role);
  const settings: Settings = {};
  for (const [key, value] of Object.entries(outer.settings)) (key in engine ? level.settings : settings)[key] = value;
  const levels: Stack["levels"] = [level, { ...outer, settings }, ...lower];
  level.type = typeOver(levels, role) ?? level.type;
  return { levels, role: isWrapper(layer) ? stack.role : role };
}
