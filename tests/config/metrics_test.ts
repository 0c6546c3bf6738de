// The metrics of a running configuration: right after known traffic, bounded, and never going back.
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertGreater, assertGreaterOrEqual } from "@std/assert";
import type { ConfigDocument, ListenerDocument } from "../../lib/config/document.ts";
import { acceptance, eventually, type Run } from "../e2e/harness.ts";
import { connect, echo, serveStreams } from "../e2e/peers.ts";
import { type Scrape, scrape } from "./scrape.ts";
import { listening, startService } from "./service.ts";

/** The listener of the metrics, as the original's users write it. */
function metricsListener(port: number): ListenerDocument {
  return {
    name: "metrics",
    spec: { protocol: "HTTP", port, address: "127.0.0.1" },
    rules: [{
      match: { op: "starts", path: "/HTTP/url/path", value: "/metrics" },
      action: { route: { destination: { name: "prometheus", spec: { protocol: "Prometheus" } } } },
    }],
  };
}

function tcpListener(name: string, port: number, destination: string, more: Partial<ListenerDocument> = {}) {
  const spec = { protocol: "TCP", port, address: "127.0.0.1" };
  return { name, spec, rules: [{ action: { route: { destination } } }], ...more };
}

/** Sends `text` to an echo and waits for all of it, and for the end. */
async function exchange(run: Run, port: number, text: string): Promise<void> {
  const peer = await connect(run, { tcp: port });
  await peer.send(text);
  await peer.endWrite();
  assertEquals(new TextDecoder().decode(await peer.rest()), text);
  peer[Symbol.dispose]();
}

/** A scrape in which `series` has the value; sessions are counted when they are over, a moment after their callers see it. */
async function scrapeWith(port: number, series: string, value: number): Promise<Scrape> {
  let last: Scrape | undefined;
  return await eventually(`${series} ${value}`, async () => {
    last = await scrape(port);
    return last.value(series) === value ? last : undefined;
  }, { details: () => last?.text ?? "" });
}

acceptance("f", "counters are right after known traffic, while sessions run and after their end", async (run) => {
  const [front, backend, metrics] = [run.port(), run.port(), run.port()];
  serveStreams(run, { tcp: backend }, echo);
  const document: ConfigDocument = {
    listeners: [metricsListener(metrics), tcpListener("front", front, "backend")],
    clusters: [{
      name: "backend",
      spec: { protocol: "TCP", port: backend },
      endpoints: [{ name: "e1", spec: { address: "127.0.0.1" } }],
    }],
  };
  await startService(run, document);
  const before = await scrape(metrics);
  assertEquals(before.value('l7mp_listener_up{listener="front"}'), 1);
  assertEquals(before.value('l7mp_sessions_active{listener="front"}'), 0);
  assertEquals(before.value('l7mp_endpoint_bytes_total{cluster="backend",endpoint="e1",direction="ltr"}'), 0);
  const peer = await connect(run, { tcp: front });
  await peer.send("hello");
  await peer.text(5);
  const during = await scrape(metrics);
  assertEquals(during.value('l7mp_sessions_active{listener="front"}'), 1);
  assertEquals(during.value('l7mp_endpoint_active{cluster="backend",endpoint="e1"}'), 1);
  assertEquals(during.value('listener_requests_total{listenerName="front",protocol="TCP"}'), 1);
  assertEquals(during.value('cluster_requests_total{clusterName="backend",protocol="TCP"}'), 1);
  for (const direction of ["ltr", "rtl"]) {
    assertEquals(during.value(`l7mp_listener_bytes_total{listener="front",direction="${direction}"}`), 5);
    assertEquals(during.value(`l7mp_cluster_bytes_total{cluster="backend",direction="${direction}"}`), 5);
    const endpoint = `l7mp_endpoint_bytes_total{cluster="backend",endpoint="e1",direction="${direction}"}`;
    assertEquals(during.value(endpoint), 5);
  }
  await peer.send("more");
  await peer.text(4);
  await peer.endWrite();
  await peer.rest();
  const after = await scrapeWith(metrics, 'l7mp_sessions_total{listener="front",reason="eof"}', 1);
  assertEquals(after.value('l7mp_sessions_active{listener="front"}'), 0);
  assertEquals(after.value('l7mp_listener_bytes_total{listener="front",direction="rtl"}'), 9);
  assertEquals(after.value('l7mp_endpoint_bytes_total{cluster="backend",endpoint="e1",direction="ltr"}'), 9);
  assertEquals(after.value('cluster_requests_total{clusterName="backend",protocol="TCP"}'), 1);
  assertEquals(after.value('l7mp_session_duration_seconds_count{listener="front"}'), 1);
  assertEquals(after.value('l7mp_connect_duration_seconds_count{cluster="backend"}'), 1);
  assertEquals(after.value('l7mp_endpoint_connections_total{cluster="backend",endpoint="e1"}'), 1);
  assertEquals(after.wentBack(during), []);
});

acceptance("f", "what is turned away, tried again and failing is counted", async (run) => {
  const [http, front, nobody, metrics] = [run.port(), run.port(), run.port(), run.port()];
  const document: ConfigDocument = {
    listeners: [
      metricsListener(metrics),
      {
        name: "web",
        spec: { protocol: "HTTP", port: http, address: "127.0.0.1" },
        options: { local_ratelimit: { token_bucket: { max_tokens: 2, fill_interval: "1h" } } },
        rules: [{ match: { op: "starts", path: "/HTTP/url/path", value: "/no" }, action: { deny: {} } }],
      },
      {
        ...tcpListener("front", front, "backend"),
        rules: [{
          action: {
            route: { destination: "backend", retry: { retry_on: "connect-failure", num_retries: 2, timeout: "10ms" } },
          },
        }],
      },
    ],
    clusters: [{
      name: "backend",
      spec: { protocol: "TCP", port: nobody },
      endpoints: [{ name: "e1", spec: { address: "127.0.0.1" } }],
    }],
  };
  await startService(run, document);
  const statuses: number[] = [];
  for (const path of ["/no", "/other", "/third"]) {
    const response = await fetch(`http://127.0.0.1:${http}${path}`);
    await response.body?.cancel();
    statuses.push(response.status);
  }
  assertEquals(statuses, [403, 404, 429]);
  const peer = await connect(run, { tcp: front });
  await peer.rest().catch(() => {});
  const after = await scrapeWith(metrics, 'l7mp_sessions_total{listener="front",reason="error"}', 1);
  for (const reason of ["denied", "no_route", "rate_limited"]) {
    assertEquals(after.value(`l7mp_rejected_total{listener="web",reason="${reason}"}`), 1, reason);
  }
  assertEquals(after.value('l7mp_retries_total{cluster="backend"}'), 2);
  assertEquals(after.value('l7mp_endpoint_failures_total{cluster="backend",endpoint="e1"}'), 3);
  assertEquals(after.value('l7mp_endpoint_connections_total{cluster="backend",endpoint="e1"}'), 0);
  assertEquals(after.of("cluster_requests_total"), [
    'cluster_requests_total{clusterName="prometheus",protocol="Prometheus"}',
  ]);
});

acceptance("f", "a JSONSocket counts a second time under its carrier's name", async (run) => {
  const [front, backend, metrics] = [run.port(), run.port(), run.port()];
  serveStreams(run, { tcp: backend }, echo);
  const document: ConfigDocument = {
    listeners: [metricsListener(metrics), {
      ...tcpListener("front", front, "backend"),
      spec: { protocol: "JSONSocket", transport: { protocol: "TCP", port: front, address: "127.0.0.1" } },
    }],
    clusters: [{
      name: "backend",
      spec: { protocol: "TCP", port: backend },
      endpoints: [{ spec: { address: "127.0.0.1" } }],
    }],
  };
  await startService(run, document);
  const peer = await connect(run, { tcp: front });
  await peer.send('{"JSONSocketVersion":1}');
  await peer.endWrite();
  await peer.rest();
  const after = await scrapeWith(metrics, 'listener_requests_total{listenerName="front",protocol="JSONSocket"}', 1);
  assertEquals(after.value('listener_requests_total{listenerName="front-transport-listener",protocol="TCP"}'), 1);
  assertEquals(after.of("l7mp_listener_bytes_total").some((series) => series.includes("transport")), false);
});

acceptance("f", "nothing counts back when listeners, clusters and endpoints are removed", async (run) => {
  const [front, backend, metrics] = [run.port(), run.port(), run.port()];
  serveStreams(run, { tcp: backend }, echo);
  const document: ConfigDocument = {
    listeners: [metricsListener(metrics), tcpListener("front", front, "backend")],
    clusters: [{
      name: "backend",
      spec: { protocol: "TCP", port: backend },
      endpoints: [{ name: "e1", spec: { address: "127.0.0.1" } }],
    }],
  };
  const service = await startService(run, document);
  await exchange(run, front, "hello");
  const before = await scrapeWith(metrics, 'l7mp_sessions_total{listener="front",reason="eof"}', 1);
  // Nobody looks between this and the end of what counts it.
  await exchange(run, front, "again");
  await service.do("DELETE", "/endpoints/e1");
  await service.do("DELETE", "/listeners/front");
  await service.do("DELETE", "/clusters/backend");
  const gone = await scrapeWith(metrics, 'l7mp_sessions_total{listener="front",reason="eof"}', 2);
  assertEquals(gone.wentBack(before), []);
  assertEquals(gone.value('l7mp_endpoint_connections_total{cluster="backend",endpoint="e1"}'), 2);
  assertEquals(gone.value('l7mp_listener_up{listener="front"}'), undefined);
  assertEquals(gone.value('l7mp_endpoint_healthy{cluster="backend",endpoint="e1"}'), undefined);
  await service.do("POST", "/clusters", { cluster: document.clusters![0] });
  await service.do("POST", "/listeners", {
    listener: { ...document.listeners![1], rules: [{ action: { route: { destination: "backend" } } }] },
  });
  await listening(front);
  await exchange(run, front, "third");
  const again = await scrapeWith(metrics, 'l7mp_sessions_total{listener="front",reason="eof"}', 3);
  assertEquals(again.wentBack(gone), []);
  assertEquals(again.value('l7mp_endpoint_bytes_total{cluster="backend",endpoint="e1",direction="rtl"}'), 15);
});

acceptance("f", "10,000 sessions make no series", async (run) => {
  const [front, metrics] = [run.port(), run.port()];
  const echoCluster = { name: "echo", spec: { protocol: "Echo" } };
  const document: ConfigDocument = {
    listeners: [metricsListener(metrics), tcpListener("front", front, "echo")],
    clusters: [echoCluster],
  };
  await startService(run, document);
  const one = async () => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: front });
    await conn.write(new Uint8Array([1]));
    await conn.closeWrite();
    while (await conn.read(new Uint8Array(8)) !== null);
  };
  await one();
  const ended = 'l7mp_sessions_total{listener="front",reason="eof"}';
  const before = await scrapeWith(metrics, ended, 1);
  const workers = Array.from({ length: 32 }, async (_, i) => {
    for (let n = i; n < 10_000; n += 32) await one();
  });
  await Promise.all(workers);
  const after = await scrapeWith(metrics, ended, 10_001);
  // Those of whoever reads the metrics begin with the second reading.
  const others = (scrape: Scrape) => scrape.all.filter((series) => !series.includes('="metrics"'));
  assertEquals(others(after), others(before));
  assertEquals(after.value('l7mp_listener_bytes_total{listener="front",direction="ltr"}'), 10_001);
});

acceptance("f", "--prometheus serves the metrics of a command line", async (run) => {
  const [front, metrics] = [run.port(), run.port()];
  await run.serve([`--prometheus=${metrics}`, `TCP-L:127.0.0.1:${front},fork`, "ECHO"], { tcp: front }, {
    stderr: "any",
  });
  await listening(metrics);
  await exchange(run, front, "hello");
  const after = await scrapeWith(metrics, 'l7mp_sessions_total{listener="cli",reason="eof"}', 1);
  assertEquals(after.value('l7mp_listener_bytes_total{listener="cli",direction="ltr"}'), 5);
  // Those who read the metrics are no sessions of the configuration.
  assertEquals(after.of("l7mp_sessions_active"), ['l7mp_sessions_active{listener="cli"}']);
  assertGreater(after.value("process_start_time_seconds")!, Date.now() / 1000 - 3600);
  assertGreaterOrEqual(after.value("process_open_fds") ?? 3, 3);
});
