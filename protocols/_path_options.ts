/** Settings of UNIX sockets: the path or abstract name, and who owns the path. */
import type { Driver, PathOptions } from "../lib/driver.ts";
import { ConfigError } from "../lib/errors.ts";
import type { AddressType } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import type { SocketAddress } from "../lib/stream/stream.ts";
import { accountNumber } from "./_accounts.ts";

/** `sun_path` has 108 bytes; one is the final NUL of a path or the leading NUL of an abstract name. */
const maxPathBytes = 107;

const socket = "socket";

/** Whatever the moment asked for: nobody gets in before all of it is done. */
const earlyAndLate = (...names: string[]) => names.flatMap((name) => [`${name}-early`, `${name}-late`]);

export const pathFields = {
  abstract: s.boolean({ group: socket, help: "The name is abstract (Linux), not a path; same as a leading @" }),
  mode: s.mode({
    group: "ownership",
    aliases: ["perm", ...earlyAndLate("mode", "perm")],
    help: "Permissions of the path",
  }),
  user: s.string({ group: "ownership", aliases: ["uid", "owner", ...earlyAndLate("user")], help: "Owner of the path" }),
  group: s.string({ group: "ownership", aliases: ["gid", ...earlyAndLate("group")], help: "Group of the path" }),
  umask: s.mode({ group: "ownership", help: "Permissions the path does not get" }),
  chdir: s.string({ group: "ownership", aliases: ["cd"], help: "Folder that a relative path starts from" }),
  unlink_early: s.boolean({ group: "ownership", aliases: ["unlink"], help: "Remove what stands at the path first" }),
  unlink_stale: s.boolean({
    group: "ownership",
    help: "Remove a socket at the path that nobody answers on (default with fork)",
  }),
  unlink_late: s.boolean({ group: "ownership", help: "Remove the path as soon as it is bound" }),
  unlink_close: s.boolean({ default: true, group: "ownership", help: "Remove the path at the end" }),
  // Habit of those who write it everywhere; what it is wanted for is unlink-early or unlink-stale here.
  reuseaddr: s.boolean({ hidden: true, help: "A UNIX socket has no use for it" }),
  // The engine's option; here it decides the default of unlink-stale.
  fork: s.boolean({ group: "sessions", help: "Serve many sessions, not only the first" }),
};

/** What only a path in the file system can have. */
const ofFiles = ["mode", "user", "group", "umask", "chdir", "unlink_early", "unlink_stale", "unlink_late"] as const;

/** Refuses options of a path where the name of our end is abstract. */
export function checkPathOptions(path: string | undefined, spec: PathSpec): void {
  if (!spec.abstract && !path?.startsWith("@")) return;
  const given = ofFiles.find((key) => spec[key] !== undefined && spec[key] !== false);
  if (!given) return;
  throw new ConfigError(`option "${given.replace("_", "-")}" is about a file, and an abstract name has none`);
}

export type PathSpec = Partial<s.Values<typeof pathFields>>;

/** Refuses a name that no UNIX socket can have. */
export function checkPath(name: string, path: string | undefined, key: string): asserts path is string {
  if (!path) throw new ConfigError(`${name}: ${key} is missing`);
  if (path.includes("\0")) throw new ConfigError(`${name}: ${JSON.stringify(path)} contains a NUL byte`);
  const bytes = new TextEncoder().encode(path.replace(/^@/, "")).length;
  if (bytes > maxPathBytes) {
    throw new ConfigError(
      `${name}: "${path}" has ${bytes} bytes; the name of a UNIX socket has at most ${maxPathBytes}`,
    );
  }
}

/** The address that `path` means: abstract with `abstract` or a leading `@`, relative to `chdir`. */
export function unixAddress(path: string, spec: PathSpec): SocketAddress {
  if (path.startsWith("@")) return { family: "unix", path };
  if (spec.abstract) return { family: "unix", path: `@${path}` };
  return { family: "unix", path: spec.chdir && !path.startsWith("/") ? `${spec.chdir}/${path}` : path };
}

/** What the driver is to do with a path we bind. */
export function pathOptions(spec: PathSpec, driver: Driver): PathOptions {
  return {
    mode: spec.mode ?? (spec.umask === undefined ? undefined : 0o777 & ~spec.umask),
    user: accountNumber("user", spec.user, driver),
    group: accountNumber("group", spec.group, driver),
    unlinkEarly: spec.unlink_early,
    unlinkStale: spec.unlink_stale ?? spec.fork ?? false,
    unlinkClose: spec.unlink_late ? false : spec.unlink_close ?? true,
  };
}

/** Honours `unlink-late` for a path that has just been bound. */
export async function unlinkLate(spec: PathSpec, address: SocketAddress): Promise<void> {
  if (!spec.unlink_late || address.family !== "unix" || address.path.startsWith("@")) return;
  await Deno.remove(address.path).catch(() => {});
}

/** The same type for abstract names. */
export function abstractForm(type: AddressType, names: readonly string[]): AddressType {
  const { parameters } = type;
  return {
    ...type,
    names,
    parameters: parameters.form === "text" ? { ...parameters, label: "name" } : parameters,
    preset: { ...type.preset, abstract: true },
    help: `${type.help}, by abstract name`,
  };
}
