// @ts-types="../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { localContext } from "../tests/support/local_context.ts";
import { expandIpv6, programEnvironment } from "./_program_environment.ts";

Deno.test("expandIpv6() prints all eight groups, without the zone", () => {
  assertEquals(expandIpv6("::1"), "0000:0000:0000:0000:0000:0000:0000:0001");
  assertEquals(expandIpv6("fe80::a:b%eth0"), "fe80:0000:0000:0000:0000:0000:000a:000b");
  assertEquals(expandIpv6("1:2:3:4:5:6:7:8"), "0001:0002:0003:0004:0005:0006:0007:0008");
  assertEquals(expandIpv6("::ffff:127.0.0.1"), "0000:0000:0000:0000:0000:ffff:7f00:0001");
});

Deno.test("programEnvironment() tells the caller's addresses under both prefixes", () => {
  const environment = programEnvironment(localContext({
    program: "my-relay",
    sessionName: "cli-3",
    version: "1.2.3",
    downstream: {
      protocol: "TCP",
      name: "x",
      local: { family: "inet6", host: "::1", port: 80 },
      remote: { family: "inet", host: "10.0.0.9", port: 4711 },
    },
  }));
  const pid = String(Deno.pid);
  const expected: Record<string, string> = {};
  for (const prefix of ["SOCAT", "MY_RELAY"]) {
    Object.assign(expected, {
      [`${prefix}_VERSION`]: "1.2.3",
      [`${prefix}_PID`]: pid,
      [`${prefix}_PPID`]: pid,
      [`${prefix}_PEERADDR`]: "10.0.0.9",
      [`${prefix}_PEERPORT`]: "4711",
      [`${prefix}_SOCKADDR`]: "[0000:0000:0000:0000:0000:0000:0000:0001]",
      [`${prefix}_SOCKPORT`]: "80",
      [`${prefix}_SESSION`]: "cli-3",
    });
  }
  assertEquals(environment, expected);
});

Deno.test("programEnvironment() leaves out what is not known", () => {
  const pid = String(Deno.pid);
  assertEquals(programEnvironment(localContext({ program: "socat" })), { SOCAT_PID: pid, SOCAT_PPID: pid });
});
