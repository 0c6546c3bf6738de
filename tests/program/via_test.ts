// What `via`, `proxy-protocol` and `accept-proxy` make of an address when it is planned.
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import type { Document, SpecDocument } from "../../lib/config/document.ts";
import { documentFromWords } from "../../lib/config/pair.ts";
import type { Endpoint } from "../../lib/config/plan.ts";
import { planDocument } from "../../lib/config/planner.ts";
import { ConfigError } from "../../lib/errors.ts";
import { registry } from "../../protocols/mod.ts";

function planned(addresses: string[], via: string[] = []) {
  const options = { session: {}, admin: {}, ipVersion: 4, via } as const;
  return planDocument(documentFromWords({ addresses }, registry, options), registry).listeners[0]!;
}

/** The plug-ins from the connection up, each with those of its settings that are asked for. */
function stackOf({ source, layers }: Endpoint, keys: readonly string[] = ["address", "port"]): unknown[] {
  if ("dual" in source) throw new Error("dual");
  return [
    { name: source.protocol.name, spec: source.spec },
    ...layers.map(({ layer, spec }) => ({ name: layer.name, spec })),
  ]
    .map(({ name, spec }) => [name, ...keys.map((key) => (spec as Record<string, unknown>)[key])]);
}

Deno.test("via= puts a layer for each proxy between the connection and what lies over it, nearest lowest", () => {
  const { target } = planned(["-", "wss://h.example/x,via=http://a,via=socks5://b,via=socks4a://c:9,sourceport=7"]);
  assertEquals(stackOf(target, ["address", "port", "proxy"]), [
    ["TCP", "a", 8080, undefined],
    ["HTTPCONNECT", "b", 1080, "a:8080"],
    ["SOCKS5", "c", 9, "b:1080"],
    ["SOCKS4", "h.example", 443, "c:9"],
    ["TLS", "h.example", 443, undefined],
    ["WebSocket", "h.example", 443, undefined],
  ]);
  assertEquals([target.name, target.kind], ["WSS:h.example:443/x", "datagram"]);
});

Deno.test("via=https:// reaches the proxy by TLS in the proxy's name", () => {
  const { target } = planned(["-", "TCP:h.example:80,via=socks5://a,via=https://[::1]"]);
  assertEquals(stackOf(target, ["address", "port", "proxy"]), [
    ["TCP", "a", 1080, undefined],
    ["SOCKS5", "::1", 443, "a:1080"],
    ["TLS", "::1", 443, undefined],
    ["HTTPCONNECT", "h.example", 80, "[::1]:443"],
  ]);
});

Deno.test("via= reads user and password, percent encoding undone", () => {
  const login = (url: string) =>
    stackOf(planned(["-", `TCP:h:80,via=${url}`]).target, [
      "proxyauth",
      "socksuser",
      "sockspass",
      "resolve",
    ])[1];
  assertEquals(login("http://me%40home:a%3Ab@p"), ["HTTPCONNECT", "me@home:a:b", undefined, undefined, false]);
  assertEquals(login("http://u:p@ss@p"), ["HTTPCONNECT", "u:p@ss", undefined, undefined, false]);
  assertEquals(login("http://u@p"), ["HTTPCONNECT", "u:", undefined, undefined, false]);
  assertEquals(login("socks5h://u:p@p"), ["SOCKS5", undefined, "u", "p", undefined]);
  assertEquals(login("socks4://u@p"), ["SOCKS4", undefined, "u", undefined, true]);
  assertEquals(login("SOCKS4A://p/"), ["SOCKS4", undefined, "", undefined, false]);
});

for (
  const [url, message] of [
    ["socks4://u:p@h", 'option "via=socks4://u:***@h": SOCKS4 has user ids but no passwords; socks5:// has'],
    ["http://u:***@h", 'option "via=http://u:***@h": the password is masked; write the real one (--show-secrets)'],
    ["http://u:%zz@h", 'option "via=http://u:***@h": bad percent encoding in user or password'],
    ["http://", 'option "via": "http://" is neither none nor a proxy such as socks5://127.0.0.1:1080'],
    ["http://h:99999", 'option "via=http://h:99999": port "99999" out of range 0..65535 in "http://h:99999"'],
    ["http://h/path", 'option "via=http://h/path": a proxy is written scheme://[user:password@]host[:port]'],
  ] as const
) {
  Deno.test(`via=${url} is refused`, () => {
    const error = assertThrows(() => planned(["-", `TCP:h:80,via=${url}`]), ConfigError) as Error;
    assertEquals(error.message, message);
  });
}

Deno.test("via=none stands alone", () => {
  assertThrows(() => planned(["-", "TCP:h:80,via=http://a,via=none"]), ConfigError, "none excludes other proxies");
});

Deno.test("--via is the default of connectors over TCP, and of no others", () => {
  const via = ["socks5://p"];
  const names = (address: string) => stackOf(planned(["-", address], via).target, []).flat();
  assertEquals(names("TCP:h:80"), ["TCP", "SOCKS5"]);
  assertEquals(names("http://h/"), ["TCP", "SOCKS5", "HTTP"]);
  assertEquals(names("TCP:h:80,via=none"), ["TCP"]);
  assertEquals(names("TCP:h:80,via=http://q"), ["TCP", "HTTPCONNECT"]);
  assertEquals(names("SOCKS4A:q:h:80"), ["TCP", "SOCKS5", "SOCKS4"]);
  for (const address of ["UDP:h:80", "UNIX-CONNECT:/x", "TCP-LISTEN:80"]) {
    assertEquals(names(address).length, 1, address);
  }
});

Deno.test("proxy-protocol stands over the proxies and under everything else, accept-proxy lowest", () => {
  const { endpoint, target } = planned([
    "WS-LISTEN:80,fork,accept-proxy=require",
    "ws://h/,proxy-protocol=1,via=socks5://p",
  ]);
  assertEquals(stackOf(endpoint, ["required"]), [["TCP", undefined], ["PROXYPROTO", true], ["WebSocket", undefined]]);
  assertEquals(stackOf(target, ["version"]), [
    ["TCP", undefined],
    ["SOCKS5", undefined],
    ["PROXYPROTO", 1],
    ["WebSocket", undefined],
  ]);
  assertEquals(stackOf(planned(["TCP-L:80,accept-proxy=0", "TCP:h:1,proxy-protocol"]).endpoint, []), [["TCP"]]);
  assertEquals(stackOf(planned(["-", "TCP:h:1,proxy-protocol"]).target, ["version"]).at(-1), ["PROXYPROTO", 2]);
});

function fromFile(spec: SpecDocument) {
  const listener = {
    name: "l",
    spec: { protocol: "Stdio" },
    rules: [{ action: { route: { destination: { spec } } } }],
  };
  return planDocument({ listeners: [listener] } as Document, registry).listeners[0]!.target;
}

Deno.test("a file says the same, over any stream that can reach the proxy", () => {
  const end = { address: "h.example", port: 80 };
  const tcp = { protocol: "TCP", address: "p", port: 1080 };
  assertEquals(stackOf(fromFile({ protocol: "TCP", ...end, via: "socks5://p", proxy_protocol: true })), [
    ["TCP", "p", 1080],
    ["SOCKS5", "h.example", 80],
    ["PROXYPROTO", undefined, undefined],
  ]);
  assertEquals(stackOf(fromFile({ protocol: "SOCKS5", ...end, transport: tcp })), [
    ["TCP", "p", 1080],
    ["SOCKS5", "h.example", 80],
  ]);
  assertEquals(
    stackOf(fromFile({ protocol: "SOCKS5", ...end, socksport: 9, transport: { ...tcp, port: undefined } })),
    [
      ["TCP", "p", 9],
      ["SOCKS5", "h.example", 80],
    ],
  );
  const unix = { protocol: "UnixDomainSocket", address: "/run/tor/socks" };
  const overUnix = fromFile({ protocol: "WebSocket", transport: { protocol: "SOCKS5", ...end, transport: unix } });
  assertEquals(stackOf(overUnix, ["address", "proxy"]), [
    ["UnixDomainSocket", "/run/tor/socks", undefined],
    ["SOCKS5", "h.example", "/run/tor/socks"],
    ["WebSocket", "h.example", undefined],
  ]);
});

Deno.test("a file's values are checked, with their path", () => {
  const at = "listeners[0].rules[0].action.route.destination.spec";
  const refuses = (spec: SpecDocument, message: string) => {
    const error = assertThrows(() => fromFile(spec), ConfigError) as Error;
    assertEquals(error.message, message);
  };
  const tcp = { protocol: "TCP", address: "h", port: 80 };
  refuses({ ...tcp, proxy_protocol: 3 }, `option "${at}.proxy_protocol": "3" is not one of 1, 2`);
  refuses({ ...tcp, via: 7 }, `${at}.via: "7" is neither none nor a proxy such as socks5://127.0.0.1:1080`);
  refuses({ protocol: "SOCKS5", address: "h", port: 80 }, "TCP: address is missing");
  refuses({ protocol: "HTTPCONNECT", address: "a b", port: 80, transport: tcp }, 'PROXY: "a b" is not a host');
  refuses({ protocol: "SOCKS5", port: 80, transport: tcp }, "SOCKS5: address is missing");
});
