/** Users and groups of the system, as far as its files list them. */
import type { AccountKind } from "../driver.ts";
import { ConnectError, systemFault } from "../errors.ts";

/** As `Driver.accountNumber`. */
export function accountNumber(kind: AccountKind, name: string): number | undefined {
  const file = kind === "user" ? "/etc/passwd" : "/etc/group";
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    throw new ConnectError(`open("${file}"): ${systemFault(error).text}`, { retryable: false, cause: error });
  }
  const line = text.split("\n").map((line) => line.split(":")).find(([account]) => account === name);
  return line && Number(line[2]);
}
