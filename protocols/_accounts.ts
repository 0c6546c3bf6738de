/** Users and groups that options name. */
import type { AccountKind, Driver } from "../lib/driver.ts";
import { ConnectError } from "../lib/errors.ts";
import type { Context } from "../lib/protocol.ts";

/** Their number, where one is given by name or number. Throws a `ConnectError` where the system has none of the name. */
export function accountNumber(kind: AccountKind, name: string | undefined, driver: Driver): number | undefined {
  if (name === undefined || /^\d+$/.test(name)) return name === undefined ? undefined : Number(name);
  const number = driver.accountNumber(kind, name);
  if (number !== undefined) return number;
  throw new ConnectError(`option "${kind}": no such ${kind} "${name}"`, { code: "ENOENT", retryable: false });
}

interface Accounts {
  readonly user?: string;
  readonly group?: string;
  readonly user_early?: string;
  readonly group_early?: string;
}

/** Whether there are the users and groups that `options` name. Throws a `ConnectError`. */
export function checkAccounts(options: Accounts, { driver }: Pick<Context, "driver">): void {
  for (const name of [options.user, options.user_early]) accountNumber("user", name, driver);
  for (const name of [options.group, options.group_early]) accountNumber("group", name, driver);
}
