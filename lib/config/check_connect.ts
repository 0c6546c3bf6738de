/** Options about connecting that do not go together, or do not fit the address. */
import { ConfigError } from "../errors.ts";
import type { ConnectOptions } from "./engine_options.ts";
import type { Endpoint } from "./plan.ts";

const exclusive = [
  ["preamble", "preamble_file"],
  ["foreachmsg", "waitfordata"],
  ["foreachmsg", "reconnect"],
  ["lockfile", "waitlock"],
] as const;

/** Throws a `ConfigError` for the first fault. */
export function checkConnect(
  { name, kind, direction, layers }: Pick<Endpoint, "name" | "kind" | "direction" | "layers">,
  options: ConnectOptions,
): void {
  const isSet = (key: keyof ConnectOptions) => ![undefined, false, 0].includes(options[key] as undefined);
  for (const both of exclusive) {
    if (!both.every(isSet)) continue;
    const [one, other] = both.map((key) => `"${key.replaceAll("_", "-")}"`);
    throw new ConfigError(`${name}: options ${one} and ${other} exclude each other`);
  }
  if (isSet("foreachmsg") && layers.some(({ layer }) => layer.share)) {
    throw new ConfigError(`${name}: "foreachmsg" opens anew what "broadcast:" shares; one of them has to go`);
  }
  for (const key of ["waitfordata", "foreachmsg"] as const) {
    if (!isSet(key)) continue;
    if (direction === "read") throw new ConfigError(`${name}: option "${key}" is for an address that is written to`);
    if (kind !== "either") continue;
    throw new ConfigError(`${name}: option "${key}" needs an address of one kind, and this may be bytes or messages`);
  }
}
