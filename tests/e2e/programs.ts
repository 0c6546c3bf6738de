/** Programs of others that cases talk to, and whether they are here. */
import { type Program, versionOf } from "./harness.ts";

/** Prints the body, and its errors; gives up before a case does. */
export const curl: Program = { name: "curl", command: ["curl", "--silent", "--show-error", "--max-time", "50"] };
export const haproxy: Program = { name: "haproxy", command: ["haproxy"] };
export const nginx: Program = { name: "nginx", command: ["nginx"] };
export const websocat: Program = { name: "websocat", command: ["websocat"] };

/** How each tells its version. */
const versions = {
  bash: ["--version", /version (\S+)/],
  curl: ["--version", /curl (\S+)/],
  danted: ["-v", /Dante v?(\S+)/],
  haproxy: ["-v", /version (\S+)/],
  nginx: ["-v", /nginx\/(\S+)/],
  openssl: ["version", /OpenSSL (\S+)/],
  python3: ["--version", /Python (\S+)/],
  socat: ["-V", /socat version (\S+)/],
  tinyproxy: ["-v", /tinyproxy (\S+)/],
  websocat: ["--version", /websocat (\S+)/],
} as const satisfies Readonly<Record<string, readonly [option: string, pattern: RegExp]>>;

/** Why a case that needs the program cannot run here; undefined: it can. */
export function absent(name: keyof typeof versions): string | undefined {
  const [option, pattern] = versions[name];
  return versionOf(name, [option], pattern) === undefined ? `${name} is not installed` : undefined;
}
