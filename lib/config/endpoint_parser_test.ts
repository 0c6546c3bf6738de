// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../errors.ts";
import { testRegistry } from "./_test_registry.ts";
import { parseAddress } from "./endpoint_parser.ts";
import { namesOf } from "./names.ts";
import { specOf } from "./pair.ts";
import type { Place } from "./stack.ts";

const names = namesOf(testRegistry);

function specOfWord(word: string, place: Place = "listener", tail?: string[]) {
  return specOf(parseAddress(word, names, tail), place);
}
function refuses(word: string, message: string) {
  const error = assertThrows(() => parseAddress(word, names), ConfigError) as Error;
  assertEquals(error.message, message);
}

Deno.test("parseAddress() reads types without case, aliases, and presets", () => {
  const tcp = { protocol: "TCP", address: "127.0.0.1", port: 80 };
  for (
    const word of ["TCP:127.0.0.1:80", "tcp-connect:127.0.0.1:80", "Tcp_Connect:127.0.0.1:80", "tcp://127.0.0.1:80"]
  ) {
    assertEquals(specOfWord(word, "destination"), tcp);
  }
  assertEquals(specOfWord("tcp4-l:80"), { protocol: "TCP", port: 80, pf: "ip4" });
  assertEquals(specOfWord("udp-server:80"), { protocol: "UDP", port: 80, fork: true });
  assertEquals(specOfWord("mirror:"), { protocol: "Echo" });
});

Deno.test("parseAddress() reads the short forms: dash, number, path", () => {
  assertEquals(specOfWord("-,crnl"), { protocol: "Stdio", crnl: true });
  assertEquals(specOfWord("3"), { protocol: "FD", fd: 3 });
  assertEquals(specOfWord("./a:b,append=0"), { protocol: "GOPEN", filename: "./a:b", append: false });
  assertEquals(specOfWord("/tmp/x"), { protocol: "GOPEN", filename: "/tmp/x" });
});

Deno.test("parseAddress() takes text parameters whole, without quotes", () => {
  assertEquals(specOfWord("TEXT:'hi there'").text, "hi there");
  assertEquals(specOfWord("EXEC:ls a\\,b:c,stderr"), { protocol: "EXEC", command: "ls a,b:c", stderr: true });
  assertEquals(specOfWord('exec:echo a(b,c)[d:e]{f!!g}"h,i"j').command, "echo a(b,c)[d:e]{f!!g}h,ij");
  assertEquals(specOfWord("PIPE"), { protocol: "PIPE" });
  assertEquals(specOfWord("PIPE:x"), { protocol: "PIPE", filename: "x" });
});

Deno.test("parseAddress() passes over empty options, but not after a URL", () => {
  assertEquals(specOfWord("tcp-l:80,,fork,"), { protocol: "TCP", port: 80, fork: true });
  assertEquals(specOfWord("-,"), { protocol: "Stdio" });
  const hint = "a comma that belongs to the URL is written %2C or \\,";
  refuses("ws://h/a,,text", `unknown option "" of WS; ${hint}`);
  refuses("tcp-l:80,=1", 'unknown option "" of TCP-LISTEN');
});

Deno.test("parseAddress() reads a dual address, each half with its own options", () => {
  assertEquals(specOfWord("STDIN,crnl!!TCP-L:80"), {
    protocol: "Dual",
    read: { protocol: "STDIN", crnl: true },
    write: { protocol: "TCP", role: "listen", port: 80 },
  });
  refuses("-!!-!!-", '"-!!-!!-": a dual address has two halves, not 3');
});

Deno.test("parseAddress() reads URLs: default port, path, user, layers", () => {
  const ws = (more: object) => ({ protocol: "WebSocket", address: "h", port: 80, ...more });
  assertEquals(specOfWord("ws://h", "destination"), ws({}));
  assertEquals(specOfWord("ws://h/", "destination"), ws({}));
  assertEquals(specOfWord("WS:h:80/a,text", "destination"), ws({ path: "/a", text: true }));
  assertEquals(
    specOfWord("ws://u:p%40q@h/a?b=1,text", "destination"),
    ws({ path: "/a?b=1", basic_auth: "u:p@q", text: true }),
  );
  assertEquals(specOfWord("ws://h?b:c", "destination"), ws({ path: "/?b:c" }));
  assertEquals(specOfWord("ws://[::1]:8/", "destination"), { ...ws({}), address: "::1", port: 8 });
  assertEquals(specOfWord("ws-listen://h:1/"), { protocol: "WebSocket", address: "h", port: 1, path: "/" });
  assertEquals(specOfWord("ws+tls+unix:///x", "destination"), {
    protocol: "WebSocket",
    transport: { protocol: "TLS", transport: { protocol: "UnixDomainSocket", address: "/x" } },
  });
  assertEquals(specOfWord("ws+tls://h:1/p,verify=0", "destination"), {
    protocol: "WebSocket",
    path: "/p",
    transport: { protocol: "TLS", address: "h", port: 1, verify: false },
  });
  refuses("tcp://h:1/p", 'TCP takes no path: "tcp://h:1/p"');
  refuses("tcp+ws://h:1/", '"tcp" cannot lie over another protocol in "tcp+ws://h:1/"');
});

Deno.test("parseAddress() reads overlays, and type names that are overlays too", () => {
  assertEquals(specOfWord("tls:unix:/x", "destination"), {
    protocol: "TLS",
    transport: { protocol: "UNIX-CLIENT", address: "/x" },
  });
  assertEquals(specOfWord("tls:unix:443", "destination").transport, { protocol: "UNIX-CLIENT", address: "443" });
  assertEquals(specOfWord("tls:h:443", "destination"), { protocol: "TLS", address: "h", port: 443 });
  assertEquals(specOfWord("ws-u:unix-l:/x,fork"), {
    protocol: "WebSocket",
    fork: true,
    transport: { protocol: "UnixDomainSocket", filename: "/x" },
  });
  assertEquals(specOfWord("lines:exec:a"), { protocol: "EXEC", command: "a", lines: true });
  refuses("ws-u:tcp:h:1", '"ws-u" needs a listener after it, not TCP');
});

Deno.test("parseAddress() takes a listener's bind for its host and refuses a contradiction", () => {
  assertEquals(specOfWord("tcp-l:80,bind=h"), { protocol: "TCP", address: "h", port: 80 });
  assertEquals(specOfWord("ws-l:80,bind=[::1]:80"), { protocol: "WebSocket", address: "::1", port: 80 });
  assertEquals(specOfWord("tcp:h:80,bind=:5", "destination").bind, ":5");
  refuses("tcp-l:a:80,bind=b", 'option "bind=b" contradicts "tcp-l:a:80"');
  refuses("tcp-l:80,bind=:81", 'option "bind=:81" contradicts "tcp-l:80"');
});

Deno.test("applyOption() reads names without case and with socat's prefixes, lists, and empty values", () => {
  const options = (text: string) => {
    const { protocol: _, address: _a, port: _p, ...rest } = specOfWord(`ws:h:1,${text}`, "destination");
    return rest;
  };
  assertEquals(options("SO_ReuseAddr"), { reuseaddr: true });
  assertEquals(options("tcp-nodelay=0,multicast-ttl=0x10"), { nodelay: false, ip_multicast_ttl: 16 });
  assertEquals(options("header=a: b,header='c: d,e'"), { header: ["a: b", "c: d,e"] });
  assertEquals(options("sp=1,sourceport=2"), { sourceport: 2 });
  assertEquals(options("reuseaddr,reuseaddr="), {});
  assertEquals(options("path="), { path: "" });
  for (
    const [word, message] of [
      ["tcp-l:80,range=", 'option "range": "" is not address/bits'],
      ["tcp:h:1,retry=", 'option "retry" requires a value'],
      ["tcp:h:1,connect-timeout=", 'missing numerical value of option "connect-timeout="'],
    ] as const
  ) refuses(word, message);
  assertEquals(options("keepalive"), { keepalive: true });
  assertEquals(options("base.keepalive,text"), {
    text: true,
    transport: { protocol: "TCP", address: "h", port: 1, keepalive: true },
  });
});

Deno.test("parse errors name the word, what is wrong with it and what to write", () => {
  refuses("FOO2:1", 'unknown device/address "FOO2"; use option "-h" for a list');
  refuses("TCP-LIS:1", 'unknown device/address "TCP-LIS"; did you mean "TCP-LISTEN"?');
  const absent = (name: string) => `unknown device/address "${name}": not supported by l7mp`;
  refuses("SOCKS5-LISTEN:p:1:h:1", absent("SOCKS5-LISTEN"));
  refuses("sctp:h:1", `${absent("sctp")}; socat stands in where it is installed: exec:'socat - "sctp..."'`);
  refuses("READLINE", `${absent("READLINE")}; use -, and rlwrap before the command to edit lines`);
  refuses("openssl_dtls-c:h:1", `${absent("openssl_dtls-c")}; TLS runs over TCP: OPENSSL, OPENSSL-LISTEN`);
  refuses("TCP:::1", "write IPv6 addresses in brackets: TCP:[::1]:<port>");
  refuses("TCP-L:2001:db8::1%lo", "write IPv6 addresses in brackets: TCP-LISTEN:[2001:db8::1%lo]:<port>");
  refuses("TCP:a:b:c", "TCP: wrong number of parameters (3 instead of 2): usage TCP:<host>:<port>");
  refuses("TCP:h", "TCP: wrong number of parameters (1 instead of 2): usage TCP:<host>:<port>");
  refuses("TCP:h:", "TCP: wrong number of parameters (1 instead of 2): port is missing; usage TCP:<host>:<port>");
  refuses("TCP::1", "TCP: wrong number of parameters (1 instead of 2): host is missing; usage TCP:<host>:<port>");
  refuses("TCP-L:127.0.0.1:", "TCP-LISTEN: empty parameter: port is missing; usage TCP-LISTEN:[<host>:]<port>");
  refuses("TCP:h:80,interval=-1", 'option "interval": -1 out of range 0..');
  refuses("TCP:h:80,retry=-2", 'option "retry": -2 out of range 0..');
  refuses("TCP-L:a:1:b", "TCP-LISTEN: wrong number of parameters (3 instead of 1): usage TCP-LISTEN:[<host>:]<port>");
  refuses("ws-u:", '"ws-u" stands before an address, as in ws-u:tcp-l:8080');
  refuses("waitfordata:", '"waitfordata" stands before an address, as in waitfordata:tcp:localhost:80');
  const usage = "port is missing; usage WS:<host>:<port>[/<path>]";
  refuses(
    "ws:unix:/x",
    `WS: wrong number of parameters (1 instead of 2): ${usage}; over another address it is ws-c:unix:/x`,
  );
  assertEquals(specOfWord("ws:unix:80", "destination").address, "unix");
  refuses("OPEN", "OPEN: wrong number of parameters (0 instead of 1): usage OPEN:<path>");
  refuses("ECHO:x", "ECHO: wrong number of parameters (1 instead of 0): usage ECHO");
  refuses("TCP:127.0.0.1:99999", 'port "99999" out of range 0..65535 in "TCP:127.0.0.1:99999"');
  refuses("TCP:h:zyxw", 'service "zyxw" is neither a number nor in /etc/services');
  refuses("TCP:::1:80", "write IPv6 addresses in brackets: TCP:[::1]:80");
  refuses("tcp://::1:80", "write IPv6 addresses in brackets: TCP:[::1]:80");
  refuses("TCP-L:80,frok", 'unknown option "frok" of TCP-LISTEN; did you mean "fork"?');
  refuses(
    "ws://h/?a,b",
    'unknown option "b" of WS; a comma that belongs to the URL is written %2C or \\,',
  );
  refuses("OPEN:a,b", 'unknown option "b" of OPEN; a comma that belongs to the path is written \\,');
  refuses("OPEN:a,ignoreoef", 'unknown option "ignoreoef" of OPEN; did you mean "ignoreeof"?');
  refuses(
    "TCP-L:80,fork TCP:h:80",
    'unknown option "fork TCP:h:80" of TCP-LISTEN; each address is a word of its own: no quotes around both',
  );
  refuses("TCP-L:80,cert=x", 'option "cert" does not apply to TCP-LISTEN (did you mean OPENSSL-LISTEN?)');
  refuses("TCP:h:80,range=10.0.0.0/8", 'option "range" does not apply to TCP (did you mean TCP-LISTEN?)');
  refuses("TCP:h:80,nodelay=x", 'missing numerical value of option "nodelay=x"');
  refuses("TCP-L:80,backlog=12x", 'trailing garbage in numerical value of option "backlog=12x"');
  refuses("TCP-L:80,range=10.0.0/8", 'option "range": "10.0.0/8" is not address/bits');
  refuses("", '"": an address is missing');
  refuses("!!-", '"!!-": an address is missing');
});
