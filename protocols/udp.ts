/** UDP: connected to one peer, or a listener that gives every sender a session. */
import type { DatagramSocket, DatagramSocketOptions, Driver } from "../lib/driver.ts";
import type { Context, Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { type DatagramStream, formatAddress, type IpAddress } from "../lib/stream/stream.ts";
import { anyAddress, type LocalPort, openFrom, openLocal, remoteAddresses, tryEach } from "./_addresses.ts";
import { DatagramListener } from "./_datagram_listener.ts";
import { DatagramPort, datagramPort } from "./_datagram_port.ts";
import { maxUdpBytes, SocketDatagramStream, warnOfDrops, withBroadcastAdvice } from "./_datagram_stream.ts";
import { withAdvice } from "./_errors.ts";
import { checkIpParameters, checkLocalPort, ipFields, ipForms, portFields, range } from "./_ip_options.ts";
import { RecvfromListener } from "./_recvfrom_listener.ts";
import { SenderFilter, type SenderRules } from "./_sender_filter.ts";
import { SharedSocket } from "./_shared_socket.ts";
import { checkRole, ipSocketFields, multicastFields, udpSocketOptions } from "./_socket_options.ts";

const commonFields = { ...ipFields, ...portFields, ...ipSocketFields, ...multicastFields };

const udpSpec = s.object({
  ...commonFields,
  queue: s.integer({ min: 1, default: 1024, group: "data", help: "Datagrams kept per peer (at most 1 MiB)" }),
  // The engine's option; without it the listener ignores further peers.
  fork: s.boolean({ group: "sessions", help: "Serve many sessions, not only the first" }),
});
export type UdpSpec = s.SpecOf<typeof udpSpec>;

const sendtoSpec = s.object(commonFields);
export type UdpSendtoSpec = s.SpecOf<typeof sendtoSpec>;

const receiverSpec = s.object({ ...commonFields, range });
export type UdpReceiverSpec = s.SpecOf<typeof receiverSpec>;

function checkDriver(spec: UdpSendtoSpec, { driver }: { readonly driver: Driver }): void {
  driver.refuse?.("udp", udpSocketOptions(spec));
}

export const udp: Protocol<UdpSpec> = {
  name: "UDP",
  types: [
    ...ipForms({
      names: ["UDP", "UDP-CONNECT", "UDP-C", "C-UDP", "CONNECT-UDP"],
      role: "connect",
      parameters: { form: "host:port" },
      help: "Exchange datagrams with one UDP peer",
    }),
    ...ipForms({
      names: ["UDP-LISTEN", "UDP-L", "L-UDP", "LISTEN-UDP"],
      role: "listen",
      parameters: { form: "[host:]port" },
      help: "One session per sender of UDP datagrams",
    }),
    {
      names: ["UDP-SERVER"],
      role: "listen",
      parameters: { form: "[host:]port" },
      implies: { fork: true },
      help: "UDP-LISTEN with fork",
    },
  ],
  kind: "datagram",
  end: "none",
  spec: udpSpec,

  check(spec, { role }) {
    checkRole("UDP", this.spec.fields, spec, role);
    checkIpParameters("UDP", spec, role === "listen");
    if (role === "connect") checkLocalPort("UDP", spec);
  },

  checkDriver,

  async connect(spec, context) {
    const { driver, log } = context;
    return await tryEach(await remoteAddresses(spec, context), log, async (remote) => {
      const name = formatAddress(remote);
      log.notice("connect.open", `opening connection to ${name}`);
      const maxDatagramBytes = maxUdpBytes(remote);
      const onDrop = warnOfDrops(log, name, maxDatagramBytes);
      const socket = await openFrom(spec, spec, remote.family, context, (local) =>
        withAdvice(
          local ?? remote,
          () => driver.openDatagram({ local, remote, onDrop }, udpSocketOptions(spec)),
        )).catch((error) => {
          throw withBroadcastAdvice(error, { remote });
        });
      log.notice("connect.done", `successfully connected from local address ${formatAddress(socket.local)}`);
      const info = { protocol: "UDP", name, local: socket.local, remote };
      return new SocketDatagramStream(socket, { info, maxDatagramBytes });
    });
  },

  async listen(spec, context) {
    const port = await openLocal(spec, context, async (local, options) => {
      const all = { ...udpSocketOptions(spec), ...options };
      const open = () => openSocket(local, all, context);
      const own = local.port === 0 || !spec.fork;
      return own ? new DatagramPort(await open()) : await datagramPort({ local, ...all }, context, open);
    });
    return new DatagramListener(port, {
      protocol: "UDP",
      log: context.log,
      fork: spec.fork ?? false,
      queueDatagrams: spec.queue ?? 1024,
      maxDatagramBytes: maxUdpBytes(port.address),
    });
  },
};

export const udpSendto: Protocol<UdpSendtoSpec> = {
  name: "UDP-SENDTO",
  types: ipForms({
    names: ["UDP-SENDTO", "UDP-SEND"],
    role: "connect",
    parameters: { form: "host:port" },
    help: "As UDP, without connecting: refusals of the peer go unnoticed",
  }),
  kind: "datagram",
  end: "none",
  spec: sendtoSpec,
  check(spec) {
    checkIpParameters("UDP-SENDTO", spec, false);
    checkLocalPort("UDP-SENDTO", spec);
  },
  checkDriver,
  connect: (spec, context) => openUnconnected("UDP-SENDTO", spec, context, spec, (only) => ({ only })),
};

export const udpDatagram: Protocol<UdpReceiverSpec> = {
  name: "UDP-DATAGRAM",
  types: ipForms({
    names: ["UDP-DATAGRAM", "UDP-DGRAM", "UDP-BIND"],
    role: "local",
    parameters: { form: "host:port" },
    help: "Send to one address, also broadcast or multicast; receive from anybody",
  }),
  kind: "datagram",
  end: "none",
  spec: receiverSpec,
  check: (spec) => checkIpParameters("UDP-DATAGRAM", spec, false),
  checkDriver,
  connect: (spec, context) => openUnconnected("UDP-DATAGRAM", spec, context, {}, () => rulesOf(spec)),
};

export const udpRecv: Protocol<UdpReceiverSpec> = {
  name: "UDP-RECV",
  types: ipForms({
    names: ["UDP-RECV", "UDP-RECEIVE"],
    role: "local",
    parameters: { form: "[host:]port" },
    direction: "read",
    help: "Receive datagrams from anybody",
  }),
  kind: "datagram",
  end: "none",
  spec: receiverSpec,
  check: (spec) => checkIpParameters("UDP-RECV", spec, true),
  checkDriver,
  async connect(spec, context) {
    const socket = await openReceiver(spec, context);
    const name = formatAddress(socket.local);
    context.log.notice("receiver.open", `receiving on ${name}`);
    const filter = new SenderFilter(rulesOf(spec), context.log);
    return new SocketDatagramStream(socket, { info: { protocol: "UDP-RECV", name, local: socket.local }, filter });
  },
};

export const udpRecvfrom: Protocol<UdpReceiverSpec> = {
  name: "UDP-RECVFROM",
  types: ipForms({
    names: ["UDP-RECVFROM"],
    role: "listen",
    parameters: { form: "[host:]port" },
    help: "Receive one datagram and answer its sender; with fork again and again",
  }),
  kind: "datagram",
  end: "none",
  spec: receiverSpec,
  check: (spec) => checkIpParameters("UDP-RECVFROM", spec, true),
  checkDriver,
  async listen(spec, context) {
    const shared = new SharedSocket(await openReceiver(spec, context));
    return new RecvfromListener(shared, {
      protocol: "UDP-RECVFROM",
      log: context.log,
      filter: new SenderFilter(rulesOf(spec), context.log),
      maxDatagramBytes: maxUdpBytes(shared.socket.local),
    });
  },
};

function rulesOf({ range, sourceport, lowport }: UdpReceiverSpec): SenderRules {
  return { range, sourceport, lowport };
}

/** The socket of a listener or receiver, bound to what the settings ask for. */
async function openReceiver(spec: UdpSendtoSpec, context: Context): Promise<DatagramSocket> {
  return await openLocal(
    spec,
    context,
    (local, options) => openSocket(local, { ...udpSocketOptions(spec), ...options }, context),
  );
}

function openSocket(
  local: IpAddress,
  options: DatagramSocketOptions,
  { log, driver }: Context,
): Promise<DatagramSocket> {
  const onDrop = warnOfDrops(log, "a peer", maxUdpBytes(local));
  return withAdvice(local, () => driver.openDatagram({ local, onDrop }, options), "udp");
}

/** A stream that sends to the endpoint's address and receives from senders that the rules allow. */
async function openUnconnected(
  protocol: string,
  spec: UdpSendtoSpec,
  context: Context,
  localPort: LocalPort,
  rules: (remote: IpAddress) => SenderRules,
): Promise<DatagramStream> {
  const { driver, log } = context;
  return await tryEach(await remoteAddresses(spec, context), log, async (remote) => {
    const name = formatAddress(remote);
    const maxDatagramBytes = maxUdpBytes(remote);
    const onDrop = warnOfDrops(log, name, maxDatagramBytes);
    const socket = await openFrom(spec, localPort, remote.family, context, (asked) => {
      const local = asked ?? anyAddress(remote.family, 0);
      return withAdvice(local, () => driver.openDatagram({ local, onDrop }, udpSocketOptions(spec)), "udp");
    });
    log.notice("connect.done", `sending to ${name} from local address ${formatAddress(socket.local)}`);
    const info = { protocol, name, local: socket.local, remote };
    const filter = new SenderFilter(rules(remote), log);
    return new SocketDatagramStream(socket, { info, to: remote, filter, maxDatagramBytes });
  });
}
