// The stream contract over real sockets: TCP, UNIX and UDP plug-ins on both drivers.
import type { Driver } from "../../lib/driver.ts";
import type { Context, Incoming, Listener, Protocol } from "../../lib/protocol.ts";
import type { DatagramStream, Stream } from "../../lib/stream/stream.ts";
import { tcp } from "../../protocols/tcp.ts";
import { udp, udpDatagram, udpSendto } from "../../protocols/udp.ts";
import { unix, unixClient } from "../../protocols/unix.ts";
import { driverNames, openDriver } from "../support/drivers.ts";
import { testContext } from "../support/fake_driver.ts";
import { type Pair, protocolSuite, type SuiteOptions } from "./protocol_suite.ts";

// The plug-ins have different specs.
// deno-lint-ignore no-explicit-any
type AnyProtocol = Protocol<any>;

const parse = (protocol: AnyProtocol, spec: Record<string, unknown>) => protocol.spec.parse(spec, "");

interface PairOptions<S extends Stream> {
  /** What connects, where it is not the listener's protocol. */
  readonly caller?: AnyProtocol;
  greet?(near: S): Promise<void>;
}

/** A connector and the stream its listener accepted, on a driver of their own. */
async function connectedPair<S extends Stream>(
  which: Driver["name"],
  protocol: AnyProtocol,
  listening: Record<string, unknown>,
  { caller = protocol, greet }: PairOptions<S> = {},
): Promise<Pair<S>> {
  const driver = await openDriver(which);
  const context: Context = testContext(driver);
  const listener: Listener = await protocol.listen!(parse(protocol, listening), context);
  const { address } = listener;
  const target = address.family === "unix" ? { address: address.path } : { address: address.host, port: address.port };
  const near = await caller.connect!(parse(caller, target), context) as S;
  await greet?.(near);
  const { value } = await listener[Symbol.asyncIterator]().next();
  const far = await (value as Incoming).accept(context.signal) as S;
  return {
    near,
    far,
    async close() {
      await listener[Symbol.asyncDispose]();
      await driver.close();
    },
  };
}

/** A UDP caller exists once it has sent something, which is received before the test begins. */
async function udpPair(which: Driver["name"], caller?: AnyProtocol): Promise<Pair<DatagramStream>> {
  const greet = (near: DatagramStream) => near.send([{ data: new Uint8Array(0) }]);
  const pair = await connectedPair(which, udp, { address: "127.0.0.1", port: 0 }, {
    caller,
    greet,
  });
  await pair.far.receive();
  return pair;
}

const unixSkips: SuiteOptions["skip"] = [
  ["shows the peer an error after an abort in the middle", "a UNIX socket has no reset"],
];

const udpSkips: SuiteOptions["skip"] = [
  ["keeps the type of a message", "UDP has no types"],
  ["ends by closeWrite, after everything sent", "UDP has no end"],
  ["shows the peer an error after an abort in the middle", "UDP has no reset"],
];

for (const which of driverNames) {
  const noReset: SuiteOptions["skip"] = [
    ["shows the peer an error after an abort in the middle", "the runtime's close always looks clean"],
  ];
  protocolSuite(`TCP (${which})`, "byte", () => connectedPair(which, tcp, { address: "127.0.0.1", port: 0 }), {
    skip: which === "portable" ? noReset : [],
  });

  protocolSuite(
    `UnixDomainSocket (${which})`,
    "byte",
    () => connectedPair(which, unix, { filename: `@l7mp-${crypto.randomUUID()}` }),
    { skip: unixSkips },
  );

  protocolSuite(
    `UNIX-CLIENT (${which})`,
    "byte",
    () => connectedPair(which, unix, { filename: `@l7mp-${crypto.randomUUID()}` }, { caller: unixClient }),
    { skip: unixSkips },
  );

  protocolSuite(`UDP (${which})`, "datagram", () => udpPair(which), { skip: udpSkips });
  protocolSuite(`UDP-SENDTO (${which})`, "datagram", () => udpPair(which, udpSendto), { skip: udpSkips });
  protocolSuite(`UDP-DATAGRAM (${which})`, "datagram", () => udpPair(which, udpDatagram), { skip: udpSkips });
}
