// WebSocket listeners as a real browser sees them: pages of a small HTTP server, opened in Chromium without a window.

// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { acceptance, type Program, type Run, versionOf } from "../e2e/harness.ts";
import { within } from "../e2e/wait.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";

const chromium: Program = { name: "chromium", command: ["chromium"] };
const skip = versionOf("chromium", ["--version"], /Chromium (\S+)/) === undefined
  ? "chromium is not installed"
  : undefined;
const certificates = makeCertificates();
const skipTls = skip ?? (certificates === undefined ? noOpenssl : undefined);

/** What chromium is to leave alone: a screen, the network, the user's own profile, and certificates of unknown issuers. */
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--ignore-certificate-errors",
];

/**
 * Opens a page that runs `script`, the body of an async function, and gives what that returns. The page's origin is
 * `http://HOST:PORT`.
 */
async function browse(run: Run, { host, port }: { host: string; port: number }, script: string): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const page = `<!doctype html><meta charset="utf-8"><script type="module">
    const run = async () => { ${script} };
    const result = await run().catch((error) => "failed: " + error);
    await fetch("/result", { method: "POST", body: JSON.stringify(result) });
  </script>`;
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    if (request.method === "POST") resolve(await request.text());
    return new Response(page, { headers: { "content-type": "text/html" } });
  });
  const profile = await Deno.makeTempDir({ dir: run.dir });
  const args = [...flags, `--user-data-dir=${profile}`, `http://${host}:${port}/`];
  const browser = run.spawn(args, { program: chromium, stderr: "any", env: { HOME: profile } });
  try {
    return JSON.parse(await within("the page's result", promise, 60_000));
  } catch (error) {
    throw new Error(`${error}\n${browser.describe()}`);
  } finally {
    browser.kill("SIGKILL");
    await browser.release();
    await server.shutdown();
  }
}

/** Sends text and binary, and gives what came back and how it ended. */
const talk = (url: string) => `
  const socket = new WebSocket(${JSON.stringify(url)});
  socket.binaryType = "arraybuffer";
  const received = [];
  const closed = new Promise((resolve) => socket.onclose = ({ code, reason, wasClean }) => resolve([code, reason, wasClean]));
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = () => reject("no WebSocket"); });
  const { extensions, protocol } = socket;
  const big = new Uint8Array(300_000).map((_, i) => i % 251);
  for (const message of ["text", "", "h\\u00e9\\ud83d\\ude00", new Uint8Array([0, 255]), big]) socket.send(message);
  await new Promise((resolve) => socket.onmessage = ({ data }) => {
    received.push(typeof data === "string" ? data : data.byteLength < 10 ? [...new Uint8Array(data)] :
      new Uint8Array(data).every((byte, i) => byte === i % 251) && data.byteLength);
    if (received.length === 5) resolve();
  });
  socket.close(4002, "bye");
  return { received, extensions, protocol, closed: await closed };`;

const answers = ["text", "", "h\u00e9\u{1f600}", [0, 255], 300_000];
const byBrowser = / E .*closed by peer, code 4002 \(application\): "bye"/;

acceptance("interop", "a browser talks to WS-LISTEN", async (run) => {
  const port = run.port();
  const page = { host: "127.0.0.1", port: run.port() };
  const listener = `ws-l:127.0.0.1:${port},fork,allow-origin=http://127.0.0.1:${page.port}`;
  await run.serve([listener, "ECHO"], { tcp: port }, { stderr: byBrowser });
  const result = await browse(run, page, talk(`ws://127.0.0.1:${port}/`));
  assertEquals(result, { received: answers, extensions: "", protocol: "", closed: [4002, "bye", true] });
}, { skip });

acceptance("interop", "a browser talks to WSS-LISTEN, compressed", async (run) => {
  const port = run.port();
  const listener = `wss-l:127.0.0.1:${port},fork,compress,cert=${certificates!.path("server-both.pem")},verify=0`;
  await run.serve([listener, "ECHO"], { tcp: port }, { stderr: byBrowser });
  const result = await browse(run, { host: "127.0.0.1", port: run.port() }, talk(`wss://localhost:${port}/`));
  const { extensions, ...rest } = result as { extensions: string };
  assertMatch(extensions, /^permessage-deflate/);
  assertEquals(rest, { received: answers, protocol: "", closed: [4002, "bye", true] } as never);
}, { skip: skipTls });

acceptance("interop", "a browser learns code and reason of a close", async (run) => {
  const port = run.port();
  await run.serve([`ws-l:127.0.0.1:${port},fork,close-code=4003,close-reason=done`, "TEXT:hi"], { tcp: port });
  const result = await browse(
    run,
    { host: "127.0.0.1", port: run.port() },
    `const socket = new WebSocket("ws://127.0.0.1:${port}/", ["v1", "v2"]);
    let data;
    socket.onmessage = (event) => data = event.data;
    return new Promise((resolve) => socket.onclose = async ({ code, reason, wasClean }) =>
      resolve({ code, reason, wasClean, protocol: socket.protocol, data: await data?.text() }));`,
  );
  assertEquals(result, { code: 4003, reason: "done", wasClean: true, protocol: "v1", data: "hi" });
}, { skip });

acceptance("interop", "a browser's page from elsewhere gets no WebSocket", async (run) => {
  const port = run.port();
  const page = { host: "localhost", port: run.port() };
  const listener = `ws-l:127.0.0.1:${port},fork,allow-origin=http://127.0.0.1:${page.port}`;
  await run.serve([listener, "ECHO"], { tcp: port }, { stderr: / W .*answered 403 Forbidden/ });
  assertEquals(await browse(run, page, talk(`ws://127.0.0.1:${port}/`)), "failed: no WebSocket");
}, { skip });
