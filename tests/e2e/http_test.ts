// Acceptance examples: HTTP as byte sessions (E59), and what listeners promise their callers.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance, eventually, heldMemory, patience, type Run, serveMeasured } from "./harness.ts";
import { connect, type Peer, serveStreams } from "./peers.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";
import { atSomePace, delay, openHandles, within } from "./wait.ts";

const certificates = makeCertificates();
const noCertificates = certificates === undefined ? noOpenssl : undefined;

interface Asked {
  readonly head: string;
  readonly body: string;
}

/** A server that reads each request to the end of its body, remembers it, and answers with `wire`. */
function serveAnswer(run: Run, port: number, wire: string | Uint8Array): Asked[] {
  const asked: Asked[] = [];
  serveStreams(run, { tcp: port }, async (peer) => {
    let head = "";
    while (!head.endsWith("\r\n\r\n")) head += await peer.text(1);
    asked.push({ head, body: await bodyOf(peer, head) });
    await peer.send(wire);
    await peer.endWrite();
    await peer.rest().catch(() => {});
  });
  return asked;
}

async function bodyOf(peer: Peer, head: string): Promise<string> {
  if (!/Transfer-Encoding: chunked/i.test(head)) {
    return await peer.text(Number(/Content-Length: (\d+)/i.exec(head)?.[1] ?? 0));
  }
  for (let body = "";;) {
    let line = "";
    while (!line.endsWith("\r\n")) line += await peer.text(1);
    const chunk = await peer.text(parseInt(line, 16) + 2);
    if (chunk === "\r\n") return body;
    body += chunk.slice(0, -2);
  }
}

/** Everything a listener says on one connection to `wire`, after which we half-close. */
async function ask(run: Run, port: number, wire: string): Promise<string> {
  const peer = await connect(run, { tcp: port });
  await peer.send(wire);
  await peer.endWrite();
  const answer = await peer.restText();
  peer.close();
  return answer;
}

/** One answer on a connection that stays open; its body is in chunks or has a length. */
async function nextAnswer(peer: Peer): Promise<Asked> {
  let head = "";
  while (!head.endsWith("\r\n\r\n")) head += await peer.text(1);
  return { head, body: await bodyOf(peer, head) };
}

const request = (method = "GET", path = "/", headers = "") => `${method} ${path} HTTP/1.1\r\nHost: h\r\n${headers}\r\n`;
const post = (body: string) => `${request("POST", "/", `Content-Length: ${body.length}\r\n`)}${body}`;

acceptance("E59", "a body comes byte for byte, as it was sent", async (run) => {
  const port = run.port();
  const body = crypto.getRandomValues(new Uint8Array(50_000));
  const head = `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
  const asked = serveAnswer(run, port, new Uint8Array([...new TextEncoder().encode(head), ...body]));
  const child = run.spawn(["-U", "-", `http://127.0.0.1:${port}/file`]);
  await child.end();
  assertEquals(child.stdoutBytes, body);
  assertStringIncludes(asked[0]!.head, "GET /file HTTP/1.1\r\n");
});

acceptance("E59", "404 is an error with the status line, and the body is printed", async (run) => {
  const port = run.port();
  serveAnswer(run, port, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
  const stderr = / E http:\/\/127\.0\.0\.1:\d+\/file: server answered 404 Not Found/;
  assertEquals(await run.out(["-U", "-", `http://127.0.0.1:${port}/file`], { code: 1, stderr }), "gone");
  assertEquals(await run.out(["-U", "-", `http://127.0.0.1:${port}/file,fail=0`]), "gone");
});

acceptance("E59", "what is read is POSTed", async (run) => {
  const port = run.port();
  const asked = serveAnswer(run, port, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks");
  const input = run.path("input");
  await Deno.writeTextFile(input, "body");
  // What takes its time to end is sent in chunks: the end of the input is waited for, but not long.
  await atSomePace(async () => {
    assertEquals(await run.out(["-", `http://127.0.0.1:${port}/`], { redirect: `<${input}` }), "thanks");
    const { head, body } = asked.at(-1)!;
    assertEquals(body, "body");
    assertMatch(head, /^POST \/ HTTP\/1\.1\r\n[^]*Content-Length: 4\r\n/);
  });
});

acceptance("E59", "a body whose end is not known is sent while it comes", async (run) => {
  const port = run.port();
  let begun = false;
  let asked: Asked | undefined;
  serveStreams(run, { tcp: port }, async (peer) => {
    let head = "";
    while (!head.endsWith("\r\n\r\n")) head += await peer.text(1);
    assertEquals(await peer.text(9), "4\r\none \r\n");
    begun = true;
    asked = { head, body: await bodyOf(peer, head) };
    await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const child = run.spawn(["-", `http://127.0.0.1:${port}/,method=PUT`, "-H", "X-Token: t"], { openInput: true });
  await child.write("one ");
  await eventually("the beginning of the body", () => begun);
  await child.write("two");
  await child.endInput();
  await child.end();
  assertEquals(asked!.body, "two");
  assertMatch(asked!.head, /^PUT \/ [^]*X-Token: t\r\n/);
});

acceptance("E59", "an answer that takes its time is waited for", async (run) => {
  const port = run.port();
  serveStreams(run, { tcp: port }, async (peer) => {
    await peer.text(1);
    await new Promise((resolve) => setTimeout(resolve, 900));
    await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    await peer.rest().catch(() => {});
  });
  assertEquals(await run.out(["-", `http://127.0.0.1:${port}/`], { input: "body" }), "late");
});

acceptance("E59", "an answer that does not come is an error", async (run) => {
  const port = run.port();
  serveStreams(run, { tcp: port }, async (peer) => void await peer.rest().catch(() => {}));
  const stderr = / E http:\/\/127\.0\.0\.1:\d+\/: no answer for 0\.3 s after the request/;
  await run.out(["-t0.3", "-", `http://127.0.0.1:${port}/`], { input: "body", code: 1, stderr });
});

acceptance("E59", "an answer that is cut is an error after what came of it", async (run) => {
  const port = run.port();
  serveAnswer(run, port, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  const stderr = / E http:.*: the connection closed inside the body: 6 of 10 bytes are missing/;
  assertEquals(await run.out(["-U", "-", `http://127.0.0.1:${port}/`], { code: 1, stderr }), "half");
});

acceptance("E59", "an upload whose server refuses it is an error", async (run) => {
  const port = run.port();
  serveAnswer(run, port, "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\n\r\n");
  const stderr = / E .*server answered 507 Insufficient Storage/;
  await run.out(["-u", "-", `http://127.0.0.1:${port}/`], { input: "body", code: 1, stderr });
});

/** Answers each request with `wire` when its body has begun, and closes. */
function serveEarly(run: Run, port: number, wire: string): void {
  serveStreams(run, { tcp: port }, async (peer) => {
    while (!(await peer.text(1)).endsWith("!"));
    await peer.send(wire);
    await peer.endWrite();
  });
}

for (
  const [status, when, code, stderr] of [
    ["413 Content Too Large", "still send", 1, / E http:.*: server answered 413 Content Too Large \(upstream\)/],
    ["413 Content Too Large", "wait", 1, / E http:.*: server answered 413 Content Too Large \(upstream\)/],
    ["200 OK", "still send", 1, / E http:.*: server answered 200 OK before it had the whole request; the rest is lost/],
    ["200 OK", "wait", 0, []],
  ] as const
) {
  acceptance("E59", `an answer of ${status} comes whole although we ${when}`, async (run) => {
    const port = run.port();
    // It fits into what the system takes for us: what did not, the server's close would throw away.
    const body = "x".repeat(50_000);
    serveEarly(run, port, `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    const child = run.spawn(["-", `http://127.0.0.1:${port}/`], { openInput: true, code, stderr });
    await child.write("begun!");
    while (child.running) {
      if (when === "still send") await child.write("more");
      await delay(20);
    }
    await child.end();
    assertEquals(child.stdout, body);
  });
}

acceptance("HTTP-LISTEN", "each request is a session, also several on one connection", async (run) => {
  const port = run.port();
  const log = run.path("access");
  await run.serve([`--access-log=${log}`, `http-l:127.0.0.1:${port}`, "EXEC:cat"], { tcp: port });
  const peer = await connect(run, { tcp: port });
  await peer.send(post("one") + post("two"));
  assertEquals((await nextAnswer(peer)).body, "one");
  assertEquals((await nextAnswer(peer)).body, "two");
  await peer.send(post("three"));
  assertEquals((await nextAnswer(peer)).body, "three");
  peer.close();
  assertMatch(await ask(run, port, "POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nfour"), /\r\n\r\nfour$/);
  await eventually("four sessions", async () => (await Deno.readTextFile(log)).trim().split("\n").length === 4);
});

acceptance("HTTP-LISTEN", "oneshot serves one request and ends", async (run) => {
  const port = run.port();
  const child = await run.serve([`http-l:127.0.0.1:${port},oneshot`, "PIPE"], { tcp: port }, { code: 0 });
  const answer = await ask(run, port, post("hello"));
  assertMatch(answer, /Connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
  await child.end();
});

acceptance("HTTP-LISTEN", "a backend that is down is 502, and one that does not answer 504", async (run) => {
  const [port, otherPort, silentPort] = [run.port(), run.port(), run.port()];
  const refused = / E .*Connection refused/;
  await run.serve([`http-l:127.0.0.1:${port}`, `TCP:127.0.0.1:${run.port()}`], { tcp: port }, { stderr: refused });
  assertMatch(await ask(run, port, request()), /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  const silence = Promise.withResolvers<void>();
  serveStreams(run, { tcp: silentPort }, () => silence.promise);
  run.defer(() => silence.resolve());
  await run.serve(["-t0.3", `http-l:127.0.0.1:${otherPort}`, `TCP:127.0.0.1:${silentPort}`], { tcp: otherPort }, {
    stderr: / E .*no answer for 0\.3 s/,
  });
  assertMatch(await ask(run, otherPort, request()), /^HTTP\/1\.1 504 Gateway Timeout\r\n/);
});

acceptance("HTTP-LISTEN", "a program learns what is asked for", async (run) => {
  const port = run.port();
  const script = "SYSTEM:echo $L7MP_METHOD $L7MP_URI $L7MP_HOST $SOCAT_USERAGENT";
  await run.serve([`http-l:127.0.0.1:${port},content-type=text/plain`, script], { tcp: port });
  const answer = await ask(run, port, "GET /a?b=c HTTP/1.0\r\nHost: h:80\r\nUser-Agent: me\r\n\r\n");
  assertMatch(answer, /Content-Type: text\/plain\r\n[^]*\r\n\r\nGET \/a\?b=c h:80 me\n$/);
});

acceptance("HTTP-LISTEN", "a program that thinks for a while is waited for", async (run) => {
  const port = run.port();
  await run.serve([`http-l:127.0.0.1:${port}`, "SYSTEM:sleep 0.9; echo thought"], { tcp: port });
  assertMatch(await ask(run, port, request()), /thought\n/);
});

acceptance("HTTP-LISTEN", "a program that fails before it has said anything is 502", async (run) => {
  const [port, quietPort] = [run.port(), run.port()];
  const failed = / E .*exited with status 3/;
  await run.serve([`http-l:127.0.0.1:${port},fork`, "SYSTEM:exec >&-; sleep 0.2; exit 3"], { tcp: port }, {
    stderr: failed,
  });
  assertMatch(await ask(run, port, request()), /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  await run.serve([`http-l:127.0.0.1:${quietPort},fork`, "SYSTEM:exit 0"], { tcp: quietPort });
  assertMatch(await ask(run, quietPort, request()), /^HTTP\/1\.1 200 OK\r\n/);
});

acceptance("HTTP-LISTEN", "the answer of a program that fails later has no end", async (run) => {
  const port = run.port();
  const failed = / E .*exited with status 3/;
  const args = ["-t", patience, `http-l:127.0.0.1:${port},fork`, "SYSTEM:echo half; sleep 0.2; exec >&-; exit 3"];
  await run.serve(args, { tcp: port }, { stderr: failed });
  const peer = await connect(run, { tcp: port });
  await peer.send(request());
  const error = await peer.restText().catch((error) => error);
  assert(error instanceof Deno.errors.ConnectionReset, `looks complete: ${error}`);
});

acceptance("HTTP-LISTEN", "an upload is confirmed once it is stored, and refused when it cannot be", async (run) => {
  const [port, fullPort] = [run.port(), run.port()];
  const file = run.path("file");
  await run.serve(["-u", `http-l:127.0.0.1:${port}`, `OPEN:${file},creat,append`], { tcp: port });
  assertMatch(await ask(run, port, post("one")), /^HTTP\/1\.1 200 OK\r\n/);
  assertEquals(await Deno.readTextFile(file), "one");
  const stderr = / E .*No space left on device/;
  await run.serve(["-u", `http-l:127.0.0.1:${fullPort}`, "OPEN:/dev/full,wronly"], { tcp: fullPort }, { stderr });
  assertMatch(await ask(run, fullPort, post("one")), /^HTTP\/1\.1 502 /);
});

acceptance("HTTP-LISTEN", "HTTP to HTTP, over TCP and over a UNIX socket", async (run) => {
  const [port, middle] = [run.port(), run.port()];
  const path = run.path("s");
  await run.serve([`http-u:unix-l:${path},fork`, "EXEC:cat"], { unix: path });
  await run.serve([`http-l:127.0.0.1:${middle}`, `http+unix://${path}`], { tcp: middle });
  await run.serve([`http-l:127.0.0.1:${port}`, `http://127.0.0.1:${middle}/`], { tcp: port });
  assertMatch(await ask(run, port, post("through three")), /\r\nthrough three\r\n/);
  assertEquals(await run.out(["-", `http://127.0.0.1:${port}`], { input: "again" }), "again");
});

acceptance("HTTP-LISTEN", "what callers do wrong is a warning, and leaving without a word is not", async (run) => {
  const port = run.port();
  const stderr = [
    / W http from AF=2 127\.0\.0\.1:\d+: answered 400: malformed request line/,
    / W http from .*: closed before its request was complete/,
  ];
  await run.serve([`http-l:127.0.0.1:${port}`, "PIPE"], { tcp: port }, { stderr });
  assertEquals(await ask(run, port, ""), "");
  assertMatch(await ask(run, port, "garbage\r\n\r\n"), /^HTTP\/1\.1 400 /);
  assertEquals(await ask(run, port, "GET / HT"), "");
});

acceptance("HTTP", "headers that would contradict the framing are refused before anything opens", async (run) => {
  const stderr = / E .*transfer-encoding is l7mp's own to set/;
  await run.out(["-", "http://127.0.0.1:9/", "-H", "Transfer-Encoding: x"], { code: 1, stderr });
});

acceptance("HTTPS", "a request over TLS, connector and listener", async (run) => {
  const port = run.port();
  const cert = `cert=${certificates!.path("server-both.pem")},verify=0`;
  // One caller below does not trust us and hangs up.
  const options = { stderr: "any" } as const;
  await run.serve([`HTTPS-LISTEN:127.0.0.1:${port},${cert}`, "EXEC:cat"], { tcp: port }, options);
  const trust = `cafile=${certificates!.path("ca.pem")}`;
  for (const address of [`https://localhost:${port}/`, `HTTPS:localhost:${port}`, `http+tls://localhost:${port}`]) {
    assertEquals(await run.out(["-", `${address},${trust}`], { input: "secret" }), "secret", address);
  }
  const client = Deno.createHttpClient({ caCerts: [certificates!.text("ca.pem")] });
  try {
    for (const body of ["one", "two"]) {
      const response = await fetch(`https://localhost:${port}/`, { method: "POST", body, client });
      assertEquals(await response.text(), body);
    }
  } finally {
    client.close();
  }
  const stderr = / E .*certificate verify failed/;
  await run.out(["-", `https://localhost:${port}/`], { input: "x", code: 1, stderr });
}, { skip: noCertificates });

acceptance("fault", "callers that vanish, send garbage or dawdle leave an HTTP listener as it was", async (run) => {
  const port = run.port();
  const listener = await run.serve([`http-l:127.0.0.1:${port}`, "EXEC:cat"], { tcp: port }, { stderr: "any" });
  assertMatch(await ask(run, port, post("warm")), /warm/);
  const before = await eventually("rest", async () => {
    const now = await openHandles(listener.pid);
    await delay(100);
    return await openHandles(listener.pid) === now ? now : undefined;
  });
  const slow = await connect(run, { tcp: port });
  const slowly = (async () => {
    for (const letter of post("slow")) {
      await slow.send(letter);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return (await nextAnswer(slow)).body;
  })();
  const faults = [
    "",
    "GET / HT",
    `${request("POST", "/", "Content-Length: 10\r\n")}half`,
    "\x16\x03\x01\x02\x00\x01\x00\0",
  ];
  for (const [i, said] of faults.entries()) {
    for (const reset of [false, true]) {
      const peer = await connect(run, { tcp: port });
      await peer.send(said);
      if (reset && i === 2) {
        // What lies unread when a socket closes turns the close into a reset.
        await peer.send("more than was announced".repeat(10));
      }
      peer.close();
    }
  }
  assertMatch(await ask(run, port, "garbage\r\n\r\n"), /^HTTP\/1\.1 400 Bad Request\r\n/);
  assertEquals(await within("the slow caller", slowly), "slow");
  slow.close();
  await eventually("release of everything", async () => await openHandles(listener.pid) === before, {
    details: () => listener.describe(),
  });
  assertMatch(await ask(run, port, post("alive")), /alive/);
});

acceptance("fault", "a backend that resets in the middle of an answer is a reset, not an end", async (run) => {
  const [port, backend] = [run.port(), run.port()];
  serveStreams(run, { tcp: backend }, async (peer) => {
    await peer.text(1);
    await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    await peer.text(4);
  });
  const stderr = / E .*(inside the body|reset)/i;
  await run.serve([`http-l:127.0.0.1:${port}`, `http://127.0.0.1:${backend}/`], { tcp: port }, { stderr });
  const peer = await connect(run, { tcp: port });
  await peer.send(post("xxxx"));
  const error = await peer.rest().then((all) => new TextDecoder().decode(all), (error) => error);
  assert(error instanceof Error || !String(error).endsWith("0\r\n\r\n"), `looks complete: ${error}`);
});

const gigabyte = 2 ** 30;
const growthBytes = 16 * 2 ** 20;

/** Offers `total` bytes until nothing more is taken for a second; how many were. */
async function offer(peer: Peer, total: number): Promise<{ sent: number; done: Promise<void> }> {
  const block = new Uint8Array(2 ** 20);
  const offered = { sent: 0 };
  const done = (async () => {
    while (offered.sent < total) {
      const count = await peer.conn.write(block);
      offered.sent += count;
    }
  })().catch(() => {});
  for (let last = -1; last !== offered.sent;) {
    last = offered.sent;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  return { sent: offered.sent, done };
}

acceptance("memory", "an upload to a consumer that reads nothing is held back", async (run) => {
  const port = run.port();
  const listener = await serveMeasured(run, [`http-l:127.0.0.1:${port}`, "STALL"], { tcp: port });
  const before = (await heldMemory(run, listener)).rss;
  for (const head of [`Content-Length: ${gigabyte}\r\n`, "Transfer-Encoding: chunked\r\n"]) {
    const peer = await connect(run, { tcp: port });
    await peer.send(request("POST", "/", head));
    // One chunk of a gigabyte is as good as a length.
    if (head.startsWith("Transfer")) await peer.send(`${gigabyte.toString(16)}\r\n`);
    const { sent, done } = await offer(peer, gigabyte);
    assertLess(sent, 64 * 2 ** 20, "the caller was not held back");
    assertLess((await heldMemory(run, listener)).rss - before, growthBytes);
    peer.close();
    await done;
  }
  listener.kill("SIGTERM");
  await listener.end();
});

acceptance("memory", "an answer to a consumer that reads nothing is held back", async (run) => {
  const port = run.port();
  const offered = Promise.withResolvers<number>();
  serveStreams(run, { tcp: port }, async (peer) => {
    await peer.text(1);
    await peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${gigabyte}\r\n\r\n`);
    const { sent, done } = await offer(peer, gigabyte);
    offered.resolve(sent);
    await done;
  });
  const local = run.port();
  const relay = await serveMeasured(run, [`tcp-l:${local},fork`, `http://127.0.0.1:${port}/`], { tcp: local });
  const before = (await heldMemory(run, relay)).rss;
  const reader = await connect(run, { tcp: local });
  await reader.send("x");
  assertLess(await within("the offer", offered.promise), 64 * 2 ** 20, "the server was not held back");
  assertLess((await heldMemory(run, relay)).rss - before, growthBytes);
  reader.close();
  relay.kill("SIGTERM");
  await relay.end();
});
