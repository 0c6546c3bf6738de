// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../errors.ts";
import { readArguments } from "./arguments.ts";
import { defaultProxies } from "./default_proxies.ts";

const from = (variables: Record<string, string>) => (name: string) => variables[name];

Deno.test("defaultProxies() takes the environment's proxy only for env, the most general first", () => {
  const all = { ALL_PROXY: "socks5h://a", https_proxy: "http://b", HTTP_PROXY: "c:3128" };
  assertEquals(defaultProxies([], from(all)), []);
  assertEquals(defaultProxies(["env"], from(all)), ["socks5h://a"]);
  assertEquals(defaultProxies(["env"], from({ ...all, ALL_PROXY: "" })), ["http://b"]);
  assertEquals(defaultProxies(["env"], from({ HTTP_PROXY: "c:3128" })), ["http://c:3128"]);
  assertEquals(defaultProxies(["env"], from({})), []);
  assertEquals(defaultProxies(["http://x", "env"], from(all)), ["http://x", "socks5h://a"]);
});

Deno.test("--via may be given several times; none is no proxy, and stands alone", () => {
  const read = (...words: string[]) => readArguments([...words, "-"]).via;
  assertEquals(read("--via=http://a", "--via", "socks5://b"), ["http://a", "socks5://b"]);
  assertEquals(read("--via=none"), []);
  assertThrows(() => read("--via=none", "--via=http://a"), ConfigError, "none excludes other proxies");
  assertThrows(() => read("--via=a:8080"), ConfigError, '"a:8080" is not none, env or a proxy');
});
