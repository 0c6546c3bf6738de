// Who may import whom: the layers of the program, and what must not be loaded at start.
// @ts-types="./deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";

const root = new URL("../", import.meta.url);

interface Dependency {
  readonly specifier: string;
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
  readonly isDynamic?: boolean;
}

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly Dependency[];
}

/** The first row that fits a file says what it may import, types included. */
const allowed: readonly (readonly [file: string, imports: readonly string[]])[] = [
  ["main.ts", ["lib/cli/run.ts", "protocols/load.ts"]],
  ["lib/errors.ts", []],
  ["lib/log.ts", []],
  ["lib/schema.ts", ["lib/errors.ts"]],
  ["lib/driver.ts", ["lib/errors.ts", "lib/stream/stream.ts"]],
  ["lib/protocol.ts", ["lib/errors.ts", "lib/log.ts", "lib/schema.ts", "lib/driver.ts", "lib/stream/stream.ts"]],
  ["lib/stream/", ["lib/stream/", "lib/errors.ts", "lib/log.ts", "lib/protocol.ts", "lib/schema.ts"]],
  ["lib/resolve.ts", ["lib/stream/", "lib/errors.ts"]],
  ["lib/backlog_queue.ts", ["lib/stream/"]],
  [
    "lib/portable/",
    ["lib/portable/", "lib/backlog_queue.ts", "lib/resolve.ts", "lib/stream/", "lib/driver.ts", "lib/errors.ts"],
  ],
  [
    "lib/native/",
    [
      "lib/native/",
      // Binding to paths is the runtime's business for it, too.
      "lib/portable/unix_path.ts",
      "lib/backlog_queue.ts",
      "lib/resolve.ts",
      "lib/stream/",
      "lib/driver.ts",
      "lib/errors.ts",
    ],
  ],
  ["lib/metadata/", ["lib/metadata/", "lib/config/document.ts", "lib/config/suggest.ts", "lib/errors.ts"]],
  ["lib/limits/", ["lib/limits/", "lib/metadata/", "lib/config/document.ts", "lib/schema.ts", "lib/errors.ts"]],
  ["lib/config/", ["lib/config/", "lib/stream/", "lib/protocol.ts", "lib/schema.ts", "lib/errors.ts"]],
  [
    "lib/session/",
    ["lib/session/", "lib/config/", "lib/stream/", "lib/protocol.ts", "lib/driver.ts", "lib/errors.ts", "lib/log.ts"],
  ],
  [
    "lib/proxy.ts",
    ["lib/session/", "lib/config/", "lib/stream/", "lib/protocol.ts", "lib/driver.ts", "lib/errors.ts", "lib/log.ts"],
  ],
  [
    "lib/cluster/",
    [
      "lib/cluster/",
      "lib/config/",
      "lib/control/objects.ts",
      "lib/stream/timer.ts",
      "lib/errors.ts",
      "lib/log.ts",
      "lib/schema.ts",
    ],
  ],
  [
    "lib/control/",
    [
      "lib/control/",
      "lib/cluster/",
      "lib/config/",
      "lib/limits/",
      "lib/metadata/",
      "lib/session/",
      "lib/stream/",
      "lib/proxy.ts",
      "lib/protocol.ts",
      "lib/schema.ts",
      "lib/errors.ts",
      "lib/log.ts",
    ],
  ],
  [
    "lib/admin/",
    [
      "lib/admin/",
      "lib/cluster/",
      "lib/config/",
      "lib/control/",
      "lib/metadata/",
      "lib/stream/",
      "lib/protocol.ts",
      "lib/schema.ts",
      "lib/errors.ts",
      "lib/log.ts",
    ],
  ],
  [
    "lib/metrics/",
    [
      "lib/metrics/",
      "lib/cluster/",
      "lib/control/",
      "lib/session/",
      "lib/stream/",
      "lib/protocol.ts",
      "lib/errors.ts",
    ],
  ],
  ["lib/cli/", ["lib/"]],
  [
    "protocols/",
    [
      "protocols/",
      "lib/stream/",
      "lib/metadata/",
      "lib/protocol.ts",
      "lib/driver.ts",
      "lib/errors.ts",
      "lib/schema.ts",
      "lib/log.ts",
    ],
  ],
];

async function graph(): Promise<readonly Module[]> {
  const command = new Deno.Command(Deno.execPath(), { args: ["info", "--json", "main.ts"], cwd: root });
  const { success, stdout, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

/** Path inside the repository, or the specifier of what comes from elsewhere. */
function name(specifier: string): string {
  return specifier.startsWith(root.href) ? specifier.slice(root.href.length) : specifier;
}

const matches = (file: string, pattern: string) => pattern.endsWith("/") ? file.startsWith(pattern) : file === pattern;

Deno.test("every module imports only what its place allows", async () => {
  const wrong: string[] = [];
  for (const { specifier, dependencies = [] } of await graph()) {
    const file = name(specifier);
    if (/^(node|npm|file):/.test(file)) continue;
    const rule = allowed.find(([pattern]) => matches(file, pattern));
    if (!rule) {
      wrong.push(`${file} has no row in the table of this test`);
      continue;
    }
    for (const { code, type } of dependencies) {
      const target = name(code?.specifier ?? type?.specifier ?? "");
      if (/^(node|npm|file):/.test(target) || target === "") continue;
      if (target.endsWith(".d.ts") || rule[1].some((pattern) => matches(target, pattern))) continue;
      wrong.push(`${file} imports ${target}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("nothing from node: or npm is loaded before it is needed", async () => {
  const modules = new Map((await graph()).map((module) => [module.specifier, module]));
  const heavy: string[] = [];
  const seen = new Set<string>();
  const visit = (specifier: string) => {
    if (seen.has(specifier)) return;
    seen.add(specifier);
    for (const { code, isDynamic, specifier: written } of modules.get(specifier)?.dependencies ?? []) {
      if (isDynamic || !code?.specifier) continue;
      if (/^(node|npm):/.test(code.specifier)) heavy.push(`${name(specifier)} imports ${written}`);
      else visit(code.specifier);
    }
  };
  const roots = ["main.ts", "protocols/mod.ts", "lib/cli/addresses.ts", "lib/cli/serve.ts", "lib/native/driver.ts"];
  for (const path of roots) visit(new URL(path, root).href);
  assert(seen.size > 100, `only ${seen.size} modules were seen`);
  assertEquals(heavy, []);
});

Deno.test("only lib/native touches FFI", async () => {
  const wrong: string[] = [];
  const search = async (folder: string) => {
    for await (const entry of Deno.readDir(new URL(folder, root))) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory) await search(`${path}/`);
      else if (path.endsWith(".ts") && !path.startsWith("lib/native/")) {
        const text = await Deno.readTextFile(new URL(path, root));
        if (/Deno\.(dlopen|UnsafePointer|UnsafeCallback|UnsafeFnPointer)/.test(text)) wrong.push(path);
      }
    }
  };
  await search("lib/");
  await search("protocols/");
  assertEquals(wrong, []);
});

Deno.test("main.ts stays under 60 lines", async () => {
  const lines = (await Deno.readTextFile(new URL("main.ts", root))).split("\n").length;
  assert(lines < 60, `${lines} lines`);
});
