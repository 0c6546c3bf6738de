// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { inNets, parseNet } from "./net_range.ts";

/** Those of `hosts` that `range` lets in. */
function admitted(range: string, hosts: readonly string[]): string[] {
  const net = parseNet(range);
  return hosts.filter((host) => inNets({ family: host.includes(":") ? "inet6" : "inet", host, port: 1 }, [net]));
}

const near = ["127.0.0.1", "127.0.1.0", "127.9.0.1", "128.0.0.1", "::1", "::ffff:127.0.0.1", "fd00::1", "fdff::1"];

Deno.test("parseNet() reads an address, its bits, a mask, and localhost", () => {
  const one = ["127.0.0.1", "::ffff:127.0.0.1"];
  const net = ["127.0.0.1", "127.0.1.0", "::ffff:127.0.0.1"];
  for (const range of ["127.0.0.1", "127.0.0.1/32", "localhost", "localhost/32", "localhost:255.255.255.255"]) {
    assertEquals(admitted(range, near), one, range);
  }
  for (const range of ["127.0.0.0/16", "127.0.9.9/16", "127.0.0.0:255.255.0.0"]) {
    assertEquals(admitted(range, near), net, range);
  }
  assertEquals(admitted("0.0.0.0/0", near), near.filter((host) => host.includes(".")));
  for (const range of ["[::1]", "::1", "::1/128", "[::1]/128"]) assertEquals(admitted(range, near), ["::1"], range);
  for (const range of ["fd00::/8", "[fd00::]/8"]) assertEquals(admitted(range, near), ["fd00::1", "fdff::1"], range);
  assertEquals(admitted("fd00::/9", near), ["fd00::1"]);
});

Deno.test("the ones of a mask need not stand together: what it leaves out is not compared, and nothing else", () => {
  const hosts = ["10.0.0.1", "10.7.0.1", "10.7.0.2", "10.0.1.1", "11.0.0.1"];
  assertEquals(admitted("10.9.0.1:255.0.255.255", hosts), ["10.0.0.1", "10.7.0.1"]);
  assertEquals(admitted("10.0.0.0:255.0.0.0", hosts), hosts.slice(0, 4));
  assertEquals(admitted("0.0.0.1:0.0.0.255", hosts), ["10.0.0.1", "10.7.0.1", "10.0.1.1", "11.0.0.1"]);
});

Deno.test("parseNet() refuses what is no network", () => {
  for (const text of ["", "x", "10.0.0.0/33", "::1/129", "10.0.0.0:255", "[::1]:255.0.0.0", "10.0.0.0/", "10.0.0/8"]) {
    assertThrows(() => parseNet(text), SyntaxError, `"${text}" is not address/bits`);
  }
});
