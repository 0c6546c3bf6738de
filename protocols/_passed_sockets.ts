/** Sockets that a parent such as systemd opened and passes by name: its protocol of LISTEN_FDS, see sd_listen_fds(3). */
import { ConnectError } from "../lib/errors.ts";

/** The descriptor of the first. */
const firstPassed = 3;

/**
 * The descriptor of the socket that was passed to the process `pid` as `name`, according to its `environment`; of
 * several with that name the one that is `number`. Throws a `ConnectError`.
 */
export function passedSocket(
  name: string,
  number: number | undefined,
  pid: number,
  environment: (variable: string) => string | undefined,
): number {
  const fail = (why: string): never => {
    throw new ConnectError(`ACCEPT-FD: fdname "${name}": ${why}`, { code: "EBADF", retryable: false });
  };
  const count = Number(environment("LISTEN_FDS") ?? 0);
  if (!(count > 0)) return fail("no sockets were passed (LISTEN_FDS); the program must be started by who opens them");
  const owner = environment("LISTEN_PID");
  if (owner !== String(pid)) {
    const whom = owner === undefined ? "nobody" : `process ${owner}`;
    return fail(`the sockets were passed to ${whom} (LISTEN_PID), this is ${pid}`);
  }
  const names = (environment("LISTEN_FDNAMES") ?? "").split(":").slice(0, count);
  const found = names.flatMap((one, i) => one === name ? [firstPassed + i] : []);
  if (found.length === 0) return fail(`no socket with this name was passed; their names are: ${names.join(" ")}`);
  if (number === undefined && found.length === 1) return found[0]!;
  if (number !== undefined && found.includes(number)) return number;
  const which = found.join(", ");
  if (number !== undefined) return fail(`descriptor ${number} has another name; with this one there is ${which}`);
  return fail(`several sockets have this name; write which: ACCEPT-FD:<num>,fdname=${name} with ${which}`);
}
