// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  caller,
  memoryEndpoint,
  MemoryListener,
  memoryTarget,
  plannedListener,
  refusing,
} from "../tests/support/memory_plan.ts";
import { until } from "../tests/support/until.ts";
import type { ListenOptions } from "./config/engine_options.ts";
import type { PlannedListener, PlannedStep } from "./config/plan.ts";
import type { Driver } from "./driver.ts";
import { ConnectError, StreamError } from "./errors.ts";
import { Log } from "./log.ts";
import type { Layer } from "./protocol.ts";
import { Proxy } from "./proxy.ts";
import { object } from "./schema.ts";
import type { SessionRecord } from "./session/record.ts";
import { parseNet } from "./stream/net_range.ts";
import { bytePair } from "./stream/memory.ts";
import type { ByteStream, Stream } from "./stream/stream.ts";

function proxyOf(...listeners: PlannedListener[]) {
  const lines: string[] = [];
  const records: SessionRecord[] = [];
  const log = new Log({
    level: "debug",
    format: "socat",
    program: "l7mp",
    microseconds: false,
    pid: 1,
    write: (line) => lines.push(line.replace(/^\S+ \S+ \S+ /, "")),
  });
  const proxy = new Proxy({
    plan: { listeners, warnings: [] },
    driver: {} as Driver,
    log,
    program: "l7mp",
    ipVersion: 0,
    compatSocat: false,
    events: { onSessionEnd: (record) => records.push(record) },
  });
  const errors = () => lines.filter((line) => line.startsWith("E "));
  return { proxy, lines, errors, records };
}

function forking(listener: MemoryListener, options: Partial<ListenOptions> = {}) {
  return memoryEndpoint({ listener }, { listen: { fork: true, ...options } as ListenOptions });
}

async function echoOnce(peer: ByteStream, server: ByteStream): Promise<string> {
  await peer.write(new TextEncoder().encode("ping"));
  const data = await server.read();
  await server.write(data!);
  const text = new TextDecoder().decode((await peer.read())!);
  await peer.closeWrite();
  await server.closeWrite();
  assertEquals(await peer.read(), null);
  return text;
}

Deno.test("Proxy serves one caller without fork, and stops listening when it has come", async () => {
  const listener = new MemoryListener();
  const { endpoint: target, peers } = memoryTarget();
  const { proxy, records } = proxyOf(plannedListener(memoryEndpoint({ listener }), target));
  const running = proxy.run();
  const client = caller();
  listener.push(client);
  await until(() => peers.length === 1);
  assert(listener.closed);
  assertEquals(await echoOnce(client.peer, peers[0]!), "ping");
  assertEquals((await running).error, undefined);
  assertEquals(records[0]?.reason, "eof");
  assertEquals(records[0]?.ltr.bytes, 4);
});

Deno.test("Proxy with fork serves many callers, and a failed one harms no other", async () => {
  const listener = new MemoryListener();
  const { endpoint: target, peers } = memoryTarget();
  const { proxy, errors } = proxyOf(plannedListener(forking(listener), target));
  const running = proxy.run();
  const clients = [caller(), caller()] as const;
  listener.push(...clients);
  await until(() => peers.length === 2);
  assertEquals(proxy.sessions.totals().sessions, 2);
  clients[0].peer.abort(new Error("gone"));
  assertEquals(await echoOnce(clients[1].peer, peers[1]!), "ping");
  await until(() => proxy.sessions.totals().sessions === 0);
  assertEquals(errors().length, 1);
  assertStringIncludes(errors()[0]!, "Connection reset by peer (downstream");
  await proxy.stop(0);
  assertEquals((await running).error, undefined);
});

Deno.test("Proxy refuses the caller when upstream cannot be reached, names both, and goes on", async () => {
  const listener = new MemoryListener();
  const { connect: reach, peers } = memoryTarget();
  const connect = refusing(1, reach);
  const { proxy, errors } = proxyOf(
    plannedListener(forking(listener), memoryEndpoint({ connect }, { name: "TCP:x:1" })),
  );
  const running = proxy.run();
  const clients = [caller("127.0.0.9", 9), caller()] as const;
  listener.push(clients[0]);
  await until(() => clients[0].refused !== undefined);
  assert(!clients[0].accepted);
  assertEquals(errors().length, 1);
  assertStringIncludes(
    errors()[0]!,
    "connect(MEMORY): Connection refused; nobody listens there; retry waits for a server that starts late " +
      "(upstream; session cli-1 from AF=2 127.0.0.9:9 to TCP:x:1)",
  );
  listener.push(clients[1]);
  await until(() => peers.length === 1);
  assertEquals(await echoOnce(clients[1].peer, peers[0]!), "ping");
  await proxy.stop(0);
  await running;
});

Deno.test("Proxy tries upstream again as often as told, without a word at the default level", async () => {
  const { connect: reach, peers } = memoryTarget();
  const [client, source] = bytePair();
  const connect = refusing(2, reach);
  const { proxy, lines } = proxyOf(plannedListener(
    memoryEndpoint({ connect: async () => source }),
    memoryEndpoint({ connect }),
    { retry: { count: 2, intervalMs: 1, timeoutMs: 0 } },
  ));
  const running = proxy.run();
  await until(() => peers.length === 1);
  assertEquals(await echoOnce(client, peers[0]!), "ping");
  assertEquals((await running).error, undefined);
  assertEquals(lines.filter((line) => /^[EW] /.test(line)), []);
  assertEquals(lines.filter((line) => line.includes("trying again")).length, 2);
});

Deno.test("Proxy gives up when connecting takes longer than connect-timeout", async () => {
  const [, source] = bytePair();
  const connect = (context: { signal: AbortSignal }) =>
    new Promise<ByteStream>((_, reject) =>
      context.signal.addEventListener("abort", () => reject(context.signal.reason), { once: true })
    );
  const { proxy } = proxyOf(plannedListener(
    memoryEndpoint({ connect: async () => source }),
    memoryEndpoint({ connect }, { name: "TCP:10.0.0.1:80" }),
    { retry: { count: 0, intervalMs: 1, timeoutMs: 20 } },
  ));
  const { error } = await proxy.run();
  assertEquals(
    error?.message,
    "connect(TCP:10.0.0.1:80): Connection timed out after 0.02 s (connect-timeout), step: memory",
  );
});

Deno.test("Proxy lets callers beyond max-children wait until a session ends", async () => {
  const listener = new MemoryListener();
  const { endpoint: target, peers } = memoryTarget();
  const { proxy } = proxyOf(plannedListener(forking(listener, { max_children: 1 }), target));
  const running = proxy.run();
  const clients = [caller(), caller()] as const;
  listener.push(...clients);
  await until(() => clients[0].accepted);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(peers.length, 1);
  await echoOnce(clients[0].peer, peers[0]!);
  await until(() => peers.length === 2);
  await echoOnce(clients[1].peer, peers[1]!);
  await proxy.stop(0);
  await running;
});

Deno.test("Proxy drops and counts what comes from further senders of datagrams than max-children", async () => {
  const listener = new MemoryListener();
  const { endpoint: target } = memoryTarget();
  const listen = { fork: true, max_children: 1 } as ListenOptions;
  const { proxy, lines } = proxyOf(plannedListener(memoryEndpoint({ listener }, { listen, kind: "datagram" }), target));
  const running = proxy.run();
  const senders = [caller(), caller("127.0.0.1", 7), caller("127.0.0.1", 8)] as const;
  listener.push(...senders);
  await until(() => senders[2].refused !== undefined);
  const { sessions, dropped } = proxy.sessions.totals();
  assertEquals([sessions, dropped], [1, 2]);
  // Any datagram may be another sender's: one warning a minute.
  assertEquals(lines.filter((line) => line.startsWith("W ")), [
    "W ignoring AF=2 127.0.0.1:7: max-children=1 sessions are open",
  ]);
  await proxy.stop(0);
  await running;
});

Deno.test("Proxy refuses callers outside range and of another sourceport with a warning, and goes on", async () => {
  const listener = new MemoryListener();
  const { endpoint: target, peers } = memoryTarget();
  const options = { range: [parseNet("127.0.0.2/32")], sourceport: 7 };
  const { proxy, lines } = proxyOf(plannedListener(forking(listener, options), target));
  const running = proxy.run();
  const clients = [caller("127.0.0.1", 7), caller("127.0.0.2", 8), caller("127.0.0.2", 7)];
  listener.push(...clients);
  await until(() => clients[2]!.accepted);
  assertEquals(clients.map(({ accepted }) => accepted), [false, false, true]);
  assertEquals(lines.filter((line) => line.startsWith("W ")), [
    "W refusing connection from AF=2 127.0.0.1:7 due to range option",
    "W refusing connection from AF=2 127.0.0.2:8 due to sourceport option",
  ]);
  await echoOnce(clients[2]!.peer, peers[0]!);
  await proxy.stop(0);
  await running;
});

Deno.test("Proxy refuses with lowport a caller whose port anybody may have", async () => {
  const listener = new MemoryListener();
  const { endpoint: target } = memoryTarget();
  const { proxy, lines } = proxyOf(plannedListener(forking(listener, { lowport: true }), target));
  const running = proxy.run();
  const clients = [caller("127.0.0.1", 1024), caller("127.0.0.1", 1023)];
  listener.push(...clients);
  await until(() => clients[1]!.accepted);
  assertEquals(clients.map(({ accepted }) => accepted), [false, true]);
  assertEquals(lines.filter((line) => line.startsWith("W ")), [
    "W refusing connection from AF=2 127.0.0.1:1024 due to lowport option",
  ]);
  await proxy.stop(0);
  await running;
});

Deno.test("Proxy pauses accepting when out of descriptors, warns once, and goes on when a session ends", async () => {
  const listener = new MemoryListener();
  const { endpoint: target, peers } = memoryTarget();
  const { proxy, lines, errors } = proxyOf(plannedListener(forking(listener), target));
  const running = proxy.run();
  const clients = [caller(), caller(), caller()] as const;
  const short = () => new ConnectError("accept: Too many open files", { code: "EMFILE" });
  listener.push(clients[0], short(), clients[1], short(), clients[2]);
  await until(() => lines.some((line) => line.startsWith("W ")));
  assert(!clients[1].accepted);
  await echoOnce(clients[0].peer, peers[0]!);
  await until(() => clients[1].accepted);
  await echoOnce(clients[1].peer, peers[1]!);
  await until(() => clients[2].accepted);
  await echoOnce(clients[2].peer, peers[2]!);
  assertEquals(lines.filter((line) => line.startsWith("W ")).length, 1);
  assertEquals(errors(), []);
  await proxy.stop(0);
  await running;
});

Deno.test("Proxy ends with an error when nobody comes within accept-timeout", async () => {
  const listener = new MemoryListener();
  const { endpoint: target } = memoryTarget();
  const endpoint = memoryEndpoint({ listener }, { listen: { accept_timeout: 10 } as ListenOptions });
  const { error } = await proxyOf(plannedListener(endpoint, target)).proxy.run();
  assertEquals(error?.message, "accept: Connection timed out (accept-timeout)");
  assert(listener.closed);
});

Deno.test("Proxy.stop() lets sessions finish within the grace, then cuts them", async () => {
  const listener = new MemoryListener();
  const { endpoint: target, peers } = memoryTarget();
  const { proxy, records, errors } = proxyOf(plannedListener(forking(listener), target));
  const running = proxy.run();
  const clients = [caller(), caller()] as const;
  listener.push(...clients);
  await until(() => peers.length === 2);
  const stopping = proxy.stop(100);
  await until(() => listener.closed);
  await echoOnce(clients[0].peer, peers[0]!);
  await assertRejects(() => clients[1].peer.read());
  await stopping;
  await running;
  assertEquals(records.map(({ reason }) => reason), ["eof", "stopped"]);
  assertEquals(errors(), []);
});

Deno.test("Proxy opens every listener or none", async () => {
  const first = new MemoryListener();
  const { endpoint: target } = memoryTarget();
  const broken = memoryEndpoint({ listener: new MemoryListener() });
  const protocol = (broken.source as unknown as { protocol: { listen: () => Promise<never> } }).protocol;
  protocol.listen = () => Promise.reject(new ConnectError("bind(AF=2 0.0.0.0:80): Permission denied"));
  const { proxy, errors } = proxyOf(
    plannedListener(memoryEndpoint({ listener: first }), target),
    plannedListener(broken, target),
  );
  const { error } = await proxy.run();
  assertEquals(error?.message, "bind(AF=2 0.0.0.0:80): Permission denied");
  assert(first.closed);
  assertEquals(errors().length, 1);
});

Deno.test("Proxy with fork on a connector connects again after each session", async () => {
  const { endpoint: target, peers } = memoryTarget();
  const clients: ByteStream[] = [];
  const connect = async () => {
    const [client, stream] = bytePair();
    clients.push(client);
    return stream;
  };
  const endpoint = memoryEndpoint({ connect }, { connect: { fork: true, interval: 1 } as never });
  const { proxy } = proxyOf(plannedListener(endpoint, target));
  const running = proxy.run();
  for (let i = 0; i < 3; i++) {
    await until(() => peers.length === i + 1);
    assertEquals(await echoOnce(clients[i]!, peers[i]!), "ping");
  }
  await proxy.stop(0);
  assertEquals((await running).error, undefined);
});

Deno.test("Proxy with fork and max-children on a connector has up to so many sessions at a time", async () => {
  const { endpoint: target, peers } = memoryTarget();
  const clients: ByteStream[] = [];
  const connect = async () => {
    const [client, stream] = bytePair();
    clients.push(client);
    return stream;
  };
  const endpoint = memoryEndpoint({ connect }, { connect: { fork: true, interval: 1, max_children: 2 } as never });
  const { proxy, records } = proxyOf(plannedListener(endpoint, target));
  const running = proxy.run();
  await until(() => peers.length === 2);
  assertEquals(proxy.sessions.totals().sessions, 2);
  // Many intervals later there are still no more.
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(clients.length, 2);
  assertEquals(await echoOnce(clients[0]!, peers[0]!), "ping");
  await until(() => peers.length === 3);
  assertEquals(records.length, 1);
  await proxy.stop(0);
  assertEquals((await running).error, undefined);
});

/** A layer whose connections carry two callers, and wait for a third in vain; each says its number. */
function twoCallers(seen: { followUps?: boolean; waiting: number } = { waiting: 0 }): Layer {
  const counts = new Map<Stream, number>();
  return {
    name: "TWO",
    types: [],
    schemes: [],
    needs: "byte",
    gives: "byte",
    end: "none",
    spec: object({}),
    sequential: true,
    async server(lower, _spec, { followUps }) {
      seen.followUps = followUps;
      const number = (counts.get(lower) ?? 0) + 1;
      counts.set(lower, number);
      const [near, far] = bytePair({ info: lower.info });
      await far.write(new TextEncoder().encode(`caller ${number}`));
      await far.closeWrite();
      return {
        info: lower.info,
        accept: async () => near,
        reject: async () => lower.abort(),
        async next(signal) {
          if (number === 1) return { info: lower.info, accept: async () => lower, reject: async () => lower.abort() };
          seen.waiting++;
          const { promise, resolve } = Promise.withResolvers<void>();
          signal.addEventListener("abort", () => resolve());
          await Promise.race([promise, (lower as ByteStream).read()]);
          lower.abort();
          return null;
        },
      };
    },
  };
}

/** Ends the session that reached `target` as number `count`; what its caller said. */
async function heard(target: { peers: ByteStream[] }, count: number): Promise<string> {
  while (target.peers.length < count) await new Promise((resolve) => setTimeout(resolve));
  const server = target.peers[count - 1]!;
  const text = new TextDecoder().decode((await server.read())!);
  await server.closeWrite();
  assertEquals(await server.read(), null);
  return text;
}

Deno.test("Proxy serves one caller after another on a connection of a sequential layer, each a session", async () => {
  const listener = new MemoryListener();
  const target = memoryTarget();
  const seen = { waiting: 0 };
  const greeted: Stream[] = [];
  const below: Layer = {
    ...twoCallers(),
    sequential: false,
    async server(lower, _spec, { followUps }) {
      assertEquals(followUps, false);
      greeted.push(lower);
      return { info: lower.info, accept: async () => lower, reject: async () => lower.abort() };
    },
  };
  const layers = [below, twoCallers(seen)].map((layer) => ({ layer, spec: {} }));
  const endpoint = { ...forking(listener, { max_children: 1 }), layers };
  const { proxy, records, errors } = proxyOf(plannedListener(endpoint, target.endpoint));
  const running = proxy.run();
  const [first, second] = [caller(), caller("127.0.0.2")];
  listener.push(first, second);
  assertEquals(await heard(target, 1), "caller 1");
  assertEquals(await heard(target, 2), "caller 2");
  while (seen.waiting < 1) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(second.accepted, false, "the connection holds its place while it waits");
  first.peer.abort();
  assertEquals(await heard(target, 3), "caller 1");
  assertEquals(await heard(target, 4), "caller 2");
  while (seen.waiting < 2) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(proxy.sessions.totals().sessions, 0, "waiting is no session");
  await proxy.stop(0);
  await running;
  assertEquals(await second.peer.read(), null, "stopping closes a connection that waits");
  assertEquals(records.map(({ name, source, reason }) => `${name} ${source} ${reason}`), [
    "cli-1 AF=2 127.0.0.1:5000 eof",
    "cli-2 AF=2 127.0.0.1:5000 eof",
    "cli-3 AF=2 127.0.0.2:5000 eof",
    "cli-4 AF=2 127.0.0.2:5000 eof",
  ]);
  assertEquals(errors(), []);
  assertEquals(greeted.length, 2, "what lies below is done once for each connection");
});

Deno.test("Proxy without fork serves one caller of a sequential layer", async () => {
  const listener = new MemoryListener();
  const target = memoryTarget();
  const seen: { followUps?: boolean; waiting: number } = { waiting: 0 };
  const endpoint = { ...memoryEndpoint({ listener }), layers: [{ layer: twoCallers(seen), spec: {} }] };
  const { proxy, records } = proxyOf(plannedListener(endpoint, target.endpoint));
  const running = proxy.run();
  const only = caller();
  listener.push(only);
  assertEquals(await heard(target, 1), "caller 1");
  assertEquals((await running).error, undefined);
  assertEquals([records.length, seen.followUps, seen.waiting], [1, undefined, 0]);
  only.peer.abort();
});

Deno.test("a transform that cannot begin is the session's error: both sides are reset, and those before it end", async () => {
  const listener = new MemoryListener();
  const target = memoryTarget();
  const ended: string[] = [];
  const step = (name: string, fails = false): PlannedStep => ({
    transform: {
      name,
      types: [],
      needs: "any",
      gives: "same",
      spec: object({}),
      forward() {
        if (fails) throw new ConnectError(`open("${name}"): Permission denied`, { code: "EACCES" });
        return { push: (data, emit) => emit(data), close: () => void ended.push(name) };
      },
    },
    spec: {},
    reverse: false,
    input: "byte",
  });
  const chains = { ingress: [step("one")], egress: [step("two"), step("three", true)] };
  const { proxy, errors, records } = proxyOf(plannedListener(forking(listener), target.endpoint, chains));
  const running = proxy.run();
  const { peer, ...rest } = caller();
  listener.push({ peer, ...rest });
  await assertRejects(() => peer.read(), StreamError);
  await assertRejects(() => target.peers[0]!.read(), StreamError);
  await proxy.stop(0);
  await running;
  assertEquals(errors(), [
    'E open("three"): Permission denied (local; session cli-1 from AF=2 127.0.0.1:5000 to MEMORY)',
  ]);
  assertEquals(records.map(({ reason }) => reason), ["error"]);
  assertEquals(ended.sort(), ["one", "two"]);
});
