// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConnectError } from "../../lib/errors.ts";
import type { StreamInfo } from "../../lib/stream/stream.ts";
import { endToEnd, type ForwardedRequest, forwardedRequest } from "./forwarding.ts";
import { parseRequestHead } from "./head.ts";
import { http } from "./http.ts";
import type { HttpSpec } from "./spec.ts";

const remote = { family: "inet", host: "10.0.0.9", port: 4711 } as const;

/** What a listener tells of the caller who sent `wire`. */
function callerOf(wire: string, changes: Partial<StreamInfo> = {}): StreamInfo {
  const { method, target, ...head } = parseRequestHead(Uint8Array.from(wire, (c) => c.charCodeAt(0)));
  return {
    protocol: "HTTP",
    name: "caller",
    remote,
    respond() {},
    facts: { method, path: target, ...head },
    ...changes,
  };
}

function forwarded(
  wire: string,
  settings: Record<string, unknown> = {},
  options: Parameters<typeof forwardedRequest>[2] & { info?: Partial<StreamInfo> } = {},
): ForwardedRequest {
  return forwardedRequest(callerOf(wire, options.info), http.spec.parse(settings, "") as HttpSpec, options)!;
}

const request = (target = "/", ...lines: string[]) => `GET ${target} HTTP/1.1\r\n${lines.join("")}Host: h\r\n\r\n`;
const off = { forwarded: "off" };

Deno.test("i-33: a request is passed on in the order and spelling of its lines, but for those of one connection", () => {
  const wire = request(
    "/a?b",
    "ACCEPT: x\r\n",
    "Connection: close, X-Hop\r\n",
    "Keep-Alive: 1\r\n",
    "x-hop: 1\r\n",
    "TE: gzip, trailers\r\n",
    "Upgrade: h2c\r\n",
    "Proxy-Authorization: x\r\n",
    "Expect: 100-continue\r\n",
    "cookie: a\r\n",
    "Cookie: b\r\n",
  );
  assertEquals(forwarded(wire, off), {
    method: "GET",
    path: "/a?b",
    host: "h",
    lines: [["ACCEPT", "x"], ["cookie", "a"], ["Cookie", "b"]],
    framing: { kind: "length", length: 0 },
    trailers: true,
    upgrade: undefined,
  });
});
Deno.test("a caller whose answer has no head has no request to pass on", () => {
  assertEquals(
    forwardedRequest(callerOf(request(), { respond: undefined }), http.spec.parse({}, "") as HttpSpec, {}),
    undefined,
  );
  assertEquals(forwardedRequest(undefined, http.spec.parse({}, "") as HttpSpec, {}), undefined);
});
Deno.test("endToEnd() leaves out what Connection names, in any case", () => {
  assertEquals(endToEnd([["Connection", "A, b"], ["a", "1"], ["B", "2"], ["C", "3"]]), [["C", "3"]]);
});

const told = ["X-Forwarded-For: 1.2.3.4\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Host: outside\r\n"];
for (
  const [mode, lines, expected] of [
    ["append", [], ["10.0.0.9", "http", "h"]],
    ["append", told, ["1.2.3.4, 10.0.0.9", "https", "outside"]],
    ["set", told, ["10.0.0.9", "http", "h"]],
    ["off", told, ["1.2.3.4", "https", "outside"]],
    ["off", [], []],
  ] as const
) {
  Deno.test(`forwarded=${mode} makes [${expected.join("; ")}] of ${lines.length} lines`, () => {
    const { lines: sent } = forwarded(request("/", ...lines), { forwarded: mode });
    assertEquals(sent.map(([, value]) => value), [...expected]);
  });
}
Deno.test("X-Forwarded-Proto is https behind TLS, and a UNIX caller has no address", () => {
  const facts = { ...callerOf(request()).facts, tls: {} };
  const info = { facts, remote: { family: "unix", path: "" } as const };
  assertEquals(forwarded(request(), {}, { info }).lines, [["X-Forwarded-Proto", "https"], ["X-Forwarded-Host", "h"]]);
});

for (
  const [own, asked, expected] of [
    [undefined, "/a?b", "/a?b"],
    ["/", "/a", "/a"],
    ["/", "/", "/"],
    ["/base", "/", "/base"],
    ["/base", "/?q", "/base?q"],
    ["/base/", "/", "/base/"],
    ["/base/", "/a/b?q", "/base/a/b?q"],
    ["/base", "/a", "/base/a"],
    ["base", "//a", "/base//a"],
    ["/file?x", "/a?b", "/file?x"],
    ["/base", "http://other/a", "/base/a"],
    [undefined, "http://other", "/"],
    [undefined, "/\xc3\xa9", "/%C3%A9"],
    ["/é", "/", "/%C3%A9"],
  ]
) {
  Deno.test(`path=${own} before ${asked} is ${expected}`, () => {
    assertEquals(forwarded(request(asked), { path: own }).path, expected);
  });
}
Deno.test("a target that is a whole URL names the host", () => {
  assertEquals(forwarded(request("http://other:80/a")).host, "other:80");
  assertEquals(forwarded(request("http://user:pass@other/a")).host, "other");
});
Deno.test("OPTIONS * stays", () => {
  assertEquals(forwarded("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", { path: "/base" }).path, "*");
});

Deno.test("rewritten metadata are what is asked for", () => {
  const headers = { host: "other", b: "é", c: ["1", "2"], d: null, "content-length": "9" };
  const metadata = { HTTP: { method: "PUT", url: { path: "a b?c#d" }, headers } };
  const { method, path, host, lines } = forwarded(request("/", "A: 1\r\n", "B: 1\r\n", "D: 1\r\n"), off, { metadata });
  assertEquals({ method, path, host }, { method: "PUT", path: "/a%20b?c%23d", host: "other" });
  assertEquals(lines, [["b", "\xc3\xa9"], ["c", "1, 2"]]);
});
Deno.test("untouched metadata change nothing", () => {
  const facts = callerOf(request("/\xe9?a", "A: \xe9\r\n", "a: 2\r\n")).facts!;
  const metadata = { HTTP: { method: "GET", url: { path: "/\xe9?a" }, headers: { ...facts.headers as object } } };
  const { path, lines } = forwarded(request("/\xe9?a", "A: \xe9\r\n", "a: 2\r\n"), off, { metadata });
  assertEquals({ path, lines }, { path: "/%E9?a", lines: [["A", "\xe9"], ["a", "2"]] });
});
for (
  const [what, HTTP] of [
    ["method", { method: "A B" }],
    ["header", { headers: { "a b": "c" } }],
    ["header a", { headers: { a: "c\r\nd: e" } }],
    ["header host", { headers: { host: "a\r\nb" } }],
  ] as const
) {
  Deno.test(`metadata that no request can hold are refused: ${what}`, () => {
    const error = assertThrows(() => forwarded(request(), {}, { metadata: { HTTP } }), ConnectError, what);
    assertEquals(error.retryable, false);
  });
}
Deno.test("the session's trace replaces the caller's", () => {
  const metadata = { trace: { traceparent: "00-a-b-01" } };
  assertEquals(forwarded(request("/", "Traceparent: 00-c-d-01\r\n"), off, { metadata }).lines, [[
    "traceparent",
    "00-a-b-01",
  ]]);
});

for (
  const [lines, transformed, expected] of [
    ["Content-Length: 5\r\n", false, { kind: "length", length: 5 }],
    ["Transfer-Encoding: chunked\r\n", false, { kind: "chunked" }],
    ["Content-Length: 5\r\n", true, undefined],
    ["", true, undefined],
  ] as const
) {
  Deno.test(`a body announced by "${lines.trim()}"${transformed ? " and changed under way" : ""}`, () => {
    assertEquals(forwarded(request("/", lines), {}, { transformed }).framing, expected);
  });
}
