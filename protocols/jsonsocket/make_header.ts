/** What a client tells the server of its session. */
import { ConnectError } from "../../lib/errors.ts";
import { isObject } from "../../lib/metadata/plain_data.ts";
import { getAtPath, setAtPath } from "../../lib/metadata/pointer.ts";
import { type JsonObject, version } from "./codec.ts";
import type { HeaderItem } from "./header.ts";

/**
 * Makes the header: the items in order, each on top of those before it, then the version. `onMissing` is told of paths
 * at which the metadata has nothing. Throws a `ConnectError` for a header that is no object in the end.
 */
export function makeHeader(
  items: readonly HeaderItem[],
  metadata: Readonly<Record<string, unknown>>,
  onMissing: (path: string) => void,
): JsonObject {
  let header: unknown = {};
  for (const item of items) {
    if ("set" in item) {
      header = setAtPath(header, item.set.key, item.set.value);
      continue;
    }
    const found = getAtPath(metadata, item.path.from);
    if (found === undefined || found === null) onMissing(item.path.from);
    else header = setAtPath(header, item.path.to, found);
  }
  if (!isObject(header) || Array.isArray(header)) {
    const message = `JSONSocket: the header is ${
      JSON.stringify(header)
    } and not an object; give its item a key or "to"`;
    throw new ConnectError(message, { code: "HEADER", status: 500, retryable: false });
  }
  return { ...header, JSONSocketVersion: version };
}
