// Acceptance examples: UDP and UNIX datagrams (E34 to E41).

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { acceptance, eventually, patience, stays } from "./harness.ts";
import { namespace, namespaceSkip } from "./namespace.ts";
import { UdpPeer } from "./peers.ts";
import { atSomePace } from "./wait.ts";

const both = { socat: "any" } as const;

acceptance("E34", "a datagram is answered and the client ends after its linger", async (run) => {
  const port = run.port();
  await run.serve([`UDP-LISTEN:${port},fork,bind=127.0.0.1`, "PIPE"], { udp: port });
  await atSomePace(async (lingerSeconds) => {
    assertEquals(await run.out(["-t", String(lingerSeconds), "-", `UDP:127.0.0.1:${port}`], { input: "x" }), "x");
  });
}, both);

// PIPE is a stream of bytes, as socat's is: it keeps the senders apart, ECHO the boundaries of their datagrams too.
for (const target of ["ECHO", "PIPE"]) {
  acceptance("E35", `two senders at once get their own back from ${target}, then idleness ends both`, async (run) => {
    const port = run.port();
    const options = ["-d", "-d", "-d"];
    const listen = `UDP-LISTEN:${port},fork,bind=127.0.0.1,idle-timeout=1`;
    const listener = await run.serve([...options, listen, target], { udp: port }, { stderr: "any" });
    const peers = [new UdpPeer(run), new UdpPeer(run)];
    const messages = peers.map((_, who) => Array.from({ length: 100 }, (_, i) => `${who}:${i} `));
    for (let i = 0; i < 100; i++) {
      await Promise.all(peers.map((peer, who) => peer.send(messages[who]![i]!, port)));
    }
    const all = (who: number) => messages[who]!.join("");
    await eventually("all answers", () => peers.every((peer, who) => peer.texts.join("").length >= all(who).length), {
      details: () => `${peers.map((peer) => peer.received.length)} answers\n${listener.describe()}`,
    });
    for (const [who, peer] of peers.entries()) {
      if (target === "ECHO") assertEquals(peer.texts, messages[who]);
      else assertEquals(peer.texts.join(""), all(who));
    }
    let asked = 0;
    await eventually("statistics that show no session", () => {
      if (asked++ % 10 === 0) listener.poke("SIGUSR1");
      return /\b0 sessions?\b|sessions?: 0\b/.test(listener.stderr);
    }, { details: () => listener.describe() });
  });
}

acceptance("E36", "without fork the first sender has the session to itself", async (run) => {
  const port = run.port();
  const options = run.isL7mp ? ["-d", "-d"] : [];
  const listener = await run.serve([...options, "-u", `UDP-LISTEN:${port}`, "STDOUT"], { udp: port }, {
    stderr: "any",
  });
  const first = new UdpPeer(run);
  const second = new UdpPeer(run);
  await first.send("a", port);
  await listener.prints("a");
  await second.send("x", port);
  await first.send("b", port);
  await listener.prints("b");
  assertEquals(listener.stdout, "ab");
  if (run.isL7mp) await listener.logs(new RegExp(` N ignoring AF=2 127\\.0\\.0\\.1:${second.port}`));
}, both);

acceptance("E37", "UDP-RECV takes datagrams of anybody", async (run) => {
  const port = run.port();
  const listener = await run.serve(["-u", `UDP-RECV:${port}`, "STDOUT"], { udp: port });
  let expected = "";
  for (const text of ["a", "b", "c"]) {
    await new UdpPeer(run).send(text, port);
    expected += text;
    await listener.prints(expected);
  }
  assertEquals(listener.stdout, "abc");
}, both);

acceptance("E38", "UDP-RECVFROM with fork answers every datagram once", async (run) => {
  const port = run.port();
  // socat gives up the answer of a program that ends before it took the question.
  const program = run.isL7mp ? "EXEC:date" : "SYSTEM:read question; date";
  const listener = await run.serve(["-t", patience, `UDP-RECVFROM:${port},fork`, program], { udp: port });
  const peers = [new UdpPeer(run), new UdpPeer(run)];
  for (let round = 1; round <= 2; round++) {
    for (const peer of peers) {
      await peer.send("when?\n", port);
      await eventually("an answer", () => peer.received.length >= round, { details: () => listener.describe() });
    }
  }
  await stays("a second answer", 200, () => peers.some((peer) => peer.received.length > 2));
  for (const peer of peers) for (const text of peer.texts) assertMatch(text, /\d\d:\d\d:\d\d/);
}, both);

acceptance("E39", "a large datagram passes whole; socat cuts it", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  const data = crypto.getRandomValues(new Uint8Array(60_000));
  const backend = new UdpPeer(run, { port: backendPort, answer: (datagram) => datagram.slice() });
  await run.serve([`UDP-L:${port},fork,bind=127.0.0.1`, `UDP:127.0.0.1:${backendPort}`], { udp: port });
  const client = new UdpPeer(run);
  await client.send(data, port);
  await eventually("the datagram", () => backend.received.length > 0);
  if (!run.isL7mp) return assertEquals(backend.received[0]!.length, 8192);
  assertEquals(backend.received[0], data);
  await eventually("the answer", () => client.received.length > 0);
  assertEquals(client.received[0], data);
}, both);

const apart = { socat: "any", skip: namespaceSkip() } as const;

acceptance("E40", "multicast reaches every member", async (run) => {
  const prefix = await namespace(run);
  const port = run.port();
  const group = "239.1.2.3";
  const receive = ["-u", `UDP-DATAGRAM:${group}:${port},bind=:${port},ip-add-membership=${group}:127.0.0.1,reuseaddr`];
  const members = [
    await run.serve([...receive, "STDOUT"], { udp: port }, { prefix }),
    await run.serve([...receive, "STDOUT"], { udp: port }, { prefix }),
  ];
  for (const member of members) {
    await eventually(
      "the membership",
      async () => (await Deno.readTextFile(`/proc/${member.pid}/net/igmp`)).includes("030201EF"),
    );
  }
  // The second member's socket is bound before it joins and both look the same in /proc: send until both have it.
  await eventually("the datagram at both", async () => {
    const send = ["-u", "-", `UDP-DATAGRAM:${group}:${port},ip-multicast-if=127.0.0.1`];
    await run.out(send, { input: "news\n", prefix });
    return members.every((member) => member.stdout.startsWith("news\n"));
  }, { details: () => members.map((member) => member.describe()).join("\n") });
}, apart);

acceptance("UDP-DATAGRAM", "a broadcast reaches every receiver", async (run) => {
  const prefix = await namespace(run);
  const port = run.port();
  const receivers = [
    await run.serve(["-u", `UDP-RECV:${port},reuseaddr`, "STDOUT"], { udp: port }, { prefix }),
    await run.serve(["-u", `UDP-RECV:${port},reuseaddr`, "STDOUT"], { udp: port }, { prefix }),
  ];
  // Both are on one port and look the same in /proc: send until both have it.
  await eventually("the datagram at both", async () => {
    const send = ["-u", "-", `UDP-DATAGRAM:127.255.255.255:${port},broadcast`];
    await run.out(send, { input: "news\n", prefix });
    return receivers.every((receiver) => receiver.stdout.startsWith("news\n"));
  }, { details: () => receivers.map((receiver) => receiver.describe()).join("\n") });
}, apart);

acceptance("UDP-DATAGRAM", "without the option broadcast sending is refused", async (run) => {
  const prefix = await namespace(run);
  const port = run.port();
  const send = ["-u", "-", `UDP-DATAGRAM:127.255.255.255:${port}`];
  await run.out(send, { input: "news\n", prefix, code: 1, stderr: / E .*Permission denied/ });
}, {
  socat: "any",
  // The runtime allows its own sockets to broadcast without being asked.
  skip: Deno.env.get("L7MP_OPTS")?.includes("portable") ? "the portable driver cannot refuse it" : apart.skip,
});

acceptance("E41", "UNIX-RECVFROM answers UNIX-SENDTO, whose own socket is removed", async (run) => {
  const server = run.path("r");
  const own = run.path("c");
  await run.serve(["-t", patience, `UNIX-RECVFROM:${server},fork`, "EXEC:cat"], { unixDatagram: server });
  await atSomePace(async (lingerSeconds) => {
    const client = ["-t", String(lingerSeconds), "-", `UNIX-SENDTO:${server},bind=${own}`];
    assertEquals(await run.out(client, { input: "q" }), "q");
  });
  await assertRejects(() => Deno.lstat(own), Deno.errors.NotFound);
  assert((await Deno.lstat(server)).isSocket);
}, {
  socat: "any",
  skip: Deno.env.get("L7MP_OPTS")?.includes("portable")
    ? "the portable driver has no two-way UNIX datagrams"
    : undefined,
});
