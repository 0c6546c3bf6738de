/** TCP: connectors and listeners for both IP versions. */
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { formatAddress } from "../lib/stream/stream.ts";
import { openFrom, openLocal, remoteAddresses, tryEach } from "./_addresses.ts";
import { withAdvice } from "./_errors.ts";
import { checkIpParameters, checkLocalPort, ipFields, ipForms, portFields } from "./_ip_options.ts";
import { proxyFields } from "./_proxy_options.ts";
import { backlogField, checkRole, defaultBacklog, tcpSocketFields, tcpSocketOptions } from "./_socket_options.ts";
import { SocketListener } from "./_stream_listener.ts";

const spec = s.object({ ...ipFields, ...portFields, ...backlogField, ...tcpSocketFields, ...proxyFields });
export type TcpSpec = s.SpecOf<typeof spec>;

export const tcp: Protocol<TcpSpec> = {
  name: "TCP",
  types: [
    ...ipForms({
      names: ["TCP", "TCP-CONNECT", "INET", "INET-CONNECT", "TCP-C", "C-TCP", "CONNECT-TCP"],
      role: "connect",
      parameters: { form: "host:port" },
      help: "Connect to a TCP server",
    }),
    ...ipForms({
      names: ["TCP-LISTEN", "TCP-L", "INET-LISTEN", "INET-L", "L-TCP", "LISTEN-TCP"],
      role: "listen",
      parameters: { form: "[host:]port" },
      help: "Accept TCP connections",
    }),
  ],
  kind: "byte",
  end: "half",
  spec,

  check(spec, { role }) {
    checkRole("TCP", this.spec.fields, spec, role);
    checkIpParameters("TCP", spec, role === "listen");
    if (role === "connect") checkLocalPort("TCP", spec);
  },

  checkDriver(spec, { role, driver }) {
    driver.refuse?.(role === "listen" ? "listen" : "connect", tcpSocketOptions(spec));
  },

  async connect(spec, context) {
    const { driver, log, signal } = context;
    return await tryEach(await remoteAddresses(spec, context), log, async (remote) => {
      log.notice("connect.open", `opening connection to ${formatAddress(remote)}`);
      const stream = await openFrom(spec, spec, remote.family, context, (local) =>
        withAdvice(
          local ?? remote,
          () => driver.connectStream(remote, { ...tcpSocketOptions(spec), local }, signal),
        ));
      const from = stream.info.local ? ` from local address ${formatAddress(stream.info.local)}` : "";
      log.notice("connect.done", `successfully connected${from}`);
      return stream;
    });
  },

  async listen(spec, context) {
    return await openLocal(spec, context, async (local, options) => {
      const socket = await withAdvice(local, () =>
        context.driver.listenStream(local, {
          ...tcpSocketOptions(spec),
          ...options,
          reuseaddr: spec.reuseaddr ?? true,
          backlog: spec.backlog ?? defaultBacklog,
        }), "tcp");
      return new SocketListener(socket, context.log);
    });
  },
};
