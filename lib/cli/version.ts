/** `-V`: the version, and the features in the form in which scripts and socat's own test suite look for them. */
import type { Registry } from "../protocol.ts";

export const version = "0.1.0";
const releasedOn = "22 Nov 2026 00:00:00";

/** Features by socat's names, and a type or option whose presence means that we have them. */
const socatFeatures: readonly (readonly [feature: string, type: string])[] = [
  ["STDIO", "STDIO"],
  ["FDNUM", "FD"],
  ["FILE", "OPEN"],
  ["CREAT", "CREATE"],
  ["GOPEN", "GOPEN"],
  ["TERMIOS", ""],
  ["PIPE", "PIPE"],
  ["SOCKETPAIR", "SOCKETPAIR"],
  ["UNIX", "UNIX-CONNECT"],
  ["ABSTRACT_UNIXSOCKET", "ABSTRACT-CONNECT"],
  ["IP4", "TCP4"],
  ["IP6", "TCP6"],
  ["RAWIP", "IP-SENDTO"],
  ["TCP", "TCP"],
  ["UDP", "UDP"],
  ["SCTP", "SCTP"],
  ["LISTEN", "TCP-LISTEN"],
  ["SOCKS4", "SOCKS4"],
  ["SOCKS4A", "SOCKS4A"],
  ["SOCKS5", "SOCKS5"],
  ["VSOCK", "VSOCK"],
  ["PROXY", "PROXY"],
  ["SYSTEM", "SYSTEM"],
  ["EXEC", "EXEC"],
  ["SHELL", "SHELL"],
  ["TUN", "TUN"],
  ["PTY", "PTY"],
  ["OPENSSL", "OPENSSL"],
];

/** Parts of the engine itself, by socat's names. */
const engineFeatures = ["RETRY", "STATS"];

/** What `-V` prints, newline included. */
export function versionText(registry: Registry): string {
  const plugins = [...registry.protocols, ...registry.layers, ...registry.transforms];
  const types = new Set(plugins.flatMap(({ types }) => types.flatMap(({ names }) => names)));
  const known = new Set(socatFeatures.map(([feature]) => feature));
  const features = socatFeatures.filter(([, type]) => types.has(type)).map(([feature]) => feature);
  const own = plugins.map(({ name }) => name.toUpperCase().replace(/[^A-Z0-9]/g, "_")).filter((name) =>
    !known.has(name)
  );
  return [
    "l7mp: a programmable multiprotocol proxy",
    `l7mp version ${version} on ${releasedOn}`,
    `   running on ${Deno.build.os}, machine ${Deno.build.arch}, deno ${Deno.version.deno}`,
    "features:",
    ...new Set([...features, ...engineFeatures, ...own]).values().map((feature) => `  #define WITH_${feature} 1`),
    "",
  ].join("\n");
}
