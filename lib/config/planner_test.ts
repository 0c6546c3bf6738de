// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../errors.ts";
import { testRegistry } from "./_test_registry.ts";
import type { Document, SessionDocument } from "./document.ts";
import { documentFromWords } from "./pair.ts";
import type { PlannedStep } from "./plan.ts";
import { planDocument } from "./planner.ts";

function document(addresses: string[], session: SessionDocument = {}): Document {
  return documentFromWords({ addresses, tail: undefined }, testRegistry, { session, admin: {}, ipVersion: 4 });
}
function plan(addresses: string[], session: SessionDocument = {}) {
  return planDocument(document(addresses, session), testRegistry);
}
function refuses(addresses: string[], message: string, session: SessionDocument = {}) {
  const error = assertThrows(() => plan(addresses, session), ConfigError) as Error;
  assertEquals(error.message, message);
}
const stepsOf = (steps: readonly PlannedStep[]) =>
  steps.map(({ transform, input, reverse }) => `${reverse ? "<" : ">"}${transform.name}(${input})`);

Deno.test("planDocument() resolves addresses: names, roles, kinds, settings with defaults", () => {
  const { listeners: [listener] } = plan(["tcp-l:80,fork,max-children=3", "ws:h:1/p,header=a: b,ignoreeof"]);
  const { endpoint, target } = listener!;
  assertEquals([endpoint.name, endpoint.role, endpoint.kind], ["TCP-LISTEN:0.0.0.0:80", "listen", "byte"]);
  assertEquals([endpoint.listen?.fork, endpoint.listen?.max_children], [true, 3]);
  assertEquals([target.name, target.role, target.kind], ["WS:h:1/p", "connect", "datagram"]);
  assertEquals(target.layers.map(({ layer, spec }) => [layer.name, (spec as { header: string[] }).header]), [
    ["WebSocket", ["a: b"]],
  ]);
  assertEquals((target.layers[0]!.spec as { address: string }).address, "h");
  const { protocol, spec } = target.source as { protocol: { name: string }; spec: Record<string, unknown> };
  assertEquals([protocol.name, spec.address, spec.port, spec.nodelay], ["TCP", "h", 1, true]);
  assertEquals(target.stream.ignoreeof, true);
});

Deno.test("planDocument() refuses rules about IP addresses for callers that have none", () => {
  for (const option of ["range=10.0.0.0/8", "sourceport=5", "lowport"]) {
    const name = option.split("=")[0];
    const message = `option "${name}" does not apply to UNIX-LISTEN: its callers have no IP address`;
    refuses([`unix-l:/x,${option}`, "tcp:h:1"], message);
    refuses([`ws-u:unix-l:/x,${option}`, "tcp:h:1"], message.replace("UNIX-LISTEN", "WS-LISTEN"));
    plan([`tcp-l:5,${option}`, "tcp:h:1"]);
  }
});

Deno.test("planDocument() refuses a bound on sessions where there is one, for want of fork", () => {
  const message = (type: string) => `option "max-children" of ${type} not allowed without option fork`;
  refuses(["tcp-l:5,max-children=2", "tcp:h:1"], message("TCP-LISTEN"));
  refuses(["tcp-l:5,fork,oneshot,max-children=2", "tcp:h:1"], message("TCP-LISTEN"));
  refuses(["tcp:h:1,max-children=2", "tcp-l:5"], message("TCP"));
  refuses(["tcp-l:5,fork", "tcp:h:1,max-children=2"], message("TCP"));
  for (const address of ["tcp-l:5,fork", "tcp:h:1,fork", "udp-server:5"]) {
    plan([`${address},max-children=2`, "tcp:h:1"]);
  }
});

Deno.test("planDocument() gives files' listeners fork, and stacks their layers lowest first", () => {
  const destination = {
    spec: { protocol: "WebSocket", transport: { protocol: "TLS", transport: { protocol: "TCP", port: 5 } } },
    endpoints: [{ spec: { address: "h" } }],
  };
  const file: Document = {
    listeners: [{ name: "a", spec: { protocol: "TCP", port: 1 }, rules: [{ action: { route: { destination } } }] }],
  };
  const [listener] = planDocument(file, testRegistry).listeners;
  assertEquals(listener!.endpoint.listen?.fork, true);
  assertEquals(listener!.target.layers.map(({ layer }) => layer.name), ["TLS", "WebSocket"]);
});

Deno.test("planDocument() makes steps of options, read side forward, write side in reverse", () => {
  const { listeners: [listener] } = plan(["-,crnl,lines", "JSONENCAP", "tcp:h:1,null-lines,cr"]);
  assertEquals(stepsOf(listener!.ingress), [
    ">crnl(byte)",
    ">LINES(byte)",
    ">JSONEncap(datagram)",
    "<LINES(datagram)",
    "<cr(byte)",
  ]);
  assertEquals(stepsOf(listener!.egress), [
    ">cr(byte)",
    ">LINES(byte)",
    "<JSONEncap(datagram)",
    "<LINES(datagram)",
    "<crnl(byte)",
  ]);
  assertEquals((listener!.ingress[3]!.spec as { sep: string }).sep, "\0");
});

Deno.test("planDocument() gives JSON its lines also beside what may be bytes or messages", () => {
  const besides = (words: string[]) => {
    const { listeners: [listener] } = plan(words);
    return [listener!.ingress, listener!.egress].map((steps) =>
      steps.map(({ transform, beside }) => beside ? `${transform.name}+${stepsOf([beside])}` : transform.name)
    );
  };
  assertEquals(besides(["udp-l:1", "JSONENCAP", "unix:/s"]), [["JSONEncap+>LINES(either)"], [
    "JSONEncap+<LINES(either)",
  ]]);
  assertEquals(besides(["fd:3", "JSONDECAP", "udp:h:1"]), [["JSONDecap+>LINES(either)"], ["JSONDecap+<LINES(either)"]]);
  assertEquals(besides(["udp-l:1", "JSONENCAP", "udp:h:1"]), [["JSONEncap"], ["JSONEncap"]]);
  assertEquals(besides(["udp-l:1", "JSONENCAP", "LINES", "unix:/s"])[0], ["JSONEncap", "LINES"]);
});

Deno.test("planDocument() cuts bytes into lines before a byte address of lines gives each its end", () => {
  const { listeners: [listener] } = plan(["-", "tcp:h:1,lines"]);
  assertEquals(stepsOf(listener!.ingress), ["<LINES(byte)", "<LINES(datagram)"]);
  assertEquals(stepsOf(listener!.egress), [">LINES(byte)"]);
});

Deno.test("planDocument() frames the byte side of a WebSocket in line mode", () => {
  const { listeners: [listener], warnings } = plan(["-", "ws:h:1"]);
  assertEquals(stepsOf(listener!.ingress), ["<LINES(byte)"]);
  assertEquals(stepsOf(listener!.egress), [">LINES(datagram)"]);
  assertEquals(warnings, []);
});

Deno.test("planDocument() uses only the direction that is asked for", () => {
  const left = plan(["-,crnl", "udp:h:1"], { direction: "ltr" }).listeners[0]!;
  assertEquals([left.endpoint.direction, left.target.direction], ["read", "write"]);
  assertEquals([left.ingress.length, left.egress.length], [1, 0]);
  const right = plan(["STDOUT", "-"], { direction: "rtl" }).listeners[0]!;
  assertEquals([right.endpoint.direction, right.target.direction], ["write", "read"]);
  const dual = plan(["STDIN!!STDOUT", "ECHO"]).listeners[0]!;
  assertEquals("dual" in dual.endpoint.source, true);
});

Deno.test("planDocument() refuses the wrong direction before anything opens", () => {
  refuses(["STDIN", "ECHO"], 'STDIN: cannot be used for writing (use -u, or "!!"; for both ways -)');
  refuses(["ECHO", "STDOUT"], 'STDOUT: cannot be used for reading (use -u, or "!!"; for both ways -)');
  refuses(["ECHO", "UDP-RECV:1"], 'UDP-RECV: cannot be used for writing (use -U, or "!!")', { direction: "both" });
  refuses(["STDOUT!!STDIN", "ECHO"], 'STDOUT: cannot be used for reading (swap the halves around "!!")');
});

Deno.test("planDocument() tells of lost boundaries once: a notice, for files a warning", () => {
  const lost = document(["udp-l:1", "tcp:h:1"]);
  const message = "message boundaries are lost; insert LINES, LENGTHPREFIX or JSONENCAP to keep them";
  assertEquals(planDocument(lost, testRegistry).warnings, [{ level: "notice", message }]);
  assertEquals(planDocument(lost, testRegistry, { file: "f" }).warnings, [{ level: "warn", message }]);
  assertEquals(plan(["udp-l:1", "tcp:h:1"], { direction: "rtl" }).warnings, []);
  for (
    const kept of [["tcp-l:1", "ECHO"], ["-", "DISCARD"], ["udp-l:1", "udp:h:1"], ["udp-l:1", "LINES", "tcp:h:1"], [
      "udp-l:1",
      "tcp:h:1,lines",
    ]]
  ) {
    assertEquals(plan(kept).warnings, []);
  }
});

Deno.test("planDocument() refuses kinds that do not fit", () => {
  refuses(["-", "ws-c:udp:h:1"], "WebSocket needs a byte stream under it, UDP is datagram");
  refuses(
    ["-", "STAMP", "udp:h:1"],
    "STAMP needs messages, but bytes come to it; insert LINES or LENGTHPREFIX before it",
  );
  refuses(
    ["-", "LOGGER:-", "ECHO"],
    "LOGGER: cannot write to standard output, which an address uses; give it a file, or stderr",
  );
  assertEquals(plan(["-", "LOGGER", "ECHO"]).listeners.length, 1);
  refuses(["-,lines,chunks", "ECHO"], 'options "lines" and "chunks" exclude each other');
});

Deno.test("planDocument() reads session options and the route's retry", () => {
  const session = { linger: "inf", idle_timeout: -1, block_size: 10, one_message: true, dump: "hex" } as const;
  const { session: read, retry } = plan(["-", "tcp:h:1,forever,backoff=3"], session).listeners[0]!;
  assertEquals(read, {
    lingerMs: Infinity,
    idleTimeoutMs: -1,
    blockBytes: 10,
    maxMessageBytes: 64 * 1024 * 1024,
    direction: "both",
    oneMessage: true,
    dump: "hex",
  });
  assertEquals(retry, { count: Infinity, intervalMs: 1000, backoffMs: 3000, timeoutMs: 0 });
});

function refusesFile(change: (file: Record<string, unknown>) => void, message: string) {
  const file = JSON.parse(JSON.stringify(document(["tcp-l:1", "LOGGER", "ws:h:1"])));
  change(file);
  const error = assertThrows(() => planDocument(file, testRegistry, { file: "f.yaml" }), ConfigError) as Error;
  assertEquals(error.message, `f.yaml: ${message}`);
}
// deno-lint-ignore no-explicit-any
const listenerOf = (file: any) => file.listeners[0];
// deno-lint-ignore no-explicit-any
const routeOf = (file: any) => file.listeners[0].rules[0].action.route;

Deno.test("planDocument() names the path and the nearest key of what is wrong in a document", () => {
  refusesFile((f) => f.listener = [], 'listener: unknown key; did you mean "listeners"?');
  refusesFile((f) => delete f.listeners, "listeners: is missing");
  refusesFile((f) => delete listenerOf(f).rules, "listeners[0].rules: is missing");
  refusesFile((f) => listenerOf(f).spec = 5, "listeners[0].spec: 5 is not an object");
  refusesFile((f) => listenerOf(f).name = 5, "listeners[0].name: 5 is not a name of its own");
  refusesFile(
    (f) => listenerOf(f).spec = { prot: "TCP" },
    'listeners[0].spec.prot: unknown key; did you mean "protocol"?',
  );
  refusesFile((f) => listenerOf(f).spec.prt = 1, 'listeners[0].spec.prt: unknown key; did you mean "port"?');
  refusesFile(
    (f) => listenerOf(f).spec.protocol = "tcp",
    'listeners[0].spec.protocol: unknown protocol "tcp"; did you mean "TCP"?',
  );
  refusesFile((f) => listenerOf(f).spec.port = "80", 'listeners[0].spec.port: "80" is not an integer');
  refusesFile((f) => listenerOf(f).spec.port = 70000, "listeners[0].spec.port: 70000 out of range 0..65535");
  refusesFile(
    (f) => listenerOf(f).options = { lingr: 1 },
    'listeners[0].options.lingr: unknown key; did you mean "linger"?',
  );
  refusesFile(
    (f) => listenerOf(f).options = { linger: "x" },
    'listeners[0].options.linger: "x" is not a time such as 500ms or 2s',
  );
  const route = "listeners[0].rules[0].action.route";
  refusesFile((f) => delete routeOf(f).destination, `${route}.destination: is missing`);
  refusesFile((f) => routeOf(f).ingress[0].spec.sepp = 1, `${route}.ingress[0].spec.sepp: unknown key`);
  refusesFile(
    (f) => routeOf(f).ingress[0].spec.protocol = "TCP",
    `${route}.ingress[0].spec.protocol: unknown transform "TCP"`,
  );
  refusesFile(
    (f) => routeOf(f).destination.spec.txt = true,
    `${route}.destination.spec.txt: unknown key; did you mean "text"?`,
  );
  refusesFile(
    (f) => Object.assign(routeOf(f).destination.spec, { nodelay: true, transport: { protocol: "TCP" } }),
    `${route}.destination.spec.nodelay: unknown key`,
  );
  refusesFile(
    (f) => routeOf(f).retry = { retry_on: "x" },
    `${route}.retry.retry_on: "x" is not one of connect-failure, disconnect, always, never`,
  );
  refusesFile(
    (f) => routeOf(f).destination.spec.basic_auth = "***",
    `${route}.destination.spec.basic_auth: the secret is masked; write the real one (--show-secrets)`,
  );
});

Deno.test("planDocument() gives a plan or a ConfigError for any value in place of any part of a document", () => {
  const junk = [null, 5, "x", [], {}, [null], { protocol: "TCP" }, true];
  const original = document(["tcp-l:1,range=10.0.0.0/8", "LOGGER", "ws+tls://h:1/"]) as unknown;
  const paths: (string | number)[][] = [];
  const walk = (value: unknown, path: (string | number)[]) => {
    paths.push(path);
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) walk((value as Record<string, unknown>)[key], [...path, key]);
  };
  walk(original, []);
  for (const path of paths) {
    for (const value of junk) {
      const copy = { root: JSON.parse(JSON.stringify(original)) };
      let place: Record<string | number, unknown> = copy;
      let key: string | number = "root";
      for (const step of path) [place, key] = [place[key] as Record<string, unknown>, step];
      place[key] = value;
      try {
        planDocument(copy.root, testRegistry);
      } catch (error) {
        if (!(error instanceof ConfigError)) {
          throw new Error(`${path.join(".")} = ${JSON.stringify(value)}`, { cause: error });
        }
      }
    }
  }
});
