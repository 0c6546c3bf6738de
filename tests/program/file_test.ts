// The command line and files say the same things: every type, option, overlay and transform of the tables goes through a
// file and back.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { documentOf } from "../../lib/cli/addresses.ts";
import { type Arguments, readArguments } from "../../lib/cli/arguments.ts";
import { catalog } from "../../lib/cli/catalog.ts";
import { exampleOf, overlayExample } from "../../lib/cli/examples.ts";
import { globalOptions } from "../../lib/cli/options.ts";
import { overlayEntries } from "../../lib/cli/overlays.ts";
import { printAddress } from "../../lib/config/address_printer.ts";
import type { InlineListener } from "../../lib/config/document.ts";
import type { ParsedAddress } from "../../lib/config/endpoint_parser.ts";
import { planEndpoint } from "../../lib/config/endpoint_planner.ts";
import { loadFiles } from "../../lib/config/load.ts";
import { readClusterSpec, readListenerSpec } from "../../lib/config/original_spec.ts";
import type { PlannedListener, PlannedStep } from "../../lib/config/plan.ts";
import { asSource, planDocument, planSession } from "../../lib/config/planner.ts";
import { printDocument } from "../../lib/config/printer.ts";
import { Naming } from "../../lib/control/naming.ts";
import { emptySnapshot, type ListenerObject, type Snapshot } from "../../lib/control/objects.ts";
import { Router } from "../../lib/control/router.ts";
import { RunningCluster } from "../../lib/control/running_cluster.ts";
import { snapshotOf } from "../../lib/control/snapshot_of.ts";
import { getAtPath } from "../../lib/metadata/pointer.ts";
import { ConfigError } from "../../lib/errors.ts";
import { Log } from "../../lib/log.ts";
import { registry } from "../../protocols/mod.ts";
import { strict } from "../control/support.ts";
import { makeCertificates, withFiles } from "../support/certificates.ts";

const certificates = makeCertificates();
const entries = catalog(registry).filter(({ type }) => certificates || !type.example?.includes("cert="));
const overlays = overlayEntries(registry);
const log = new Log({ level: "error", write() {} } as unknown as ConstructorParameters<typeof Log>[0]);

/** Splits as a shell does; of quotes it knows the single ones. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/(?:'[^']*'|[^\s'])+/g)].slice(1).map(([word]) =>
    withFiles(word.replaceAll("'", ""), certificates)
  );
}

/** The listener of a command line, as it comes out of a file. */
interface FromFile {
  readonly snapshot: Snapshot;
  readonly listener: ListenerObject;
  readonly source: ParsedAddress;
  readonly target: ParsedAddress;
}

async function throughFile(given: Arguments, format: "yaml" | "json"): Promise<FromFile> {
  const document = await documentOf(given, registry);
  const text = await printDocument(document, registry, { format, showSecrets: true });
  const loaded = await loadFiles(["-"], { stdin: () => Promise.resolve(text) });
  assertEquals(loaded.document, JSON.parse(JSON.stringify(document)), "the printed document");
  const snapshot = snapshotOf(loaded.document, emptySnapshot, new Naming(), strict);
  const listener = snapshot.listeners.get("cli")!;
  const [route] = [...snapshot.routes.values()];
  const cluster = snapshot.clusters.get(route!.destination)!;
  const [endpoint] = cluster.endpoints;
  return {
    snapshot,
    listener,
    source: readListenerSpec(listener.spec, { registry, at: "spec" }),
    target: readClusterSpec(
      cluster.spec,
      { registry, at: "spec" },
      cluster.virtual ? undefined : { spec: endpoint!.spec, at: "endpoint" },
    ),
  };
}

/**
 * What a command line opens is what its file opens, and the addresses of the file are its words again. Gives false
 * where the program refuses the command line.
 */
async function compare(command: string): Promise<boolean> {
  const given = readArguments(wordsOf(command));
  const document = await documentOf(given, registry);
  let planned: PlannedListener;
  try {
    planned = planDocument(document, registry).listeners[0]!;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
  for (const format of ["yaml", "json"] as const) {
    const { snapshot, listener, source, target } = await throughFile(given, format);
    const session = planSession(listener.options, "options");
    assertEquals(session, planned.session, command);
    assertEquals(planEndpoint(source, "listener", asSource[session.direction], registry), planned.endpoint, command);

    const tools = { log, now: () => 0, random: () => 0, valueAt: getAtPath, probe: () => Promise.resolve() };
    const clusters = new Map(
      [...snapshot.clusters.values()].map((object) => [object.name, new RunningCluster(object, registry, tools)]),
    );
    const router = new Router(() => ({ snapshot, clusters }), registry);
    const way = router.way({ object: listener, address: source, session }, {});
    assertEquals(way.target.shape, planned.target, command);
    // What opens at once needs no limit, and has that of the original in a file.
    if (document.listeners[0]!.rules[0]!.action.route.retry) assertEquals(way.retry, planned.retry, command);
    const { ingress, egress } = way.chains();
    // In a file a transform is a cluster, which has a name.
    const unnamed = (steps: readonly PlannedStep[]) => steps.map(({ cluster: _, ...step }) => step);
    assertEquals([unnamed(ingress.steps), unnamed(egress.steps)], [planned.ingress, planned.egress], command);
    assertEquals([ingress.stages, egress.stages], [[], []]);
    for (const cluster of clusters.values()) await cluster[Symbol.asyncDispose]();

    if (given.tail) continue;
    const words = [printAddress(source), printAddress(target)];
    const again = await documentOf({ ...given, words, server: undefined }, registry);
    assertEquals(addressesOf(again.listeners[0]!), addressesOf(document.listeners[0]!), `${words} of ${command}`);
  }
  return true;
}

function addressesOf({ spec, rules }: InlineListener) {
  return { spec, destination: rules[0]!.action.route.destination };
}

/** Options that no type has taken yet. */
const refused = new Set(entries.flatMap(({ options }) => options.map(({ name }) => name)));

for (const entry of entries) {
  Deno.test(`${entry.type.names[0]} and each of its options are the same on the command line and in a file`, async () => {
    assert(await compare(exampleOf(entry)), "refused");
    for (const option of entry.options) {
      if (await compare(exampleOf(entry, option))) refused.delete(option.name);
    }
  });
}

Deno.test("every option is taken by some type", { ignore: !certificates }, () => assertEquals([...refused], []));

for (const overlay of overlays) {
  Deno.test(`the overlay ${overlay.name}: (${overlay.role}) is the same on the command line and in a file`, async () => {
    assert(await compare(overlayExample(overlay)), "refused");
    for (const option of overlay.options) assert(await compare(overlayExample(overlay, option)), option.name);
  });
}

/** Command lines that are no addresses of their own. */
const noPlan = new Set(["-V", "-h", "-c", "--strict-config"]);

for (const { names, example } of globalOptions.filter(({ names }) => !noPlan.has(names[0]!))) {
  Deno.test(`what ${names[0]} says stands in the plan or is about the process`, async () => {
    assert(await compare(example), "refused");
  });
}

/** On the command line these are the values of `accept-proxy` and `proxy-protocol`. */
const otherwise = new Set(["PROXYPROTO.required", "PROXYPROTO.version"]);

Deno.test("every setting of a plug-in in a file is an option, a parameter or a type of the command line", () => {
  const missing: string[] = [];
  for (const plugin of [...registry.protocols, ...registry.layers, ...registry.transforms]) {
    const entriesHere = entries.filter((entry) => entry.plugin === plugin.name);
    const options = new Set([
      ...entriesHere.flatMap(({ options }) => options.map(({ name }) => name.replaceAll("-", "_"))),
      ...overlays.flatMap(({ options }) => options.map(({ name }) => name.replaceAll("-", "_"))),
    ]);
    for (const [key, schema] of Object.entries(plugin.spec.fields)) {
      if (options.has(key) || schema.notes.hidden || otherwise.has(`${plugin.name}.${key}`)) continue;
      const set = plugin.types.some(({ preset, parameters }) => {
        const { form } = parameters;
        if (preset && key in preset) return true;
        if ("key" in parameters) return parameters.key === key;
        return form.endsWith("port") && ["address", "port", "path"].includes(key);
      });
      if (!set) missing.push(`${plugin.name}.${key}`);
    }
  }
  assertEquals(missing, []);
});
