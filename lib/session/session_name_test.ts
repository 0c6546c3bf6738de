// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { memoryEndpoint, memoryTarget } from "../../tests/support/memory_plan.ts";
import type { Endpoint } from "../config/plan.ts";
import type { SocketAddress, StreamInfo } from "../stream/stream.ts";
import { sessionName } from "./session_name.ts";

/** An endpoint of a protocol, with layers from below. */
function endpoint(protocol: string, ...layers: string[]): Endpoint {
  const plain = memoryEndpoint({ connect: memoryTarget().connect });
  if ("dual" in plain.source) throw new TypeError("not dual");
  return {
    ...plain,
    source: { protocol: { ...plain.source.protocol, name: protocol }, spec: {} },
    layers: layers.map((name) => ({ layer: { name }, spec: {} })) as unknown as Endpoint["layers"],
  };
}

const at = (host: string, port: number): SocketAddress => ({
  family: host.includes(":") ? "inet6" : "inet",
  host,
  port,
});

function info(remote?: SocketAddress, local?: SocketAddress): StreamInfo {
  return { protocol: "x", name: "x", remote, local };
}

/** A connector that stands for a UDP listener with one peer. */
const singleton = ((plain: Endpoint): Endpoint => {
  if ("dual" in plain.source) throw new TypeError("not dual");
  const spec = { address: "10.0.0.1", port: 1000, bind: { host: "10.0.0.2", port: 80 } };
  return { ...plain, source: { ...plain.source, spec } };
})(endpoint("UDP"));

const ip = info(at("10.0.0.1", 1000), at("10.0.0.2", 80));

for (
  const [name, made, about] of [
    ["HTTP:10.0.0.1:1000-10.0.0.2:80-7", endpoint("TCP", "HTTP"), ip],
    ["HTTP:10.0.0.1:1000-10.0.0.2:80-7", endpoint("TCP", "TLS", "HTTP"), ip],
    ["WS:10.0.0.1:1000-10.0.0.2:80-7", endpoint("TCP", "WebSocket"), ip],
    ["UDP:10.0.0.1:1000-10.0.0.2:80-7", endpoint("UDP"), ip],
    ["UDP:10.0.0.1:1000-10.0.0.2:80-7", singleton, undefined],
    ["TCP:10.0.0.1:1000-10.0.0.2:80", endpoint("TCP"), ip],
    ["TCP:10.0.0.1:1000-10.0.0.2:80", endpoint("TCP"), info(at("::ffff:10.0.0.1", 1000), at("::ffff:10.0.0.2", 80))],
    ["TCP:[fd00::1]:1000-[fd00::2]:80", endpoint("TCP"), info(at("fd00::1", 1000), at("fd00::2", 80))],
    ["UNIX:in-7", endpoint("UnixDomainSocket"), info(undefined, { family: "unix", path: "/run/x" })],
    ["JSONSocket:in-7", endpoint("UDP", "JSONSocket"), ip],
    ["JSONSocket:in-7", endpoint("TCP", "WebSocket", "JSONSocket"), ip],
    // What the original has none of.
    ["in-7", endpoint("EXEC"), info()],
    ["in-7", endpoint("TCP"), undefined],
    ["in-7", endpoint("TCP", "WebSocket"), info({ family: "unix", path: "" })],
  ] as const
) {
  Deno.test(`sessionName() gives ${name}`, () => assertEquals(sessionName("in", made, about, 7), name));
}
