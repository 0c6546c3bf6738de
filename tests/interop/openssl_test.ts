// Interoperation with `openssl s_client` and `s_server` and with socat's OPENSSL, in both roles: TLS 1.2 and 1.3, client
// certificates, ends and refusals.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance, l7mp, type Program, type Run, socat } from "../e2e/harness.ts";
import { absent } from "../e2e/programs.ts";
import { type Certificates, makeCertificates, noOpenssl } from "../support/certificates.ts";

const made = makeCertificates();
const certificates = made as Certificates;
const path = (name: string) => certificates.path(name);
const skip = made ? undefined : noOpenssl;
const skipSocat = absent("socat") ?? skip;
const openssl: Program = { name: "openssl", command: ["openssl"] };

const versions = [["1.2", "-tls1_2"], ["1.3", "-tls1_3"]] as const;

/** Options of a listener of ours. */
const own = (more = "verify=0") => `cert=${path("server.pem")},key=${path("server.key")},${more}`;

async function serveOurs(run: Run, options: string, target = "PIPE", stderr?: RegExp): Promise<number> {
  const port = run.port();
  const args = [`OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${options}`, target];
  await run.serve(args, { tcp: port }, { stderr, program: l7mp });
  return port;
}

function clientArgs(port: number, ...more: string[]): string[] {
  const trust = ["-CAfile", path("ca.pem"), "-verify_return_error", "-servername", "localhost"];
  return ["s_client", "-connect", `127.0.0.1:${port}`, ...trust, "-quiet", "-no_ign_eof", ...more];
}

async function serveTheirs(run: Run, ...more: string[]): Promise<number> {
  const port = run.port();
  const files = ["-cert", path("server.pem"), "-key", path("server.key")];
  const args = ["s_server", "-accept", `127.0.0.1:${port}`, ...files, "-quiet", ...more];
  await run.serve(args, { tcp: port }, { program: openssl, openInput: true });
  return port;
}

for (const [version, option] of versions) {
  acceptance("interop", `openssl s_client is served over TLS ${version}`, async (run) => {
    const port = await serveOurs(
      run,
      own("verify=0"),
      `EXEC:sh ${await writeScript(run, 'read line; echo "got $line"')}`,
    );
    const client = run.spawn(clientArgs(port, option), { program: openssl, openInput: true });
    await client.write("hello\n");
    await client.prints("got hello\n");
    await client.end();
  }, { skip });

  acceptance("interop", `openssl s_client shows its certificate over TLS ${version}`, async (run) => {
    const script = await writeScript(run, 'echo "$L7MP_OPENSSL_X509_SUBJECT"');
    const port = await serveOurs(run, own(`cafile=${path("ca.pem")}`), `EXEC:sh ${script}`);
    const files = ["-cert", path("client.pem"), "-key", path("client.key")];
    const client = run.spawn(clientArgs(port, option, ...files), { program: openssl, openInput: true });
    await client.prints("C = HU, L = Budapest, O = l7mp, OU = tests, CN = client\n");
    await client.end();
  }, { skip });

  acceptance("interop", `openssl s_client without a certificate is told so over TLS ${version}`, async (run) => {
    const stderr = / W TLS handshake with AF=2 .* failed: peer did not return a certificate/;
    const port = await serveOurs(run, own(`cafile=${path("ca.pem")}`), "PIPE", stderr);
    const client = run.spawn(clientArgs(port, option), { program: openssl, openInput: true, code: 1, stderr: "any" });
    await client.end();
    assertMatch(client.stderr, /alert (certificate required|handshake failure)/);
  }, { skip });

  acceptance("interop", `openssl s_server serves us over TLS ${version}`, async (run) => {
    const port = await serveTheirs(run, option, "-rev");
    const address = `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`;
    assertEquals(await run.out(["-t5", "-", address], { input: "hello\n" }), "olleh\n");
  }, { skip });

  acceptance("interop", `openssl s_server gets our certificate over TLS ${version}`, async (run) => {
    const port = await serveTheirs(
      run,
      option,
      "-rev",
      "-Verify",
      "2",
      "-verify_return_error",
      "-CAfile",
      path("ca.pem"),
    );
    const address = `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`;
    const own = `cert=${path("client.pem")},key=${path("client.key")}`;
    assertEquals(await run.out(["-t5", "-", `${address},${own}`], { input: "hello\n" }), "olleh\n");
    const missing = / E .*the peer sent alert "(certificate required|handshake failure)"/;
    await run.spawn(["-", address], { openInput: true, code: 1, stderr: missing }).end();
    const other = `cert=${path("other.pem")},key=${path("other.key")}`;
    const untrusted = / E .*the peer sent alert "unknown CA" \(it does not trust the issuer of our certificate\)/;
    await run.spawn(["-", `${address},${other}`], { openInput: true, code: 1, stderr: untrusted }).end();
  }, { skip });
}

acceptance("interop", "a client that does not trust us tells so with an alert", async (run) => {
  const stderr =
    / W TLS handshake with AF=2 .* failed: the peer sent alert "unknown CA" \(it does not trust the issuer/;
  const port = await serveOurs(run, own(), "PIPE", stderr);
  const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-verify_return_error", "-CAfile", path("otherca.pem")];
  await run.spawn(args, { program: openssl, openInput: true, code: 1, stderr: "any" }).end();
}, { skip });

acceptance("interop", "versions and protocols that do not meet are named", async (run) => {
  const port = await serveTheirs(run, "-tls1_3", "-alpn", "x");
  const address = `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`;
  const version =
    / E TLS handshake with AF=2 .* failed: the peer sent alert "protocol version" \(see min-proto-version/;
  await run.spawn(["-", `${address},max-version=TLS1.2`], { openInput: true, code: 1, stderr: version }).end();
  const alpn = / E TLS handshake with AF=2 .* failed: the peer sent alert "no application protocol"/;
  await run.spawn(["-", `${address},alpn=y`], { openInput: true, code: 1, stderr: alpn }).end();
}, { skip });

acceptance("interop", "the server chooses a certificate by the name we ask for", async (run) => {
  const second = ["-servername", "a.example", "-cert2", path("wrongname.pem"), "-key2", path("wrongname.key")];
  const port = await serveTheirs(run, "-rev", ...second);
  const address = `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`;
  for (const options of ["", ",snihost=a.example,commonname=b.example", ",commonname=a.example", ",nosni"]) {
    assertEquals(await run.out(["-t5", "-", `${address}${options}`], { input: "ab\n" }), "ba\n", options);
  }
}, { skip });

acceptance("interop", "openssl s_client hears our alert when protocols do not meet", async (run) => {
  const stderr = / W TLS handshake with AF=2 .* failed: no application protocol in common \(alpn\)/;
  const port = await serveOurs(run, own("verify=0,alpn=x"), "PIPE", stderr);
  const args = clientArgs(port, "-alpn", "y");
  const client = run.spawn(args, { program: openssl, openInput: true, code: 1, stderr: "any" });
  await client.end();
  assertStringIncludes(client.stderr, "alert no application protocol");
}, { skip });

/** Every pair of ours and socat's roles, and what each calls the certificate of the other. */
const roles = [[l7mp, socat], [socat, l7mp]] as const;

for (const [server, client] of roles) {
  acceptance("interop", `${server.name} serves ${client.name}, both with certificates`, async (run) => {
    const port = run.port();
    const options = `cert=${path("server.pem")},key=${path("server.key")},verify=1,cafile=${path("ca.pem")}`;
    const script = await writeScript(run, 'read line; echo "$line from $SOCAT_OPENSSL_X509_COMMONNAME"');
    const args = [`OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${options}`, `EXEC:sh ${script}`];
    await run.serve(args, { tcp: port }, { program: server });
    const files = `cert=${path("client.pem")},key=${path("client.key")},cafile=${path("ca.pem")}`;
    const words = ["-t5", "-", `OPENSSL:localhost:${port},${files}`];
    assertEquals(await run.out(words, { program: client, input: "hello\n" }), "hello from client\n");
  }, { skip: skipSocat });

  acceptance("interop", `10 MiB from ${client.name} through ${server.name} and back`, async (run) => {
    const port = run.port();
    const listener = `OPENSSL-LISTEN:${port},fork,bind=127.0.0.1,${own()}`;
    await run.serve([listener, "PIPE"], { tcp: port }, { program: server });
    const input = new Uint8Array(10 * 2 ** 20).map((_, i) => (i * 2_654_435_761) >>> 13);
    const words = ["-t5", "-", `OPENSSL:localhost:${port},cafile=${path("ca.pem")}`];
    const child = run.spawn(words, { program: client, input });
    await child.end();
    assertEquals(child.stdoutBytes.length, input.length);
    assert(child.stdoutBytes.every((byte, i) => byte === input[i]), "the data differ");
  }, { skip: skipSocat });
}

async function writeScript(run: Run, text: string): Promise<string> {
  const script = run.path("script");
  await Deno.writeTextFile(script, text);
  return script;
}
