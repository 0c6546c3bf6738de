/**
 * The walk-through of the original's README, with its own tools: curl changes a minimal configuration that runs in
 * strict mode, socat sends to the UDP listener, websocat receives behind the WebSocket cluster.
 */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance, type Child, eventually, type Run, socat } from "../e2e/harness.ts";
import { absent, curl, websocat } from "../e2e/programs.ts";
import { isBound } from "../e2e/wait.ts";

const skip = absent("curl") ?? absent("socat") ?? absent("websocat");

// deno-lint-ignore no-explicit-any
type Json = any;

/** The ports of the walk-through, 1234, 15000, 15001 and 16000, as they are here. */
interface Ports {
  readonly api: number;
  readonly udp: number;
  readonly sender: number;
  readonly ws: number;
}

class WalkThrough {
  readonly run: Run;
  readonly ports: Ports;
  readonly l7mp: Child;

  private constructor(run: Run, ports: Ports, l7mp: Child) {
    this.run = run;
    this.ports = ports;
    this.l7mp = l7mp;
  }

  /** `stderr`: what it is to say there. */
  static async begin(run: Run, stderr: RegExp[] = []): Promise<WalkThrough> {
    const ports = { api: run.port(), udp: run.port(), sender: run.port(), ws: run.port() };
    const minimal = await Deno.readTextFile(new URL("../../config/l7mp-minimal.yaml", import.meta.url));
    assertMatch(minimal, /port: 1234\b/);
    const file = run.path("l7mp-minimal.yaml");
    await Deno.writeTextFile(file, minimal.replace(/port: 1234\b/, `port: ${ports.api}`));
    const child = await run.serve(["-c", file, "-l", "warn", "-s"], { tcp: ports.api }, { stderr });
    return new WalkThrough(run, ports, child);
  }

  url(path: string): string {
    return `http://localhost:${this.ports.api}/api/v1${path}`;
  }

  async get(path: string): Promise<Json> {
    return JSON.parse(await this.run.out(["-sS", this.url(path)], { program: curl }));
  }

  async post(path: string, yaml: string): Promise<string> {
    const { udp, sender, ws } = this.ports;
    const input = yaml.replaceAll("15000", `${udp}`).replaceAll("15001", `${sender}`).replaceAll("16000", `${ws}`);
    const args = ["-sS", "-iX", "POST", "--header", "Content-Type:text/x-yaml", "--data-binary", "@-", this.url(path)];
    return await this.run.out(args, { program: curl, input });
  }

  async delete(path: string): Promise<string> {
    return await this.run.out(["-sS", "-iX", "DELETE", this.url(path)], { program: curl });
  }

  /** How many objects of each kind there are. */
  async counts(): Promise<Record<string, number>> {
    const { listeners, clusters, rulelists, rules, routes } = await this.get("/config");
    const all = Object.entries({ listeners, clusters, rulelists, rules, routes });
    return Object.fromEntries(all.map(([kind, list]) => [kind, list.length]));
  }

  /** `websocat -Eb ws-l:127.0.0.1:16000 -` */
  receiver(address = "127.0.0.1"): Promise<Child> {
    const { ws } = this.ports;
    const args = ["-Eb", `ws-l:${address}:${ws}`, "-"];
    return this.run.serve(args, { tcp: ws }, { program: websocat, openInput: true, stderr: "any" });
  }

  /** `socat - udp:localhost:15000,sourceport=15001` */
  sender(): Child {
    const { udp, sender } = this.ports;
    const args = ["-", `udp:localhost:${udp},sourceport=${sender}`];
    return this.run.spawn(args, { program: socat, openInput: true, stderr: "any" });
  }

  /** The sessions that came in on the UDP listener. */
  async sessions(): Promise<Json[]> {
    return (await this.get("/sessions")).filter(({ name }: Json) => name.startsWith("UDP:"));
  }
}

function assertDone(answer: string): void {
  assertMatch(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assertEquals(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))), { status: 200, message: "OK" });
}

const wsCluster = `
cluster:
  name: ws-cluster
  spec: { protocol: "WebSocket", port: 16000 }
  endpoints:
    - spec: { address:  "127.0.0.1" }
`;

const stickyCluster = `
cluster:
  name: ws-cluster-with-sticky-sessions
  spec: { protocol: "WebSocket", port: 16000 }
  endpoints:
    - spec: { address:  "127.0.0.1" }
      weight: 3
    - spec: { address:  "127.0.0.2" }
    - spec: { address:  "127.0.0.3" }
  loadbalancer:
    policy: "ConsistentHash"
    key: "IP/src_addr"
`;

const loggerCluster = `
cluster:
  name: logger-cluster
  spec: { protocol: "Logger" }
`;

/** Its `timeout` was 2000, within which a busy machine does not always connect. */
function listener(name: string, destination: string, ingress: string): string {
  return `
listener:
  name: ${name}
  spec: { protocol: UDP, port: 15000, connect: {port: 15001} }
  rules:
    - action:
        route:
          destination: ${destination}
          ingress:
            - ${ingress}
          retry: {retry_on: always, num_retries: 3, timeout: 5000}
`;
}

const embedded = "spec: { protocol: Logger }";

async function exchange(walk: WalkThrough, receiver: Child, sender: Child): Promise<void> {
  const [there, back] = [`from socat ${crypto.randomUUID()}\n`, `from websocat ${crypto.randomUUID()}\n`];
  await sender.write(there);
  await receiver.prints(there);
  await walk.l7mp.prints(there);
  await receiver.write(back);
  await sender.prints(back);
}

acceptance("walk-through", "from UDP to WebSocket through a logger", async (run) => {
  const walk = await WalkThrough.begin(run);
  const config = await walk.get("/config");
  assertEquals(config.listeners.map(({ name }: Json) => name), ["controller-listener"]);
  assertEquals(config.admin.strict, true);
  assertEquals(config.admin.log_level, "warn");
  // The request's own.
  const [own, ...others] = await walk.get("/sessions");
  assertEquals(others, []);
  assertEquals([own.source.origin, own.destination.origin], ["controller-listener", "l7mp-controller"]);

  assertDone(await walk.post("/clusters", wsCluster));
  assertDone(await walk.post("/listeners", listener("udp-listener", "ws-cluster", embedded)));
  const twice = await walk.post("/listeners", listener("udp-listener", "ws-cluster", embedded));
  assertMatch(twice, /^HTTP\/1\.1 400 /);
  assertStringIncludes(twice, String.raw`Listener \"udp-listener\" already defined`);

  // The sender is there first.
  const sender = walk.sender();
  await sender.write("early\n");
  const receiver = await walk.receiver();
  await receiver.prints("early\n");
  await exchange(walk, receiver, sender);
  // Only what goes in passes the logger.
  assertMatch(walk.l7mp.stdout, /^early\nfrom socat .*\n$/);
  const [session, second] = await walk.sessions();
  assertEquals(second, undefined);
  assertEquals(session.status, "CONNECTED");
  const { udp, sender: sourcePort } = walk.ports;
  assertEquals(session.name, `UDP:127.0.0.1:${sourcePort}-0.0.0.0:${udp}-0`);
  assertEquals(session.metadata.UDP, { src_port: sourcePort, dst_port: udp });
  assertEquals(session.destination.origin, "ws-cluster");
  assertEquals(session.destination.endpoint.spec, { address: "127.0.0.1" });
  assertEquals(session.ingress.map(({ status }: Json) => status), ["READY"]);
  assertEquals(session.egress, []);

  assertDone(await walk.delete(`/sessions/${session.name}`));
  await eventually("end of the session", async () => (await walk.sessions()).length === 0);

  const before = await walk.counts();
  assertDone(await walk.delete("/listeners/udp-listener"));
  assert(!await isBound({ udp }));
  assertDone(await walk.delete("/clusters/ws-cluster"));
  // What the listener brought along stays.
  const { listeners, clusters, ...rest } = await walk.counts();
  assertEquals({ listeners: listeners! + 1, clusters: clusters! + 1, ...rest }, before);
}, { skip });

acceptance(
  "walk-through",
  "three weighted endpoints, a logger by name, and deletion with all that belongs to it",
  async (run) => {
    const walk = await WalkThrough.begin(run);
    const before = await walk.counts();
    assertDone(await walk.post("/clusters", wsCluster));
    assertDone(await walk.post("/clusters", stickyCluster));
    const sticky = await walk.get("/clusters/ws-cluster-with-sticky-sessions?recursive=true");
    assertEquals(sticky.endpoints.map(({ weight }: Json) => weight), [3, 1, 1]);
    assertEquals(sticky.loadbalancer, { policy: "HashRing", key: "IP/src_addr" });
    assertDone(await walk.post("/clusters", loggerCluster));
    assertDone(await walk.post("/listeners", listener("udp-listener", "ws-cluster", embedded)));
    assertDone(await walk.delete("/listeners/udp-listener?recursive=true"));
    const byName = "udp-listener-with-no-embedded-cluster-def";
    assertDone(await walk.post("/listeners", listener(byName, "ws-cluster", "logger-cluster")));
    const receiver = await walk.receiver();
    const sender = walk.sender();
    await exchange(walk, receiver, sender);
    assertEquals((await walk.sessions()).length, 1);

    assertDone(await walk.delete(`/listeners/${byName}?recursive=true`));
    assertEquals(await walk.sessions(), []);
    assert(!await isBound({ udp: walk.ports.udp }));
    // What the listeners brought along is gone, what was added for itself stays.
    assertEquals(await walk.counts(), { ...before, clusters: before.clusters! + 3 });
    for (const name of ["ws-cluster", "ws-cluster-with-sticky-sessions", "logger-cluster"]) {
      assertDone(await walk.delete(`/clusters/${name}?recursive=true`));
    }
    assertEquals(await walk.counts(), before);
  },
  { skip },
);

acceptance("walk-through", "a source address keeps its endpoint, of three with weights", async (run) => {
  const walk = await WalkThrough.begin(run);
  assertDone(await walk.post("/clusters", stickyCluster));
  const name = "ws-cluster-with-sticky-sessions";
  assertDone(await walk.post("/listeners", listener("udp-listener", name, embedded)));
  // The owner of the key 127.0.0.1 among the three.
  const receiver = await walk.receiver("127.0.0.3");
  for (let i = 0; i < 2; i++) {
    const sender = walk.sender();
    await sender.write(`hello ${i}\n`);
    await receiver.prints(`hello ${i}\n`);
    const [session] = await walk.sessions();
    assertEquals(session.destination.endpoint.spec, { address: "127.0.0.3" });
    if (i === 0) {
      assertDone(await walk.delete(`/sessions/${session.name}`));
      sender.kill("SIGTERM");
      await eventually("end of the session", async () => (await walk.sessions()).length === 0);
    } else {
      // A cluster takes its sessions along.
      assertDone(await walk.delete(`/clusters/${name}?recursive=true`));
      assertEquals(await walk.sessions(), []);
    }
  }
}, { skip });
