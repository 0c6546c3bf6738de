/** Pseudo-terminals (pty(7)): we hold the master, programs open the slave by its path. */
import type { PseudoTerminal } from "../driver.ts";
import type { ByteStream, StreamInfo, WindowSize } from "../stream/stream.ts";
import { ByteSocket } from "./byte_socket.ts";
import * as c from "./constants.ts";
import { connectError } from "./errno.ts";
import { pollfd, winsize } from "./layout.ts";
import { cString, errno, libc } from "./libc.ts";
import type { Shared } from "./shared.ts";

const multiplexer = "/dev/ptmx";

/** As `Driver.openTerminal`. */
export function openTerminal(shared: Shared, onClose?: () => void): PseudoTerminal {
  const master = openDevice(multiplexer, c.O_NONBLOCK);
  try {
    const number = new Int32Array(1);
    const bytes = new Uint8Array(number.buffer);
    if (libc.ioctl(master, c.TIOCSPTLCK, bytes) < 0) throw connectError("unlockpt", multiplexer, errno());
    if (libc.ioctl(master, c.TIOCGPTN, bytes) < 0) throw connectError("ptsname", multiplexer, errno());
    return new NativeTerminal(master, `/dev/pts/${number[0]}`, shared, onClose);
  } catch (error) {
    libc.close(master);
    throw error;
  }
}

/** Opens a terminal without making it ours to be controlled by. */
function openDevice(path: string, flags = 0): number {
  const fd = libc.open(cString(path), c.O_RDWR | c.O_NOCTTY | c.O_CLOEXEC | flags, 0);
  if (fd < 0) throw connectError("open", JSON.stringify(path), errno());
  return fd;
}

class NativeTerminal implements PseudoTerminal {
  readonly path: string;
  readonly stream: ByteStream;
  readonly #master: number;
  /** Our own descriptor of the slave; -1 once it is closed. */
  #slave: number;
  #closed = false;
  /** Its window is not to change. */
  #fixed = false;

  /** Owns `master` unless it throws. */
  constructor(master: number, path: string, shared: Shared, onClose: (() => void) | undefined) {
    this.path = path;
    this.#master = master;
    this.#slave = openDevice(path);
    const info: StreamInfo = {
      protocol: "PTY",
      name: path,
      descriptors: [master, master],
      resize: (size) => {
        if (!this.#fixed) this.#resize(size);
      },
    };
    const onRelease = () => {
      this.#closed = true;
      this.letGo();
      libc.close(master);
      onClose?.();
    };
    try {
      this.stream = new ByteSocket(master, info, { type: "plain", onRelease }, shared);
    } catch (error) {
      this.letGo();
      throw error;
    }
  }

  letGo(): void {
    if (this.#slave < 0) return;
    libc.close(this.#slave);
    this.#slave = -1;
  }

  inUse(): boolean {
    if (this.#closed) return false;
    const request = new DataView(new ArrayBuffer(pollfd.size));
    request.setInt32(pollfd.fd, this.#master, true);
    request.setInt16(pollfd.events, c.POLLIN, true);
    libc.poll(new Uint8Array(request.buffer), 1, 0);
    const happened = request.getInt16(pollfd.happened, true);
    return (happened & c.POLLHUP) === 0 || (happened & c.POLLIN) !== 0;
  }

  fixWindow(size: WindowSize): void {
    this.#fixed = true;
    this.#resize(size);
  }

  #resize({ rows, columns }: WindowSize): void {
    if (!this.#closed) libc.ioctl(this.#master, c.TIOCSWINSZ, winsize(rows, columns));
  }
}
