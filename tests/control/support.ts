// Drafts over the real registry, and what they hold in the words of the tests.
import type { Draft } from "../../lib/control/control.ts";
import { EditableDraft } from "../../lib/control/draft.ts";
import { configOf } from "../../lib/control/dump.ts";
import { Naming } from "../../lib/control/naming.ts";
import { emptySnapshot, type Snapshot } from "../../lib/control/objects.ts";
import { snapshotOf } from "../../lib/control/snapshot_of.ts";
import { makeSpecCheck } from "../../lib/control/spec_check.ts";
import { loadRegex } from "../../lib/metadata/predicate.ts";
import type { ConfigDocument } from "../../lib/config/document.ts";
import { registry } from "../../protocols/mod.ts";
import { loadFiles } from "../../lib/config/load.ts";

await loadRegex();
export const lenient = makeSpecCheck(registry, "ignore");
export const strict = makeSpecCheck(registry, "refuse");
export const facts = { programVersion: "1" };

/** A process: its objects, which each change puts others in the place of. */
export class Process {
  snapshot: Snapshot;
  readonly naming = new Naming();

  constructor(document: ConfigDocument = {}) {
    this.snapshot = snapshotOf(document, emptySnapshot, this.naming, strict);
  }

  /** As over REST; what throws changes nothing. Gives the effects on sessions, as lists. */
  change(edit: (draft: Draft) => void) {
    const draft = new EditableDraft(this.snapshot, this.naming, lenient);
    edit(draft);
    this.snapshot = draft.snapshot;
    const { listeners, clusters, endpoints } = draft.effects;
    return { listeners: [...listeners], clusters: [...clusters], endpoints: [...endpoints] };
  }

  reload(document: ConfigDocument): void {
    this.snapshot = snapshotOf(document, this.snapshot, this.naming, strict);
  }

  names(kind: "listeners" | "clusters" | "rulelists" | "rules" | "routes"): string[] {
    return [...this.snapshot[kind].keys()];
  }

  get endpoints(): string[] {
    return [...this.snapshot.clusters.values()].flatMap(({ endpoints }) => endpoints.map(({ name }) => name));
  }

  /** All names, for a look at what is left. */
  get all() {
    return {
      listeners: this.names("listeners"),
      clusters: this.names("clusters"),
      rulelists: this.names("rulelists"),
      rules: this.names("rules"),
      routes: this.names("routes"),
    };
  }

  /** What `GET /config` shows. */
  dump(): Record<string, unknown> {
    return configOf(this.snapshot, facts);
  }
}

/** The objects of a file with this text. Rejects with what a user of the program sees. */
export async function load(text: string, name = "test.yaml"): Promise<Snapshot> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    const loaded = await loadFiles([`${folder}/${name}`], { stdin: () => Promise.resolve("") });
    return snapshotOf(loaded.document, emptySnapshot, new Naming(), strict);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The error of loading a file with this text, as users see it, without its folder. */
export async function loadError(text: string, name = "test.yaml"): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    try {
      const loaded = await loadFiles([`${folder}/${name}`], { stdin: () => Promise.resolve("") });
      try {
        snapshotOf(loaded.document, emptySnapshot, new Naming(), strict);
      } catch (error) {
        throw await loaded.explain(error);
      }
    } catch (error) {
      return (error as Error).message.replaceAll(`${folder}/`, "");
    }
    throw new Error("it loads");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The message of what `run` throws. */
export function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

export const controller: ConfigDocument = {
  admin: { strict: true },
  listeners: [{
    name: "controller-listener",
    spec: { protocol: "HTTP", port: 1234 },
    rules: [{
      action: { route: { destination: { name: "l7mp-controller", spec: { protocol: "L7mpController" } } } },
    }],
  }],
};
