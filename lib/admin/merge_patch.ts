/** JSON merge patch, RFC 7396. */
import { isPlainObject } from "../schema.ts";

/** `target` with the members of `patch` put in place of its own, and those that are `null` taken out. Changes neither. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) return patch;
  const members = new Map(isPlainObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) members.delete(key);
    else members.set(key, mergePatch(members.get(key), value));
  }
  return Object.fromEntries(members);
}
