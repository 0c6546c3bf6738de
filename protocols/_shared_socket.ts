/** A datagram socket that a listener and its sessions use together; the last one to leave closes it. */
import type { DatagramSocket } from "../lib/driver.ts";

export class SharedSocket {
  readonly socket: DatagramSocket;
  #users = 1;

  /** The maker is the first user. */
  constructor(socket: DatagramSocket) {
    this.socket = socket;
  }

  take(): void {
    this.#users++;
  }

  /** Each user calls it once. */
  release(): void {
    if (--this.#users === 0) this.socket.close();
  }
}
