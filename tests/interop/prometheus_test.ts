// A real Prometheus scrapes a running configuration under load, and answers every query of the dashboard.
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertGreater, assertNotEquals } from "@std/assert";
import type { ConfigDocument } from "../../lib/config/document.ts";
import { listening, startService } from "../config/service.ts";
import { acceptance, eventually, type Run, versionOf } from "../e2e/harness.ts";

const version = versionOf("prometheus", ["--version"], /version (\S+)/);
const noPrometheus = version === undefined ? "prometheus is not installed" : undefined;
const program = { name: "prometheus", command: ["prometheus"] };

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { query: string } }[];
  };
}

const dashboard: Dashboard = JSON.parse(
  await Deno.readTextFile(new URL("../../config/grafana/l7mp.json", import.meta.url)),
);

/** As Grafana fills in a query whose variables have all values. */
function filledIn(expr: string): string {
  return expr.replaceAll("$__rate_interval", "10s").replaceAll(/\$(listener|cluster)\b/g, ".*");
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: unknown;
}

async function ask(port: number, path: string, query: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(query)}`);
  return await response.json();
}

/** Values of an instant query, by nothing but their order. */
async function values(port: number, query: string): Promise<readonly number[]> {
  const { status, error, data } = await ask(port, "query", { query });
  assertEquals([status, error], ["success", undefined], query);
  const { result } = data as { result: readonly { value: readonly [number, string] }[] };
  return result.map(({ value }) => Number(value[1]));
}

/** Starts one that scrapes `target` every half second. */
async function startPrometheus(run: Run, target: number): Promise<number> {
  const port = run.port();
  const config = {
    global: { scrape_interval: "500ms", scrape_timeout: "400ms" },
    scrape_configs: [{ job_name: "l7mp", static_configs: [{ targets: [`127.0.0.1:${target}`] }] }],
  };
  await Deno.writeTextFile(run.path("prometheus.yml"), JSON.stringify(config));
  const args = [`--config.file=${run.path("prometheus.yml")}`, `--storage.tsdb.path=${run.path("data")}`];
  run.spawn([...args, `--web.listen-address=127.0.0.1:${port}`, "--log.level=warn"], { program, stderr: "any" });
  await listening(port);
  return port;
}

/** Sessions of every kind, until it is disposed of. */
function load({ front, web, broken }: { front: number; web: number; broken: number }): AsyncDisposable {
  let on = true;
  const session = async (port: number) => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(new Uint8Array(1000));
    await conn.closeWrite();
    while (await conn.read(new Uint8Array(4096)) !== null);
  };
  const all = (async () => {
    while (on) {
      const some = [session(front), session(front), session(broken).catch(() => {})];
      const denied = fetch(`http://127.0.0.1:${web}/no`).then((response) => response.body?.cancel());
      await Promise.all([...some, denied, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      on = false;
      await all;
    },
  };
}

async function startLoaded(run: Run): Promise<{ readonly load: AsyncDisposable; readonly metrics: number }> {
  const [front, web, broken, nobody, metrics] = [run.port(), run.port(), run.port(), run.port(), run.port()];
  const listener = (name: string, port: number, protocol: string, action: object, match?: object) => ({
    name,
    spec: { protocol, port, address: "127.0.0.1" },
    rules: [{ ...(match && { match: match as Record<string, unknown> }), action }],
  });
  const tcp = (name: string, port: number) => ({
    name,
    spec: { protocol: "TCP", port },
    endpoints: [{ name: `${name}-1`, spec: { address: "127.0.0.1" } }],
  });
  const echoPort = run.port();
  const retry = { retry_on: "connect-failure", num_retries: 1, timeout: "5ms" };
  const document: ConfigDocument = {
    listeners: [
      listener("metrics", metrics, "HTTP", {
        route: { destination: { name: "metrics", spec: { protocol: "Prometheus" } } },
      }),
      listener("echo", echoPort, "TCP", { route: { destination: { name: "echo", spec: { protocol: "Echo" } } } }),
      listener("front", front, "TCP", { route: { destination: "backend", ingress: ["count"] } }),
      listener("web", web, "HTTP", { deny: {} }),
      listener("broken", broken, "TCP", { route: { destination: "nobody", retry } }),
    ],
    clusters: [tcp("backend", echoPort), tcp("nobody", nobody), { name: "count", spec: { protocol: "Metric" } }],
  };
  await startService(run, document, { args: ["-l", "error"] });
  return { load: load({ front, web, broken }), metrics };
}

acceptance("interop", "Prometheus takes what it scrapes, and the dashboard's queries have answers", async (run) => {
  const { load, metrics } = await startLoaded(run);
  await using _load = load;
  const port = await startPrometheus(run, metrics);
  await eventually("the target to be up", async () => (await values(port, "up"))[0] === 1, { deadlineMs: 30_000 });
  const targets = await ask(port, "targets");
  const [{ lastError }] = (targets.data as { activeTargets: { lastError: string }[] }).activeTargets as [never] as [
    { lastError: string },
  ];
  assertEquals(lastError, "");
  // Rates want two scrapes with something between them.
  await eventually("a rate", async () => {
    const [rate] = await values(port, 'rate(l7mp_sessions_total{listener="front",reason="eof"}[10s])');
    return rate !== undefined && rate > 0;
  }, { deadlineMs: 30_000 });
  const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
  assertGreater(queries.length, 30);
  for (const { title, expr } of queries) {
    const found = await values(port, filledIn(expr));
    assertNotEquals(found.length, 0, `panel "${title}" shows nothing: ${expr}`);
  }
  for (const { name, query } of dashboard.templating.list) {
    const text = typeof query === "string" ? query : query.query;
    const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(text) ?? [];
    if (name === "datasource") continue;
    const { data } = await ask(port, `label/${label}/values`, { "match[]": metric! });
    assertNotEquals((data as string[]).length, 0, `variable ${name} has no values`);
  }
}, { skip: noPrometheus });

acceptance("interop", "what Prometheus computes is what happened", async (run) => {
  const { load, metrics } = await startLoaded(run);
  await using _load = load;
  const port = await startPrometheus(run, metrics);
  const query = (text: string) => values(port, text).then(([value = NaN]) => value);
  await eventually("sessions", async () => await query('l7mp_sessions_total{listener="front",reason="eof"}') > 20, {
    deadlineMs: 30_000,
  });
  // Every session of front is one of echo, and moves 1000 bytes each way.
  const per =
    'increase(l7mp_listener_bytes_total{listener="front",direction="rtl"}[1m]) / ignoring (direction, reason) ' +
    'increase(l7mp_sessions_total{listener="front",reason="eof"}[1m])';
  await eventually("1000 bytes a session", async () => Math.abs(await query(per) - 1000) < 100, { deadlineMs: 30_000 });
  assertEquals(await query("changes(process_start_time_seconds[1m])"), 0);
  assertGreater(await query('l7mp_rejected_total{listener="web",reason="denied"}'), 0);
  const retried = await query('l7mp_retries_total{cluster="nobody"} / on () l7mp_sessions_total{listener="broken"}');
  assertEquals(Math.abs(retried - 1) < 0.1, true, `${retried} retries a session`);
}, { skip: noPrometheus });
