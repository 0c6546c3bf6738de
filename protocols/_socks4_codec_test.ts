// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { ConnectError, ProtocolError } from "../lib/errors.ts";
import { cuts } from "../tests/support/cuts.ts";
import { listen, play, splitPlay } from "../tests/support/dialogues.ts";
import { Socks4Client } from "./_socks4_codec.ts";

const plain = { host: "66.102.7.99", port: 80, user: "Fred" };
const granted = "005a 0000 00000000";

Deno.test("Socks4Client sends port, address and user id", () => {
  assertEquals(play(new Socks4Client(plain), [granted]), { sent: ["04010050426607634672656400"], rest: "" });
});

Deno.test("Socks4Client sends a name after an address that cannot be (4A)", () => {
  const { sent } = play(new Socks4Client({ host: "name.example", port: 443, user: "" }), [granted]);
  assertEquals(sent, ["040101bb00000001006e616d652e6578616d706c6500"]);
});

Deno.test("Socks4Client keeps what follows the answer", () => {
  assertEquals(play(new Socks4Client(plain), [`${granted} 68690a`]).rest, "68690a");
});

for (
  const [code, wanted, retryable] of [
    [91, "request rejected or failed (code 91) for 66.102.7.99:80", true],
    [92, "cannot reach identd here (code 92)", false],
    [93, "another user id; check socksuser= (code 93)", false],
    [0, "unknown fault (code 0)", true],
  ] as const
) {
  Deno.test(`Socks4Client names reply ${code}`, () => {
    const answer = `00${code.toString(16).padStart(2, "0")}000000000000`;
    const error = assertThrows(() => play(new Socks4Client(plain), [answer]), ConnectError, wanted) as ConnectError;
    assertEquals(error.retryable, retryable);
  });
}

for (const [first, hint] of [["05", "is it a SOCKS4 proxy?"], ["48", "this looks like HTTP"]] as const) {
  Deno.test(`Socks4Client refuses an answer that begins with 0x${first}, at its first byte`, () => {
    assertThrows(() => play(new Socks4Client(plain), [first]), ProtocolError, hint);
  });
}

const request = fc.record({
  host: fc.oneof(fc.ipV4(), fc.domain()),
  port: fc.integer({ min: 1, max: 65535 }),
  user: fc.string().filter((text) => !text.includes("\0")),
});

Deno.test("Socks4Client: any request is understood as it was meant", () => {
  fc.assert(fc.property(request, ({ host, port, user }) => {
    const sent = Uint8Array.fromHex(play(new Socks4Client({ host, port, user }), [granted]).sent[0]!);
    const [seenUser, seenName, ...more] = new TextDecoder().decode(sent.subarray(8)).split("\0");
    const address = sent.subarray(4, 8).join(".");
    assertEquals([...sent.subarray(0, 4)], [4, 1, port >> 8, port & 255]);
    assertEquals(seenUser, user);
    if (address === "0.0.0.1" && host !== address) assertEquals([seenName, ...more], [host, ""]);
    else assertEquals([address, seenName, ...more], [host, ""]);
  }));
});

Deno.test("Socks4Client: any splitting of the answer gives the same", () => {
  fc.assert(fc.property(request, cuts, (request, cuts) => {
    const answers = [`${granted} 0102`];
    assertEquals(splitPlay(new Socks4Client(request), answers, cuts), play(new Socks4Client(request), answers));
  }));
});

Deno.test("Socks4Client: random bytes give a result or an error of ours", () => {
  fc.assert(
    fc.property(request, fc.boolean(), fc.uint8Array(), (request, versioned, bytes) => {
      if (versioned && bytes.length > 0) bytes[0] = 0;
      listen(new Socks4Client(request), bytes);
    }),
    { numRuns: 1000 },
  );
});
