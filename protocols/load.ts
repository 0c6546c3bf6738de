/**
 * Loads the plug-ins of `mod.ts`: all of them, or those that the addresses of a usual line name. Nothing but the time to
 * its first byte depends on the rows here: what has none is loaded with everything.
 */
import type { Registry } from "../lib/protocol.ts";
import { programEnvironment } from "./_program_environment.ts";

type Part = Partial<Omit<Registry, "environment">>;

const tcp = async (): Promise<Part> => ({ protocols: [(await import("./tcp.ts")).tcp] });

/**
 * How the type names begin that one file has, or all that begin so (a listening descriptor has a file of its own).
 * Nothing may stand before an address with such a name, as it can with layers: what follows would have to be known.
 */
const rows: readonly (readonly [names: RegExp, load: () => Promise<Part>])[] = [
  [/^(-|stdio)$/i, async () => ({ protocols: [(await import("./stdio.ts")).stdio] })],
  [/^tcp(?!-listen-fd)/i, tcp],
  [/^udp/i, async () => {
    const { udp, udpDatagram, udpRecv, udpRecvfrom, udpSendto } = await import("./udp.ts");
    return { protocols: [udp, udpSendto, udpRecvfrom, udpRecv, udpDatagram] };
  }],
  [/^(unix(?!-listen-fd)|abstract)/i, async () => {
    const [{ unix, unixClient }, { unixRecv, unixRecvfrom, unixSendto }] = await Promise.all([
      import("./unix.ts"),
      import("./unix_datagram.ts"),
    ]);
    return { protocols: [unix, unixClient, unixSendto, unixRecvfrom, unixRecv] };
  }],
  [/^(exec|system|shell)/i, async () => {
    const { exec, shell, system } = await import("./exec.ts");
    return { protocols: [exec, system, shell] };
  }],
  [/^ws(-connect|-listen|-l)?$/i, async () => {
    // Lines are its messages where people type.
    const [{ ws }, { lines }, { protocols }] = await Promise.all([import("./ws/ws.ts"), import("./lines.ts"), tcp()]);
    return { protocols, layers: [ws], transforms: [lines] };
  }],
];

/** As `LoadPlugins`. */
export async function loadPlugins(addresses?: readonly string[]): Promise<Registry> {
  const heads = addresses?.map((word) => /^[^:,]*/.exec(word)![0]) ?? [];
  const wanted = new Set(heads.map((head) => rows.find(([names]) => names.test(head))?.[1]));
  if (wanted.size === 0 || wanted.has(undefined)) return (await import("./mod.ts")).registry;
  const parts = await Promise.all(Array.from(wanted, (load) => load!()));
  return {
    environment: programEnvironment,
    protocols: [...new Set(parts.flatMap(({ protocols = [] }) => protocols))],
    layers: parts.flatMap(({ layers = [] }) => layers),
    transforms: parts.flatMap(({ transforms = [] }) => transforms),
  };
}
