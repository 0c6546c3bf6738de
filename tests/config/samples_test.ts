/** Every file of `config/` starts as it is, but for its ports and files, and ends when it is told to. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
// @ts-types="../deno_std.d.ts"
import { parse } from "@std/yaml";
import type { ConfigDocument, ListenerDocument, SpecDocument } from "../../lib/config/document.ts";
import { acceptance, type Run } from "../e2e/harness.ts";
import { type Bound, eventually, isBound } from "../e2e/wait.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";

const folder = new URL("../../config/", import.meta.url);
const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".yaml")).sort();
const certificates = makeCertificates();

Deno.test("there are samples, and each begins with a comment on what it shows", () => {
  assert(names.length >= 12, String(names));
  for (const name of names) assertMatch(Deno.readTextFileSync(new URL(name, folder)), /^# .{40,}\n/, name);
});

Deno.test("no reason of a sample ends its own line", () => {
  const check = (value: unknown, at: string): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "reason") assertEquals(inner, String(inner).trim(), at);
      check(inner, `${at} ${key}`);
    }
  };
  for (const name of names) check(parse(Deno.readTextFileSync(new URL(name, folder))), name);
});

/** What is bound in the end, and what the port of a sample has become. */
class Places {
  readonly #run: Run;
  readonly bound: Bound[] = [];

  constructor(run: Run) {
    this.#run = run;
  }

  listener(listener: ListenerDocument): ListenerDocument {
    return { ...listener, spec: this.#spec(listener.spec) };
  }

  #spec(given: SpecDocument): SpecDocument {
    const spec = { ...given };
    if (spec.transport) spec.transport = this.#spec(spec.transport);
    if (typeof spec.port === "number") {
      const port = this.#run.port();
      spec.port = port;
      this.bound.push(spec.protocol === "UDP" ? { udp: port } : { tcp: port });
    }
    if (typeof spec.filename === "string") {
      spec.filename = this.#run.path("socket");
      this.bound.push({ unix: spec.filename as string });
    }
    for (const key of ["cert", "key"]) {
      if (typeof spec[key] === "string") spec[key] = `${certificates?.directory}/${spec[key]}`;
    }
    return spec;
  }
}

for (const name of names) {
  const text = await Deno.readTextFile(new URL(name, folder));
  const skip = text.includes("cert: ") && !certificates ? noOpenssl : undefined;
  acceptance("sample", name, async (run) => {
    const document = parse(text) as ConfigDocument;
    const places = new Places(run);
    const listeners = document.listeners?.map((listener) => places.listener(listener));
    const admin = { ...document.admin };
    if (admin.access_log_path) admin.access_log_path = run.path("access.log");
    const file = run.path(name);
    await Deno.writeTextFile(file, JSON.stringify({ ...document, admin, listeners }));
    assert(places.bound.length >= (document.listeners?.length ?? 0), "every listener is waited for");

    const child = run.spawn(["-c", file], { code: 143, stderr: "any" });
    for (const bound of places.bound) {
      await eventually(JSON.stringify(bound), async () => {
        assert(child.running, child.describe());
        return await isBound(bound);
      }, { details: () => child.describe() });
    }
    child.kill("SIGTERM");
    await child.end();
    assertEquals(child.stderr.split("\n").filter((line) => / [EF] |"level":"(error|fatal)"/.test(line)), []);
    for (const bound of places.bound) assertEquals(await isBound(bound), false, JSON.stringify(bound));
  }, { skip });
}
