/** A UNIX datagram socket that is written to without waiting for the runtime: for lines that must be out at its end. */
import { ConfigError } from "../errors.ts";
import { MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "./constants.ts";
import { EAGAIN, errnoText } from "./errno.ts";
import { AF_UNIX } from "./layout.ts";
import { errno, libc, libcFailure } from "./libc.ts";
import { encodeSockaddr } from "./sockaddr.ts";

export interface LineSocket {
  /**
   * Sends one line at once: `full` where whoever reads has no room for it now, else why it did not go, or undefined. A
   * socket that is not connected is connected before. Never throws.
   */
  send(line: Uint8Array): undefined | "full" | { readonly fault: string };
  /** Disconnects: the next line connects again. May be called twice. */
  close(): void;
}

/** Nothing is opened before the first line. Throws a `ConfigError` where libc is not to be had. */
export function lineSocket(path: string): LineSocket {
  if (libcFailure !== undefined) throw new ConfigError(`syslog needs libc: ${libcFailure}`, { code: "UNSUPPORTED" });
  const address = encodeSockaddr({ family: "unix", path });
  let fd: number | undefined;
  const close = () => {
    if (fd !== undefined) libc.close(fd);
    fd = undefined;
  };
  const fault = (call: string, number: number) => {
    close();
    return { fault: `${call}("${path}"): ${errnoText(number)}` };
  };
  const attempt = (line: Uint8Array) => {
    if (fd === undefined) {
      const opened = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (opened < 0) return fault("socket", errno());
      fd = opened;
      if (libc.connect(fd, address, address.length) < 0) return fault("connect", errno());
    }
    if (libc.send(fd, line as Uint8Array<ArrayBuffer>, line.length, MSG_NOSIGNAL) >= 0) return undefined;
    const number = errno();
    return number === EAGAIN ? "full" : fault("send", number);
  };
  return {
    send(line) {
      const before = fd;
      const result = attempt(line);
      // Whoever read may have been started anew.
      return before !== undefined && typeof result === "object" ? attempt(line) : result;
    },
    close,
  };
}
