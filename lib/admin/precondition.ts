/** Tags of objects, and the conditions a request makes on them (RFC 9110 section 8.8.3 and 13.1). */
import { Fault } from "./fault.ts";

export type Tag = (value: unknown) => string;

/** Gives the function that makes an entity tag of an object: a digest of its JSON. */
export async function loadTag(): Promise<Tag> {
  const { createHash } = await import("node:crypto");
  return (value) => `"${createHash("sha256").update(JSON.stringify(value)).digest("base64url").slice(0, 22)}"`;
}

/** Throws 412 when the request wants to change the object only as it was, and it is no longer so. */
export function checkIfMatch(request: Request, tag: string): void {
  const condition = request.headers.get("if-match");
  if (condition === null || condition.trim() === "*" || tagsIn(condition).includes(tag)) return;
  throw new Fault(412, `The object has changed: its tag is ${tag}, not ${condition}`, { etag: tag });
}

/** Whether the caller has the object as it is (If-None-Match). */
export function isKnown(request: Request, tag: string): boolean {
  const condition = request.headers.get("if-none-match");
  if (condition === null) return false;
  return condition.trim() === "*" || tagsIn(condition.replaceAll("W/", "")).includes(tag);
}

function tagsIn(condition: string): readonly string[] {
  return condition.match(/(W\/)?"[^"]*"/g) ?? [];
}
