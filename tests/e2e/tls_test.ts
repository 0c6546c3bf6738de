// TLS: the acceptance examples, half-close, cuts, back-pressure, and callers that misbehave.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess } from "@std/assert";
import { type Certificates, makeCertificates, noOpenssl } from "../support/certificates.ts";
import { patternBytes, settledAt } from "../support/streams.ts";
import {
  acceptance,
  type CaseOptions,
  eventually,
  heldMemory,
  l7mp,
  patience,
  type Run,
  serveMeasured,
} from "./harness.ts";
import { connect, Peer, serveStreams } from "./peers.ts";
import { delay, memory } from "./wait.ts";

const made = makeCertificates();
const certificates = made as Certificates;
const path = (name: string) => certificates.path(name);
const skip = made ? undefined : noOpenssl;
const mainPath = `${import.meta.dirname}/../../main.ts`;

function tlsCase(name: string, title: string, body: (run: Run) => Promise<void>, options: CaseOptions = {}): void {
  acceptance(name, title, body, { skip, ...options });
}

/** Options of a listener with a good certificate that asks for none. */
const own = () => `cert=${path("server.pem")},key=${path("server.key")},verify=0`;

/** Starts a listener that echoes, with these options. */
async function serveEcho(run: Run, options = own(), stderr?: RegExp | RegExp[]): Promise<number> {
  const port = run.port();
  await run.serve([`OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${options}`, "PIPE"], { tcp: port }, { stderr });
  return port;
}

tlsCase("E42", "TLS carries data both ways", async (run) => {
  const port = await serveEcho(run);
  const args = ["-", `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`];
  assertEquals(await run.out(args, { input: "a" }), "a");
}, { socat: "any" });

tlsCase("E43", "without the issuer the certificate is refused and nothing is sent", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  let received = 0;
  serveStreams(run, { tcp: backendPort }, async (peer) => {
    received += (await peer.rest().catch(() => new Uint8Array())).length;
  });
  const listener = `OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${own()}`;
  // In TLS 1.3 the handshake is done for the server before the client has judged it.
  const stderr = / E (read|write)\(AF=2 .*\): Connection reset by peer/;
  const relay = await run.serve([listener, `TCP:127.0.0.1:${backendPort}`], { tcp: port }, { stderr });
  const refused =
    / E certificate verify failed for "localhost": unable to get local issuer certificate \(cafile=FILE trusts it, verify=0 disables the check\)/;
  await run.spawn(["-", `OPENSSL:localhost:${port}`], { input: "a", code: 1, stderr: refused }).end();
  await relay.logs(stderr);
  assertEquals(received, 0);
});

tlsCase("E43", "verify=0 and -k take any certificate, with a warning", async (run) => {
  const port = await serveEcho(run);
  const address = `OPENSSL:localhost:${port}`;
  const stderr = / W OPENSSL: the server's certificate is not checked \(verify=0\)/;
  assertEquals(await run.out(["-", `${address},verify=0`], { input: "a", stderr }), "a");
  const warned = / W (option -k: certificates of peers are|OPENSSL: the server's certificate is) not checked/;
  assertEquals(await run.out(["-k", "-", address], { input: "a", stderr: warned }), "a");
});

tlsCase("E44", "another name is refused, and the certificate's names are listed", async (run) => {
  const port = run.port();
  const args = [`OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${own()}`, "PIPE"];
  await run.serve(args, { tcp: port }, { stderr: "any" });
  const client = `OPENSSL:localhost:${port},cafile=${path("ca.pem")},commonname=wrong.example`;
  const stderr =
    / E certificate is valid but its name does not match "wrong\.example" \(names: localhost, 127\.0\.0\.1\); use commonname=/;
  await run.spawn(["-", client], { input: "a", code: 1, stderr }).end();
});

tlsCase("E45", "a listener serves only clients with a good certificate, and lives", async (run) => {
  const port = run.port();
  const options = `cert=${path("server.pem")},key=${path("server.key")},verify=1,cafile=${path("ca.pem")}`;
  const refusals = [
    / W TLS handshake with AF=2 127\.0\.0\.1:\d+ failed: peer did not return a certificate/,
    / W certificate verify failed for "client\.example at AF=2 127\.0\.0\.1:\d+": unable to get local issuer certificate/,
  ];
  const args = [`OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${options}`, "PIPE"];
  await run.serve(args, { tcp: port }, { stderr: run.isL7mp ? refusals : "any" });
  const client = `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`;
  const mine = (name: string) => `${client},cert=${path(`${name}.pem`)},key=${path(`${name}.key`)}`;
  // socat as client takes the end of a refused connection for one in order.
  const refused = (address: string) =>
    run.spawn(["-", address], { openInput: true, code: 1, stderr: "any", program: l7mp }).end();
  await refused(client);
  assertEquals(await run.out(["-", mine("client")], { input: "a" }), "a");
  await refused(mine("other"));
  assertEquals(await run.out(["-", mine("client")], { input: "b" }), "b");
}, { socat: "any" });

tlsCase("E45", "a client without a certificate hears that one is wanted", async (run) => {
  const port = await serveEcho(run, `cert=${path("server-both.pem")},cafile=${path("ca.pem")}`, / W TLS handshake /);
  const stderr = / E .*the peer sent alert "certificate required" \(it wants a certificate of ours: cert= and key=\)/;
  const client = `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`;
  await run.spawn(["-", client], { openInput: true, code: 1, stderr }).end();
});

tlsCase("E46", "TLS over a UNIX socket", async (run) => {
  const port = run.port();
  const unix = run.path("s");
  await run.serve([`tls:unix-l:${unix},fork,${own()}`, "PIPE"], { unix });
  const upstream = `tls:unix:${unix},snihost=localhost,cafile=${path("ca.pem")}`;
  await run.serve([`TCP-L:${port},fork,bind=127.0.0.1`, upstream], { tcp: port });
  assertEquals(await run.out(["-t", patience, "-", `TCP:127.0.0.1:${port}`], { input: "a" }), "a");
});

tlsCase("E46", "TLS over a program", async (run) => {
  const unix = run.path("s");
  await run.serve([`tls+unix-listen://${unix},fork,${own()}`, "PIPE"], { unix });
  const script = run.path("script");
  await Deno.writeTextFile(script, `exec '${Deno.execPath()}' run -A '${mainPath}' - "unix:$1"\n`);
  const program = `exec:sh ${script} ${unix}`;
  const args = ["-t", patience, "-", `tls:${program},snihost=localhost,cafile=${path("ca.pem")}`];
  assertEquals(await run.out(args, { input: "a" }), "a");
});

tlsCase("E46", "a program below TLS, or a WebSocket, is not hurried at the end", async (run) => {
  const [unix, plain] = [run.path("s"), run.path("w")];
  await run.serve([`tls+unix-listen://${unix},fork,${own()}`, "PIPE"], { unix });
  await run.serve([`ws-u:unix-l:${plain},fork`, "ECHO"], { unix: plain });
  const script = run.path("script");
  const left = run.path("left");
  await Deno.writeTextFile(
    script,
    `'${Deno.execPath()}' run -A '${mainPath}' - "unix:$1"; exec >&-; sleep 0.3; echo left >>${left}\n`,
  );
  const tls = `tls:exec:sh ${script} ${unix},snihost=localhost,cafile=${path("ca.pem")}`;
  for (const address of [tls, `ws-c:exec:sh ${script} ${plain}`]) {
    assertEquals(await run.out(["-t", patience, "-", address], { input: "a\n" }), "a\n", address);
  }
  assertEquals(await Deno.readTextFile(left), "left\nleft\n");
});

tlsCase("E47", "a caller that says nothing does not delay the next", async (run) => {
  const left = / W TLS handshake with AF=2 .* failed: connection closed by the peer/;
  const port = run.port();
  const listen = `OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,handshake-timeout=${patience},${own()}`;
  const listener = await run.serve([listen, "PIPE"], { tcp: port }, { stderr: left });
  const silent = await connect(run, { tcp: port });
  let over = false;
  const ended = silent.rest().catch(() => {}).then(() => over = true);
  const client = ["-", `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`];
  assertEquals(await run.out(client, { input: "a" }), "a");
  assert(!over, "the next was served only after the silent one");
  await silent.endWrite();
  await ended;
  await listener.logs(left);
});

tlsCase("tls", "a listener that was not told whether to check clients says that it does not", async (run) => {
  const stderr =
    / W OPENSSL-LISTEN: clients are not checked; cafile=FILE checks them, verify=0 says that this is meant/;
  const port = await serveEcho(run, `cert=${path("server-both.pem")}`, stderr);
  assertEquals(await run.out(["-", `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`], { input: "a" }), "a");
});

tlsCase("tls", "without fork a caller that cannot do TLS is an error", async (run) => {
  const port = run.port();
  const stderr = / E TLS handshake with AF=2 .* failed: wrong version number \(the peer does not speak TLS\)/;
  const args = [`OPENSSL-LISTEN:${port},bind=127.0.0.1,${own()}`, "PIPE"];
  const server = await run.serve(args, { tcp: port }, { stderr, code: 1 });
  const caller = await connect(run, { tcp: port });
  await caller.send("GET / HTTP/1.0\r\n\r\n");
  await server.end();
});

tlsCase("tls", "files are checked before anything listens", async (run) => {
  const port = run.port();
  const cases = [
    ["", /E OPENSSL-LISTEN: no certificate given; use option cert$/],
    [`,cert=${path("server.key")}`, /E cert ".*server\.key": no certificate found in PEM data$/],
    [`,cert=${path("server.pem")},key=${path("client.key")}`, /E key ".*" does not belong to the certificate in ".*"$/],
    [`,cert=${path("expired-both.pem")}`, /E cert ".*": certificate has expired on 2021-01-01 00:00:00 UTC$/],
  ] as const;
  for (const [options, stderr] of cases) {
    await run.spawn([`OPENSSL-LISTEN:${port},bind=127.0.0.1${options}`, "PIPE"], { code: 1, stderr }).end();
    await run.spawn(["--check", `OPENSSL-LISTEN:${port}${options}`, "PIPE"], { code: 1, stderr }).end();
  }
});

tlsCase("tls", "a missing certificate is asked for by the name that was written", async (run) => {
  for (
    const [address, name] of [["WSS-L:0", "WSS-LISTEN"], ["https-l:0", "HTTPS-LISTEN"], [
      "tls-l:0",
      "OPENSSL-LISTEN",
    ]]
  ) {
    const stderr = new RegExp(`E ${name}: no certificate given; use option cert$`);
    await run.spawn([`${address},bind=127.0.0.1`, "PIPE"], { code: 1, stderr }).end();
  }
});

tlsCase("tls", "programs know the client's certificate and the connection", async (run) => {
  const port = run.port();
  const options = `cert=${path("server-both.pem")},cafile=${path("ca.pem")},alpn=x`;
  const script = run.path("script");
  const variables = [
    "SOCAT_OPENSSL_X509_SUBJECT",
    "L7MP_OPENSSL_X509_COMMONNAME",
    "SOCAT_TLS_VERSION",
    "L7MP_TLS_ALPN",
  ];
  await Deno.writeTextFile(script, variables.map((name) => `echo "$${name}"`).join("\n"));
  const listen = `OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${options}`;
  await run.serve(["-t", patience, listen, `EXEC:sh ${script}`], { tcp: port });
  const client = `cafile=${path("ca.pem")},cert=${path("client-both.pem")},alpn=x,max-version=TLS1.2`;
  const said = await run.out(["-", `OPENSSL:localhost:${port},${client}`]);
  assertEquals(said, "C = HU, L = Budapest, O = l7mp, OU = tests, CN = client\nclient\nTLSv1.2\nx\n");
});

tlsCase("tls", "half-close passes through in both directions", async (run) => {
  const tlsPort = run.port();
  const backendPort = run.port();
  const port = run.port();
  serveStreams(run, { tcp: backendPort }, async (peer) => {
    const request = await peer.restText();
    await peer.send(`answer to ${request}`);
    await peer.endWrite();
  });
  await run.serve([`OPENSSL-LISTEN:${tlsPort},fork,bind=127.0.0.1,${own()}`, `TCP:127.0.0.1:${backendPort}`], {
    tcp: tlsPort,
  });
  const upstream = `OPENSSL:localhost:${tlsPort},cafile=${path("ca.pem")}`;
  await run.serve([`TCP-L:${port},fork,bind=127.0.0.1`, upstream], { tcp: port });
  const client = await connect(run, { tcp: port });
  await client.send("question");
  await client.endWrite();
  assertEquals(await client.restText(), "answer to question");
});

tlsCase("tls", "a connection cut without close_notify is an error, and no clean end to the other side", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  let seen: Promise<unknown> | undefined;
  serveStreams(run, { tcp: backendPort }, async (peer) => {
    seen = peer.rest().catch((error) => error);
    await seen;
  });
  const stderr = / E read\(TLS AF=2 .*\): connection closed without close_notify/;
  const listener = `OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${own()}`;
  const relay = await run.serve([listener, `TCP:127.0.0.1:${backendPort}`], { tcp: port }, { stderr });
  const plain = await Deno.connect({ hostname: "127.0.0.1", port });
  const middle = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  run.defer(() => middle.close());
  // Between the client and the relay: it ends the connection to the relay as TCP does, behind TLS's back.
  const forwarding = (async () => {
    const from = await middle.accept();
    const answers = pipe(plain, from).catch(() => {});
    await pipe(from, plain, 1000);
    await plain.closeWrite();
    await relay.logs(stderr);
    await answers;
    from.close();
    plain.close();
  })();
  const client = await Deno.connectTls({
    hostname: "localhost",
    port: (middle.addr as Deno.NetAddr).port,
    caCerts: [certificates.text("ca.pem")],
  });
  const sending = client.write(new Uint8Array(2000)).catch(() => {});
  await forwarding;
  await sending;
  client.close();
  assert(await seen instanceof Error, "the backend took the cut for an end");
});

/** Copies until the end, or until `limit` bytes have gone. */
async function pipe(from: Deno.Conn, to: Deno.Conn, limit = Infinity): Promise<void> {
  const buffer = new Uint8Array(512);
  for (let done = 0; done < limit;) {
    const count = await from.read(buffer);
    if (count === null) return;
    await new Peer(to).send(buffer.subarray(0, count));
    done += count;
  }
}

tlsCase(
  "tls",
  "callers that send garbage, a byte at a time, or leave are warned of; the listener lives",
  async (run) => {
    const warnings = [
      / W TLS handshake with .* failed: wrong version number \(the peer does not speak TLS\)/,
      / W TLS handshake with .* failed: connection closed by the peer/,
    ];
    const port = await serveEcho(run, `${own()},handshake-timeout=${patience}`, warnings);
    const garbage = await connect(run, { tcp: port });
    await garbage.send(patternBytes(1000));
    await garbage.rest().catch(() => {});
    const leaving = await connect(run, { tcp: port });
    await leaving.send("\x16\x03\x01");
    await leaving.endWrite();
    await leaving.rest().catch(() => {});
    assertEquals(await run.out(["-", `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`], { input: "a" }), "a");
    const late = / W TLS handshake with .* failed: not done within 1 s \(handshake-timeout\)/;
    const slow = await connect(run, { tcp: await serveEcho(run, `${own()},handshake-timeout=1`, late) });
    let over = false;
    const ended = slow.rest().catch(() => {}).then(() => over = true);
    const hello = new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    for (let i = 0; !over; i = Math.min(i + 1, 10)) {
      await slow.send(hello.subarray(i, i + 1)).catch(() => {});
      await delay(100);
    }
    await ended;
  },
);

tlsCase("tls", "64 MiB pass unchanged, both ways at once", async (run) => {
  const tlsPort = await serveEcho(run);
  const port = run.port();
  await run.serve([`TCP-L:${port},fork,bind=127.0.0.1`, `OPENSSL:localhost:${tlsPort},cafile=${path("ca.pem")}`], {
    tcp: port,
  });
  const client = await connect(run, { tcp: port });
  const block = patternBytes(2 ** 20);
  const sending = (async () => {
    for (let i = 0; i < 64; i++) await client.send(block);
    await client.endWrite();
  })();
  const received = await client.rest(60_000);
  await sending;
  assertEquals(received.length, 64 * block.length);
  const digest = async (bytes: Uint8Array) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice()));
  const expected = new Uint8Array(64 * block.length);
  for (let i = 0; i < 64; i++) expected.set(block, i * block.length);
  assertEquals(await digest(received), await digest(expected));
});

tlsCase("tls", "a renewed certificate serves new callers, and sessions go on", async (run) => {
  const port = run.port();
  const cert = run.path("cert.pem");
  await Deno.copyFile(path("server-both.pem"), cert);
  await run.serve([`OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,cert=${cert},verify=0`, "PIPE"], { tcp: port }, {
    stderr: "any",
  });
  const args = ["-", `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`];
  const before = run.spawn(args, { openInput: true });
  await before.write("one\n");
  await before.prints("one\n");
  const fingerprint = async () => {
    const stderr = / E certificate of "localhost" has none of the given fingerprints; its SHA-256 is [0-9a-f]{64}/;
    const pinned = `OPENSSL:localhost:${port},fingerprint=${"0".repeat(64)}`;
    const child = run.spawn(["-", pinned], { openInput: true, code: 1, stderr });
    await child.end();
    return /[0-9a-f]{64}/.exec(child.stderr)![0];
  };
  const first = await fingerprint();
  await Deno.copyFile(path("renewed-both.pem"), cert);
  const second = await fingerprint();
  assert(first !== second, "the old certificate is still in use");
  assertEquals(await run.out(["-", `OPENSSL:localhost:${port},fingerprint=${second}`], { input: "a" }), "a");
  await before.write("two\n");
  await before.prints("one\ntwo\n");
  await before.endInput();
  await before.end();
});

const offered = 2 ** 30;
const mostGrowth = 16 * 2 ** 20;
const mostTaken = 64 * 2 ** 20;

/** Offers 1 GiB from one side of a relay to another that reads nothing, and measures what the relay holds. */
async function stall(run: Run, role: "listener" | "connector", sender: "tls" | "tcp"): Promise<void> {
  const port = run.port();
  const far = run.port();
  const args = role === "listener"
    ? [`OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${own()}`, `TCP:127.0.0.1:${far}`]
    : [`TCP-L:${port},fork,bind=127.0.0.1`, `OPENSSL:localhost:${far},cafile=${path("ca.pem")}`];
  const [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map((name) => certificates.text(name));
  const backend: Deno.Listener = role === "listener"
    ? Deno.listen({ hostname: "127.0.0.1", port: far })
    : Deno.listenTls({ hostname: "127.0.0.1", port: far, cert: cert!, key: key! }) as unknown as Deno.Listener;
  run.defer(() => backend.close());
  const relay = await serveMeasured(run, args, { tcp: port });
  const block = new Uint8Array(65_536);
  const one = async () => {
    const accepting = backend.accept();
    const near = role === "listener"
      ? await Deno.connectTls({ hostname: "localhost", port, caCerts: [ca!] })
      : await Deno.connect({ hostname: "127.0.0.1", port });
    const farther = await accepting;
    // A TLS server shakes hands when it first reads or writes.
    if ("handshake" in farther) await (farther as Deno.TlsConn).handshake();
    const fromNear = (role === "listener") === (sender === "tls");
    const [from, to] = fromNear ? [near, farther] : [farther, near];
    let taken = 0;
    const sending = (async () => {
      while (taken < offered) taken += await from.write(block);
    })().catch(() => {});
    return {
      taken: () => taken,
      async end() {
        to.close();
        from.close();
        await sending;
      },
    };
  };
  // What grows once (code, buffers, the heap's young generation) is there after the first, which stays.
  const first = await one();
  await settledAt(first.taken, 1000);
  const before = (await heldMemory(run, relay)).rss;
  const second = await one();
  let peak = 0;
  for (const end = performance.now() + 4000; performance.now() < end; await delay(100)) {
    peak = Math.max(peak, await memory(relay.pid));
  }
  const growth = (await heldMemory(run, relay)).rss - before;
  const taken = second.taken();
  await Promise.all([first.end(), second.end()]);
  assertLess(taken, mostTaken, "the sender was not held back");
  assert(taken > 0);
  assertLess(growth, mostGrowth);
  assertLess(peak - before, mostGrowth);
}

for (const role of ["listener", "connector"] as const) {
  for (const sender of ["tls", "tcp"] as const) {
    tlsCase("memory", `a TLS ${role} holds back a ${sender} sender whose consumer reads nothing`, (run) => {
      return stall(run, role, sender);
    });
  }
}

tlsCase("tls", "sessions leave nothing behind, whether they went well or not", async (run) => {
  const port = run.port();
  const args = [`OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${own()}`, "PIPE"];
  const listener = await serveMeasured(run, args, { tcp: port });
  const good = async () => {
    const client = await Deno.connectTls({ hostname: "localhost", port, caCerts: [certificates.text("ca.pem")] });
    await client.write(new Uint8Array([1, 2, 3]));
    await client.read(new Uint8Array(3));
    await client.closeWrite();
    assertEquals(await client.read(new Uint8Array(1)), null);
    client.close();
  };
  const bad = async () => {
    const peer = new Peer(await Deno.connect({ hostname: "127.0.0.1", port }));
    await peer.send("no TLS at all");
    await peer.rest().catch(() => {});
    peer.close();
  };
  const round = async () => {
    for (let i = 0; i < 100; i++) await (i % 2 ? good() : bad());
    await eventually("the end of all sessions", async () => (await descriptorsOf(listener.pid)) < 40);
    return await heldMemory(run, listener);
  };
  await round();
  const first = await round();
  const second = await round();
  assertLess(second.heapUsed - first.heapUsed, 2 * 2 ** 20);
});

async function descriptorsOf(pid: number): Promise<number> {
  let count = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) count++;
  return count;
}
