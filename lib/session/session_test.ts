// Sessions of a configuration whose ways lead through stages.
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { Gateway } from "../../tests/support/memory_net.ts";
import { bytesOf, readAll, readBytes, receiveSome, textOf } from "../../tests/support/streams.ts";
import { until } from "../../tests/support/until.ts";
import type { ConfigDocument, ListenerDocument, RouteDocument } from "../config/document.ts";
import { ConnectError } from "../errors.ts";
import { delegateDatagrams } from "../stream/delegate.ts";
import type { ByteStream, DatagramStream, Stream } from "../stream/stream.ts";

/** Listener on port 1, destination `up` on port 9, stages `one` and `two` on 11 and 12, all of `kind`. */
function document(
  route: Partial<RouteDocument>,
  options: ListenerDocument["options"] = {},
  kind: "MEM" | "MEMD" = "MEM",
): ConfigDocument {
  const cluster = (name: string, port: number) => ({
    name,
    spec: { protocol: kind, port },
    endpoints: [{ spec: { address: "x" } }],
  });
  return {
    listeners: [{
      name: "in",
      spec: { protocol: "MEM", port: 1 },
      options,
      rules: [{ action: { route: { destination: "up", ...route } } }],
    }],
    clusters: [cluster("up", 9), cluster("one", 11), cluster("two", 12)],
  };
}

/** Gives back what it gets, in brackets, once it has all of it. */
async function bracketing(far: Stream): Promise<void> {
  const stream = far as ByteStream;
  await stream.write(bytesOf(`[${textOf(await readAll(stream))}]`));
  await stream.closeWrite();
}

Deno.test("a session in one direction goes through the stages of that direction alone", async () => {
  for (const direction of ["ltr", "rtl"] as const) {
    const route = { ingress: ["one"], egress: ["two"] };
    await using gateway = await Gateway.start(document(route, { direction }));
    const { net, records } = gateway;
    const servers = net.peers(9);
    net.serve(11, (far) => void bracketing(far));
    net.serve(12, (far) => void bracketing(far));
    const { peer } = net.call(1);
    await until(() => servers.length === 1);
    const [from, to] = direction === "ltr" ? [peer, servers[0]!] : [servers[0]!, peer];
    await from.write(bytesOf("x"));
    await from.closeWrite();
    assertEquals(textOf(await readAll(to)), "[x]");
    await until(() => records.length === 1);
    assertEquals(records[0]!.reason, "eof");
    assertEquals(net.attempts.map(({ port }) => port).sort(), direction === "ltr" ? [11, 9] : [12, 9]);
  }
});

Deno.test("a session of one message passes one each way, and all that the stages make of it", async () => {
  const route = { ingress: ["one"], egress: ["two"] };
  await using gateway = await Gateway.start(document(route, { one_message: true }));
  const { net, records } = gateway;
  const servers = net.peers(9);
  net.serve(11, (far) => void bracketing(far));
  net.serve(12, (far) => void bracketing(far));
  const { peer } = net.call(1);
  await until(() => servers.length === 1);
  await peer.write(bytesOf("a"));
  assertEquals(textOf(await readBytes(servers[0]!, 3)), "[a]");
  await peer.write(bytesOf("not this")).catch(() => {});
  // The server says more than one message, and never ends.
  await servers[0]!.write(bytesOf("b"));
  assertEquals(textOf(await readBytes(peer, 3)), "[b]");
  await until(() => records.length === 1);
  assertEquals(records[0]!.reason, "eof");
  assertEquals(records[0]!.error, undefined);
});

Deno.test("messages that a stage could not keep are counted, once each", async () => {
  await using gateway = await Gateway.start(document({ ingress: ["one", "two"] }, {}, "MEMD"));
  const { net, records } = gateway;
  const servers = net.peers<DatagramStream>(9);
  let lost = 0;
  // A queue that is always full.
  net.wrap(12, (near) => {
    const send = (batch: readonly unknown[]) => Promise.resolve(void (lost += batch.length));
    return Object.defineProperty(delegateDatagrams(near as DatagramStream, { send }), "dropped", { get: () => lost });
  });
  const stages = net.peers<DatagramStream>(11);
  net.peers(12);
  const { peer } = net.call(1);
  await until(() => servers.length === 1);
  await peer.write(bytesOf("a"));
  assertEquals((await receiveSome(stages[0]!, 1)).map(textOf), ["a"]);
  await stages[0]!.send([{ data: bytesOf("a") }, { data: bytesOf("b") }]);
  await until(() => lost === 2);
  gateway.proxy.cut();
  await until(() => records.length === 1);
  assertEquals(records[0]!.dropped, 2);
});

Deno.test("linger of a route counts before the cluster's, and that before the listener's", async () => {
  const cases = [
    { route: "20ms", cluster: "1h", listener: "1h" },
    { cluster: "20ms", listener: "1h" },
    { listener: "20ms" },
  ];
  for (const { route, cluster, listener } of cases) {
    const made = document({ ...(route && { linger: route }) }, { linger: listener });
    Object.assign(made.clusters![0]!, cluster && { linger: cluster });
    await using gateway = await Gateway.start(made);
    const servers = gateway.net.peers(9);
    const { peer } = gateway.net.call(1);
    await until(() => servers.length === 1);
    await peer.closeWrite();
    await until(() => gateway.records.length === 1);
    assertEquals(gateway.records[0]!.reason, "eof");
  }
});

Deno.test("an idle_timeout holds wherever it stands, the shortest first; not above 0 is never", async () => {
  const cases = [
    { route: "20ms", cluster: "1h", listener: "1h" },
    { cluster: "20ms", listener: "1h" },
    { listener: "20ms" },
    { route: "-1s", listener: "20ms" },
    { route: "1h", listener: "20ms" },
  ];
  for (const { route, cluster, listener } of cases) {
    const made = document({ ...(route && { idle_timeout: route }) }, { idle_timeout: listener });
    Object.assign(made.clusters![0]!, cluster && { idle_timeout: cluster });
    await using gateway = await Gateway.start(made);
    gateway.net.peers(9);
    gateway.net.call(1);
    await until(() => gateway.records.length === 1);
    assertEquals(gateway.records[0]!.reason, "idle");
  }
});

Deno.test("events of a session that fails: what was lost, with which code, then the error and the end", async () => {
  await using gateway = await Gateway.start(document({ ingress: ["one"] }, { track: 60 }));
  const servers = gateway.net.peers(9);
  gateway.net.peers(11);
  gateway.net.call(1);
  await until(() => servers.length === 1);
  await until(() => gateway.shown.status === "CONNECTED");
  servers[0]!.abort(new Error("gone"));
  await until(() => gateway.records.length === 1);
  const { events, status, ingress, destination } = gateway.shown;
  const shown = events.map(({ event, content }: Record<string, unknown>) => `${event} ${content}`.trim());
  assertEquals(shown, [
    "INIT",
    "LOOKUP SUCCESS",
    "CONNECT",
    "DISCONNECT ECONNRESET",
    "ERROR ECONNRESET",
    "DESTROY",
  ]);
  assertMatch(events[1].message, /rule list ".+", rule ".+", route ".+"/);
  assertMatch(events[3].message, /^up: /);
  assertEquals([status, ingress[0].status, destination.status], ["DESTROYED", "END", "END"]);
  assertEquals(ingress[0].origin, "one");
});

Deno.test("i-19: sessions without a destination or an endpoint are shown, and clusters can be deleted around them", async () => {
  await using gateway = await Gateway.start(document({ destination: "none" }, { track: 60 }));
  const { refused } = gateway.net.call(1);
  await refused;
  await until(() => gateway.records.length === 1);
  assertEquals(gateway.shown.destination, { origin: "none", endpoint: "<INVALID>", status: "END" });
  await gateway.control.change((draft) => {
    draft.deleteCluster("up", true);
    draft.deleteEndPoint([...draft.snapshot.clusters.values()][0]!.endpoints[0]!.name, true);
  });
  assertEquals(gateway.control.sessions().length, 1);
});

/** What is logged of a session whose destination resets it, which does as `spec` of either end says. */
async function resetBy(listener: Record<string, unknown>, destination: Record<string, unknown>): Promise<string[]> {
  const given = document({});
  Object.assign(given.listeners![0]!.spec!, listener);
  Object.assign(given.clusters![0]!.spec!, destination);
  await using gateway = await Gateway.start(given);
  const servers = gateway.net.peers(9);
  gateway.net.call(1);
  await until(() => servers.length === 1);
  await until(() => gateway.shown.status === "CONNECTED");
  servers[0]!.abort(new Error("gone"));
  await until(() => gateway.records.length === 1);
  const { reason, error } = gateway.records[0]!;
  return [reason, String(error?.code), ...gateway.lines.filter((line) => /Connection reset/.test(line))];
}

Deno.test("what ends one session of many in error is an error, children-shutup that many levels below", async () => {
  const [, code, line] = await resetBy({}, {});
  assertEquals(code, "ECONNRESET");
  assertMatch(line!, /^E /);
  const [reason, stillCode, lower] = await resetBy({ children_shutup: 1 }, {});
  assertEquals([reason, stillCode], ["reset", "ECONNRESET"]);
  assertMatch(lower!, /^W /);
  assertMatch((await resetBy({ children_shutup: 3 }, {}))[2]!, /^I /);
  // Below what is logged here.
  assertEquals((await resetBy({ children_shutup: 9 }, {}))[2], undefined);
});

Deno.test("a reset by the side that has cool-write is a notice and no error; of the other side it is one", async () => {
  const [reason, code, line] = await resetBy({}, { cool_write: true });
  assertEquals([reason, code], ["reset", "undefined"]);
  assertMatch(line!, /^N .*Connection reset by peer \(upstream; session /);
  assertMatch((await resetBy({ cool_write: true }, {}))[2]!, /^E /);
  // Both together are not louder than either.
  assertMatch((await resetBy({ children_shutup: 1 }, { cool_write: true }))[2]!, /^I /);
});

Deno.test("a reset before there is a connection is an error, with cool-write too", async () => {
  const given = document({});
  given.clusters![0]!.spec!.cool_write = true;
  await using gateway = await Gateway.start(given);
  gateway.net.serve(9, () => {
    throw new ConnectError("handshake: Connection reset by peer", { code: "ECONNRESET" });
  });
  gateway.net.call(1);
  await until(() => gateway.records.length === 1);
  assertEquals(gateway.records[0]!.error?.code, "ECONNRESET");
  assertEquals(gateway.lines.filter((line) => /^E .*Connection reset/.test(line)).length, 1);
});
