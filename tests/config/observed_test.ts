// What only the engine can tell: steps of sessions, whom listeners refuse, fields of log lines, the logs of one-liners.
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { AdminDocument, ConfigDocument } from "../../lib/config/document.ts";
import { answered } from "../e2e/answered.ts";
import { acceptance, eventually } from "../e2e/harness.ts";
import { connect } from "../e2e/peers.ts";
import { descriptors } from "../e2e/wait.ts";
import { scrape } from "./scrape.ts";
import { startService } from "./service.ts";

const trace = "0af7651916cd43dd8448eb211c80319c";

function metricsListener(port: number) {
  return {
    name: "metrics",
    spec: { protocol: "HTTP", port, address: "127.0.0.1" },
    rules: [{ action: { route: { destination: { name: "prometheus", spec: { protocol: "Prometheus" } } } } }],
  };
}

acceptance("i-41", "Metric clusters count each session, under the names they were given", async (run) => {
  const [front, metrics] = [run.port(), run.port()];
  const document: ConfigDocument = {
    listeners: [metricsListener(metrics), {
      name: "front",
      spec: { protocol: "TCP", port: front, address: "127.0.0.1" },
      rules: [{
        action: { route: { ingress: ["usual"], egress: ["usual", "named"], destination: "echo" } },
      }],
    }],
    clusters: [
      { name: "echo", spec: { protocol: "Echo" } },
      { name: "usual", spec: { protocol: "Metric" } },
      { name: "named", spec: { protocol: "Metric", byteCounterName: "my_bytes", packetCounterName: "my_packets" } },
    ],
  };
  const service = await startService(run, document);
  const peer = await connect(run, { tcp: front });
  await peer.send("hello");
  await peer.text(5);
  const [session] = await service.sessions("the session", (all) => all.some(({ source }) => source.origin === "front"));
  const during = await scrape(metrics);
  const labels = (cluster: string) => `{sessionName="${session.name}",clusterName="${cluster}"}`;
  assertEquals(during.value(`session_byte_counter_total${labels("usual")}`), 10);
  assertEquals(during.value(`session_packet_counter_total${labels("usual")}`), 2);
  assertEquals(during.value(`my_bytes${labels("named")}`), 5);
  assertEquals(during.value(`my_packets${labels("named")}`), 1);
  // Every place in a chain counts as a stream of its cluster.
  assertEquals(during.value('cluster_requests_total{clusterName="usual",protocol="Metric"}'), 2);
  assertEquals(during.value('cluster_requests_total{clusterName="named",protocol="Metric"}'), 1);
  await peer.endWrite();
  await peer.rest();
});

acceptance("f", "10,000 sessions through a Metric cluster make no more series than there may be", async (run) => {
  const [front, metrics] = [run.port(), run.port()];
  await startService(run, {
    listeners: [metricsListener(metrics), {
      name: "front",
      spec: { protocol: "TCP", port: front, address: "127.0.0.1" },
      rules: [{
        action: { route: { ingress: [{ name: "count", spec: { protocol: "Metric" } }], destination: "echo" } },
      }],
    }],
    clusters: [{ name: "echo", spec: { protocol: "Echo" } }],
  });
  const workers = Array.from({ length: 32 }, async (_, i) => {
    for (let n = i; n < 10_000; n += 32) {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port: front });
      await conn.write(new Uint8Array([1]));
      await conn.closeWrite();
      while (await conn.read(new Uint8Array(8)) !== null);
    }
  });
  await Promise.all(workers);
  const after = await eventually("the end of all sessions", async () => {
    const all = await scrape(metrics);
    return all.value('l7mp_sessions_total{listener="front",reason="eof"}') === 10_000 ? all : undefined;
  });
  assertEquals(after.of("session_byte_counter_total").length <= 1000, true);
  assertEquals(after.value('l7mp_listener_bytes_total{listener="front",direction="ltr"}'), 10_000);
});

acceptance("f", "callers that a listener refuses are counted by reason", async (run) => {
  const [front, full, metrics] = [run.port(), run.port(), run.port()];
  const rules = [{ action: { route: { destination: "echo" } } }];
  await startService(run, {
    listeners: [
      metricsListener(metrics),
      { name: "front", spec: { protocol: "TCP", port: front, address: "127.0.0.1", range: ["10.0.0.0/8"] }, rules },
      {
        name: "full",
        spec: { protocol: "TCP", port: full, address: "127.0.0.1" },
        options: { max_sessions: 1 },
        rules,
      },
    ],
    clusters: [{ name: "echo", spec: { protocol: "Echo" } }],
  });
  const refused = async (port: number) => {
    const peer = await connect(run, { tcp: port });
    await peer.rest().catch(() => {});
  };
  await refused(front);
  const first = await connect(run, { tcp: full });
  await first.send("x");
  await first.text(1);
  await refused(full);
  await refused(full);
  const after = await scrape(metrics);
  assertEquals(after.value('l7mp_rejected_total{listener="front",reason="address"}'), 1);
  assertEquals(after.value('l7mp_rejected_total{listener="full",reason="limit"}'), 2);
  assertEquals(after.value('listener_requests_total{listenerName="full",protocol="TCP"}'), 1);
  assertEquals(after.value('l7mp_listener_up{listener="full"}'), 1);
});

acceptance("trace", "log lines of a session carry its trace, the access log the answer's status", async (run) => {
  const [port, backend] = [run.port(), run.port()];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: backend, onListen() {} },
    (request) => new Response("answer", { status: request.url.endsWith("/teapot") ? 418 : 200 }),
  );
  run.defer(() => server.shutdown());
  const [log, access] = [run.path("log"), run.path("access")];
  await startService(run, {
    admin: {
      log_file: log,
      log_format: "json",
      access_log_path: access,
      access_log_format: "{status} {route} {trace_id}",
    },
    listeners: [{
      name: "web",
      spec: { protocol: "HTTP", port, address: "127.0.0.1" },
      rules: [{ match: { op: "starts", path: "/HTTP/url/path", value: "/no" }, action: { deny: {} } }, {
        action: { route: { name: "way", destination: "backend" } },
      }],
    }],
    clusters: [{
      name: "backend",
      spec: { protocol: "HTTP", port: backend },
      endpoints: [{ spec: { address: "127.0.0.1" } }],
    }],
  }, { args: ["-l", "info"] });
  const headers = { traceparent: `00-${trace}-b7ad6b7169203331-01` };
  for (const path of ["/", "/teapot", "/no"]) {
    await (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).body?.cancel();
  }
  const lines = await eventually("three lines", async () => {
    const lines = (await Deno.readTextFile(access)).trimEnd().split("\n").filter((line) => line.includes(trace));
    return lines.length === 3 ? lines : undefined;
  });
  assertEquals(lines.toSorted(), [`200 way ${trace}`, `403 - ${trace}`, `418 way ${trace}`]);
  const logged = (await Deno.readTextFile(log)).trimEnd().split("\n").map((line) => JSON.parse(line));
  for (const event of ["session.open", "session.close", "session.error", "connect.open"]) {
    const of = logged.filter((line) => line.event === event && line.session?.startsWith("HTTP:"));
    assertNotEquals(of.length, 0, event);
    assertEquals(of.filter((line) => line.trace_id !== trace || !/^[0-9a-f]{16}$/.test(line.span_id)), [], event);
  }
});

acceptance("1.1", "--access-log-format of a one-liner: JSON, a line, and what is neither", async (run) => {
  const [path, access] = [run.path("s"), run.path("access")];
  for (
    const [format, pattern] of [
      ["json", /^\{"time":.*"ltr_bytes":1,.*"reason":"eof"\}\n$/],
      ["{listener} {ltr_bytes}/{rtl_bytes} {/name}", /^cli 1\/1 cli-1\n$/],
    ] as const
  ) {
    const args = [`--access-log=${access}`, `--access-log-format=${format}`, `UNIX-LISTEN:${path}`, "PIPE"];
    const child = await run.serve(args, { unix: path });
    assertEquals(await run.out(["-", `UNIX-CONNECT:${path}`], { input: "a" }), "a");
    await child.end();
    assertMatch(await Deno.readTextFile(access), pattern);
    await Deno.remove(access);
  }
  const args = ["--access-log", "--access-log-format={sesion}", `UNIX-LISTEN:${path}`, "PIPE"];
  await run.out(args, { code: 1, stderr: /\{sesion\}.* did you mean "session"\?/ });
});

acceptance("E68", "the access log shows what a JSONSocket's client told", async (run) => {
  const [port, access] = [run.port(), run.path("access")];
  await run.serve(["-T", "0.5", `--access-log=${access}`, `JSONSOCKET-L:127.0.0.1:${port},fork`, "ECHO"], {
    udp: port,
  });
  assertEquals(await answered(run, ["-", `JSONSOCKET:127.0.0.1:${port},header={"a":1}`], "x"), "x");
  const line = await eventually("the line", () => Deno.readTextFile(access));
  assertStringIncludes(line, 'jsonsocket="{\\"a\\":1');
});

acceptance("4.9", "PROMETHEUS as the only address there is has something to tell", async (run) => {
  const port = run.port();
  await run.serve([`HTTP-L:127.0.0.1:${port},fork`, "PROMETHEUS"], { tcp: port });
  assertEquals((await scrape(port)).value('listener_requests_total{listenerName="cli",protocol="HTTP"}'), 1);
});

acceptance("i-47", "log files that are left are closed, and statistics follow the log", async (run) => {
  const service = await startService(run, {
    listeners: [{
      name: "web",
      spec: { protocol: "TCP", port: run.port(), address: "127.0.0.1" },
      rules: [{ action: { route: { destination: { spec: { protocol: "Echo" } } } } }],
    }],
  });
  const { child } = service;
  const put = async (admin: AdminDocument) => {
    assertEquals((await service.request("PUT", "/admin", { admin })).status, 200);
  };
  for (let i = 0; i < 5; i++) await put({ log_file: run.path(`l${i}`), log_format: "json" });
  const files = (await descriptors(child.pid)).filter((target) => target.startsWith(run.dir));
  assertEquals(files, [run.path("l4")]);
  child.poke("SIGUSR1");
  const text = await eventually("statistics", async () => {
    const text = await Deno.readTextFile(run.path("l4"));
    return text.includes("STATISTICS") ? text : undefined;
  });
  assertEquals(JSON.parse(text.trimEnd().split("\n").at(-1)!).event, "statistics");
  await put({});
  assertEquals((await descriptors(child.pid)).filter((target) => target.startsWith(run.dir)), []);
});
