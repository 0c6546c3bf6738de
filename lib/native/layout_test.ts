// Each layout is checked by what the running kernel makes of it.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as c from "./constants.ts";
import { MessageBatch } from "./datagram_arena.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  epollEvent,
  group,
  groupSourceReq,
  ipMreqn,
  ipMreqSource,
  ipv6Mreq,
  linger,
  passwd,
  statx,
} from "./layout.ts";
import { cString, errno, libc, libcFailure } from "./libc.ts";
import { decodeSockaddr, encodeSockaddr, interfaceIndex } from "./sockaddr.ts";
import { bindSocket, localAddress, openSocket } from "./socket.ts";
import type { SocketAddress } from "../stream/stream.ts";
import { noIpv6 } from "../../tests/support/machine.ts";

const loopback4: SocketAddress = { family: "inet", host: "127.0.0.1", port: 0 };
const loopback6: SocketAddress = { family: "inet6", host: "::1", port: 0 };

/** Registers a test that closes the sockets it opens. */
function kernelTest(
  name: string,
  run: (open: (family: number, type?: number) => number) => void | Promise<void>,
  skip?: string,
): void {
  Deno.test({
    name: `layout: ${name}${skip ? ` (${skip})` : ""}`,
    ignore: (libcFailure ?? skip) !== undefined,
    async fn() {
      const fds: number[] = [];
      try {
        await run((family, type = c.SOCK_DGRAM) => {
          const fd = openSocket(family, type);
          fds.push(fd);
          return fd;
        });
      } finally {
        for (const fd of fds) libc.close(fd);
      }
    },
  });
}

function setsockopt(fd: number, level: number, option: number, value: Uint8Array<ArrayBuffer>): void {
  if (libc.setsockopt(fd, level, option, value, value.length) < 0) throw new Error(`setsockopt: errno ${errno()}`);
}

for (
  const [name, family, address, skip] of [
    ["sockaddr_in", AF_INET, loopback4, undefined],
    ["sockaddr_in6", AF_INET6, loopback6, noIpv6],
  ] as const
) {
  kernelTest(`${name} carries host and port to bind and back`, (open) => {
    const fd = open(family);
    bindSocket(fd, address, {});
    const bound = localAddress(fd);
    assert(bound.family !== "unix" && bound.port > 0);
    assertEquals(bound.host, address.host);
    // The port is read by the kernel as we wrote it: binding it again is refused.
    let error = 0;
    const bytes = encodeSockaddr(bound);
    if (libc.bind(open(family), bytes, bytes.length) < 0) error = errno();
    assertEquals(error, 98);
  }, skip);
}

kernelTest("sockaddr_in6 carries the scope", (open) => {
  const index = interfaceIndex("lo");
  const bytes = encodeSockaddr({ family: "inet6", host: "fe80::1%lo", port: 9 });
  assertEquals(decodeSockaddr(bytes, bytes.length), { family: "inet6", host: "fe80::1%lo", port: 9 });
  const fd = open(AF_INET6);
  // A link-local destination without a scope is invalid; with one it is at worst unreachable.
  const without = encodeSockaddr({ family: "inet6", host: "fe80::1", port: 9 });
  assert(libc.connect(fd, without, without.length) < 0 && errno() === 22);
  assert(libc.connect(fd, bytes, bytes.length) === 0 || errno() !== 22, `scope ${index} was not seen`);
});

kernelTest("sockaddr_un carries abstract names to bind and back", (open) => {
  const address: SocketAddress = { family: "unix", path: `@l7mp-layout-${Deno.pid}` };
  const fd = open(AF_UNIX);
  bindSocket(fd, address, {});
  assertEquals(localAddress(fd), address);
});

kernelTest("epoll_event gives events and data of several descriptors", (open) => {
  const epoll = libc.epoll_create1(c.EPOLL_CLOEXEC);
  const fds = [open(AF_INET), open(AF_INET), open(AF_INET)];
  const event = new Int32Array(epollEvent.words);
  for (const fd of fds) {
    event[epollEvent.events] = c.EPOLLOUT;
    event[epollEvent.data] = fd;
    assertEquals(libc.epoll_ctl(epoll, c.EPOLL_CTL_ADD, fd, event), 0);
  }
  const events = new Int32Array(8 * epollEvent.words);
  const count = libc.epoll_wait(epoll, events, 8, 0);
  libc.close(epoll);
  assertEquals(count, 3);
  const seen = fds.map((_, i) => [
    events[i * epollEvent.words + epollEvent.data],
    events[i * epollEvent.words + epollEvent.events]! & c.EPOLLOUT,
  ]);
  assertEquals(seen.sort(), fds.map((fd) => [fd, c.EPOLLOUT]).sort());
});

kernelTest("mmsghdr, msghdr and iovec carry lengths, names and payloads both ways", (open) => {
  const [sender, receiver] = [open(AF_INET), open(AF_INET)];
  for (const fd of [sender, receiver]) bindSocket(fd, loopback4, {});
  const to = encodeSockaddr(localAddress(receiver));
  const out = new MessageBatch(new Uint8Array(3 * 64), 3, 64);
  for (let i = 0; i < 3; i++) {
    out.payload.fill(i + 1, i * 64, i * 64 + 10 * i);
    out.setLength(i, 10 * i);
    out.names.set(to, i * 128);
    out.setNameLength(i, to.length);
  }
  assertEquals(libc.sendmmsg(sender, out.headers, 3, 0), 3);
  const into = new MessageBatch(new Uint8Array(3 * 16), 3, 16);
  assertEquals(libc.recvmmsg(receiver, into.headers, 3, c.MSG_DONTWAIT, null), 3);
  assertEquals([0, 1, 2].map((i) => into.length(i)), [0, 10, 16]);
  assertEquals([0, 1, 2].map((i) => into.flags(i) & c.MSG_TRUNC), [0, 0, c.MSG_TRUNC]);
  assertEquals([...into.payload.subarray(16, 27)], [...Array(10).fill(2), 0]);
  for (let i = 0; i < 3; i++) {
    assertEquals(decodeSockaddr(into.names.subarray(i * 128), into.nameLength(i)), localAddress(sender));
  }
});

kernelTest("linger is read back as it was set", (open) => {
  const fd = open(AF_INET, c.SOCK_STREAM);
  setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, linger(true, 7));
  const value = new Uint8Array(8);
  assertEquals(libc.getsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, value, new Uint8Array([8, 0, 0, 0])), 0);
  assertEquals(value, linger(true, 7));
});

/** Lines of a /proc/net file in which the kernel lists what sockets have joined. */
async function listed(file: string, text: string): Promise<boolean> {
  return (await Deno.readTextFile(`/proc/net/${file}`)).toLowerCase().includes(text);
}

kernelTest("ip_mreqn joins by address and by index", async (open) => {
  const index = interfaceIndex("lo");
  const requests = [
    [ipMreqn(new Uint8Array([239, 9, 8, 7]), new Uint8Array([127, 0, 0, 1]), 0), "070809ef"],
    [ipMreqn(new Uint8Array([239, 9, 8, 6]), undefined, index), "060809ef"],
  ] as const;
  for (const [request, hex] of requests) {
    setsockopt(open(AF_INET), c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, request);
    assert(await listed("igmp", hex), `${hex} was not joined`);
  }
});

kernelTest("ip_mreq_source and group_source_req join one source of a group", async (open) => {
  const lo = new Uint8Array([127, 0, 0, 1]);
  const request = ipMreqSource(new Uint8Array([239, 9, 8, 5]), lo, new Uint8Array([127, 0, 0, 9]));
  setsockopt(open(AF_INET), c.IPPROTO_IP, c.IP_ADD_SOURCE_MEMBERSHIP, request);
  // /proc/net/mcfilter: index, device, group, source.
  assert(await listed("mcfilter", "0xef090805 0x7f000009"), "ip_mreq_source was not understood");
  const address = (host: string) => encodeSockaddr({ family: "inet", host, port: 0 });
  const wide = groupSourceReq(interfaceIndex("lo"), address("239.9.8.4"), address("127.0.0.8"));
  setsockopt(open(AF_INET), c.IPPROTO_IP, c.MCAST_JOIN_SOURCE_GROUP, wide);
  assert(await listed("mcfilter", "0xef090804 0x7f000008"), "group_source_req was not understood");
});

kernelTest("ipv6_mreq joins a group on an interface", async (open) => {
  const group = encodeSockaddr({ family: "inet6", host: "ff05::1234", port: 0 }).subarray(8, 24);
  setsockopt(open(AF_INET6), c.IPPROTO_IPV6, c.IPV6_JOIN_GROUP, ipv6Mreq(group, interfaceIndex("lo")));
  assert(await listed("igmp6", "ff050000000000000000000000001234"), "the group was not joined");
}, noIpv6);

kernelTest("statx tells a directory", () => {
  const fd = libc.open(cString("/"), c.O_RDONLY, 0);
  const result = new Uint8Array(statx.size);
  const failed = libc.statx(fd, cString(""), c.AT_EMPTY_PATH, c.STATX_TYPE, result);
  libc.close(fd);
  assertEquals(failed, 0);
  assertEquals(new DataView(result.buffer).getUint16(statx.mode, true) & c.S_IFMT, c.S_IFDIR);
});

kernelTest("passwd and group hold the numbers of the accounts file", async () => {
  const [user, , uid] = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"))
    .find(([, , id]) => Number(id) > 0)!;
  assertEquals(new Deno.UnsafePointerView(libc.getpwnam(cString(user!))!).getUint32(passwd.uid), Number(uid));
  const [name, , gid] = (await Deno.readTextFile("/etc/group")).split("\n").map((line) => line.split(":"))
    .find(([, , id]) => Number(id) > 0)!;
  assertEquals(new Deno.UnsafePointerView(libc.getgrnam(cString(name!))!).getUint32(group.gid), Number(gid));
});
