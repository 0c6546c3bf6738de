/** What README.md says of configurations, done as it says, on other ports. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import { acceptance, type Child, l7mp, type Program, type Run } from "../e2e/harness.ts";
import { absent } from "../e2e/programs.ts";
import { eventually, isBound } from "../e2e/wait.ts";

const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
const sh: Program = { name: "sh", command: ["sh"] };
const noCurl = absent("curl");
const noOpenssl = absent("openssl");

/** Lines for a shell below a heading, up to the next one. */
function linesBelow(heading: string): string[] {
  const [, rest] = readme.split(`\n${heading}\n`);
  assert(rest !== undefined, `README.md has no heading ${heading}`);
  const section = rest.split(/\n##+ /)[0]!;
  return [...section.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block!.trim().split("\n"));
}

/** A reader at a shell, on whose machine the README's ports are others, and connecting may take its time. */
class Reader {
  readonly #run: Run;
  readonly #ports = new Map<string, number>();

  constructor(run: Run) {
    this.#run = run;
  }

  port(written: number): number {
    const key = String(written);
    let port = this.#ports.get(key);
    if (port === undefined) this.#ports.set(key, port = this.#run.port());
    return port;
  }

  #moved(text: string): string {
    return text.replace(/\b(?:1234|8080|900[12]|9090|1500[01]|16000)\b/g, (port) => String(this.port(Number(port))))
      .replace("timeout: 2000", "timeout: 60000");
  }

  /** `line` as it is here, with files of `config/` in the folder of the case. */
  async here(line: string): Promise<string> {
    let text = line.replace(/\bl7mp ctl\b/g, `l7mp ctl --admin=${this.port(1234)}`);
    for (const [path] of line.matchAll(/config\/[\w-]+\.yaml/g)) {
      const file = this.#run.path(path.replaceAll("/", "-"));
      await Deno.writeTextFile(file, this.#moved(await Deno.readTextFile(new URL(`../../${path}`, import.meta.url))));
      text = text.replace(path, file);
    }
    return this.#moved(text);
  }

  /** Runs a line to its end, which must be a success, and gives what it prints. */
  async does(line: string): Promise<string> {
    const command = l7mp.command.map((word) => `'${word}'`).join(" ");
    const script = `l7mp() { ${command} "$@"; }\n${await this.here(line)}`;
    return await this.#run.out(["-c", script], { program: sh, stderr: "any" });
  }

  /** Starts a line that goes on, until something listens on `port`. */
  async starts(line: string, port: number, options: { readonly openInput?: boolean } = {}): Promise<Child> {
    const words = (await this.here(line)).split(" ").slice(1);
    return await this.#run.serve(words, { tcp: this.port(port) }, { stderr: "any", ...options });
  }
}

acceptance("README", "a gateway that routes, balances and can be watched", async (run) => {
  const reader = new Reader(run);
  const [one, two, gateway, ask, elsewhere, list, add, get, remove, apply, scrape, ...others] = linesBelow(
    "## Configurations",
  );
  assertEquals(others.map((line) => line.replace(/ .*/, "")), ["l7mp"]);
  await reader.starts(one!, 9001);
  await reader.starts(two!, 9002);
  const child = await reader.starts(gateway!, 8080);
  for (const port of [1234, 9090]) {
    await eventually(`port ${port}`, () => isBound({ tcp: reader.port(port) }), { details: () => child.describe() });
  }
  const answers = await reader.does(ask!);
  assertEquals(answers.match(/one|two/g)?.toSorted(), ["one", "one", "one", "two"], answers);
  assertMatch(await reader.does(elsewhere!), /there is only \/api\/ here/);
  assertMatch(await reader.does(list!), /^NAME .*\none .*\ntwo /);
  await reader.does(add!);
  assertMatch(await reader.does(get!), /three/);
  await reader.does(remove!);
  assert(!/three/.test(await reader.does(get!)));
  await reader.does(apply!);
  assertMatch(await reader.does(scrape!), /^listener_requests_total\{listenerName="web",protocol="HTTP"\} 5$/m);
}, { skip: noCurl });

acceptance("README", "a certificate for the server and one for a client, made as it says", async (run) => {
  const lines = linesBelow("## Examples");
  const making = lines.filter((line) => /^openssl |> client\.ext$/.test(line));
  assertEquals(making.length, 5);
  await run.out(["-c", `cd '${run.dir}' && ${making.join(" && ")}`], { program: sh, stderr: "any" });
  const inFolder = (line: string) => line.replace(/\b(cert|key|cafile)=/g, `$1=${run.dir}/`);
  const [echo, talk] = lines.filter((line) => line.includes("cafile=ca.pem") || line.includes("cert=client.pem"));
  const [api, ask] = lines.slice(lines.indexOf(talk!) + 1);
  const [tlsPort, apiPort] = [run.port(), run.port()];
  const moved = (line: string) =>
    inFolder(line).replaceAll("8443", String(tlsPort)).replace(/(0\.0\.0\.0|localhost):8444/, `127.0.0.1:${apiPort}`);
  const shell = (line: string) => {
    const command = l7mp.command.map((word) => `'${word}'`).join(" ");
    return ["-c", `l7mp() { ${command} "$@"; }\n${moved(line)}`];
  };
  const words = (line: string) => moved(line).split(" ").slice(1);
  await run.serve(words(echo!), { tcp: tlsPort }, { stderr: "any" });
  assertEquals(await run.out(shell(talk!), { program: sh, stderr: "any" }), "hello\n");

  const file = run.path("minimal.yaml");
  const minimal = await Deno.readTextFile(new URL("../../config/l7mp-minimal.yaml", import.meta.url));
  await Deno.writeTextFile(file, minimal.replace("1234", String(run.port())));
  const serving = words(api!).map((word) => word.startsWith("config/") ? file : word);
  await run.serve(serving, { tcp: apiPort }, { stderr: "any" });
  assertMatch(await run.out(shell(ask!), { program: sh, stderr: "any" }), /^echo +Echo/m);
  if (noCurl) return;
  const curl = `curl -s --cacert server.pem --cert client.pem --key client.key https://127.0.0.1:${apiPort}/readyz`;
  assertMatch(await run.out(["-c", `cd '${run.dir}' && ${curl}`], { program: sh, stderr: "any" }), /"message": "OK"/);
}, { skip: noOpenssl });

acceptance("README", "the API of the original", async (run) => {
  const reader = new Reader(run);
  const [minimal, cluster, listener, receiver, send, sessions, remove, ...others] = linesBelow(
    "### The API of the original",
  );
  assertEquals(others, []);
  await reader.starts(minimal!, 1234);
  for (const line of [cluster!, listener!]) assertMatch(await reader.does(line), /"message": "OK"/);
  const received = await reader.starts(receiver!, 16000, { openInput: true });
  await reader.does(send!);
  await received.prints("hello\n");
  assertMatch(await reader.does(sessions!), /"name":\s*"UDP:127\.0\.0\.1:/);
  assertMatch(await reader.does(remove!), /"message": "OK"/);
  assert(!/"UDP:/.test(await reader.does(sessions!)));
}, { skip: noCurl });
