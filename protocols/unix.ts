/** UNIX stream sockets, by path or abstract name; UNIX-CLIENT takes datagram sockets too. */
import type { Driver } from "../lib/driver.ts";
import { ConnectError } from "../lib/errors.ts";
import type { AddressType, Context, Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { type ByteStream, formatAddress, type SocketAddress } from "../lib/stream/stream.ts";
import { checkAccounts } from "./_accounts.ts";
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
import { backlogField, bufferFields, checkRole, defaultBacklog } from "./_socket_options.ts";
import { SocketListener } from "./_stream_listener.ts";
import { connectUnixDatagram } from "./unix_datagram.ts";

const clientFields = {
  address: s.string({ help: "Path, or @ and an abstract name" }),
  bind: s.string({ group: "connecting", help: "Path or @name of our own end" }),
  ...pathFields,
  ...bufferFields,
};
const spec = s.object({
  ...clientFields,
  filename: s.string({ help: "Path to listen on, or @ and an abstract name" }),
  ...backlogField,
});
export type UnixSpec = s.SpecOf<typeof spec>;

const clientSpec = s.object(clientFields);
export type UnixClientSpec = s.SpecOf<typeof clientSpec>;

const connectType: AddressType = {
  names: ["UNIX-CONNECT", "LOCAL", "LOCAL-CONNECT", "UNIX-C", "C-UNIX", "CONNECT-UNIX"],
  role: "connect",
  parameters: { form: "text", key: "address", label: "path" },
  help: "Connect to a UNIX stream socket",
};
const listenType: AddressType = {
  names: ["UNIX-LISTEN", "UNIX-L", "LOCAL-LISTEN", "L-UNIX", "LISTEN-UNIX"],
  role: "listen",
  parameters: { form: "text", key: "filename", label: "path" },
  help: "Accept UNIX stream connections",
};
const clientType: AddressType = {
  names: ["UNIX-CLIENT", "UNIX"],
  role: "connect",
  parameters: { form: "text", key: "address", label: "path" },
  help: "Connect to a UNIX socket, stream or datagram",
};

async function connectStream(spec: UnixClientSpec, context: Context): Promise<ByteStream> {
  const remote = unixAddress(spec.address!, spec);
  const local = spec.bind === undefined ? undefined : unixAddress(spec.bind, spec);
  const { driver, log, signal } = context;
  log.notice("connect.open", `opening connection to ${formatAddress(remote)}`);
  const options = { rcvbuf: spec.rcvbuf, sndbuf: spec.sndbuf, local, localPath: local && pathOptions(spec, driver) };
  const stream = await withAdvice(remote, () => driver.connectStream(remote, options, signal));
  if (local) await unlinkLate(spec, local);
  const from: SocketAddress = stream.info.local ?? { family: "unix", path: "" };
  log.notice("connect.done", `successfully connected from local address ${formatAddress(from)}`);
  return stream;
}

function checkDriver(
  spec: UnixClientSpec,
  { role, driver }: { readonly role: AddressType["role"]; driver: Driver },
): void {
  const { rcvbuf, sndbuf, bind } = spec;
  const local = bind === undefined ? undefined : unixAddress(bind, spec);
  driver.refuse?.(role === "listen" ? "listen" : "connect", { rcvbuf, sndbuf, local });
}

export const unix: Protocol<UnixSpec> = {
  name: "UnixDomainSocket",
  types: [
    connectType,
    abstractForm(connectType, ["ABSTRACT-CONNECT", "ABSTRACT-C"]),
    listenType,
    abstractForm(listenType, ["ABSTRACT-LISTEN", "ABSTRACT-L", "L-ABSTRACT", "ABS-L"]),
  ],
  kind: "byte",
  end: "half",
  spec,

  check(spec, { role }) {
    checkRole("UnixDomainSocket", this.spec.fields, spec, role);
    if (role === "listen") checkPath("UNIX-LISTEN", spec.filename, "filename");
    else checkPath("UNIX-CONNECT", spec.address, "address");
    if (spec.bind !== undefined) checkPath("UNIX-CONNECT", spec.bind, "bind");
    checkPathOptions(role === "listen" ? spec.filename : spec.bind, spec);
  },

  checkDriver,
  prepare: checkAccounts,
  connect: connectStream,

  async listen(spec, context) {
    const local = unixAddress(spec.filename!, spec);
    const socket = await withAdvice(local, () =>
      context.driver.listenStream(local, {
        ...pathOptions(spec, context.driver),
        rcvbuf: spec.rcvbuf,
        sndbuf: spec.sndbuf,
        backlog: spec.backlog ?? defaultBacklog,
      }), "unix");
    await unlinkLate(spec, local);
    return new SocketListener(socket, context.log);
  },
};

export const unixClient: Protocol<UnixClientSpec> = {
  name: "UNIX-CLIENT",
  types: [clientType, abstractForm(clientType, ["ABSTRACT-CLIENT", "ABSTRACT", "ABS"])],
  kind: "either",
  end: "half",
  spec: clientSpec,

  check(spec) {
    checkPath("UNIX-CLIENT", spec.address, "address");
    if (spec.bind !== undefined) checkPath("UNIX-CLIENT", spec.bind, "bind");
    checkPathOptions(spec.bind, spec);
  },

  checkDriver,
  prepare: checkAccounts,
  async connect(spec, context) {
    try {
      return await connectStream(spec, context);
    } catch (error) {
      if (!(error instanceof ConnectError) || error.code !== "EPROTOTYPE") throw error;
      context.log.info("connect.datagram", `${error.message}; trying a datagram socket`);
      return await connectUnixDatagram("UNIX-CLIENT", spec, context);
    }
  },
};
