/** Options of everything that has a path in the file system, and how they are carried out. */
import type { Driver } from "../lib/driver.ts";
import { ConnectError, systemFault } from "../lib/errors.ts";
import * as s from "../lib/schema.ts";
import { accountNumber } from "./_accounts.ts";

const group = "files";

/** Who may use a path, and how long it stands. */
export const ownershipOptions = {
  mode: s.mode({ group, aliases: ["perm", "perm-late", "mode-late"], help: "Permissions" }),
  user: s.string({ group, aliases: ["user-late", "uid", "uid-l", "owner"], help: "Owner, a name or a number" }),
  group: s.string({ group, aliases: ["group-late", "gid", "gid-l"], help: "Group, a name or a number" }),
  mode_early: s.mode({ group, aliases: ["perm-early"], help: "Permissions, set before opening" }),
  user_early: s.string({ group, aliases: ["uid-e"], help: "Owner, set before opening" }),
  group_early: s.string({ group, aliases: ["gid-e"], help: "Group, set before opening" }),
  umask: s.mode({ group, help: "File mode creation mask while this address opens" }),
  chdir: s.string({ group, aliases: ["cd"], help: "Folder in which a relative path begins" }),
  unlink_early: s.boolean({ group, help: "Remove the path before opening" }),
  unlink: s.boolean({ group, help: "Remove the path before opening" }),
  unlink_late: s.boolean({ group, help: "Remove the path once it is open" }),
  unlink_close: s.boolean({ group, help: "Remove the path when this side is closed" }),
};

/** How a file is opened. */
export const openOptions = {
  rdonly: s.boolean({ group, aliases: ["o-rdonly"], help: "Open for reading only" }),
  wronly: s.boolean({ group, aliases: ["o-wronly"], help: "Open for writing only" }),
  rdwr: s.boolean({ group, aliases: ["o-rdwr"], help: "Open for reading and writing" }),
  creat: s.boolean({ group, aliases: ["create", "o-create", "o-creat"], help: "Create the file if it is missing" }),
  excl: s.boolean({ group, aliases: ["o-excl"], help: "With creat: fail if the file exists" }),
  trunc: s.boolean({ group, aliases: ["o-trunc"], help: "Empty the file" }),
  append: s.boolean({ group, aliases: ["o-append"], help: "Write at the end" }),
  nonblock: s.boolean({
    group,
    aliases: ["o-nonblock", "ndelay", "o-ndelay"],
    help: "Do not wait for a peer when opening",
  }),
  noctty: s.boolean({ group, aliases: ["o-noctty"], help: "Do not make a terminal the controlling one" }),
  sync: s.boolean({ group, aliases: ["o-sync"], help: "Each write reaches the disk, with metadata" }),
  dsync: s.boolean({ group, aliases: ["o-dsync"], help: "Each write reaches the disk" }),
  largefile: s.boolean({ group, aliases: ["o-largefile"], help: "Files may be larger than 2 GiB; always so" }),
  seek: s.integer({ group, aliases: ["seek-set", "lseek"], help: "Start at this offset, in bytes" }),
  seek_cur: s.integer({ group, help: "Move by this many bytes from where the file stands" }),
  seek_end: s.integer({ group, bare: 0, help: "Start at this offset from the end, in bytes (default 0)" }),
  ftruncate: s.size({ group, aliases: ["truncate"], help: "Cut or extend the file to this size" }),
};

const ownershipSchema = s.object(ownershipOptions);
const openSchema = s.object(openOptions);
export type OwnershipOptions = s.SpecOf<typeof ownershipSchema>;
export type OpenOptions = s.SpecOf<typeof openSchema>;

/** Where `path` lies when `chdir` is given. */
export function inFolder(path: string, folder: string | undefined): string {
  return folder === undefined || path.startsWith("/") ? path : `${folder.replace(/\/$/, "")}/${path}`;
}

/** Runs `make` at once under the given file mode creation mask; nothing else can run meanwhile. */
export function underUmask<T>(umask: number | undefined, make: () => T): T {
  if (umask === undefined) return make();
  const before = Deno.umask(umask);
  try {
    return make();
  } finally {
    Deno.umask(before);
  }
}

/** What has to happen to `path` before it is opened. */
export function prepare(path: string, options: OwnershipOptions, driver: Driver): void {
  if (options.unlink || options.unlink_early) removeIfThere(path);
  setOwnership(path, { mode: options.mode_early, user: options.user_early, group: options.group_early }, driver);
}

/** What has to happen to `path` once it is open. */
export function settle(path: string, options: OwnershipOptions, driver: Driver): void {
  setOwnership(path, options, driver);
  if (options.unlink_late) removeIfThere(path);
}

/** Removes `path`, but no folder; a missing one is well. Throws a `ConnectError`. */
export function removeIfThere(path: string): void {
  try {
    // The runtime would remove an empty one.
    if (Deno.lstatSync(path).isDirectory) throw new Deno.errors.IsADirectory("Is a directory");
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw failed(`unlink("${path}")`, error);
  }
}

/** Sets permissions and owner of `path`, as far as given. Throws a `ConnectError`. */
export function setOwnership(
  path: string,
  options: Pick<OwnershipOptions, "mode" | "user" | "group">,
  driver: Driver,
): void {
  const user = accountNumber("user", options.user, driver);
  const group = accountNumber("group", options.group, driver);
  let call = "chown";
  try {
    if (user !== undefined || group !== undefined) Deno.chownSync(path, user ?? null, group ?? null);
    call = "chmod";
    if (options.mode !== undefined) Deno.chmodSync(path, options.mode);
  } catch (error) {
    throw failed(`${call}("${path}")`, error);
  }
}

/** A `ConnectError` that names the call. Missing files and permissions do not change by trying again soon. */
export function failed(call: string, error: unknown): ConnectError {
  const { code, text } = systemFault(error);
  return new ConnectError(`${call}: ${text}`, { code, cause: error });
}
