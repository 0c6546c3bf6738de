// Whatever part of the plug-ins a command line is read with, it means what it means with all of them.
// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { namesOf, normal } from "../lib/config/names.ts";
import { optionOverlays } from "../lib/config/option_overlays.ts";
import { documentFromWords } from "../lib/config/pair.ts";
import { planDocument } from "../lib/config/planner.ts";
import { ConfigError } from "../lib/errors.ts";
import type { Registry } from "../lib/protocol.ts";
import { addressWord } from "../tests/support/address_words.ts";
import { loadPlugins } from "./load.ts";

const all = await loadPlugins();
const names = namesOf(all);

const written = [
  ...names.types.flatMap(({ type }) => type.names),
  ...all.layers.flatMap(({ schemes, overlays = [] }) => [...schemes, ...overlays.map(({ name }) => name)]),
  ...all.transforms.flatMap(({ types }) => types.flatMap(({ names }) => names)),
  ...optionOverlays.map(({ name }) => name),
  "-",
];

Deno.test("loadPlugins() has for every name what it means, and nothing stands before an address by a name of a part", async () => {
  let parts = 0;
  for (const name of [...written, ...written.map((name) => name.toLowerCase())]) {
    for (const word of [name, `${name}:1`, `${name},fork`, `${name}://h:1`]) {
      const some = await loadPlugins([word]);
      if (some === all) continue;
      parts++;
      const known = namesOf(some);
      if (name !== "-") assert(names.type(name), `${name} has a row and is no address type`);
      assert(known.type(name)?.type === names.type(name)?.type, `type ${name}`);
      assert(known.scheme(name)?.type === names.scheme(name)?.type, `scheme ${name}`);
      assertEquals([names.overlay(name), names.transform(name)], [undefined, undefined], name);
      assert(!optionOverlays.some((overlay) => normal(overlay.name) === normal(name)), name);
    }
  }
  assert(parts > 100, `only ${parts} words need no more than a part`);
});

Deno.test("loadPlugins() loads what plain lines name and no more", async () => {
  const cases: [string[], string[]][] = [
    [["tcp-l:5000,fork", "tcp:h:80"], ["TCP"]],
    [["-", "TCP4:h:80"], ["Stdio", "TCP"]],
    [["udp-l:15000", "ws:127.0.0.1:16000"], [
      "UDP",
      "UDP-SENDTO",
      "UDP-RECVFROM",
      "UDP-RECV",
      "UDP-DATAGRAM",
      "TCP",
      "WebSocket",
      "LINES",
    ]],
    [["ws://h/", "tcp:h:1"], ["TCP", "WebSocket", "LINES"]],
    [["-", "exec:'cat'"], ["Stdio", "EXEC", "SYSTEM", "SHELL"]],
  ];
  for (const [words, wanted] of cases) {
    const { protocols, layers, transforms } = await loadPlugins(words);
    assertEquals([...protocols, ...layers, ...transforms].map(({ name }) => name), wanted, words.join(" "));
  }
  for (const words of [[], ["tcp:h:1", "logger", "-"], ["tls:tcp:h:1"], ["ws+unix:///x", "-"], ["-!!tcp:h:1", "-"]]) {
    assert(await loadPlugins(words) === all, words.join(" "));
  }
});

function documentOf(addresses: readonly string[], registry: Registry): unknown {
  try {
    const document = documentFromWords({ addresses }, registry, { session: {}, admin: {} } as never);
    planDocument(document, registry);
    return document;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

Deno.test("what can be read and planned with a part of the plug-ins is the same with all, for any pair of addresses", async () => {
  const types = [];
  for (const found of names.types) if (await loadPlugins([found.type.names[0]!]) !== all) types.push(found);
  const word = fc.oneof({ weight: 5, arbitrary: addressWord({ ...names, types }) }, addressWord(names));
  let equal = 0;
  await fc.assert(
    fc.asyncProperty(word, word, async (...addresses) => {
      const some = await loadPlugins(addresses);
      if (some === all) return;
      const document = documentOf(addresses, some);
      if (document === undefined) return;
      equal++;
      assertEquals(document, documentOf(addresses, all));
    }),
    { numRuns: 3000 },
  );
  assert(equal > 30, `only ${equal} were planned`);
});
