// Listeners that come and go while sessions run, and sessions that are shown: what a configuration asks of the proxy.
// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { Gateway } from "../tests/support/memory_net.ts";
import {
  type Caller,
  caller,
  memoryEndpoint,
  MemoryListener,
  memoryTarget,
  plannedListener,
} from "../tests/support/memory_plan.ts";
import { collectingLog } from "../tests/support/steps.ts";
import { readBytes, textOf } from "../tests/support/streams.ts";
import { until } from "../tests/support/until.ts";
import type { ListenOptions } from "./config/engine_options.ts";
import type { Endpoint, PlannedListener } from "./config/plan.ts";
import type { Driver } from "./driver.ts";
import { ConnectError, StreamError } from "./errors.ts";
import { Proxy } from "./proxy.ts";
import { servePlanned } from "./session/way.ts";
import { bytePair } from "./stream/memory.ts";
import type { ByteStream, Stream } from "./stream/stream.ts";

function makeProxy() {
  const { log, lines } = collectingLog();
  const records: string[] = [];
  const proxy = new Proxy({
    plan: { listeners: [], warnings: [] },
    driver: {} as Driver,
    log,
    program: "l7mp",
    ipVersion: 0,
    compatSocat: false,
    events: { onSessionEnd: ({ name, reason }) => records.push(`${name} ${reason}`) },
  });
  return { proxy, lines, records };
}

function served(name: string, endpoint: Endpoint, target: Endpoint, changes: Partial<PlannedListener> = {}) {
  return servePlanned(plannedListener(endpoint, target, { name, ...changes }));
}

function listening(listener: MemoryListener, fork = true): Endpoint {
  return memoryEndpoint({ listener }, { listen: { fork } as ListenOptions });
}

function protocolOf({ source }: Endpoint) {
  if ("dual" in source) throw new TypeError("a dual address has two");
  return source.protocol;
}

async function passes(from: ByteStream, to: ByteStream): Promise<void> {
  await from.write(new TextEncoder().encode("x"));
  assertEquals(textOf(await readBytes(to, 1)), "x");
}

Deno.test("Proxy names the listener of a configuration that cannot be opened, and lets members prepare", async () => {
  const { proxy } = makeProxy();
  const { endpoint: target } = memoryTarget();
  const refusal = () => new ConnectError("bind(AF=2 127.0.0.1:1): Address already in use", { code: "EADDRINUSE" });
  for (
    const [shown, text] of [[{ spec: {}, trackMs: 0 }, "listener b: bind(AF=2 "], [undefined, "bind(AF=2 "]] as const
  ) {
    const listener = listening(new MemoryListener());
    const failing = {
      ...listener,
      source: { ...listener.source, protocol: { ...protocolOf(listener), listen: () => Promise.reject(refusal()) } },
    };
    const error = await assertRejects(() => proxy.open([{ ...served("b", failing, target), shown }]), ConnectError);
    assertEquals(error.message.startsWith(text), true);
  }
  const prepared: unknown[] = [];
  const member = {
    ...target,
    source: { ...target.source, protocol: { ...protocolOf(target), prepare: (spec: unknown) => prepared.push(spec) } },
  };
  await proxy.prepareTarget(member);
  assertEquals(prepared.length, 1);
  await proxy.stop(0);
});

Deno.test("Proxy.open() opens all listeners or none, and those that were open stay", async () => {
  const { proxy } = makeProxy();
  const { endpoint: target, peers } = memoryTarget();
  const [first, second] = [new MemoryListener(), new MemoryListener()];
  await proxy.open([served("a", listening(first), target)]);
  const failing = memoryEndpoint({
    get listener(): MemoryListener {
      throw new ConnectError("bind: Address already in use");
    },
  }, { listen: { fork: true } as ListenOptions });
  await assertRejects(
    () => proxy.open([served("b", listening(second), target), served("c", failing, target)]),
    ConnectError,
    "in use",
  );
  assert(second.closed && !first.closed);
  const client = caller();
  first.push(client);
  await until(() => peers.length === 1);
  await passes(client.peer, peers[0]!);
  await proxy.stop(0);
});

Deno.test("Proxy.close() resolves when the address is free; the sessions of the listener go on", async () => {
  for (const fork of [true, false]) {
    const { proxy, records } = makeProxy();
    const { endpoint: target, peers } = memoryTarget();
    const listener = new MemoryListener();
    await proxy.open([served("a", listening(listener, fork), target)]);
    const client = caller();
    listener.push(client);
    await until(() => peers.length === 1);
    await proxy.close("a");
    await proxy.close("a");
    assert(listener.closed);
    await passes(client.peer, peers[0]!);
    await passes(peers[0]!, client.peer);
    assertEquals(records, []);
    await proxy.stop(0);
    assertEquals(records, ["a-1 stopped"]);
  }
});

Deno.test("a caller that comes in the moment of closing is refused, not forgotten", async () => {
  const { proxy, records } = makeProxy();
  const { endpoint: target } = memoryTarget();
  const listener = new MemoryListener();
  const client: Caller = caller();
  const dispose = listener[Symbol.asyncDispose].bind(listener);
  // It is accepted while the listener closes.
  listener[Symbol.asyncDispose] = async () => {
    if (!listener.closed) listener.push(client);
    await dispose();
  };
  await proxy.open([served("a", listening(listener), target)]);
  await proxy.close("a");
  await until(() => client.refused !== undefined);
  assertEquals(records, []);
  assertEquals(await client.peer.read(), null);
  await proxy.stop(0);
});

Deno.test("Proxy.close() of a connector ends a session that is still looking for its first end, no other", async () => {
  const { proxy, records } = makeProxy();
  const { endpoint: target, peers } = memoryTarget();
  const [near, far] = bytePair();
  const refusing = async (): Promise<Stream> => {
    throw new ConnectError("refused");
  };
  const forever = { connect: { fork: true, forever: true, interval: 10_000 } } as Partial<Endpoint>;
  await proxy.open([
    served("lost", memoryEndpoint({ connect: refusing }, forever), target),
    served("found", memoryEndpoint({ connect: async () => far }), target),
  ]);
  await until(() => peers.length === 1);
  await proxy.close("lost");
  await proxy.close("found");
  await until(() => records.length === 1);
  assertEquals(records, ["lost-1 stopped"]);
  await passes(near, peers[0]!);
  await proxy.stop(0);
});

Deno.test("Proxy.ended() waits for one-shot listeners, and for those that were opened meanwhile", async () => {
  const { proxy } = makeProxy();
  const { endpoint: target, peers } = memoryTarget();
  const [near, far] = bytePair();
  await proxy.open([served("one", memoryEndpoint({ connect: async () => far }), target)]);
  let over = false;
  const ended = proxy.ended().then((result) => {
    over = true;
    return result;
  });
  await until(() => peers.length === 1);
  const listener = new MemoryListener();
  await proxy.open([served("two", listening(listener), target)]);
  await near.closeWrite();
  await peers[0]!.closeWrite();
  await until(() => [...proxy.sessions.running()].length === 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert(!over);
  await proxy.stop(0);
  assertEquals(await ended, { error: undefined });
});

Deno.test("Proxy.ended() of nothing waits for stop()", async () => {
  const { proxy } = makeProxy();
  let over = false;
  const ended = proxy.ended().then(() => over = true);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert(!over);
  await proxy.stop(0);
  await ended;
});

Deno.test("Proxy.probe() connects and leaves, and gives up with its signal", async () => {
  const { proxy } = makeProxy();
  const { endpoint, peers } = memoryTarget();
  await proxy.probe(endpoint, new AbortController().signal);
  assertEquals(await peers[0]!.read(), null);
  const gone = new AbortController();
  const hanging = memoryEndpoint({
    connect: ({ signal }) =>
      new Promise<Stream>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  const probing = proxy.probe(hanging, gone.signal);
  gone.abort(new StreamError("late"));
  await assertRejects(() => probing, StreamError, "late");
  await proxy.stop(0);
});

const up = { name: "up", spec: { protocol: "TCP", port: 9 }, endpoints: [{ spec: { address: "x" } }] };

function tracked(track: number | string, protocol = "TCP") {
  const rules = [{ action: { route: { destination: "up" } } }];
  return { listeners: [{ name: "in", spec: { protocol, port: 1 }, options: { track }, rules }], clusters: [up] };
}

/** A session from port `from` that comes and goes. */
async function visit(gateway: Gateway, from?: number): Promise<void> {
  const peers = gateway.net.peers(9);
  const { peer } = gateway.net.call(1, from);
  await until(() => peers.length === 1);
  await peer.closeWrite();
  await peers[0]!.closeWrite();
  const before = gateway.records.length;
  await until(() => gateway.records.length === before + 1);
}

Deno.test("a name that is taken, also by a session that is only shown, gets _1 and so on", async () => {
  await using gateway = await Gateway.start(tracked(3600));
  for (let i = 0; i < 3; i++) await visit(gateway, 5000);
  const name = "TCP:10.0.0.1:5000-10.0.0.2:1";
  assertEquals(gateway.control.sessions().map((session) => session.name), [name, `${name}_1`, `${name}_2`]);
  gateway.control.endSession(`${name}_1`);
  await visit(gateway, 5000);
  assertEquals(gateway.control.sessions().at(-1)!.name, `${name}_1`);
});

Deno.test("the number of a session counts from 0 for each listener, and a reload begins it anew only without sessions", async () => {
  await using gateway = await Gateway.start(tracked(3600, "MEM"));
  await visit(gateway);
  const peers = gateway.net.peers(9);
  gateway.net.call(1);
  await until(() => peers.length === 1);
  await gateway.control.reload(tracked("2h", "MEM"));
  gateway.net.call(1);
  await until(() => peers.length === 2);
  assertEquals(gateway.control.sessions().map(({ name }) => name), ["in-0", "in-1", "in-2"]);
});

Deno.test("an ended session is shown as long as its listener says, and holds nothing open", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  try {
    for (const [track, shown, forgotten] of [[2, 1999, 2001], ["1440h", 20 * 86_400_000, undefined]] as const) {
      const gateway = await Gateway.start(tracked(track));
      const peers = gateway.net.peers(9);
      const { peer } = gateway.net.call(1);
      await clock.tickAsync(1);
      await peer.closeWrite();
      await peers[0]!.closeWrite();
      await clock.tickAsync(0);
      assertEquals(gateway.records.length, 1);
      const start = Date.now();
      await clock.tickAsync(shown - 1);
      assertEquals(gateway.shown.status, "DESTROYED");
      assertEquals(gateway.shown.metadata.TCP.dst_port, 1);
      if (forgotten !== undefined) {
        await clock.tickAsync(forgotten - (Date.now() - start));
        assertEquals(gateway.control.sessions(), []);
      }
      await gateway[Symbol.asyncDispose]();
      assertEquals(clock.countTimers(), 0);
    }
  } finally {
    clock.uninstall();
  }
});
