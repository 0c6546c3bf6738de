/** Times of routes, clusters and listeners, what is kept for a connection that is away, and sessions shown after their end. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ClusterDocument, ListenerDocument, RouteDocument } from "../../lib/config/document.ts";
import { Backend } from "../e2e/carriers.ts";
import { acceptance, type Run, stays } from "../e2e/harness.ts";
import { connect, echo, UdpPeer } from "../e2e/peers.ts";
import { eventually, memory, released, within } from "../e2e/wait.ts";
import { echoes } from "./documents.ts";
import { type Service, startService } from "./service.ts";

interface Times {
  readonly listener?: Partial<ListenerDocument>;
  readonly spec?: Record<string, unknown>;
  readonly route?: Partial<RouteDocument>;
  readonly cluster?: Partial<ClusterDocument>;
}

interface Gateway {
  readonly port: number;
  readonly service: Service;
  /** `key=value` of the access log's first line. */
  ended(): Promise<Record<string, string>>;
}

/** A listener `in`, TCP unless said otherwise, in front of a cluster `up` with one endpoint. */
async function gateway(run: Run, upstream: number, { listener, spec, route, cluster }: Times): Promise<Gateway> {
  const port = run.port();
  const accessLog = run.path("access");
  const service = await startService(run, {
    listeners: [{
      name: "in",
      spec: { protocol: "TCP", address: "127.0.0.1", port, ...spec },
      rules: [{ action: { route: { destination: "up", ...route } } }],
      ...listener,
    }],
    clusters: [{
      name: "up",
      spec: { protocol: "TCP", port: upstream },
      endpoints: [{ name: "only", spec: { address: "127.0.0.1" } }],
      ...cluster,
    }],
  }, { args: [`--access-log=${accessLog}`] });
  const ended = async () => {
    const lines = async () => (await Deno.readTextFile(accessLog).catch(() => "")).split("\n").slice(0, -1);
    const own = async () => (await lines()).find((line) => line.includes("listener=in"));
    const line = await eventually("the end of the session", own, { details: () => service.child.describe() });
    return Object.fromEntries(line.split(" ").slice(1).map((pair) => pair.split("=", 2) as [string, string]));
  };
  return { port, service, ended };
}

/** Sends `text` until it comes back: nobody promises that a datagram arrives. */
async function answered(peer: UdpPeer, text: string, { port, service }: Gateway): Promise<void> {
  const { length } = peer.texts;
  let next = 0;
  await eventually(`the answer to ${text}`, async () => {
    if (performance.now() >= next) {
      next = performance.now() + 5000;
      await peer.send(text, port);
    }
    return peer.texts.slice(length).includes(text);
  }, { details: () => `${JSON.stringify(peer.texts)}\n${service.child.describe()}` });
}

/** A port where connecting takes for ever: its queue is full, so the kernel answers nothing. */
async function silentPort(run: Run): Promise<number> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  run.defer(() => listener.close());
  const { port } = listener.addr as Deno.NetAddr;
  for (let i = 0; i < 2; i++) await connect(run, { tcp: port });
  return port;
}

for (
  const [where, times] of [
    ["a route", { route: { retry: { retry_on: "never", timeout: 300 } } }],
    ["a cluster", { cluster: { connect_timeout: 300 }, route: { retry: { retry_on: "never", timeout: 600_000 } } }],
  ] as [string, Times][]
) {
  acceptance("connect timeout", `of ${where} ends an attempt; an HTTP caller gets 504`, async (run) => {
    const { port } = await gateway(run, await silentPort(run), { ...times, spec: { protocol: "HTTP" } });
    const start = performance.now();
    const response = await within("the answer", fetch(`http://127.0.0.1:${port}/`));
    await response.body?.cancel();
    assertEquals(response.status, 504);
    const took = performance.now() - start;
    assert(took >= 290, `${took} ms`);
  });
}

acceptance("connect timeout", "holds for every attempt", async (run) => {
  const retry = { retry_on: "connect-failure", num_retries: 2, timeout: 200, interval: 10 } as const;
  const { port, ended } = await gateway(run, await silentPort(run), { route: { retry } });
  const start = performance.now();
  const peer = await connect(run, { tcp: port });
  await peer.rest().catch(() => {});
  const took = performance.now() - start;
  assert(took >= 3 * 190, `${took} ms`);
  const { retries, reason } = await ended();
  assertEquals([retries, reason], ["2", "error"]);
});

for (
  const [where, times] of [
    ["a route", { route: { idle_timeout: 2000 } }],
    ["a cluster", { cluster: { idle_timeout: "2s" } }],
    ["a listener", { listener: { options: { idle_timeout: "2s" } } }],
    ["a route, which goes before the cluster", { route: { idle_timeout: 2000 }, cluster: { idle_timeout: 1 } }],
  ] as [string, Times][]
) {
  acceptance("idle timeout", `of ${where} ends a silent session, and only that`, async (run) => {
    const { port, ended } = await gateway(run, new Backend(run, echo).port, times);
    const peer = await connect(run, { tcp: port });
    const start = performance.now();
    let last = start;
    while (last < start + 2500) {
      last = performance.now();
      await echoes(peer, "alive");
    }
    await peer.rest().catch(() => {});
    const took = performance.now() - last;
    assert(took >= 1990, `${took} ms`);
    assertEquals((await ended()).reason, "idle");
  });
}

for (
  const [where, times] of [
    ["a route", { route: { linger: 2000 } }],
    ["a cluster", { cluster: { linger: "2s" } }],
    ["a listener", { listener: { options: { linger: "2s" } } }],
    ["a route, which goes before the cluster", { route: { linger: 2000 }, cluster: { linger: 1 } }],
  ] as [string, Times][]
) {
  acceptance("half-close timeout", `of ${where} ends a session whose other side does not end`, async (run) => {
    let answering = Infinity;
    const backend = new Backend(run, async (peer) => {
      assertEquals(await peer.restText(), "question");
      answering = performance.now();
      await peer.send("answer");
      // Never ends by itself.
      await peer.conn.write(new Uint8Array(0));
      await new Promise<void>((resolve) => run.defer(resolve));
    });
    const { port, ended } = await gateway(run, backend.port, times);
    const peer = await connect(run, { tcp: port });
    await peer.send("question");
    await peer.endWrite();
    assertEquals(await peer.text(6), "answer");
    assertEquals((await peer.rest()).length, 0);
    const took = performance.now() - answering;
    assert(took >= 1990, `${took} ms`);
    assertEquals((await ended()).reason, "eof");
  });
}

acceptance("i-10", "a UDP session ends after its idle time, and its sender gets a new one", async (run) => {
  const answering = new UdpPeer(run, { answer: (data) => data });
  const cluster = { spec: { protocol: "UDP", port: answering.port } };
  const entry = await gateway(run, answering.port, { spec: { protocol: "UDP", idle_timeout: 300 }, cluster });
  const { service, ended } = entry;
  const peer = new UdpPeer(run);
  await answered(peer, "one", entry);
  assertEquals((await ended()).reason, "idle");
  assertEquals(await service.get("/sessions"), []);
  await answered(peer, "two", entry);
});

for (
  const [where, times] of [
    ["0 in its spec", { spec: { idle_timeout: 0 } }],
    ["0 in its route", { route: { idle_timeout: 0 } }],
    ["0 in its cluster", { cluster: { idle_timeout: 0 } }],
    // As `-T`, where 0 is a limit.
    ["-1 in its options", { listener: { options: { idle_timeout: -1 } } }],
  ] as [string, Times][]
) {
  acceptance("idle timeout", `${where} lets a UDP session be silent for ever`, async (run) => {
    const answering = new UdpPeer(run, { answer: (data) => data });
    const entry = await gateway(run, answering.port, {
      ...times,
      spec: { protocol: "UDP", ...times.spec },
      cluster: { spec: { protocol: "UDP", port: answering.port }, ...times.cluster },
    });
    const { service } = entry;
    const peer = new UdpPeer(run);
    await answered(peer, "one", entry);
    const { length } = await service.get("/sessions");
    assertEquals(length, 1);
    let ended = false;
    const watching = service.sessions("no session", (all) => all.length === 0).then(() => ended = true, () => {});
    await stays("the end of the session", 700, () => ended);
    await service.do("DELETE", "/listeners/in?recursive=true");
    await watching;
  });
}

acceptance("track", "shows a session for a while after its end", async (run) => {
  const { port, service, ended } = await gateway(run, new Backend(run, echo).port, {
    listener: { options: { track: 4 } },
  });
  const peer = await connect(run, { tcp: port });
  await echoes(peer, "x");
  const [{ name }] = await service.get("/sessions");
  peer.close();
  await ended();
  const [session] = await service.get("/sessions");
  assertEquals(session.name, name);
  assertEquals(session.status, "DESTROYED");
  assertEquals([session.source.status, session.destination.status], ["END", "END"]);
  const events = session.events.map(({ event }: { event: string }) => event);
  assertEquals(events, ["INIT", "LOOKUP SUCCESS", "CONNECT", "END", "DESTROY"]);
  for (const { timestamp } of session.events) assertMatch(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assertEquals((await service.get(`/sessions/${encodeURIComponent(name)}`)).status, "DESTROYED");
  await service.sessions("forgetting it", (all) => all.length === 0);
});

acceptance("track", "keeps names apart, and what is deleted is forgotten at once", async (run) => {
  const { port, service } = await gateway(run, new Backend(run, echo).port, {
    spec: { protocol: "UnixDomainSocket", address: undefined, port: undefined, filename: run.path("in") },
    listener: { options: { track: "1h" } },
  });
  assert(port > 0);
  for (let i = 0; i < 2; i++) {
    const peer = await connect(run, { unix: run.path("in") });
    await echoes(peer, "x");
    peer.close();
  }
  const both = await service.sessions(
    "two ended sessions",
    (all) => all.length === 2 && all.every(({ status }) => status === "DESTROYED"),
  );
  assertEquals(both.map(({ name }) => name), ["UNIX:in-0", "UNIX:in-1"]);
  await service.do("DELETE", "/sessions/UNIX:in-0");
  assertEquals((await service.get("/sessions")).map(({ name }: { name: string }) => name), ["UNIX:in-1"]);
});

acceptance("reconnection", "keeps bytes for the upstream up to the bound, then the client has to wait", async (run) => {
  const received = Promise.withResolvers<number>();
  const size = 48 * 1024 * 1024;
  const backend = new Backend(run, echo);
  const retry = { retry_on: "always", num_retries: -1, timeout: 100, buffer: "64K" } as const;
  const { port, service } = await gateway(run, backend.port, { route: { retry } });
  const peer = await connect(run, { tcp: port });
  await echoes(peer, "x");
  await backend.stop();
  await service.sessions("the loss", ([one]) => one.destination.status !== "READY");
  const before = await memory(service.child.pid);
  const block = Uint8Array.from({ length: 65_536 }, (_, i) => i * 7);
  let sent = 0;
  const sending = (async () => {
    for (; sent < size; sent += block.length) await peer.send(block);
    await peer.endWrite();
  })();
  // What the kernel's own buffers take goes fast; then nothing goes any more.
  let last = -1;
  while (sent !== last) {
    last = sent;
    await stays("all is taken", 400, () => sent === size);
  }
  assert(await memory(service.child.pid) - before < 24 * 1024 * 1024);
  backend.handle = async (upstream) => {
    const buffer = new Uint8Array(1 << 20);
    for (let got = 0;;) {
      const n = await upstream.conn.read(buffer);
      if (n === null) return received.resolve(got);
      for (let i = 0; i < n; i += 997) {
        if (buffer[i] !== ((got + i) % 65_536 * 7 & 255)) received.reject(new Error(`byte ${got + i} is wrong`));
      }
      got += n;
    }
  };
  backend.start();
  assertEquals(await within("all data", received.promise), size);
  await sending;
});

acceptance("reconnection", "keeps messages up to the bound, counts those beyond it, and says so", async (run) => {
  const upstream = new Messages(run);
  const retry = { retry_on: "always", num_retries: -1, timeout: 100, buffer: 4096 } as const;
  const { port, service, ended } = await gateway(run, upstream.port, {
    spec: { protocol: "UDP" },
    route: { retry },
    cluster: { spec: { protocol: "WebSocket", port: upstream.port } },
  });
  const peer = new UdpPeer(run);
  await peer.send("first", port);
  await eventually("the first message", () => upstream.texts.includes("first"));
  await upstream.stop();
  const [{ name }] = await service.sessions("the loss", ([one]) => one.destination.status !== "READY");
  for (let i = 0; i < 100; i++) await peer.send(`kept ${i}`.padEnd(100), port);
  await service.child.logs(/is away: 4096 bytes are kept for it, more messages are dropped/);
  upstream.start();
  await eventually("the kept messages", () => upstream.texts.length > 1);
  await service.sessions("the connection", ([one]) => one.destination.status === "READY");
  await peer.send("last", port);
  await eventually("the last message", () => upstream.texts.includes("last"));
  const kept = upstream.texts.slice(1, -1).map((text) => text.trim());
  assertEquals(kept, kept.map((_, i) => `kept ${i}`));
  assert(kept.length >= 10 && kept.length < 40, `${kept.length} messages of 100 bytes were kept`);
  await service.do("DELETE", `/sessions/${encodeURIComponent(name)}`);
  assertEquals(Number((await ended()).dropped), 100 - kept.length);
});

/** A WebSocket server that goes and comes back. */
class Messages {
  readonly port: number;
  readonly texts: string[] = [];
  readonly #sockets = new Set<WebSocket>();
  #server: Deno.HttpServer | undefined;

  constructor(run: Run) {
    this.port = run.port();
    this.start();
    run.defer(() => this.stop());
  }

  start(): void {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: this.port, onListen() {} }, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => this.#sockets.add(socket);
      socket.onmessage = ({ data }) => {
        this.texts.push(typeof data === "string" ? data : new TextDecoder().decode(data));
      };
      socket.onclose = () => this.#sockets.delete(socket);
      socket.onerror = () => {};
      return response;
    });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const stopped = server?.shutdown();
    for (const socket of this.#sockets) socket.close();
    await stopped;
    await released({ tcp: this.port });
  }
}
