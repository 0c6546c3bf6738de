// Access log, log file and trace of a running configuration, and their changes while it runs.
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { AdminDocument, ConfigDocument, ListenerDocument } from "../../lib/config/document.ts";
import { acceptance, eventually, type Run } from "../e2e/harness.ts";
import { descriptors } from "../e2e/wait.ts";
import { startService } from "./service.ts";

const trace = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${trace}-b7ad6b7169203331-01`;

function webListener(name: string, port: number, destination: string): ListenerDocument {
  return {
    name,
    spec: { protocol: "HTTP", port, address: "127.0.0.1" },
    rules: [
      { match: { op: "starts", path: "/HTTP/url/path", value: "/no" }, action: { deny: {} } },
      { action: { route: { name: `to-${destination}`, destination } } },
    ],
  };
}

/** An HTTP listener that answers with what it gets. */
function echoDocument(port: number, admin: AdminDocument): ConfigDocument {
  return {
    admin,
    listeners: [webListener("web", port, "echo")],
    clusters: [{ name: "echo", spec: { protocol: "Echo" } }],
  };
}

async function get(port: number, path: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  return await response.text();
}

/** The lines of a file, without those of the API's own sessions, once there are so many. */
async function lines(path: string, count: number): Promise<string[]> {
  return await eventually(`${count} lines in ${path}`, async () => {
    const text = await Deno.readTextFile(path).catch(() => "");
    const found = text.split("\n").slice(0, -1).filter((line) => !/listener(=|":")admin/.test(line));
    return found.length >= count ? found : undefined;
  });
}

/** How many descriptors of a process are files of the case. */
async function openFiles(run: Run, pid: number): Promise<string[]> {
  return (await descriptors(pid)).filter((target) => target.startsWith(run.dir));
}

acceptance("i-47", "the access log of a configuration has lines of the user's making", async (run) => {
  const [port, log] = [run.port(), run.path("access")];
  const access_log_format = '{session} "{method} {path}" {cluster}/{endpoint} {/IP/src_addr} {trace_id} {reason}';
  await startService(run, echoDocument(port, { access_log_path: log, access_log_format }));
  await get(port, "/a?b", { traceparent });
  await get(port, "/no", { traceparent: "junk" });
  const [first = "", second = ""] = await lines(log, 2);
  assertMatch(first, /^HTTP:127\.0\.0\.1:\d+-127\.0\.0\.1:\d+-0 "GET \/a\?b" echo\/echo 127\.0\.0\.1 /);
  assertStringIncludes(first, ` ${trace} eof`);
  assertMatch(second, /-1 "GET \/no" -\/- 127\.0\.0\.1 [0-9a-f]{32} error$/);
  assertNotEquals(second.split(" ").at(-2), trace);
});

acceptance(
  "i-47",
  "access log, its format and the log change by PUT /admin, and leave no descriptor open",
  async (run) => {
    const port = run.port();
    const service = await startService(run, echoDocument(port, { access_log_path: run.path("a0") }));
    const { child } = service;
    await get(port, "/");
    assertMatch((await lines(run.path("a0"), 1))[0]!, /^\d{4}-\S+Z session=HTTP:\S+ listener=web /);
    const put = (admin: AdminDocument) => service.request("PUT", "/admin", { admin });
    const before = (await openFiles(run, child.pid)).length;
    for (let i = 1; i <= 5; i++) {
      assertEquals((await put({ access_log_path: run.path(`a${i}`), access_log_format: "json" })).status, 200);
      await get(port, "/");
      assertEquals(JSON.parse((await lines(run.path(`a${i}`), 1))[0]!).cluster, "echo");
    }
    assertEquals((await openFiles(run, child.pid)).length, before);
    // What cannot be leaves all as it was.
    for (const bad of [{ access_log_format: "{nonsense}" }, { access_log_path: run.path("no/such/folder") }]) {
      const { status, body } = await put({ access_log_path: run.path("a9"), ...bad });
      assertEquals(status, 400, JSON.stringify(body));
    }
    assertEquals((await openFiles(run, child.pid)).length, before);
    await get(port, "/");
    assertEquals((await lines(run.path("a5"), 2)).length, 2);
    // A file that was left is not opened anew with the others.
    await Deno.remove(run.path("a1"));
    await Deno.rename(run.path("a5"), run.path("old"));
    child.poke("SIGUSR2");
    await eventually("the access log, opened anew", () => Deno.stat(run.path("a5")).catch(() => undefined));
    await get(port, "/");
    assertEquals((await lines(run.path("a5"), 1)).length, 1);
    assertEquals(await Deno.stat(run.path("a1")).then(() => "there", () => "gone"), "gone");
    assertEquals((await put({})).status, 200);
    await get(port, "/");
    assertEquals((await lines(run.path("a5"), 1)).length, 1);
  },
);

acceptance("i-47", "the log goes to its file, and to another after a reload", async (run) => {
  const port = run.port();
  const file = run.path("config.json");
  const write = (admin: AdminDocument) => Deno.writeTextFile(file, JSON.stringify(echoDocument(port, admin)));
  await write({ log_file: run.path("l1"), log_level: "info" });
  const child = await run.serve(["-c", file], { tcp: port }, { stderr: "any" });
  await get(port, "/");
  assertStringIncludes((await lines(run.path("l1"), 1)).join("\n"), " N listening on ");
  await write({ log_file: run.path("l2"), log_level: "info", log_format: "json" });
  child.poke("SIGHUP");
  await eventually(
    "the new log",
    async () => (await Deno.readTextFile(run.path("l2")).catch(() => "")).includes("again"),
  );
  await get(port, "/");
  const found = await eventually("a session's end", async () => {
    const all = await lines(run.path("l2"), 1);
    return all.map((line) => JSON.parse(line)).find(({ event }) => event === "session.close");
  });
  assertEquals(found.level, "info");
});

acceptance("i-47", "a bad line of the access log is refused at start", async (run) => {
  const file = run.path("config.json");
  const document = echoDocument(run.port(), { access_log_path: "-", access_log_format: "{sesion}" });
  await Deno.writeTextFile(file, JSON.stringify(document));
  for (const args of [["-c", file], ["--check", "-c", file]]) {
    await run.out(args, { code: 2, stderr: /\{sesion\}.* did you mean "session"\?/ });
  }
});

acceptance("i-47", "a log on standard output moves to standard error while an address uses it", async (run) => {
  const service = await startService(run, echoDocument(run.port(), { log_file: "stdout" }));
  const { child } = service;
  const cluster = { name: "out", spec: { protocol: "Stdio" } };
  await service.do("POST", "/clusters", { cluster });
  await eventually(
    "the move",
    () => child.stderr.includes('standard output is used by cluster "out"; the log goes to'),
  );
  assertEquals((await service.get("/admin")).log_file, "stdout");
  child.kill("SIGTERM");
  await eventually("the last line", () => child.stderr.includes("exiting on signal 15"));
});

acceptance("i-47", "a file that says so for both starts, as the original's sample does", async (run) => {
  const clusters = ["Stdio", "Logger"].map((protocol) => ({ name: protocol, spec: { protocol } }));
  const document = { ...echoDocument(run.port(), { log_file: "stdout" }), clusters };
  const { child } = await startService(run, document);
  assertStringIncludes(child.stderr, 'standard output is used by cluster "Stdio"; the log goes to standard error');
});

acceptance("trace", "a session's trace is in its metadata and goes on upstream", async (run) => {
  const [port, backend] = [run.port(), run.port()];
  const heard: (string | null)[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: backend, onListen() {} }, (request) => {
    heard.push(request.headers.get("traceparent"));
    return new Response("ok");
  });
  run.defer(() => server.shutdown());
  const document: ConfigDocument = {
    listeners: [webListener("web", port, "backend")],
    clusters: [{
      name: "backend",
      spec: { protocol: "HTTP", port: backend },
      endpoints: [{ spec: { address: "127.0.0.1" } }],
    }],
  };
  document.listeners![0]!.options = { track: 60 };
  const service = await startService(run, document);
  assertEquals(await get(port, "/", { traceparent }), "ok");
  assertEquals(await get(port, "/"), "ok");
  const sessions = await service.sessions("both sessions", (all) => all.length === 2);
  const traces = sessions.map(({ metadata }) => metadata.trace);
  assertEquals(traces.map(({ traceparent }) => traceparent), heard);
  assertEquals(traces[0].trace_id, trace);
  assertEquals(traces[0].parent_id, "b7ad6b7169203331");
  assertMatch(heard[0]!, new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`));
  assertMatch(heard[1]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assertNotEquals(traces[1].trace_id, trace);
});
