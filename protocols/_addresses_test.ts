// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectError } from "../lib/errors.ts";
import type { IpAddress, SocketAddress } from "../lib/stream/stream.ts";
import { fakeDriver, testContext } from "../tests/support/fake_driver.ts";
import {
  type IpSpec,
  localAddress,
  openFrom,
  openLocal,
  remoteAddresses,
  sameIpAddress,
  tryEach,
} from "./_addresses.ts";

const four: SocketAddress = { family: "inet", host: "192.0.2.1", port: 0 };
const six: SocketAddress = { family: "inet6", host: "2001:db8::1", port: 0 };
const names = { both: [six, four] };
const spec = { address: "both", port: 80 };
const hosts = (addresses: readonly SocketAddress[]) => addresses.map((a) => a.family === "unix" ? a.path : a.host);

Deno.test("remoteAddresses() puts the preferred version first and keeps the other", async () => {
  const order = async (ipVersion: 4 | 6 | 0) =>
    hosts(await remoteAddresses(spec, testContext(fakeDriver({ names }), { ipVersion })));
  assertEquals(await order(4), ["192.0.2.1", "2001:db8::1"]);
  assertEquals(await order(6), ["2001:db8::1", "192.0.2.1"]);
  assertEquals(await order(0), ["2001:db8::1", "192.0.2.1"]);
});

Deno.test("remoteAddresses() tries localhost by the preferred version although the system lists it for IPv4 only", async () => {
  const driver = {
    ...fakeDriver(),
    resolve: async (_host: string, version: 4 | 6 | 0) =>
      version === 6
        ? [{ family: "inet6", host: "::1", port: 0 } as const]
        : [{ family: "inet", host: "127.0.0.1", port: 0 } as const],
  };
  const order = async (ipVersion: 4 | 6 | 0) =>
    hosts(await remoteAddresses({ address: "localhost", port: 80 }, testContext(driver, { ipVersion })));
  assertEquals(await order(6), ["::1", "127.0.0.1"]);
  assertEquals(await order(4), ["127.0.0.1"]);
});

Deno.test("remoteAddresses() has one version with pf or a literal bind, and the port given", async () => {
  const context = testContext(fakeDriver({ names }));
  assertEquals(await remoteAddresses({ ...spec, pf: "ip6" }, context), [{ ...six, port: 80 }]);
  assertEquals(await remoteAddresses({ ...spec, bind: { host: "::1" } }, context), [{ ...six, port: 80 }]);
});

Deno.test("remoteAddresses() asks nobody about a literal and refuses one of the wrong version", async () => {
  const driver = fakeDriver();
  const context = testContext(driver);
  assertEquals(hosts(await remoteAddresses({ address: "::1", port: 1 }, context)), ["::1"]);
  assertEquals(driver.calls, []);
  await assertRejects(
    () => remoteAddresses({ address: "127.0.0.1", port: 1, pf: "ip6" }, context),
    ConnectError,
    'getaddrinfo("127.0.0.1"): Address family for hostname not supported; it is IPv4, and IPv6 is asked for: ',
  );
});

Deno.test("localAddress() is of the remote end's version, and absent when nothing asks for one", async () => {
  const context = testContext(fakeDriver({ names }));
  assertEquals(await localAddress({}, undefined, "inet", context), undefined);
  assertEquals(await localAddress({}, 53, "inet6", context), { family: "inet6", host: "::", port: 53 });
  assertEquals(await localAddress({ bind: { port: 7 } }, 53, "inet", context), {
    family: "inet",
    host: "0.0.0.0",
    port: 7,
  });
  assertEquals(await localAddress({ bind: { host: "both" } }, undefined, "inet6", context), six);
});

/** Opens with `lowport`; gives the ports that were tried. `fault` says what is wrong with the one of a try. */
async function lowPorts(fault: (tried: number) => ConnectError | undefined, spec: IpSpec = {}) {
  const tried: IpAddress[] = [];
  const opened = openFrom(spec, { lowport: true }, "inet", testContext(fakeDriver()), async (local) => {
    tried.push(local!);
    const error = fault(tried.length);
    if (error) throw error;
  });
  return { opened: await opened.then(() => undefined, (error: Error) => error.message), tried };
}
const failed = (call: string, code: string) => new ConnectError(`${call}(AF=2 0.0.0.0:700): no`, { code });

Deno.test("openFrom() with lowport goes on from a port in use to the next, of bind's address", async () => {
  const faults = [failed("bind", "EADDRINUSE"), failed("connect", "EADDRNOTAVAIL")];
  const { opened, tried } = await lowPorts((tries) => faults[tries - 1], { bind: { host: "127.0.0.3" } });
  assertEquals(opened, undefined);
  assertEquals(new Set(tried.map(({ port }) => port)).size, 3);
  assert(tried.every(({ host, port }) => host === "127.0.0.3" && port >= 640 && port <= 1023));
});

Deno.test("openFrom() with lowport gives up when every port was in use, and at once where none would do", async () => {
  const full = await lowPorts(() => failed("bind", "EADDRINUSE"));
  assertEquals(full.opened, "bind(AF=2 0.0.0.0:700): no; so is every port from 640 to 1023 (lowport)");
  assertEquals(
    full.tried.map(({ port }) => port).sort((a, b) => a - b),
    Array.from({ length: 384 }, (_, i) => 640 + i),
  );
  for (const error of [failed("bind", "EACCES"), failed("bind", "EADDRNOTAVAIL"), failed("connect", "ECONNREFUSED")]) {
    const { opened, tried } = await lowPorts(() => error);
    assertEquals([opened, tried.length], [error.message, 1]);
  }
});

Deno.test("openLocal() listens on all interfaces of the version asked for", async () => {
  const opened: unknown[] = [];
  const open = async (local: SocketAddress, options: object) => void opened.push([hosts([local])[0], options]);
  const context = testContext(fakeDriver({ names }));
  await openLocal({ port: 5 }, context, open);
  await openLocal({ port: 5 }, { ...context, ipVersion: 6 }, open);
  await openLocal({ port: 5, pf: "ip4" }, { ...context, ipVersion: 6 }, open);
  await openLocal({ port: 5 }, { ...context, ipVersion: 0 }, open);
  await openLocal({ bind: { host: "both" } }, context, open);
  assertEquals(opened, [["0.0.0.0", {}], ["::", {}], ["0.0.0.0", {}], ["::", { v6only: false }], ["192.0.2.1", {}]]);
});

Deno.test("openLocal() takes the user's word on whether IPv6 takes IPv4 too", async () => {
  const context = testContext(fakeDriver(), { ipVersion: 0 });
  const opened: unknown[] = [];
  const open = async (_: SocketAddress, options: object) => void opened.push(options);
  await openLocal({ port: 5, ipv6_v6only: true }, context, open);
  assertEquals(opened, [{ v6only: true }]);
});

Deno.test("openLocal() falls back to IPv4 where no version is preferred and one socket cannot serve both", async () => {
  const context = testContext(fakeDriver(), { ipVersion: 0 });
  for (const code of ["EAFNOSUPPORT", "UNSUPPORTED"]) {
    const open = async (local: SocketAddress & { host: string }) => {
      if (local.family === "inet6") throw new ConnectError("socket: no", { code });
      return local.host;
    };
    assertEquals(await openLocal({ port: 5 }, context, open), "0.0.0.0");
    await assertRejects(() => openLocal({ port: 5, ipv6_v6only: true }, context, open), ConnectError);
  }
});

Deno.test("tryEach() tells each failure at notice and throws the last", async () => {
  const context = testContext(fakeDriver());
  const refuse = async (name: string): Promise<string> => {
    if (name === "good") return name;
    throw new ConnectError(`connect(${name}): Connection refused`);
  };
  assertEquals(await tryEach(["a", "good", "b"], context.log, refuse), "good");
  await assertRejects(() => tryEach(["b", "c"], context.log, refuse), ConnectError, "connect(c)");
  assertEquals(context.lines, ["N connect(a): Connection refused", "N connect(b): Connection refused"]);
});

Deno.test("tryEach() does not go on after anything but a failed connection", async () => {
  const context = testContext(fakeDriver());
  const tried: string[] = [];
  const attempt = async (name: string): Promise<void> => {
    tried.push(name);
    throw new DOMException("stop", "AbortError");
  };
  await assertRejects(() => tryEach(["a", "b"], context.log, attempt), DOMException);
  assertEquals(tried, ["a"]);
});

Deno.test("sameIpAddress() does not care how IPv6 is spelled", () => {
  assertEquals(
    sameIpAddress({ ...six, port: 1 } as SocketAddress, { family: "inet6", host: "2001:DB8:0::1", port: 1 }),
    true,
  );
  assertEquals(sameIpAddress(six, four), false);
  assertEquals(sameIpAddress(four, { family: "inet", host: "192.0.2.1", port: 9 }), false);
});
