/** How loudly the failure of a session is told (`cool-write`, `children-shutup`). */
import type { Endpoint } from "../config/plan.ts";
import type { L7mpError } from "../errors.ts";
import { type Level, levels } from "../log.ts";

/** Whether it is to be expected of who is at `endpoint` that it cuts connections off, of a dual address on either half. */
export function mayCut(endpoint: Endpoint | undefined): boolean {
  if (!endpoint) return false;
  const { source, stream } = endpoint;
  if (!("dual" in source)) return stream.cool_write ?? false;
  return mayCut(source.dual.read) || mayCut(source.dual.write);
}

/**
 * The level of `error`, which ended a session of `listener`; of the only caller there will be, all is an error. What was
 * to be expected (`cool`) is a notice, before `children-shutup` lowers it.
 */
export function levelOf(error: L7mpError, { listen }: Endpoint, cool: boolean): Level {
  const level = cool ? "notice" : listen?.fork ? error.level : "error";
  const lowered = levels.indexOf(level) + (listen?.fork && listen.children_shutup || 0);
  return levels[Math.min(lowered, levels.length - 1)]!;
}
