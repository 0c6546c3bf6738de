/** Listeners of one configuration that want the same place: only one of them could have it. */
import type { Endpoint } from "../config/plan.ts";
import { ConfigError } from "../errors.ts";
import type { ServedListener } from "../session/way.ts";

/** The settings that say where a listener of byte streams is bound. */
const placeSettings = ["address", "port", "filename", "bind", "pf", "bindtodevice"] as const;

/**
 * Throws `ConfigError` with the path of the first listener whose place another has before it. Those that share their port
 * (`reuseport`) or take any, and those of datagrams, where the newer one has the new senders, are left alone.
 */
export function refuseSamePlace(listeners: Iterable<{ readonly served: ServedListener }>): void {
  const owners = new Map<string, string>();
  let i = 0;
  for (const { served: { name, endpoint } } of listeners) {
    const place = placeOf(endpoint);
    const owner = place && owners.get(place);
    if (owner !== undefined) {
      const cure = "give them different ones, or reuseport where callers are to be spread over both";
      const fact = `listener ${JSON.stringify(owner)} has the same address ${endpoint.name} already`;
      throw new ConfigError(`listeners[${i}].spec: ${fact}; ${cure}`);
    }
    if (place) owners.set(place, name);
    i++;
  }
}

function placeOf({ source }: Endpoint): string | undefined {
  if ("dual" in source || source.protocol.kind !== "byte") return undefined;
  const spec = source.spec as Readonly<Record<string, unknown>>;
  if (!spec.port && spec.filename === undefined || spec.reuseport === true) return undefined;
  return JSON.stringify([source.protocol.name, ...placeSettings.map((key) => spec[key] ?? null)]);
}
