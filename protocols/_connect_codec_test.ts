// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { ConnectError, LimitError, ProtocolError } from "../lib/errors.ts";
import { cuts } from "../tests/support/cuts.ts";
import { listen, play, splitPlay } from "../tests/support/dialogues.ts";
import { bytes, text } from "../tests/support/steps.ts";
import { ConnectClient, type ConnectRequest, encodeConnect } from "./_connect_codec.ts";

const plain: ConnectRequest = { target: "name.example:443", version: "1.1" };
const hex = (written: string) => bytes(written).toHex();
const answered = (answer: string, request = plain) => play(new ConnectClient(request), [hex(answer)]);
const ok = "HTTP/1.1 200 Connection established\r\n\r\n";

Deno.test("encodeConnect() writes target, Host and login", () => {
  assertEquals(
    text(encodeConnect({ target: "127.0.0.1:80", version: "1.0", login: "u:p" })),
    "CONNECT 127.0.0.1:80 HTTP/1.0\r\nHost: 127.0.0.1:80\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
  );
});

for (
  const [what, answer] of [
    ["any 2xx", "HTTP/1.1 299 whatever\r\n\r\n"],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n"],
    ["several spaces", "HTTP/1.0  200   OK\r\n\r\n"],
    ["no reason", "HTTP/1.1 200\r\n\r\n"],
    ["lines that end in LF alone", "HTTP/1.1 200 OK\nVia: x\n\n"],
    // RFC 9110 section 9.3.6: these two mean nothing here.
    ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["interim answers first", `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${ok}`],
  ]
) {
  Deno.test(`ConnectClient accepts an answer with ${what}`, () => {
    assertEquals(text(Uint8Array.fromHex(answered(`${answer}SSH-2.0`).rest)), "SSH-2.0");
  });
}

Deno.test("ConnectClient with ignoreCr takes lines with any number of CR, and leaves those that follow", () => {
  const odd = "HTTP/1.0 200 OK\r\r\nVia: x\r\r\n\r\r\n\r\rdata";
  assertEquals(Uint8Array.fromHex(answered(odd, { ...plain, ignoreCr: true }).rest), bytes("\r\rdata"));
  assertThrows(() => answered(odd), Error);
});

for (
  const [status, login, wanted] of [
    ["403 Forbidden", undefined, "403 Forbidden (CONNECT name.example:443)"],
    ["502", undefined, "502 (CONNECT name.example:443)"],
    [
      "407 Proxy Authentication Required",
      undefined,
      "407 Proxy Authentication Required (CONNECT name.example:443); " +
      "proxy needs authentication; use proxyauth= or via=http://user:pass@...",
    ],
    [
      "407 No",
      "u:p",
      "407 No (CONNECT name.example:443); " +
      "proxy refuses this user and password; check proxyauth= or via=http://user:pass@...",
    ],
    ["101 Switching Protocols", undefined, "101 Switching Protocols (CONNECT name.example:443)"],
    ["302 Found", undefined, "302 Found (CONNECT name.example:443)"],
  ] as const
) {
  Deno.test(`ConnectClient tells ${status}${login ? " after a login" : ""}`, () => {
    const answer = `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nno`;
    const error = assertThrows(() => answered(answer, { ...plain, login }), ConnectError) as ConnectError;
    assertEquals(error.message, wanted);
    assertEquals(error.retryable, status.startsWith("5"));
  });
}

for (const line of ["SSH-2.0-OpenSSH", "HTTP/1.1 20 OK", "HTTP/1.1 200x", "HTTP/1.1", "HTTP/1.1 200 a\0b", ""]) {
  Deno.test(`ConnectClient refuses the status line ${JSON.stringify(line)}`, () => {
    assertThrows(() => answered(`${line}\r\n\r\n`), ProtocolError, "RFC 9112 section 4");
  });
}

Deno.test("ConnectClient refuses at once what no answer begins with: another kind of server says its line and waits", () => {
  const wanted = 'malformed status line "220 mail.example" (RFC 9112 section 4); is it an HTTP proxy?';
  for (const said of ["220 mail.example\r\n", "220 mail.example"]) {
    assertThrows(() => answered(said), ProtocolError, wanted);
    const client = new ConnectClient(plain);
    client.push(bytes("HTTP/1.1 100 Continue\r\n\r\n"));
    assertEquals(client.next(), null);
    client.push(bytes(said));
    assertThrows(() => client.next(), ProtocolError, wanted);
  }
});

Deno.test("ConnectClient bounds the head and the number of interim answers", () => {
  assertThrows(() => answered(`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(3000)}`), LimitError, "answer head of more than");
  assertThrows(() => answered("HTTP/1.1 100 Continue\r\n\r\n".repeat(17)), LimitError, "interim");
});

const request = fc.record({
  target: fc.tuple(fc.domain(), fc.integer({ min: 1, max: 65535 })).map(([host, port]) => `${host}:${port}`),
  version: fc.constantFrom("1.0" as const, "1.1" as const),
  login: fc.option(fc.string(), { nil: undefined }),
  ignoreCr: fc.boolean(),
});

Deno.test("ConnectClient: any request is understood as it was meant", () => {
  fc.assert(fc.property(request, (request) => {
    const sent = text(Uint8Array.fromHex(play(new ConnectClient(request), [hex(ok)]).sent[0]!));
    const login = /\r\nProxy-Authorization: Basic (.*)\r\n/.exec(sent)?.[1];
    assertEquals(login && text(Uint8Array.fromBase64(login)), request.login === "" ? "" : request.login);
    assertEquals(
      sent.startsWith(`CONNECT ${request.target} HTTP/${request.version}\r\nHost: ${request.target}\r\n`),
      true,
    );
  }));
});

Deno.test("ConnectClient: any splitting of the answer gives the same", () => {
  const answers = [hex(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n\r\n\r\nrest`)];
  fc.assert(fc.property(request, cuts, (request, cuts) => {
    assertEquals(splitPlay(new ConnectClient(request), answers, cuts), play(new ConnectClient(request), answers));
  }));
});

Deno.test("ConnectClient: random bytes give a result or an error of ours", () => {
  const piece = fc.oneof(
    fc.constantFrom("HTTP/1.1", " ", "200", "100", "407", "\r\n", "\n", "\r", "\r\n\r\n", "A: b"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  fc.assert(
    fc.property(
      request,
      fc.array(piece),
      (request, pieces) => listen(new ConnectClient(request), bytes(pieces.join(""))),
    ),
    { numRuns: 2000 },
  );
});
