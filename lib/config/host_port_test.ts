// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../errors.ts";
import { bracketedForm, parseHost, parsePort, printHost } from "./host_port.ts";

Deno.test("parsePort() reads decimal ports only, and names of services", () => {
  assertEquals(parsePort("077", false, "x"), 77);
  assertEquals(parsePort("65535", false, "x"), 65535);
  assertEquals(parsePort("0", true, "x"), 0);
  assertEquals([parsePort("http", false, "x"), parsePort("domain", false, "x")], [80, 53]);
  for (const wrong of ["constructor", "65536", "99999999999999999999", "0x50", "12x", "+1", "-1", ""]) {
    assertThrows(() => parsePort(wrong, false, "x"), ConfigError);
  }
});

Deno.test("parseHost() takes brackets off IPv6 addresses and refuses what is no host", () => {
  assertEquals(parseHost("[::1]", "x"), "::1");
  assertEquals(parseHost("[fe80::1%eth0]", "x"), "fe80::1%eth0");
  assertEquals(printHost(parseHost("[::ffff:1.2.3.4]", "x")), "[::ffff:1.2.3.4]");
  for (const wrong of ["[h]", "[1.2.3.4]", "a b", "a/b", "a:b", "[]"]) {
    assertThrows(() => parseHost(wrong, "x"), ConfigError);
  }
});

Deno.test("bracketedForm() recognises an IPv6 address that was cut at its colons", () => {
  assertEquals(bracketedForm(["", "", "1", "80"]), "[::1]:80");
  assertEquals(bracketedForm(["fe80", "", "1%eth0", "80"]), "[fe80::1%eth0]:80");
  assertEquals(bracketedForm(["a", "b", "80"]), undefined);
  assertEquals(bracketedForm(["127.0.0.1", "80"]), undefined);
});
