/** Options of sockets: the settings, and what they are for the driver. Absent ones leave the system's default. */
import type { DatagramSocketOptions, Membership, SocketOptions, StreamSocketOptions } from "../lib/driver.ts";
import { ConfigError } from "../lib/errors.ts";
import type { AddressType } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const socket = "socket";

/** For every socket. */
export const bufferFields = {
  rcvbuf: s.size({
    group: socket,
    aliases: ["so-rcvbuf", "rcvbuf-late"],
    help: "Receive buffer of the system, in bytes",
  }),
  sndbuf: s.size({ group: socket, aliases: ["so-sndbuf", "sndbuf-late"], help: "Send buffer of the system, in bytes" }),
};

/** For every IP socket. */
export const ipSocketFields = {
  ...bufferFields,
  reuseaddr: s.boolean({
    group: socket,
    aliases: ["so-reuseaddr"],
    help: "Bind although an earlier connection lingers (TCP-LISTEN: on)",
  }),
  reuseport: s.boolean({
    group: socket,
    aliases: ["so-reuseport"],
    help: "Share the port with other sockets that say so",
  }),
  ttl: s.integer({ min: 1, max: 255, group: socket, aliases: ["ip-ttl"], help: "Time to live of packets" }),
  tos: s.integer({ min: 0, max: 255, group: socket, aliases: ["ip-tos"], help: "Type of service of packets" }),
  ipv6_v6only: s.boolean({ group: socket, aliases: ["ipv6only", "v6only"], help: "IPv6 listener takes no IPv4" }),
  bindtodevice: s.string({
    group: socket,
    aliases: ["so-bindtodevice", "if", "interface"],
    help: "Use only this network interface",
    example: "eth0",
  }),
};

export const tcpSocketFields = {
  ...ipSocketFields,
  nodelay: s.boolean({ default: true, group: socket, aliases: ["tcp-nodelay"], help: "Send small packets at once" }),
  keepalive: s.boolean({ group: socket, aliases: ["so-keepalive"], help: "Probe idle connections" }),
  keepidle: s.integer({ min: 1, group: socket, help: "Seconds of silence before the first probe" }),
  keepintvl: s.integer({ min: 1, group: socket, help: "Seconds between probes" }),
  keepcnt: s.integer({ min: 1, group: socket, help: "Unanswered probes until the connection is lost" }),
  user_timeout: s.integer({ min: 0, group: socket, help: "Milliseconds until unanswered data is a lost connection" }),
  linger: s.integer({ min: 0, group: socket, help: "Seconds that closing waits for unsent data" }),
  mss: s.integer({ min: 88, max: 32767, group: socket, aliases: ["maxseg"], help: "Largest segment, in bytes" }),
};

/** For listening stream sockets. */
export const backlogField = {
  backlog: s.integer({ min: 1, group: "listening", help: "Connections waiting to be accepted (default 511)" }),
};
export const defaultBacklog = 511;

export const multicastFields = {
  broadcast: s.boolean({ group: socket, aliases: ["so-broadcast"], help: "Allow sending to broadcast addresses" }),
  ip_add_membership: s.list(s.custom("group:interface", parseMembership, printMembership), {
    group: "multicast",
    aliases: ["add-membership", "membership", "ipv6-join-group", "join-group"],
    help: "Receive this multicast group on this interface (address or name); repeatable",
  }),
  ip_add_source_membership: s.list(s.custom("group:interface:source", parseSourceMembership, printMembership), {
    group: "multicast",
    aliases: ["add-source-membership", "source-membership", "ipv6-join-source-group"],
    help: "Receive this multicast group from this source only; repeatable",
  }),
  ip_multicast_if: s.string({
    group: "multicast",
    aliases: ["multicast-if"],
    help: "Send multicast through the interface with this address",
    example: "127.0.0.1",
  }),
  ip_multicast_loop: s.boolean({ group: "multicast", aliases: ["multicast-loop"], help: "Hear our own multicast" }),
  ip_multicast_ttl: s.integer({
    min: 0,
    max: 255,
    group: "multicast",
    aliases: ["multicast-ttl"],
    help: "Time to live of multicast packets",
  }),
};

type ValuesOf<F extends s.Fieldset> = Partial<s.Values<F>>;

function ipSocketOptions(spec: ValuesOf<typeof ipSocketFields>): SocketOptions {
  return {
    reuseaddr: spec.reuseaddr,
    reuseport: spec.reuseport,
    rcvbuf: spec.rcvbuf,
    sndbuf: spec.sndbuf,
    ttl: spec.ttl,
    tos: spec.tos,
    v6only: spec.ipv6_v6only,
    bindToDevice: spec.bindtodevice,
  };
}

export function tcpSocketOptions(spec: ValuesOf<typeof tcpSocketFields>): StreamSocketOptions {
  return {
    ...ipSocketOptions(spec),
    nodelay: spec.nodelay ?? true,
    keepalive: spec.keepalive,
    keepIdleSeconds: spec.keepidle,
    keepIntervalSeconds: spec.keepintvl,
    keepCount: spec.keepcnt,
    userTimeoutMs: spec.user_timeout,
    lingerSeconds: spec.linger,
    maxSegmentBytes: spec.mss,
  };
}

export function udpSocketOptions(
  spec: ValuesOf<typeof ipSocketFields & typeof multicastFields>,
): DatagramSocketOptions {
  const memberships = [...spec.ip_add_membership ?? [], ...spec.ip_add_source_membership ?? []];
  return {
    ...ipSocketOptions(spec),
    broadcast: spec.broadcast,
    ...(memberships.length > 0 && { memberships }),
    multicastInterface: spec.ip_multicast_if,
    multicastLoop: spec.ip_multicast_loop,
    multicastTtl: spec.ip_multicast_ttl,
  };
}

/** Refuses settings whose group is `listening` or `connecting` on an endpoint of the other role. */
export function checkRole(name: string, fields: s.Fieldset, spec: unknown, role: AddressType["role"]): void {
  const foreign = role === "listen" ? "connecting" : "listening";
  for (const [key, field] of Object.entries(fields)) {
    if (field.notes.group === foreign && (spec as Record<string, unknown>)[key] !== undefined) {
      throw new ConfigError(`option "${key.replaceAll("_", "-")}" does not apply to ${name} as a ${role}er`);
    }
  }
}

/** Cuts at colons outside brackets and takes the brackets off. */
function parts(text: string): string[] {
  return [...text.matchAll(/\[([^\]]*)\]|([^:]+)/g)].map((m) => m[1] ?? m[2]!);
}

function parseMembership(text: string): Membership {
  const [group, address, ...rest] = parts(text);
  if (!group || rest.length > 0) throw new SyntaxError(`"${text}" is not group:interface`);
  return { group, ...(address && { interface: address }) };
}

function parseSourceMembership(text: string): Membership {
  const [group, address, source, ...rest] = parts(text);
  if (!group || !address || !source || rest.length > 0) {
    throw new SyntaxError(`"${text}" is not group:interface:source`);
  }
  return { group, interface: address, source };
}

function printMembership({ group, interface: address, source }: Membership): string {
  const bracketed = (part: string) => part.includes(":") ? `[${part}]` : part;
  return [group, address, source].filter((part) => part !== undefined).map((part) => bracketed(part!)).join(":");
}
