// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError, ConnectError } from "../errors.ts";
import type { SessionRecord } from "../session/record.ts";
import type { Session } from "../session/session.ts";
import { AccessLog, readAccessFormat } from "./access_log.ts";
import type { Sink } from "./log_sink.ts";

const record: SessionRecord = {
  name: "s",
  listener: "web",
  startedAt: new Date(Date.UTC(2026, 10, 21, 23, 15, 7, 209)),
  durationMs: 1234.5678,
  openedMs: 5,
  source: "AF=2 127.0.0.1:5555",
  target: "TCP:127.0.0.1:80",
  ltr: { bytes: 12, messages: 2 },
  rtl: { bytes: 3, messages: 1 },
  dropped: 0,
  retries: 2,
  reason: "error",
  error: new ConnectError('no "such"\nthing', { status: 503, code: "NO_ENDPOINT" }),
};

const metadata = {
  name: "s",
  IP: { src_addr: "127.0.0.1" },
  HTTP: { method: "GET", url: { path: '/a"b' }, headers: { "user-agent": "curl\n/7" } },
  JSONSocket: { a: 1 },
  trace: { trace_id: "0af7651916cd43dd8448eb211c80319c", span_id: "b7ad6b7169203331" },
};

/** As much of a session as the access log looks at. */
const session = {
  listener: { shown: {} },
  stages: [{ origin: "backend", choice: { shown: { name: "e1" } } }],
  metadata,
} as unknown as Session;

Deno.test("readAccessFormat(): names, paths of the metadata, braces", () => {
  const line = (format: string) => readAccessFormat(format, "at")(record, session);
  assertEquals(line("{time} {cluster}/{endpoint}"), "2026-11-21T23:15:07.209Z backend/e1");
  assertEquals(line("{duration} {open} {retries} {ltr_bytes} {reason} {code}"), "1.235 0.005 2 12 error NO_ENDPOINT");
  assertEquals(
    line("{/IP/src_addr} {/IP} {/nothing/here} {/JSONSocket/a}"),
    '127.0.0.1 {\\"src_addr\\":\\"127.0.0.1\\"} - 1',
  );
  assertEquals(line("{{{method}}} {trace_id}"), "{GET} 0af7651916cd43dd8448eb211c80319c");
});

Deno.test("readAccessFormat(): what a caller said cannot make a line of its own", () => {
  const line = readAccessFormat('"{method} {path}" {status} "{/HTTP/headers/user-agent}" {error}', "at");
  assertEquals(line(record, session), '"GET /a\\"b" 503 "curl\\n/7" no \\"such\\"\\nthing');
});

for (
  const [format, message] of [
    ["", 'at: "" is empty; give text, json, or a line with {names} in it'],
    [
      "{sesion}",
      'at: "{sesion}" has {sesion}, which is neither a name nor a path of metadata; did you mean "session"?',
    ],
    ["a{b", 'at: "a{b" has a "{" without its other half; write {{'],
    ["a}b", 'at: "a}b" has a "}" without its other half; write }}'],
  ] as const
) {
  Deno.test(`readAccessFormat() refuses ${JSON.stringify(format)}`, () => {
    assertThrows(() => readAccessFormat(format, "at"), ConfigError, message);
  });
}

Deno.test("readAccessFormat() as JSON tells what is known of a configured session", () => {
  const { time: _, ...values } = JSON.parse(readAccessFormat("json", "at")(record, session));
  assertEquals(values, {
    session: "s",
    listener: "web",
    cluster: "backend",
    endpoint: "e1",
    duration: 1.235,
    open: 0.005,
    source: "AF=2 127.0.0.1:5555",
    target: "TCP:127.0.0.1:80",
    retries: 2,
    ltr_bytes: 12,
    ltr_messages: 2,
    rtl_bytes: 3,
    rtl_messages: 1,
    dropped: 0,
    method: "GET",
    path: '/a"b',
    status: 503,
    trace_id: "0af7651916cd43dd8448eb211c80319c",
    span_id: "b7ad6b7169203331",
    code: "NO_ENDPOINT",
    reason: "error",
    error: 'no "such"\nthing',
    jsonsocket: { a: 1 },
  });
});

Deno.test("AccessLog changes its file and format at once, or not at all, and closes what it leaves", () => {
  const written: string[] = [];
  const open = new Set<string>();
  const opened: string[] = [];
  const log = new AccessLog((path): Sink => {
    if (path === "bad") throw new ConfigError("open: no");
    open.add(path);
    opened.push(path);
    return { write: (text) => void written.push(`${path}: ${text}`), reopen() {}, close: () => void open.delete(path) };
  });
  log.write(record, session);
  log.prepare({ path: "a", format: "{session}" }).commit();
  log.write(record, session);
  log.prepare({ path: "a", format: "{listener}" }).commit();
  log.write(record, session);
  assertThrows(() => log.prepare({ path: "bad", format: "text" }), ConfigError);
  assertThrows(() => log.prepare({ path: "b", format: "{x" }), ConfigError);
  log.prepare({ path: "c", format: "text" }).cancel();
  log.write(record, session);
  assertEquals([...open], ["a"]);
  log.prepare({ path: "b", format: "{target}" }).commit();
  log.write(record, session);
  log.prepare({ path: undefined, format: "text" }).commit();
  log.write(record, session);
  assertEquals(written, ["a: s\n", "a: web\n", "a: web\n", "b: TCP:127.0.0.1:80\n"]);
  assertEquals([[...open], opened], [[], ["a", "c", "b"]]);
});
