/**
 * What `deno task compile` puts into the binary: the program as one bundle, run here by the runtime itself without the
 * project's configuration. All that the program loads only when it needs it must have come along.
 */

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Program } from "./child.ts";
import { acceptance, type Run } from "./harness.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertStringIncludes } from "@std/assert";

const certificates = makeCertificates();
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The bundle, made as the task makes it; `--no-config`: a compiled program has no import map. */
async function bundle(run: Run): Promise<Program> {
  const folder = run.path("bundle");
  const { tasks } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  const words: string[] = tasks.bundle.split(" && ").at(-1).split(" ").slice(1);
  const args = words.map((word) => word.startsWith("--outdir=") ? `--outdir=${folder}` : word);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: root }).output();
  assert(success, new TextDecoder().decode(stderr));
  const command = [Deno.execPath(), "run", "--no-config", "--no-lock", "--no-npm", "--unstable-net", "-A"];
  return { name: "l7mp", command: [...command, `${folder}/main.js`] };
}

acceptance("bundle", "has all that one-liners and configurations load when they need it", async (run) => {
  const program = await bundle(run);
  assertEquals(await run.out(["-u", "TEXT:hello", "-"], { program }), "hello");
  assertStringIncludes(await run.out(["-hh"], { program }), "TCP-LISTEN");

  const port = run.port();
  const [cert, ca] = ["server-both.pem", "ca.pem"].map((name) => certificates!.path(name));
  await run.serve([`WSS-L:127.0.0.1:${port},fork,cert=${cert},verify=0`, "ECHO"], { tcp: port }, { program });
  const words = [`wss://localhost:${port}/,cafile=${ca},compress`];
  assertEquals(await run.out(words, { program, input: "line\n" }), "line\n");

  const [admin, http] = [run.port(), run.port()];
  const file = async (name: string, text: string) => {
    await Deno.writeTextFile(run.path(name), text);
    return run.path(name);
  };
  const stderr = /wrong\.yaml:2: listeners: /;
  await run.out(["-c", await file("wrong.yaml", "admin: {}\nlisteners: 7\n")], { program, code: 2, stderr });
  const config = await file(
    "l7mp.yaml",
    `listeners:
  - name: web
    spec: {protocol: HTTP, address: 127.0.0.1, port: ${http}}
    rules:
      - match: {op: matches, path: /HTTP/url/path, value: "^/(a|b)$"}
        action: {route: {destination: {spec: {protocol: Prometheus}}}}
`,
  );
  const args = ["-c", config, "--strict-config", `--admin=127.0.0.1:${admin}`];
  await run.serve(args, { tcp: http }, { program, stderr: "any" });
  const refused = await fetch(`http://127.0.0.1:${admin}/api/v1/clusters`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"cluster":7}',
  });
  assertEquals(refused.status, 422);
  assertStringIncludes(await refused.text(), "must be object");
  assertStringIncludes(await (await fetch(`http://127.0.0.1:${http}/a`)).text(), "l7mp_");
  assertStringIncludes(await run.out(["ctl", `--admin=127.0.0.1:${admin}`, "get", "listeners"], { program }), "web");
}, { skip: certificates ? undefined : noOpenssl });
