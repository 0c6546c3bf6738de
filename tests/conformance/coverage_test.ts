// Everything in protocols/mod.ts keeps its contract in one of the suites here, or stands below with the reason.
// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { registry } from "../../protocols/mod.ts";

const fixed = "has no peer: what it gives and takes is fixed, and has tests beside it";
const file = "a file has no peer: tests beside it, and of the standard streams end to end";
const oneWay = "only hears, or answers one datagram: tests beside it; the stream is that of UDP-SENDTO";

/** What is in no suite, by the document's name. */
const elsewhere: Readonly<Record<string, string>> = {
  Stdio: "belongs to the process: end to end, against the real command",
  FD: "whatever somebody else has opened: the suite of the drivers, lib/native and end to end",
  "ACCEPT-FD": "a listener like any other once it is there: end to end",
  OPEN: file,
  CREATE: file,
  GOPEN: file,
  Discard: fixed,
  STALL: fixed,
  TEXT: fixed,
  LITERAL: fixed,
  REPLY: fixed,
  RANDOM: fixed,
  ZERO: fixed,
  Prometheus: fixed,
  "UDP-RECV": oneWay,
  "UDP-RECVFROM": oneWay,
  "UNIX-SENDTO": "its peer must be there before it and the other way round: tests beside it",
  "UNIX-RECV": oneWay,
  "UNIX-RECVFROM": oneWay,
};

/** The values that the files of this folder import from `protocols/`. */
async function used(): Promise<Set<unknown>> {
  const values = new Set<unknown>();
  for await (const { name } of Deno.readDir(new URL(".", import.meta.url))) {
    if (!name.endsWith("_test.ts") || import.meta.url.endsWith(`/${name}`)) continue;
    const text = await Deno.readTextFile(new URL(name, import.meta.url));
    for (const [, names, path] of text.matchAll(/^import \{([^}]*)\} from "(\.\.\/\.\.\/protocols\/[^"]+)";/gm)) {
      const module = await import(new URL(path!, import.meta.url).href);
      for (const name of names!.split(",")) values.add(module[name.trim().split(" ")[0]!]);
    }
  }
  return values;
}

Deno.test("every protocol and layer is in a suite, or is said why not", async () => {
  const values = await used();
  const plugins = [...registry.protocols, ...registry.layers];
  assertEquals(
    plugins.filter((plugin) => !values.has(plugin)).map(({ name }) => name).sort(),
    Object.keys(elsewhere).sort(),
  );
});
