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

interface Target {
  readonly health: string;
  readonly lastError: string;
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

/** Starts one that scrapes `target` every second. */
async function startPrometheus(run: Run, target: number): Promise<number> {
  const port = run.port();
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
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
  // One scrape may come too late on a busy machine, the next one does not.
  const soon = (what: string, probe: () => Promise<boolean>) => eventually(what, probe, { deadlineMs: 60_000 });
  await soon("a scrape without a fault", async () => {
    const { activeTargets } = (await ask(port, "targets")).data as { activeTargets: Target[] };
    return activeTargets.every(({ health, lastError }) => health === "up" && lastError === "");
  });
  // Rates want two scrapes with something between them.
  await soon("a rate", async () => {
    const [rate] = await values(port, 'rate(l7mp_sessions_total{listener="front",reason="eof"}[10s])');
    return rate !== undefined && rate > 0;
  });
  const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
  assertGreater(queries.length, 30);
  for (const { title, expr } of queries) {
    await soon(`panel "${title}" to show something: ${expr}`, async () => {
      return (await values(port, filledIn(expr))).length > 0;
    });
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
    deadlineMs: 60_000,
  });
  // Every session of front is one of echo, and moves 1000 bytes each way.
  const per =
    'increase(l7mp_listener_bytes_total{listener="front",direction="rtl"}[1m]) / ignoring (direction, reason) ' +
    'increase(l7mp_sessions_total{listener="front",reason="eof"}[1m])';
  const becomes = (what: string, text: string, right: (value: number) => boolean) => {
    let value = NaN;
    return eventually(what, async () => right(value = await query(text)), {
      deadlineMs: 60_000,
      details: () => `it is ${value}`,
    });
  };
  await becomes("1000 bytes a session", per, (bytes) => Math.abs(bytes - 1000) < 100);
  await becomes("no restart", "changes(process_start_time_seconds[1m])", (changes) => changes === 0);
  await becomes("denials", 'l7mp_rejected_total{listener="web",reason="denied"}', (count) => count > 0);
  // Of those under way the retry is counted already.
  const retries = 'l7mp_retries_total{cluster="nobody"} / on () l7mp_sessions_total{listener="broken"}';
  await becomes("one retry a session", retries, (ratio) => Math.abs(ratio - 1) < 0.1);
}, { skip: noPrometheus });
