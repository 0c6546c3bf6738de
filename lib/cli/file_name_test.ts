// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { expandName } from "./file_name.ts";

const facts = {
  program: "gateway",
  pid: 42,
  session: { SOCAT_PEERADDR: "10.0.0.1", SOCAT_URI: "/../../etc/x\n", PEER: "session", ABOVE: "..", HERE: "." },
  environment: (name: string) => ({ HOME: "/home/me", PEER: "environment", TIMESTAMP: "other" })[name],
  now: () => new Date(2026, 10, 2, 3, 4, 5, 67).getTime() + 0.891,
};

for (
  const [text, expanded] of [
    ["plain.log", "plain.log"],
    ["$$-$PROGNAME", "42-gateway"],
    ["$TIMESTAMP.$MICROS", "20261102T030405.067891"],
    ["$HOME/${PROGNAME}_$NOSUCH.in", "/home/me/gateway_.in"],
    ["from-$SOCAT_PEERADDR", "from-10.0.0.1"],
    ["a$-b$", "a$-b$"],
    ["${}$1", "${}$1"],
    ["\\$HOME\\\\", "$HOME\\"],
  ] as const
) {
  Deno.test(`expandName() makes ${JSON.stringify(text)} ${JSON.stringify(expanded)}`, () => {
    assertEquals(expandName(text, facts), expanded);
  });
}

Deno.test("expandName() lets no caller leave the folder, and takes a session's variable before another", () => {
  assertEquals(expandName("in/$SOCAT_URI", facts), "in/_.._.._etc_x_");
  assertEquals(expandName("in/$ABOVE/$HERE$HERE/raw", facts), "in/__/__/raw");
  assertEquals(expandName("$PEER", facts), "session");
});
