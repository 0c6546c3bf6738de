/** A listening socket that the process was started with, as by systemd for a socket unit. */
import { ConfigError, ConnectError } from "../lib/errors.ts";
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { passedSocket } from "./_passed_sockets.ts";
import { SocketListener } from "./_stream_listener.ts";

const acceptFdSpec = s.object({
  fd: s.integer({ min: 0, max: 2 ** 31 - 1, help: "Number of the descriptor" }),
  fdname: s.string({
    group: "listening",
    help: "Name of the socket where systemd passes several: FileDescriptorName= of its unit",
    example: "web",
  }),
});

/**
 * Whether its callers are TCP's or UNIX's is told by the socket. Where another session may need it, it stays open after
 * the listener is closed; programs do not inherit it.
 */
export const acceptFd: Protocol<s.SpecOf<typeof acceptFdSpec>> = {
  name: "ACCEPT-FD",
  types: [{
    names: ["ACCEPT-FD", "ACCEPT", "TCP-LISTEN-FD", "UNIX-LISTEN-FD"],
    role: "listen",
    parameters: { form: "number", key: "fd", label: "num", optional: true },
    help: "Accept connections to a listening socket inherited from the parent, such as systemd",
  }],
  kind: "byte",
  end: "half",
  spec: acceptFdSpec,
  check({ fd, fdname }) {
    if (fd !== undefined || fdname !== undefined) return;
    throw new ConfigError("ACCEPT-FD: wrong number of parameters (0 instead of 1): usage ACCEPT-FD:<num> or fdname=");
  },
  checkDriver(_spec, { driver }) {
    if (driver.name === "native") return;
    const advice = Deno.build.os === "linux" ? "leave out --driver=portable" : "let it open the port: TCP-LISTEN";
    throw new ConfigError(`a descriptor that listens needs the native driver, which only Linux has; ${advice}`, {
      code: "UNSUPPORTED",
    });
  },
  async listen({ fd, fdname }, { driver, log, onlySession }) {
    const number = fdname === undefined ? fd! : passedSocket(fdname, fd, Deno.pid, (name) => Deno.env.get(name));
    try {
      const keepOpen = number <= 2 || !onlySession;
      return new SocketListener(await driver.listenDescriptor(number, { keepOpen }), log);
    } catch (error) {
      if (!(error instanceof ConnectError) || error.code !== "EBADF") throw error;
      const text = `ACCEPT-FD:${number}: Bad file descriptor; whoever starts the program must have opened it`;
      throw new ConnectError(text, { code: error.code, retryable: false, cause: error });
    }
  },
};
