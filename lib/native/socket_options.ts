/** `SocketOptions` and their kin, set on a descriptor. */
import type { DatagramSocketOptions, Membership, SocketOptions, StreamSocketOptions } from "../driver.ts";
import { ConfigError } from "../errors.ts";
import { parseIp } from "../stream/net_range.ts";
import * as c from "./constants.ts";
import { connectError, EPERM } from "./errno.ts";
import { AF_INET, AF_INET6, groupSourceReq, ipMreqn, ipMreqSource, ipv6Mreq, linger } from "./layout.ts";
import { cString, errno, libc } from "./libc.ts";
import { encodeSockaddr, interfaceIndex } from "./sockaddr.ts";

type SocketLevel = readonly [level: number, option: number];

/** Sets options that concern every socket. `family` is AF_UNIX, AF_INET or AF_INET6. */
export function setSocketOptions(fd: number, family: number, options: SocketOptions): void {
  const set = (name: string, [level, option]: SocketLevel, value: number | boolean | undefined) => {
    if (value !== undefined) setInteger(fd, name, level, option, Number(value));
  };
  const onlyIp = (name: string, value: unknown) => {
    if (value !== undefined && family !== AF_INET && family !== AF_INET6) {
      throw new ConfigError(`option "${name}" does not apply to a UNIX socket (driver native)`);
    }
  };
  set("reuseaddr", [c.SOL_SOCKET, c.SO_REUSEADDR], options.reuseaddr);
  set("reuseport", [c.SOL_SOCKET, c.SO_REUSEPORT], options.reuseport);
  set("broadcast", [c.SOL_SOCKET, c.SO_BROADCAST], options.broadcast);
  if (options.rcvbuf !== undefined) setBuffer(fd, "rcvbuf", c.SO_RCVBUFFORCE, c.SO_RCVBUF, options.rcvbuf);
  if (options.sndbuf !== undefined) setBuffer(fd, "sndbuf", c.SO_SNDBUFFORCE, c.SO_SNDBUF, options.sndbuf);
  if (options.bindToDevice !== undefined) {
    const name = cString(options.bindToDevice);
    if (libc.setsockopt(fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, name, name.length) < 0) {
      throw connectError("setsockopt", `so-bindtodevice=${options.bindToDevice}`, errno());
    }
  }
  onlyIp("ttl", options.ttl);
  onlyIp("tos", options.tos);
  if (family !== AF_INET6 && options.v6only !== undefined) {
    throw new ConfigError('option "ipv6-v6only" needs an IPv6 socket; pf=ip6 or an IPv6 address makes one');
  }
  const six = family === AF_INET6;
  set("ttl", six ? [c.IPPROTO_IPV6, c.IPV6_UNICAST_HOPS] : [c.IPPROTO_IP, c.IP_TTL], options.ttl);
  set("tos", six ? [c.IPPROTO_IPV6, c.IPV6_TCLASS] : [c.IPPROTO_IP, c.IP_TOS], options.tos);
  set("ipv6-v6only", [c.IPPROTO_IPV6, c.IPV6_V6ONLY], options.v6only);
}

/** Sets options of stream sockets. On a listener they are inherited by what it accepts. */
export function setStreamOptions(fd: number, family: number, options: StreamSocketOptions): void {
  setSocketOptions(fd, family, options);
  if (options.keepalive !== undefined) {
    setInteger(fd, "keepalive", c.SOL_SOCKET, c.SO_KEEPALIVE, Number(options.keepalive));
  }
  // Told to linger, the system blocks the closing thread, and all sessions with it: the farewell waits instead.
  if (options.lingerSeconds === 0) setBytes(fd, "linger=0", c.SOL_SOCKET, c.SO_LINGER, linger(true, 0));
  const tcp: readonly (readonly [string, number, number | undefined])[] = [
    ["keepidle", c.TCP_KEEPIDLE, options.keepIdleSeconds],
    ["keepintvl", c.TCP_KEEPINTVL, options.keepIntervalSeconds],
    ["keepcnt", c.TCP_KEEPCNT, options.keepCount],
    ["user-timeout", c.TCP_USER_TIMEOUT, options.userTimeoutMs],
    ["mss", c.TCP_MAXSEG, options.maxSegmentBytes],
  ];
  const ip = family === AF_INET || family === AF_INET6;
  if (ip) setInteger(fd, "nodelay", c.IPPROTO_TCP, c.TCP_NODELAY, Number(options.nodelay ?? true));
  for (const [name, option, value] of tcp) {
    if (value === undefined) continue;
    if (!ip) throw new ConfigError(`option "${name}" does not apply to a UNIX socket (driver native)`);
    setInteger(fd, name, c.IPPROTO_TCP, option, value);
  }
}

/** Sets options of datagram sockets; after `bind`, because a membership needs the socket's family only. */
export function setMulticastOptions(fd: number, family: number, options: DatagramSocketOptions): void {
  const { memberships = [], multicastInterface, multicastLoop, multicastTtl } = options;
  if (family !== AF_INET && family !== AF_INET6) {
    if (memberships.length > 0 || (multicastInterface ?? multicastLoop ?? multicastTtl) !== undefined) {
      throw new ConfigError("multicast options do not apply to a UNIX socket (driver native)");
    }
    return;
  }
  const six = family === AF_INET6;
  if (multicastLoop !== undefined) {
    const [level, option] = six ? [c.IPPROTO_IPV6, c.IPV6_MULTICAST_LOOP] : [c.IPPROTO_IP, c.IP_MULTICAST_LOOP];
    setInteger(fd, "ip-multicast-loop", level!, option!, Number(multicastLoop));
  }
  if (multicastTtl !== undefined) {
    const [level, option] = six ? [c.IPPROTO_IPV6, c.IPV6_MULTICAST_HOPS] : [c.IPPROTO_IP, c.IP_MULTICAST_TTL];
    setInteger(fd, "ip-multicast-ttl", level!, option!, multicastTtl);
  }
  if (multicastInterface !== undefined) {
    if (six) {
      const index = interfaceIndex(multicastInterface);
      setInteger(fd, "ip-multicast-if", c.IPPROTO_IPV6, c.IPV6_MULTICAST_IF, index);
    } else {
      const { address, index } = interface4(multicastInterface);
      const value = ipMreqn(new Uint8Array(4), address, index);
      setBytes(fd, `ip-multicast-if=${multicastInterface}`, c.IPPROTO_IP, c.IP_MULTICAST_IF, value);
    }
  }
  // Otherwise a wildcard socket also gets the groups that other programs of this host have joined.
  if (!six && memberships.length > 0) setInteger(fd, "IP_MULTICAST_ALL", c.IPPROTO_IP, c.IP_MULTICAST_ALL, 0);
  for (const membership of memberships) join(fd, membership);
}

function join(fd: number, membership: Membership): void {
  const { group, source } = membership;
  const text = `${group}${membership.interface === undefined ? "" : `:${membership.interface}`}`;
  const groupIp = parseIp(group);
  if (!groupIp) throw new ConfigError(`"${group}" is not a multicast group`);
  const sourceIp = source === undefined ? undefined : parseIp(source);
  if (source !== undefined && sourceIp?.length !== groupIp.length) {
    throw new ConfigError(
      `"${source}" is not an IPv${groupIp.length === 4 ? 4 : 6} address (source of group ${group})`,
    );
  }
  if (groupIp.length === 16) {
    const index = membership.interface === undefined ? 0 : interfaceIndex(membership.interface);
    if (source === undefined) {
      return setBytes(fd, `ipv6-join-group=${text}`, c.IPPROTO_IPV6, c.IPV6_JOIN_GROUP, ipv6Mreq(groupIp, index));
    }
    const address = (host: string) => encodeSockaddr({ family: "inet6", host, port: 0 });
    const request = groupSourceReq(index, address(group), address(source));
    return setBytes(fd, `source membership ${text}`, c.IPPROTO_IPV6, c.MCAST_JOIN_SOURCE_GROUP, request);
  }
  const { address, index } = interface4(membership.interface);
  if (!sourceIp) {
    const request = ipMreqn(groupIp, address, index);
    return setBytes(fd, `ip-add-membership=${text}`, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, request);
  }
  if (address || index === 0) {
    const request = ipMreqSource(groupIp, address, sourceIp);
    return setBytes(fd, `ip-add-source-membership=${text}`, c.IPPROTO_IP, c.IP_ADD_SOURCE_MEMBERSHIP, request);
  }
  // `ip_mreq_source` knows interfaces by address only; this request takes a name's index.
  const inet = (host: string) => encodeSockaddr({ family: "inet", host, port: 0 });
  const request = groupSourceReq(index, inet(group), inet(source!));
  setBytes(fd, `ip-add-source-membership=${text}`, c.IPPROTO_IP, c.MCAST_JOIN_SOURCE_GROUP, request);
}

/** An interface named by one of its IPv4 addresses, by name or by index. */
function interface4(text: string | undefined): { address?: Uint8Array; index: number } {
  if (text === undefined || text === "") return { index: 0 };
  const address = parseIp(text);
  return address?.length === 4 ? { address, index: 0 } : { index: interfaceIndex(text) };
}

function setInteger(fd: number, name: string, level: number, option: number, value: number): void {
  setBytes(fd, `${name}=${value}`, level, option, new Uint8Array(new Int32Array([value]).buffer));
}

function setBytes(fd: number, text: string, level: number, option: number, value: Uint8Array<ArrayBuffer>): void {
  if (libc.setsockopt(fd, level, option, value, value.length) < 0) throw connectError("setsockopt", text, errno());
}

/** Beyond the system's limit where we may, up to it otherwise. */
function setBuffer(fd: number, name: string, force: number, option: number, bytes: number): void {
  const value = new Uint8Array(new Int32Array([bytes]).buffer);
  if (libc.setsockopt(fd, c.SOL_SOCKET, force, value, 4) === 0) return;
  if (errno() !== EPERM) throw connectError("setsockopt", `${name}=${bytes}`, errno());
  setInteger(fd, name, c.SOL_SOCKET, option, bytes);
}

/** The socket's integer option. */
export function getInteger(fd: number, level: number, option: number): number {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  libc.getsockopt(fd, level, option, new Uint8Array(value.buffer), new Uint8Array(length.buffer));
  return value[0]!;
}

/** The pending error of a socket, which this call clears; 0 is none. */
export function socketError(fd: number): number {
  return getInteger(fd, c.SOL_SOCKET, c.SO_ERROR);
}
