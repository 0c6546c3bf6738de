// Acceptance examples: TCP and UNIX streams (E14 to E33).

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { acceptance, eventually, patience, type Run, stays } from "./harness.ts";
import { namespace, namespaceSkip } from "./namespace.ts";
import { connect, echo, serveStreams } from "./peers.ts";
import { atSomePace, delay, released, unreadFrom } from "./wait.ts";

const both = { socat: "any" } as const;

acceptance("E14", "a listener without fork serves one and ends", async (run) => {
  const port = run.port();
  const listener = await run.serve([`TCP-LISTEN:${port},bind=127.0.0.1`, "PIPE"], { tcp: port });
  assertEquals(await run.out(["-", `TCP:127.0.0.1:${port}`], { input: "a\n" }), "a\n");
  await listener.end();
  await assertRejects(() => connect(run, { tcp: port }), Deno.errors.ConnectionRefused);
}, both);

async function servesTwoAtOnce(run: Run, port: number): Promise<void> {
  const a = await connect(run, { tcp: port });
  const b = await connect(run, { tcp: port });
  await b.send("from b");
  assertEquals(await b.text(6), "from b");
  await a.send("from a");
  assertEquals(await a.text(6), "from a");
  await a.endWrite();
  assertEquals(await a.restText(), "");
  await b.endWrite();
  assertEquals(await b.restText(), "");
}

acceptance("E15", "fork serves two at the same time", async (run) => {
  const port = run.port();
  const listener = await run.serve([`TCP-LISTEN:${port},bind=127.0.0.1,fork`, "PIPE"], { tcp: port });
  await servesTwoAtOnce(run, port);
  assert(listener.running);
  listener.kill("SIGTERM");
  await listener.end();
}, both);

acceptance("E16", "websocat's spelling of the same", async (run) => {
  const port = run.port();
  await run.serve([`tcp-l:127.0.0.1:${port},fork`, "mirror:"], { tcp: port });
  await servesTwoAtOnce(run, port);
});

acceptance("E17", "half-close reaches a program and its answer comes back", async (run) => {
  const port = run.port();
  const listener = await run.serve(["-t", patience, `TCP-L:${port},bind=127.0.0.1`, "EXEC:sort"], { tcp: port });
  const client = await connect(run, { tcp: port });
  await client.send("2\n1\n");
  await client.endWrite();
  assertEquals(await client.restText(), "1\n2\n");
  await listener.end();
}, both);

acceptance("E18", "a relay waits for a late answer; socat's way does not", async (run) => {
  const ask = async (options: string[], late: (client: Promise<string>) => Promise<unknown>): Promise<string> => {
    const [port, backend] = [run.port(), run.port()];
    const answer = Promise.withResolvers<string>();
    serveStreams(run, { tcp: backend }, async (peer) => {
      await peer.rest();
      await late(answer.promise);
      await peer.send("answer");
      await peer.endWrite();
    });
    await run.serve([...options, `TCP-L:${port},fork`, `TCP:127.0.0.1:${backend}`], { tcp: port });
    const client = await connect(run, { tcp: port });
    await client.send("question");
    await client.endWrite();
    answer.resolve(client.restText());
    return await answer.promise;
  };
  const after3s = () => delay(3000);
  const afterTheEnd = (client: Promise<string>) => client;
  if (!run.isL7mp) assertEquals(await ask([], afterTheEnd), "");
  else assertEquals(await Promise.all([ask([], after3s), ask(["--compat=socat"], afterTheEnd)]), ["answer", ""]);
}, both);

acceptance("E19", "every byte restarts the linger clock", async (run) => {
  await atSomePace(async (lingerSeconds) => {
    const port = run.port();
    serveStreams(run, { tcp: port }, async (peer) => {
      await peer.rest();
      for (let i = 0; i < 4; i++) {
        await delay(lingerSeconds * 600);
        await peer.send(`line ${i}\n`);
      }
    });
    const out = await run.out(["-t", String(lingerSeconds), "-", `TCP:127.0.0.1:${port}`], { input: "x" });
    assertEquals(out, "line 0\nline 1\nline 2\nline 3\n");
  });
}, both);

acceptance("E20", "inactivity ends the session with status 0", async (run) => {
  const port = run.port();
  serveStreams(run, { tcp: port }, async (peer) => void await peer.rest());
  const start = performance.now();
  await run.out(["-T", "0.5", "-", `TCP:127.0.0.1:${port}`], { openInput: true });
  const elapsed = performance.now() - start;
  assert(elapsed > 480, `took ${elapsed} ms`);
}, both);

acceptance("E21", "nobody listens", async (run) => {
  const port = run.port();
  // Neither a retry nor a linger is waited for: both are longer than a program may take to end.
  const words = ["-t", patience, "-", `TCP:127.0.0.1:${port},interval=${patience}`];
  await run.out(words, { input: "x\n", code: 1, stderr: / E .*Connection refused/ });
}, both);

acceptance("E22", "retries are silent and succeed once the server is there", async (run) => {
  const port = run.port();
  const client = run.spawn(["-", `TCP:127.0.0.1:${port},retry=1000,interval=0.1`], { input: "x" });
  await delay(500);
  assert(client.running, client.describe());
  serveStreams(run, { tcp: port }, echo);
  await client.end();
  assertEquals(client.stdout, "x");
}, both);

acceptance(
  "a server that answers unasked",
  "and leaves is no fault, though what is typed then finds nobody",
  async (run) => {
    const port = run.port();
    serveStreams(run, { tcp: port }, (peer) => peer.send("time\n"));
    const client = run.spawn(["-t5", "-", `TCP:127.0.0.1:${port}`], { openInput: true });
    await eventually("the answer", () => client.stdout === "time\n", { details: () => client.describe() });
    await client.write("thanks\n");
    // The reset that this brings must be here before the end of the input is.
    await eventually("the reset", async () => (await unreadFrom(port)).length === 0);
    await client.endInput();
    await client.end();
  },
  both,
);

acceptance("retry on a listener", "waits for the port to become free", async (run) => {
  const port = run.port();
  const taken = Deno.listen({ hostname: "127.0.0.1", port });
  const words = (more: string) => [`TCP-LISTEN:${port},bind=127.0.0.1${more}`, "PIPE"];
  await run.out(words(""), { code: 1, stderr: / E .*Address already in use/ });
  const listener = run.spawn(words(",retry=1000,interval=0.1"));
  await delay(500);
  assert(listener.running, listener.describe());
  taken.close();
  await released({ tcp: port });
  const client = ["-", `TCP:127.0.0.1:${port},retry=1000,interval=0.1`];
  assertEquals(await run.out(client, { input: "x" }), "x");
  await listener.end();
}, { socat: "any" });

acceptance("E23", "a peer out of range is refused, the listener lives", async (run) => {
  const port = run.port();
  const listener = await run.serve([`TCP-L:${port},fork,range=127.0.0.2/32`, "PIPE"], { tcp: port }, {
    stderr: run.isL7mp ? / W refusing connection from AF=2 127\.0\.0\.1:\d+/ : "any",
  });
  const refused = await connect(run, { tcp: port });
  // Refused without data: an orderly end or a reset.
  assertEquals(await refused.restText().catch(() => ""), "");
  assertEquals(await run.out(["-", `TCP:127.0.0.1:${port},bind=127.0.0.2`], { input: "a" }), "a");
  assert(listener.running);
}, both);

acceptance("E24", "max-children=1 makes the second wait for the first", async (run) => {
  const port = run.port();
  await run.serve([`TCP-L:${port},fork,max-children=1`, "PIPE"], { tcp: port });
  const first = await connect(run, { tcp: port });
  await first.send("1");
  assertEquals(await first.text(1), "1");
  const second = await connect(run, { tcp: port });
  await second.send("2");
  let answered = false;
  const answer = second.text(1).then((text) => {
    answered = true;
    return text;
  });
  await stays("an answer while the first session is open", 300, () => answered);
  first.close();
  assertEquals(await answer, "2");
}, both);

acceptance("E25", "the announcement names the real port and comes before any client", async (run) => {
  const listener = run.spawn(["TCP-L:0,fork,bind=127.0.0.1", "PIPE", "--announce"], {
    stderr: /^LISTEN TCP-LISTEN 127\.0\.0\.1 \d+$/,
  });
  const [, port] = await listener.logs(/^LISTEN TCP-LISTEN 127\.0\.0\.1 (\d+)$/m);
  assert(Number(port) > 0);
  await servesTwoAtOnce(run, Number(port));
});

acceptance("E26", "a second listener on the same port fails, the first is unharmed", async (run) => {
  const port = run.port();
  const args = [`TCP-L:${port},fork,bind=127.0.0.1`, "PIPE"];
  await run.serve(args, { tcp: port });
  await run.out(args, { code: 1, stderr: / E .*Address already in use/ });
  await servesTwoAtOnce(run, port);
});

acceptance("E27", "a UNIX listener has its mode from the first moment and removes its socket", async (run) => {
  const path = run.path("s");
  const seen = firstMode(path);
  const listener = await run.serve([`UNIX-LISTEN:${path},fork,mode=600`, "PIPE"], { unix: path });
  const mode = await seen;
  // socat changes the mode after the socket became visible, so others have a moment to connect.
  if (run.isL7mp) assertEquals(mode.toString(8), "600");
  assertEquals(((await Deno.lstat(path)).mode! & 0o777).toString(8), "600");
  assert((await Deno.lstat(path)).isSocket);
  assertEquals(await run.out(["-", `UNIX-CONNECT:${path}`], { input: "a" }), "a");
  listener.kill("SIGTERM");
  await listener.end();
  await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
}, both);

/** The permissions a path has when it can be seen first; looks as often as it can. */
async function firstMode(path: string): Promise<number> {
  const end = performance.now() + 20_000;
  while (performance.now() < end) {
    for (let i = 0; i < 200; i++) {
      try {
        return Deno.lstatSync(path).mode! & 0o777;
      } catch {
        // Not there yet.
      }
    }
    await delay(0);
  }
  throw new Error(`${path} never appeared`);
}

acceptance("E28", "a stale socket file is replaced, a live one is not", async (run) => {
  const path = run.path("s");
  const args = [`UNIX-LISTEN:${path},fork,mode=600`, "PIPE"];
  const first = await run.serve(args, { unix: path });
  first.kill("SIGKILL");
  await first.end();
  assert((await Deno.lstat(path)).isSocket);
  await run.serve(args, { unix: path });
  await run.out(args, { code: 1, stderr: / E .*Address already in use/ });
  assertEquals(await run.out(["-", `UNIX-CONNECT:${path}`], { input: "a" }), "a");
});

acceptance("E29", "the abstract name space", async (run) => {
  const name = `l7mp-e2e-${crypto.randomUUID()}`;
  await run.serve([`ABSTRACT-LISTEN:${name},fork`, "PIPE"], { unix: `@${name}` });
  assertEquals(await run.out(["-", `ABSTRACT-CONNECT:${name}`], { input: "a" }), "a");
  if (run.isL7mp) assertEquals(await run.out(["-", `UNIX-CONNECT:@${name}`], { input: "b" }), "b");
  await assertRejects(() => Deno.lstat(new URL(`../../${name}`, import.meta.url)), Deno.errors.NotFound);
  await assertRejects(() => Deno.lstat(new URL(`../../@${name}`, import.meta.url)), Deno.errors.NotFound);
}, both);

acceptance("E30", "TCP in front of UNIX; a backend that is gone costs only its client", async (run) => {
  const path = run.path("s");
  const port = run.port();
  const backend = await run.serve([`UNIX-LISTEN:${path},fork`, "PIPE"], { unix: path });
  const relay = await run.serve([`TCP-L:${port},fork`, `UNIX-CONNECT:${path}`], { tcp: port }, {
    stderr: / E .*No such file or directory/,
  });
  const client = await connect(run, { tcp: port });
  await client.send("a");
  assertEquals(await client.text(1), "a");
  await client.endWrite();
  assertEquals(await client.restText(), "");
  backend.kill("SIGTERM");
  await backend.end();
  const next = await connect(run, { tcp: port });
  assertEquals(await next.restText().catch(() => ""), "");
  await relay.logs(/ E .*No such file or directory/);
  if (run.isL7mp) {
    const line = relay.stderr.split("\n").find((text) => text.includes(" E "))!;
    assertStringIncludes(line, path);
    assertMatch(line, /127\.0\.0\.1:\d+/);
  }
  assert(relay.running);
}, both);

acceptance("E31", "two clients append to one file in turn", async (run) => {
  const port = run.port();
  const file = run.path("in.log");
  await run.serve(["-u", `TCP-L:${port},fork`, `OPEN:${file},creat,append`], { tcp: port });
  let expected = "";
  for (const line of ["one\n", "two\n"]) {
    const client = await connect(run, { tcp: port });
    await client.send(line);
    await client.endWrite();
    expected += line;
    await eventually(
      `${JSON.stringify(expected)} in the file`,
      async () => await Deno.readTextFile(file).catch(() => "") === expected,
    );
    client.close();
  }
}, both);

acceptance("E32", "a program learns the addresses of the connection", async (run) => {
  const port = run.port();
  const clientPort = run.port();
  const program = "SYSTEM:echo $SOCAT_PEERADDR $SOCAT_PEERPORT $SOCAT_SOCKPORT";
  await run.serve([`TCP-L:${port},fork,reuseaddr`, program], { tcp: port });
  const out = await run.out(["-u", `TCP:127.0.0.1:${port},sourceport=${clientPort}`, "-"]);
  assertEquals(out, `127.0.0.1 ${clientPort} ${port}\n`);
}, both);

acceptance("lowport", "a listener admits who has a port below 1024, and a connector takes one", async (run) => {
  const prefix = await namespace(run);
  const port = run.port();
  const listen = `TCP-LISTEN:${port},fork,reuseaddr,bind=127.0.0.1,lowport`;
  await run.serve([listen, "SYSTEM:echo $SOCAT_PEERPORT"], { tcp: port }, { prefix, stderr: "any" });
  const from = async (options: string) =>
    Number(await run.out(["-u", `TCP:127.0.0.1:${port}${options}`, "-"], { prefix }));
  const low = await from(",lowport");
  assert(low >= 640 && low <= 1023, String(low));
  assertEquals(await from(""), 0);
  assertEquals(await from(",sourceport=1022"), 1022);
}, { socat: "any", skip: namespaceSkip() });

acceptance("E33", "crnl removes and adds carriage returns", async (run) => {
  assertEquals(await run.out(["-u", "-,crnl", "STDOUT"], { input: "a\r\nb\r\n" }), "a\nb\n");
  const file = run.path("f");
  await run.out(["-u", "-", `CREATE:${file},crnl`], { input: "a\n" });
  assertEquals(await Deno.readTextFile(file), "a\r\n");
}, both);

acceptance("socat's habit", "a listener as address2 waits for one peer, in both directions", async (run) => {
  const port = run.port();
  const listener = await run.serve(["-", `TCP-LISTEN:${port},bind=127.0.0.1`], { tcp: port }, { input: "to the peer" });
  const peer = await connect(run, { tcp: port });
  await peer.send("from the peer");
  await peer.endWrite();
  assertEquals(await peer.restText(), "to the peer");
  assertEquals((await listener.end()).stdout, "from the peer");
  await assertRejects(() => connect(run, { tcp: port }), Deno.errors.ConnectionRefused);
}, both);

acceptance("socat's habit", "a listener as half of a dual address waits for one peer", async (run) => {
  const port = run.port();
  const listener = await run.serve([`STDIN!!TCP-LISTEN:${port},bind=127.0.0.1`, "PIPE"], { tcp: port }, { input: "x" });
  const peer = await connect(run, { tcp: port });
  assertEquals(await peer.restText(), "x");
  await listener.end();
}, both);

acceptance("address2 listens", "it is announced and judges callers", async (run) => {
  const announced = run.path("announced");
  const stderr = / W refusing connection from AF=2 127\.0\.0\.1:\d+ due to range option/;
  const words = ["TCP-L:0,bind=127.0.0.1,range=127.0.0.2/32"];
  const listener = run.spawn([`--announce=${announced}`, "-", ...words], { stderr });
  const line = await eventually("the announcement", () => Deno.readTextFile(announced).catch(() => ""));
  const port = Number(/^LISTEN TCP-LISTEN 127\.0\.0\.1 (\d+)\n$/.exec(line)![1]);
  const peer = await connect(run, { tcp: port });
  assertEquals(await peer.restText(), "");
  await listener.logs(stderr);
  assert(listener.running);
});

acceptance("address2 listens", "its wait is limited", async (run) => {
  const stderr = / E accept: Connection timed out \(accept-timeout\)/;
  await run.out(["-", "TCP-L:0,bind=127.0.0.1,accept-timeout=0.3"], { code: 1, stderr });
});
