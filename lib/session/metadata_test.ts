// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { sessionMetadata } from "./metadata.ts";

Deno.test("sessionMetadata() has addresses as text and ports as numbers", () => {
  const info = {
    protocol: "UDP",
    name: "AF=2 10.0.0.1:5",
    local: { family: "inet", host: "127.0.0.1", port: 53 },
    remote: { family: "inet", host: "10.0.0.1", port: 5 },
  } as const;
  const IP = { src_addr: "10.0.0.1", dst_addr: "127.0.0.1" };
  assertEquals(sessionMetadata("s-1", info), { name: "s-1", IP, UDP: { src_port: 5, dst_port: 53 } });
  // A WebSocket's addresses are those of the TCP connection below it.
  const overTcp = { ...info, protocol: "WebSocket" };
  assertEquals(sessionMetadata("s-1", overTcp), { name: "s-1", IP, TCP: { src_port: 5, dst_port: 53 } });
});

Deno.test("sessionMetadata() has the header of a JSONSocket caller, and the ports of what lies under it", () => {
  const local = { family: "inet", host: "127.0.0.1", port: 53 } as const;
  const header = { JSONSocketVersion: 1, user: "u" };
  const IP = { src_addr: undefined, dst_addr: "127.0.0.1" };
  const ports = { src_port: undefined, dst_port: 53 };
  const of = (transport: string) =>
    sessionMetadata("s", { protocol: "JSONSocket", name: "j", local, facts: { transport, jsonsocket: header } });
  assertEquals(of("UDP"), { name: "s", IP, UDP: ports, JSONSocket: header });
  assertEquals(of("WebSocket"), { name: "s", IP, TCP: ports, JSONSocket: header });
});

Deno.test("sessionMetadata() names the socket file of a UNIX listener, and nothing for local endpoints", () => {
  const local = { family: "unix", path: "/run/x" } as const;
  const remote = { family: "unix", path: "" } as const;
  const info = { protocol: "UnixDomainSocket", name: "AF=1", local, remote };
  assertEquals(sessionMetadata("s-2", info), { name: "s-2", UNIX: { filename: "/run/x" } });
  assertEquals(sessionMetadata("s-3", { protocol: "STDIO", name: "STDIO" }), { name: "s-3" });
});

Deno.test("sessionMetadata() has the request that began the session", () => {
  const headers = { host: "h:8080", "user-agent": "curl" };
  const facts = (path: string) => ({ method: "GET", path, version: "1.1", headers });
  const of = (path: string) => sessionMetadata("s-4", { protocol: "HTTP", name: "http", facts: facts(path) }).HTTP;
  const plain = { url: "/a/b?x=1", href: "/a/b?x=1", protocol: "", host: "", port: "", path: "/a/b?x=1", query: "x=1" };
  assertEquals(of("/a/b?x=1"), { version: "1.1", method: "GET", url: plain, headers });
  const whole = "http://[::1]:81/a";
  const url = { url: whole, href: whole, protocol: "http:", host: "[::1]", port: "81", path: "/a", query: "" };
  assertEquals(of(whole), { version: "1.1", method: "GET", url, headers });
});
