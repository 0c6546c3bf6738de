/** Users and groups of the system, from wherever it has them. */
import type { AccountKind } from "../driver.ts";
import { group, passwd } from "./layout.ts";
import { cString, libc } from "./libc.ts";

/** As `Driver.accountNumber`. */
export function accountNumber(kind: AccountKind, name: string): number | undefined {
  const entry = kind === "user" ? libc.getpwnam(cString(name)) : libc.getgrnam(cString(name));
  if (entry === null) return undefined;
  return new Deno.UnsafePointerView(entry).getUint32(kind === "user" ? passwd.uid : group.gid);
}
