/** Finds the line of a path in the text of a configuration; loaded only when there is an error to tell. */
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";

/** The line, from 1, on which what the beginning of `message` names stands: `listeners[0].spec.port: ...`. */
export function lineOf(text: string, message: string): number | undefined {
  const path = pathIn(message);
  if (path.length === 0) return undefined;
  const lineCounter = new LineCounter();
  let node: unknown = parseDocument(text, { lineCounter, merge: true, logLevel: "silent" }).contents;
  let offset: number | undefined;
  for (const part of path) {
    if (isSeq(node) && typeof part === "number") {
      node = node.items[part];
    } else if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (!pair) break;
      offset = (pair.key as { range?: readonly number[] }).range?.[0] ?? offset;
      node = pair.value;
      continue;
    } else break;
    offset = (node as { range?: readonly number[] } | undefined)?.range?.[0] ?? offset;
  }
  return offset === undefined ? undefined : lineCounter.linePos(offset).line;
}

/** The line, from 1, on which a text stops being JSON. */
export function lineOfFault(text: string): number | undefined {
  return parseDocument(text, { logLevel: "silent" }).errors[0]?.linePos?.[0].line;
}

/** The keys and positions of the path that `message` begins with. */
function pathIn(message: string): (string | number)[] {
  const path = /^[A-Za-z_][\w-]*(?:\[\d+\]|\.[\w$-]+)*/.exec(message)?.[0];
  if (path === undefined) return [];
  return [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map((part) => part[1] === undefined ? part[0] : Number(part[1]));
}
