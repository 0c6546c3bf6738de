// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { testRegistry } from "./_test_registry.ts";
import { ConfigError } from "../errors.ts";
import { documentFromWords, type PairOptions } from "./pair.ts";

const usual: PairOptions = { session: {}, admin: {}, ipVersion: 4 };

function read(addresses: string[], options: Partial<PairOptions> = {}, tail?: string[]) {
  return documentFromWords({ addresses, tail }, testRegistry, { ...usual, ...options });
}
function sides(addresses: string[], options: Partial<PairOptions> = {}, tail?: string[]) {
  const { spec, rules } = read(addresses, options, tail).listeners[0]!;
  return { listener: spec, ...rules[0]!.action.route };
}
function refuses(addresses: string[], message: string, options: Partial<PairOptions> = {}) {
  const error = assertThrows(() => read(addresses, options), ConfigError) as Error;
  assertEquals(error.message, message);
}

Deno.test("documentFromWords() puts a connector's address in the endpoint and the rest in the cluster", () => {
  assertEquals(sides(["TCP-L:80,fork", "TCP:h:http,keepalive"]), {
    listener: { protocol: "TCP", address: "0.0.0.0", port: 80, fork: true },
    destination: { spec: { protocol: "TCP", port: 80, keepalive: true }, endpoints: [{ spec: { address: "h" } }] },
    retry: { timeout: "0s" },
  });
});

Deno.test("documentFromWords() gives one address STDIO as its other side", () => {
  assertEquals(sides(["ECHO"]), { listener: { protocol: "Echo" }, destination: { spec: { protocol: "Stdio" } } });
});

Deno.test("documentFromWords() says where the place does not tell connector from listener", () => {
  assertEquals(sides(["TCP:h:1", "TCP-L:2"]), {
    listener: { protocol: "TCP", role: "connect", address: "h", port: 1 },
    destination: { spec: { protocol: "TCP", role: "listen", address: "0.0.0.0", port: 2 } },
    retry: { timeout: "0s" },
  });
});

Deno.test("documentFromWords() says that there is no limit for opening, which a file would set", () => {
  const timeout = (address: string) => sides(["-", address]).retry?.timeout;
  assertEquals(["ws://h/", "tcp-l:1", "ECHO", "EXEC:cat"].map(timeout), ["0s", "0s", undefined, undefined]);
});

Deno.test("documentFromWords() makes retry options of address2 the route's retry", () => {
  const { destination, retry } = sides(["-", "TCP:h:1,forever,interval=0.1,backoff=5,connect-timeout=2"]);
  assertEquals(destination.spec, { protocol: "TCP", port: 1 });
  assertEquals(retry, {
    retry_on: "connect-failure",
    num_retries: -1,
    timeout: "2s",
    interval: "100ms",
    backoff: "5s",
  });
});

Deno.test("documentFromWords() reverses transforms in egress and leaves out what dir= says", () => {
  const { ingress, egress } = sides(["UDP-L:1", "LOGGER:a", "LOGGER:b,dir=ltr", "LOGGER:c,dir=rtl", "UDP:h:2"]);
  assertEquals(ingress?.map(({ spec }) => spec.log_file), ["a", "b"]);
  assertEquals(egress?.map(({ spec }) => [spec.log_file, spec.reverse]), [["c", true], ["a", true]]);
});

Deno.test("documentFromWords() inserts LINES only between JSON transforms and byte sides", () => {
  const names = (chain?: { spec: { protocol: string } }[]) => chain?.map(({ spec }) => spec.protocol);
  const both = sides(["UDP-L:1", "JSONENCAP", "TCP:h:2"]);
  assertEquals(names(both.ingress), ["JSONEncap", "LINES"]);
  assertEquals(names(both.egress), ["LINES", "JSONEncap"]);
  assertEquals(both.egress?.every(({ spec }) => spec.reverse), true);
  assertEquals(names(sides(["UDP-L:1", "JSONENCAP", "UDP:h:2"]).ingress), ["JSONEncap"]);
  assertEquals(names(sides(["-", "JSONENCAP", "UDP:h:2"]).ingress), ["LINES", "JSONEncap"]);
  assertEquals(names(sides(["-,lines", "JSONENCAP", "UDP:h:2"]).ingress), ["JSONEncap"]);
  assertEquals(names(sides(["UDP-L:1", "JSONENCAP", "CHUNKS", "TCP:h:2"]).ingress), ["JSONEncap", "CHUNKS"]);
  assertEquals(names(sides(["UDP-L:1", "TCP:h:2"]).ingress), undefined);
});

Deno.test("documentFromWords() gives a WebSocket beside STDIO line mode unless something else was said", () => {
  const lines = (first: string, second: string, options: Partial<PairOptions> = {}) => {
    const { listener, destination } = sides([first, second], options);
    return [listener.lines, destination.spec.lines];
  };
  assertEquals(lines("-", "ws://h/"), [undefined, true]);
  assertEquals(lines("ws-l:80,fork", "-"), [true, undefined]);
  assertEquals(lines("STDIN!!STDOUT", "ws:h:1"), [undefined, true]);
  assertEquals(lines("-", "ws-c:unix:/x"), [undefined, true]);
  assertEquals(lines("-", "ws://h/,binary"), [undefined, undefined]);
  assertEquals(lines("-", "ws://h/,text"), [undefined, true]);
  assertEquals(lines("-,lines", "ws://h/"), [true, undefined]);
  assertEquals(lines("tcp-l:80", "ws://h/"), [undefined, undefined]);
  assertEquals(lines("-", "ws://h/", { messageType: "binary" }), [undefined, undefined]);
});

Deno.test("documentFromWords() writes --text, -6 and --compat where they take effect", () => {
  assertEquals(sides(["-", "ws://h/"], { messageType: "text" }).destination.spec, {
    protocol: "WebSocket",
    port: 80,
    text: true,
    lines: true,
  });
  const six = sides(["tcp-l:80", "tcp:h:1"], { ipVersion: 6 });
  assertEquals(six.listener.address, "::");
  assertEquals(sides(["tcp-l:80", "-"], { ipVersion: 0 }).listener.address, undefined);
  assertEquals(sides(["tcp4-l:80", "-"], { ipVersion: 6 }).listener.address, "0.0.0.0");
  assertEquals(sides(["tcp6-l:80", "-"]).listener.address, "::");
  const compat = read(["udp-l:1,fork", "tcp:h:1"], { compat: "socat" }).listeners[0]!;
  assertEquals(compat.options, { linger: "500ms", block_size: 8192 });
  assertEquals(compat.spec.idle_timeout, "0s");
  assertEquals(compat.rules[0]!.action.route.destination.spec.nodelay, false);
});

Deno.test("documentFromWords() copies standard input once where both sides are STDIO", () => {
  assertEquals(read(["-"]).listeners[0]!.options, { direction: "ltr" });
  assertEquals(read(["-", "STDIO"], { session: { direction: "rtl" } }).listeners[0]!.options, { direction: "rtl" });
  assertEquals(read(["-", "ECHO"]).listeners[0]!.options, undefined);
});

Deno.test("documentFromWords() drops an implied fork where only one session can be", () => {
  assertEquals(sides(["-", "udp-server:1"]).destination.spec.fork, undefined);
  assertEquals(sides(["udp-server:1", "-"]).listener.fork, true);
  assertEquals(sides(["udp-server:1,oneshot", "-"]).listener.fork, false);
});

Deno.test("documentFromWords() gives the words after -- to the address that wants them", () => {
  assertEquals(sides(["EXEC-ARG", "-"], {}, ["printf", "a b"]).listener, {
    protocol: "EXEC-ARG",
    command: ["printf", "a b"],
  });
  assertThrows(() => read(["-", "ECHO"], {}, ["x"]), ConfigError, 'words after "--"');
  assertThrows(() => read(["EXEC-ARG", "EXEC-ARG"], {}, ["x"]), ConfigError, "only one address");
});

Deno.test("documentFromWords() refuses wrong words with the reason", () => {
  const fork =
    'option "fork" of TCP-LISTEN not allowed here: only a first address that is not dual can have many sessions';
  const cure = "; write it first, and broadcast: before the address that its sessions share (of -u and -U the other)";
  refuses([], 'exactly 2 addresses required (there are 0); use option "-h" for help');
  refuses(["-", "tcp:a:1", "-"], '"tcp:a:1" is an address, not a transform; more than one pair needs a file (-c)');
  refuses(["-", "LINSE", "-"], 'unknown transform "LINSE"; did you mean "LINES"?');
  refuses(["-", "frobnicate", "-"], 'unknown transform "frobnicate"; use option "-h" for a list');
  refuses(["-", "LINES"], '"LINES" is a transform, not an address; it stands between two addresses');
  refuses(["LINES", "tcp-l:1", "-"], '"LINES" is a transform, not an address; it stands between two addresses');
  refuses(["-", "tcp:a:1", "LINES"], '"LINES" is a transform, not an address; it stands between two addresses');
  refuses(
    ["tcp-l", "80", "-"],
    "TCP-LISTEN: wrong number of parameters (0 instead of 1): usage TCP-LISTEN:[<host>:]<port>",
  );
  refuses(["-", "TCP-L:1,fork"], fork + cure);
  refuses(["-", "TCP:h:1,fork"], fork.replace("TCP-LISTEN", "TCP"));
  refuses(["TCP-L:1,fork!!-", "-"], fork);
});
