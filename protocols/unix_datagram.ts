/** UNIX datagram sockets, by path or abstract name. */
import type { DatagramSocket } from "../lib/driver.ts";
import { ConfigError } from "../lib/errors.ts";
import type { AddressType, Context, Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { type DatagramStream, formatAddress } from "../lib/stream/stream.ts";
import { checkAccounts } from "./_accounts.ts";
import { SocketDatagramStream, warnOfDrops } from "./_datagram_stream.ts";
import { withAdvice } from "./_errors.ts";
import {
  abstractForm,
  checkPath,
  checkPathOptions,
  pathFields,
  pathOptions,
  unixAddress,
  unlinkLate,
} from "./_path_options.ts";
import { RecvfromListener } from "./_recvfrom_listener.ts";
import { SenderFilter } from "./_sender_filter.ts";
import { SharedSocket } from "./_shared_socket.ts";
import { bufferFields } from "./_socket_options.ts";

const sendtoSpec = s.object({
  address: s.string({ help: "Path, or @ and an abstract name" }),
  bind: s.string({ group: "address", help: "Path or @name of our own end; default an automatic abstract name" }),
  ...pathFields,
  ...bufferFields,
});
export type UnixSendtoSpec = s.SpecOf<typeof sendtoSpec>;

const receiverSpec = s.object({
  filename: s.string({ help: "Path to receive on, or @ and an abstract name" }),
  ...pathFields,
  ...bufferFields,
});
export type UnixReceiverSpec = s.SpecOf<typeof receiverSpec>;

/**
 * What keeps `driver` from it, if anything does. The runtime sends nothing on a UNIX datagram socket on which a receive
 * waits, so by itself it can only do one of both.
 */
function checkDriver(
  { rcvbuf, sndbuf }: Pick<UnixReceiverSpec, "rcvbuf" | "sndbuf">,
  { driver, direction }: Pick<Context, "driver" | "direction">,
): void {
  driver.refuse?.("unix-datagram", { rcvbuf, sndbuf });
  if (driver.name !== "portable" || direction !== "both") return;
  throw new ConfigError(
    "--driver=portable cannot send and receive on one UNIX datagram socket; use --driver=native, -u or -U",
  );
}

/** A datagram stream with the socket at `spec.address`, of which only that peer is heard. */
export async function connectUnixDatagram(
  protocol: string,
  spec: UnixSendtoSpec,
  context: Context,
): Promise<DatagramStream> {
  checkDriver(spec, context);
  const remote = unixAddress(spec.address!, spec);
  const local = spec.bind === undefined ? undefined : unixAddress(spec.bind, spec);
  const name = formatAddress(remote);
  context.log.notice("connect.open", `opening connection to ${name}`);
  const onDrop = warnOfDrops(context.log, name, undefined);
  const options = { ...pathOptions(spec, context.driver), rcvbuf: spec.rcvbuf, sndbuf: spec.sndbuf };
  const socket = await withAdvice(remote, () => context.driver.openDatagram({ local, remote, onDrop }, options));
  if (local) await unlinkLate(spec, local);
  context.log.notice("connect.done", `successfully connected from local address ${formatAddress(socket.local)}`);
  const sendOnly = context.driver.name === "portable";
  return new SocketDatagramStream(socket, { info: { protocol, name, local: socket.local, remote }, sendOnly });
}

async function openReceiver(spec: UnixReceiverSpec, context: Context): Promise<DatagramSocket> {
  const local = unixAddress(spec.filename!, spec);
  const onDrop = warnOfDrops(context.log, "its sender", undefined);
  const options = { ...pathOptions(spec, context.driver), rcvbuf: spec.rcvbuf, sndbuf: spec.sndbuf };
  const socket = await withAdvice(local, () => context.driver.openDatagram({ local, onDrop }, options), "unix");
  await unlinkLate(spec, local);
  return socket;
}

const sendtoType: AddressType = {
  names: ["UNIX-SENDTO", "UNIX-SEND", "UNIX-DGRAM", "LOCAL-SENDTO"],
  role: "connect",
  parameters: { form: "text", key: "address", label: "path" },
  help: "Exchange datagrams with a UNIX datagram socket",
};

export const unixSendto: Protocol<UnixSendtoSpec> = {
  name: "UNIX-SENDTO",
  types: [sendtoType, abstractForm(sendtoType, ["ABSTRACT-SENDTO", "ABSTRACT-SEND", "ABSTRACT-DGRAM"])],
  kind: "datagram",
  end: "none",
  spec: sendtoSpec,
  check(spec) {
    checkPath("UNIX-SENDTO", spec.address, "address");
    if (spec.bind !== undefined) checkPath("UNIX-SENDTO", spec.bind, "bind");
    checkPathOptions(spec.bind, spec);
  },
  checkDriver,
  prepare: checkAccounts,
  connect: (spec, context) => connectUnixDatagram("UNIX-SENDTO", spec, context),
};

function checkReceiver(type: string, spec: UnixReceiverSpec): void {
  checkPath(type, spec.filename, "filename");
  checkPathOptions(spec.filename, spec);
}

const recvType: AddressType = {
  names: ["UNIX-RECV", "UNIX-RECEIVE", "LOCAL-RECV"],
  role: "local",
  parameters: { form: "text", key: "filename", label: "path" },
  direction: "read",
  help: "Receive datagrams from anybody on a UNIX datagram socket",
};

export const unixRecv: Protocol<UnixReceiverSpec> = {
  name: "UNIX-RECV",
  types: [recvType, abstractForm(recvType, ["ABSTRACT-RECV", "ABSTRACT-RECEIVE"])],
  kind: "datagram",
  end: "none",
  spec: receiverSpec,
  check: (spec) => checkReceiver("UNIX-RECV", spec),
  checkDriver: ({ rcvbuf, sndbuf }, { driver }) => driver.refuse?.("unix-datagram", { rcvbuf, sndbuf }),
  prepare: checkAccounts,
  async connect(spec, context) {
    const socket = await openReceiver(spec, context);
    const name = formatAddress(socket.local);
    context.log.notice("receiver.open", `receiving on ${name}`);
    return new SocketDatagramStream(socket, { info: { protocol: "UNIX-RECV", name, local: socket.local } });
  },
};

const recvfromType: AddressType = {
  names: ["UNIX-RECVFROM", "LOCAL-RECVFROM"],
  role: "listen",
  parameters: { form: "text", key: "filename", label: "path" },
  help: "Receive one datagram on a UNIX datagram socket and answer its sender",
};

export const unixRecvfrom: Protocol<UnixReceiverSpec> = {
  name: "UNIX-RECVFROM",
  types: [recvfromType, abstractForm(recvfromType, ["ABSTRACT-RECVFROM"])],
  kind: "datagram",
  end: "none",
  spec: receiverSpec,
  check: (spec) => checkReceiver("UNIX-RECVFROM", spec),
  checkDriver,
  prepare: checkAccounts,
  async listen(spec, context) {
    const shared = new SharedSocket(await openReceiver(spec, context));
    const filter = new SenderFilter({}, context.log);
    return new RecvfromListener(shared, { protocol: "UNIX-RECVFROM", log: context.log, filter });
  },
};
