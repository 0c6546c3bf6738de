// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../lib/errors.ts";
import { checkIpParameters, ipFields, ipForms, parseBind, printBind } from "./_ip_options.ts";

Deno.test("parseBind() reads host, host:port, :port and bracketed IPv6, and printBind() writes them back", () => {
  const cases = {
    "127.0.0.1": { host: "127.0.0.1" },
    "localhost:80": { host: "localhost", port: 80 },
    ":0": { port: 0 },
    "[::1]": { host: "::1" },
    "[fe80::1%lo]:53": { host: "fe80::1%lo", port: 53 },
  };
  for (const [text, bind] of Object.entries(cases)) {
    assertEquals(parseBind(text), bind);
    assertEquals(printBind(bind), text);
  }
  assertEquals(parseBind("[::1]:https"), { host: "::1", port: 443 });
  assertEquals(parseBind(":http"), { port: 80 });
});

Deno.test("parseBind() refuses what is no local end and says how IPv6 is written", () => {
  assertThrows(() => parseBind("::1"), SyntaxError, "write IPv6 addresses in brackets: [::1]");
  assertThrows(() => parseBind(":70000"), SyntaxError, 'port "70000" out of range');
  for (const name of ["zyxw", "constructor"]) {
    assertThrows(
      () => parseBind(`a:${name}`),
      SyntaxError,
      `service "${name}" is neither a number nor in /etc/services`,
    );
  }
  for (const text of ["", ":", "a:", "a:b:c", "[::1", "[::1]x"]) assertThrows(() => parseBind(text), SyntaxError);
});

Deno.test("bind takes the object form of files", () => {
  assertEquals(ipFields.bind.parse({ address: "127.0.0.1", port: 5 }, "x"), { host: "127.0.0.1", port: 5 });
  assertEquals(ipFields.bind.parse({ port: 5 }, "x"), { port: 5 });
  assertThrows(() => ipFields.bind.parse({}, "spec.bind"), ConfigError, "spec.bind");
  assertThrows(() => ipFields.bind.parse({ address: 127.1, port: 5 }, "spec.bind"), ConfigError, "spec.bind.address");
  assertThrows(() => ipFields.bind.parse(["127.0.0.1"], "bind"), ConfigError, '["127.0.0.1"] is not a string');
});

Deno.test("pf takes socat's spellings and numbers", () => {
  for (const text of ["ip4", "IPv4", "inet", "2"]) assertEquals(ipFields.pf.fromText(text, "pf"), "ip4");
  for (const text of ["ip6", "INET6", "10"]) assertEquals(ipFields.pf.fromText(text, "pf"), "ip6");
  assertThrows(() => ipFields.pf.fromText("unix", "pf"), ConfigError, '"unix" is not ip4 or ip6');
});

Deno.test("ipForms() names the forms for one version and presets it", () => {
  const forms = ipForms({ names: ["TCP-LISTEN", "INET-L"], role: "listen", parameters: { form: "none" }, help: "" });
  assertEquals(forms.map((f) => f.names), [
    ["TCP-LISTEN", "INET-L"],
    ["TCP4-LISTEN", "INET4-L"],
    ["TCP6-LISTEN", "INET6-L"],
  ]);
  assertEquals(forms.map((f) => f.preset?.pf), [undefined, "ip4", "ip6"]);
});

Deno.test("checkIpParameters() refuses missing parts and a bind that contradicts the parameters", () => {
  checkIpParameters("TCP", { port: 80, bind: { host: "127.0.0.1" } }, true);
  checkIpParameters("TCP", { bind: { port: 80 } }, true);
  checkIpParameters("TCP", { address: "h", port: 80, bind: { host: "127.0.0.1", port: 5 } }, false);
  assertThrows(() => checkIpParameters("TCP", { port: 80 }, false), ConfigError, "TCP: address is missing");
  assertThrows(() => checkIpParameters("TCP", { address: "h" }, false), ConfigError, "TCP: port is missing");
  const contradiction = { address: "::1", port: 80, bind: { host: "127.0.0.1" } };
  assertThrows(
    () => checkIpParameters("TCP", contradiction, true),
    ConfigError,
    'option "bind=127.0.0.1" contradicts [::1]:80',
  );
});
