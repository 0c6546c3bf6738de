/** The configuration as a whole is exchanged while traffic flows: by SIGHUP, and by `POST /config`. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ConfigDocument, ListenerDocument } from "../../lib/config/document.ts";
import { Backend } from "../e2e/carriers.ts";
import { acceptance, heldMemory, measuredL7mp, type Run } from "../e2e/harness.ts";
import { connect, echo, UdpPeer } from "../e2e/peers.ts";
import { eventually, isBound, openHandles } from "../e2e/wait.ts";
import { echoes } from "./documents.ts";
import { type Service, startService } from "./service.ts";

function listener(name: string, port: number, destination = "up"): ListenerDocument {
  return {
    name,
    spec: { protocol: "TCP", address: "127.0.0.1", port },
    rules: [{ action: { route: { destination } } }],
  };
}

function cluster(port: number) {
  return { name: "up", spec: { protocol: "TCP", port }, endpoints: [{ spec: { address: "127.0.0.1" } }] };
}

/** A running configuration whose file can be written anew. */
class Reloadable {
  readonly file: string;
  readonly service: Service;
  #reloads = 0;

  private constructor(file: string, service: Service) {
    this.file = file;
    this.service = service;
  }

  static async start(run: Run, document: ConfigDocument): Promise<Reloadable> {
    const service = await startService(run, document, { args: ["-l", "notice"] });
    return new Reloadable(service.file, service);
  }

  /** Writes the file, sends SIGHUP and waits until it has been read. */
  async reload(document: ConfigDocument | string): Promise<void> {
    await this.hangUp(document);
    await eventually("the new configuration", () => this.#told(/configuration read again/g) === this.#reloads, {
      details: () => this.service.child.describe(),
    });
  }

  /** As `reload`, which must fail; with the line that says why. */
  async fail(document: ConfigDocument | string): Promise<string> {
    const before = this.#told(/configuration not reloaded/g);
    await this.hangUp(document);
    this.#reloads--;
    await eventually("the failure", () => this.#told(/configuration not reloaded/g) > before, {
      details: () => this.service.child.describe(),
    });
    return this.service.child.stderr.split("\n").findLast((line) => line.includes("configuration not reloaded"))!;
  }

  async hangUp(document: ConfigDocument | string): Promise<void> {
    await Deno.writeTextFile(this.file, typeof document === "string" ? document : JSON.stringify(document));
    this.#reloads++;
    this.service.child.poke("SIGHUP");
  }

  #told(what: RegExp): number {
    return this.service.child.stderr.match(what)?.length ?? 0;
  }
}

/** The kernel's number of the socket that listens on a port of 127.0.0.1: another one is another socket. */
async function listeningSocket(port: number): Promise<string> {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = (await Deno.readTextFile("/proc/self/net/tcp")).split("\n").map((line) => line.trim().split(/\s+/));
  return rows.find((row) => row[1] === address && row[3] === "0A")![9]!;
}

/** Clients that send and get back what they sent, over and over, until they are told to stop. */
class Load {
  readonly #running: Promise<number>[];
  #stopped = false;

  constructor(run: Run, port: number, clients: number) {
    this.#running = Array.from({ length: clients }, (_, i) => this.#run(run, port, i));
  }

  async #run(run: Run, port: number, number: number): Promise<number> {
    const peer = await connect(run, { tcp: port });
    let rounds = 0;
    for (; !this.#stopped; rounds++) await echoes(peer, `client ${number}, round ${rounds};`.padEnd(2000, `${number}`));
    await peer.endWrite();
    assertEquals((await peer.rest()).length, 0);
    return rounds;
  }

  /** The least that a client got done. */
  async stop(): Promise<number> {
    this.#stopped = true;
    return Math.min(...await Promise.all(this.#running));
  }
}

for (const way of ["SIGHUP", "POST /config"]) {
  acceptance("reload", `by ${way} loses nothing of 20 sessions under load`, async (run) => {
    const backend = new Backend(run, echo);
    const [port, other] = [run.port(), run.port()];
    const document = (i: number): ConfigDocument => ({
      admin: { log_level: i % 2 === 0 ? "notice" : "info" },
      listeners: [listener("in", port), listener("other", other, `way-${i}`)],
      clusters: [cluster(backend.port), { ...cluster(backend.port), name: `way-${i}` }],
    });
    const reloadable = await Reloadable.start(run, document(0));
    const { service } = reloadable;
    const socket = await listeningSocket(port);
    const load = new Load(run, port, 20);
    await service.sessions("20 sessions", (all) => all.length === 20);
    const names = (await service.get("/sessions")).map(({ name }: { name: string }) => name);
    for (let i = 1; i <= 10; i++) {
      if (way === "SIGHUP") await reloadable.reload(document(i));
      else await service.do("POST", "/config", document(i));
      const clusters = await service.get("/clusters");
      assert(clusters.some(({ name }: { name: string }) => name === `way-${i}`));
      await echoes(await connect(run, { tcp: other }), `new ${i}`);
    }
    const after = (await service.get("/sessions")).map(({ name }: { name: string }) => name);
    for (const name of names) assert(after.includes(name), `${name} is gone`);
    assert(await load.stop() > 0);
    assertEquals(await listeningSocket(port), socket, "the listener was never closed");
  });
}

acceptance(
  "reload",
  "opens what is new, reopens what has changed, closes what is gone, and lets sessions go on",
  async (run) => {
    const backend = new Backend(run, echo);
    const [kept, moved, movedTo, gone, fresh] = Array.from({ length: 5 }, () => run.port()) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const reloadable = await Reloadable.start(run, {
      listeners: [listener("kept", kept), listener("moved", moved), listener("gone", gone)],
      clusters: [cluster(backend.port)],
    });
    const peers = await Promise.all([kept, moved, gone].map((tcp) => connect(run, { tcp })));
    for (const peer of peers) await echoes(peer, "before");
    await reloadable.reload({
      listeners: [listener("fresh", fresh), listener("moved", movedTo), listener("kept", kept)],
      clusters: [cluster(backend.port)],
    });
    for (const [port, open] of [[kept, true], [moved, false], [movedTo, true], [gone, false], [fresh, true]] as const) {
      assertEquals(await isBound({ tcp: port }), open, `port ${port}`);
    }
    for (const peer of peers) await echoes(peer, "after");
    for (const tcp of [kept, movedTo, fresh]) await echoes(await connect(run, { tcp }), "new");
  },
);

acceptance("reload", "a listener may get another name, or its port another listener", async (run) => {
  const backend = new Backend(run, echo);
  const [one, two] = [run.port(), run.port()];
  const document = (...listeners: ListenerDocument[]) => ({ listeners, clusters: [cluster(backend.port)] });
  const reloadable = await Reloadable.start(run, document(listener("a", one), listener("b", two)));
  const peer = await connect(run, { tcp: one });
  await echoes(peer, "a");
  await reloadable.reload(document(listener("renamed", one), listener("b", two)));
  await reloadable.reload(document(listener("renamed", two), listener("b", one)));
  for (const tcp of [one, two]) await echoes(await connect(run, { tcp }), "new");
  await echoes(peer, "still");
});

acceptance("reload", "a UDP listener changes under its sessions", async (run) => {
  const answering = new UdpPeer(run, { answer: (data) => data });
  const port = run.port();
  const document = (track: number): ConfigDocument => ({
    listeners: [{
      name: "in",
      spec: { protocol: "UDP", address: "127.0.0.1", port },
      options: { track },
      rules: [{ action: { route: { destination: "up" } } }],
    }],
    clusters: [{
      name: "up",
      spec: { protocol: "UDP", port: answering.port },
      endpoints: [{ spec: { address: "127.0.0.1" } }],
    }],
  });
  const reloadable = await Reloadable.start(run, document(0));
  const [one, two] = [new UdpPeer(run), new UdpPeer(run)];
  await one.send("1", port);
  await eventually("the first answer", () => one.texts.length === 1);
  await reloadable.reload(document(1));
  await one.send("2", port);
  await two.send("3", port);
  await eventually("two more answers", () => one.texts.length === 2 && two.texts.length === 1);
  assertEquals((await reloadable.service.get("/sessions")).length, 2);
  // The same once more, by way of deletion.
  await reloadable.service.do("DELETE", "/listeners/in");
  await one.send("4", port);
  await eventually("an answer", () => one.texts.length === 3);
  await reloadable.service.do("POST", "/listeners", { listener: document(0).listeners![0] });
  const three = new UdpPeer(run);
  await three.send("5", port);
  await one.send("6", port);
  await eventually("two more answers", () => three.texts.length === 1 && one.texts.length === 4);
});

acceptance(
  "listeners",
  "five of UDP share a port, whoever comes first; the port is free after the last",
  async (run) => {
    const port = run.port();
    const service = await startService(run, { clusters: [{ name: "echo", spec: { protocol: "Echo" } }] });
    const names = ["a", "b", "c", "d", "e"];
    const rules = [{ action: { route: { destination: "echo" } } }];
    await Promise.all(
      names.map((name) =>
        service.do("POST", "/listeners", { listener: { name, spec: { protocol: "UDP", port }, rules } })
      ),
    );
    const peer = new UdpPeer(run);
    for (const [i, name] of (await service.get("/listeners")).map(({ name }: { name: string }) => name).entries()) {
      const other = new UdpPeer(run);
      await other.send(name, port);
      await eventually(`an answer of ${name}`, () => other.texts.length === 1);
      const sessions = await service.get("/sessions");
      assertEquals(sessions.at(-1).source.origin, name);
      await peer.send(`${i}`, port);
      await eventually("an answer to who was here before", () => peer.texts.length === i + 1);
      await service.do("DELETE", `/listeners/${name}`);
    }
    for (const { name } of await service.get("/sessions")) {
      await service.do(
        "DELETE",
        `/sessions/${encodeURIComponent(name)}`,
      );
    }
    await eventually("a free port", async () => !await isBound({ udp: port }));
  },
);

acceptance("reload", "a faulty file changes nothing, and the error says where the fault is", async (run) => {
  const backend = new Backend(run, echo);
  const port = run.port();
  const document = { listeners: [listener("in", port)], clusters: [cluster(backend.port)] };
  const reloadable = await Reloadable.start(run, document);
  const { service, file } = reloadable;
  const peer = await connect(run, { tcp: port });
  await echoes(peer, "before");
  const before = withoutSessions(await service.get("/config"));
  const faults: [string, RegExp][] = [
    [
      "listeners:\n  - name: in\n    spec: {protocol: TCP, prt: 1}\n    rules: []\n",
      /:3: listeners\[0\]\.spec\.prt: .*"port"/,
    ],
    ["listeners:\n  - name: x\n\tspec: 1\n", /:3/],
    [
      "clusters:\n  - name: c\n    spec: {protocol: TCP, port: 70000}\n    endpoints: []\n",
      /:3: clusters\[0\]\.spec\.port/,
    ],
    [
      '{"rules": [\n{"name": "r", "action": {}, "match": {"op": "matches", "path": "/a", "value": "("}}]}',
      /:2: rules\[0\]\.match/,
    ],
  ];
  for (const [text, expected] of faults) {
    const line = await reloadable.fail(text);
    assert(line.includes(file), line);
    assertMatch(line, expected);
    assertEquals(withoutSessions(await service.get("/config")), before);
  }
  await Deno.remove(file);
  service.child.poke("SIGHUP");
  await service.child.logs(/configuration not reloaded.*No such file or directory/);
  await echoes(peer, "after");
  await echoes(await connect(run, { tcp: port }), "new");
  await reloadable.reload(document);
});

acceptance("reload", "where a port is another's, everything is as before", async (run) => {
  const backend = new Backend(run, echo);
  const [kept, moved, movedTo, gone] = [run.port(), run.port(), run.port(), run.port()];
  const taken = Deno.listen({ hostname: "127.0.0.1", port: run.port() });
  run.defer(() => taken.close());
  const reloadable = await Reloadable.start(run, {
    listeners: [listener("kept", kept), listener("moved", moved), listener("gone", gone)],
    clusters: [cluster(backend.port)],
  });
  const { service } = reloadable;
  const peer = await connect(run, { tcp: moved });
  await echoes(peer, "before");
  const before = withoutSessions(await service.get("/config"));
  const handles = await openHandles(service.child.pid);
  const wrong: ConfigDocument = {
    admin: { log_level: "silent" },
    listeners: [listener("kept", kept), listener("moved", movedTo), listener("taken", taken.addr.port)],
    clusters: [cluster(backend.port), { ...cluster(backend.port), name: "another" }],
  };
  assertMatch(await reloadable.fail(wrong), /bind\(AF=2 127\.0\.0\.1:\d+\): Address already in use/);
  const { status, body } = await service.request("POST", "/config", wrong);
  assertEquals(status, 400);
  assertMatch(body.content, /Address already in use/);
  assertEquals(withoutSessions(await service.get("/config")), before);
  for (const [port, open] of [[kept, true], [moved, true], [movedTo, false], [gone, true]] as const) {
    assertEquals(await isBound({ tcp: port }), open, `port ${port}`);
    if (open) (await connect(run, { tcp: port })).close();
  }
  await echoes(peer, "after");
  await service.sessions("one session", (all) => all.length === 1);
  await eventually("as many descriptors as before", async () => await openHandles(service.child.pid) <= handles);
});

acceptance("many objects", "1,000 added and deleted over REST leave nothing behind", async (run) => {
  const backend = new Backend(run, echo);
  const env = { L7MP_E2E_MEMORY: run.path("memory") };
  const service = await startService(
    run,
    { listeners: [listener("in", run.port())], clusters: [cluster(backend.port)] },
    { program: measuredL7mp, env },
  );
  /** Each listener is five objects. */
  const round = async (listeners: number) => {
    for (let i = 0; i < listeners; i++) {
      const spec = { protocol: "UnixDomainSocket", filename: run.path(`s${i}`) };
      const destination = { spec: { protocol: "TCP", port: 1 }, endpoints: [{ spec: { address: "127.0.0.1" } }] };
      const rules = [{
        match: { op: "starts", path: "/UNIX/filename", value: `${i}` },
        action: { route: { destination, ingress: ["up"] } },
      }];
      await service.do("POST", "/listeners", { listener: { name: `listener-${i}`, spec, rules } });
    }
    const { length } = await service.get("/clusters");
    assertEquals(length, listeners + 1);
    for (let i = 0; i < listeners; i++) await service.do("DELETE", `/listeners/listener-${i}?recursive=true`);
  };
  const before = await service.get("/config");
  await round(200);
  const handles = await openHandles(service.child.pid);
  const growths: number[] = [];
  let { heapUsed } = await heldMemory(run, service.child);
  // What is kept for ever is kept in every round; compiled code is not.
  do {
    await round(200);
    const held = await heldMemory(run, service.child);
    growths.push(held.heapUsed - heapUsed);
    heapUsed = held.heapUsed;
  } while (growths.at(-1)! >= 200_000 && growths.length < 4);
  assertEquals(await service.get("/config"), before);
  assertEquals(await openHandles(service.child.pid), handles);
  assert(growths.at(-1)! < 200_000, `${growths.join(", ")} bytes more in rounds of 1,000 objects that come and go`);
});

acceptance(
  "1.3",
  "SIGHUP while a lock is waited for: what the file then says is served, if it is right",
  async (run) => {
    const [lock, file, before, after] = [run.path("lock"), run.path("config.json"), run.port(), run.port()];
    const write = (port: number, more = {}) =>
      Deno.writeTextFile(file, JSON.stringify({ listeners: [listener("l", port)], clusters: [cluster(9)], ...more }));
    await Deno.writeTextFile(lock, `${Deno.pid}\n`);
    await write(before);
    const child = run.spawn(["-dd", "-W", lock, "-c", file], { stderr: "any" });
    await child.logs(/ N waiting for lock/);
    await write(after);
    child.poke("SIGHUP");
    await child.logs(/ N configuration read again/);
    await write(before, { listeners: [{ ...listener("l", before), spec: { protocol: "Nonsense" } }] });
    child.poke("SIGHUP");
    await child.logs(/ E configuration not reloaded, the old one stays: .*Nonsense/);
    await Deno.remove(lock);
    await child.logs(new RegExp(` N listening on AF=2 127\\.0\\.0\\.1:${after}`));
    assertEquals(await isBound({ tcp: before }), false);
  },
);

acceptance("1.3", "a configuration without listeners is told; SIGHUP reads one that has some", async (run) => {
  const [file, port] = [run.path("config.json"), run.port()];
  const write = (document: object) => Deno.writeTextFile(file, JSON.stringify(document));
  await write({ clusters: [cluster(9)] });
  const child = run.spawn(["-c", file], { stderr: "any" });
  await child.logs(/ W the configuration has no listeners, so nobody can call; /);
  await write({ listeners: [listener("l", port)], clusters: [cluster(9)] });
  child.poke("SIGHUP");
  await child.logs(new RegExp(` N listening on AF=2 127\\.0\\.0\\.1:${port}`));
});

// deno-lint-ignore no-explicit-any
function withoutSessions({ sessions: _, ...config }: any): unknown {
  return config;
}
