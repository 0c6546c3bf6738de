/** A stream that passes everything on to another, except what is changed: the base of every wrapper. */
import type { ByteStream, DatagramStream } from "./stream.ts";

/** A plain object over `stream` with `changes` in place; it is no bare handle, so `native` is gone. */
export function delegateBytes(stream: ByteStream, changes: Partial<ByteStream>): ByteStream {
  const same: ByteStream = {
    kind: "byte",
    info: stream.info,
    writing: stream.writing,
    get dropped() {
      return stream.dropped;
    },
    read: () => stream.read(),
    write: (bytes) => stream.write(bytes),
    closeWrite: (ending) => stream.closeWrite(ending),
    get ending() {
      return stream.ending;
    },
    abort: (reason) => stream.abort(reason),
    finished: stream.finished && (() => stream.finished!()),
  };
  return Object.assign(same, changes);
}

/** As `delegateBytes`, for datagrams. */
export function delegateDatagrams(stream: DatagramStream, changes: Partial<DatagramStream>): DatagramStream {
  const same: DatagramStream = {
    kind: "datagram",
    info: stream.info,
    writing: stream.writing,
    maxDatagramBytes: stream.maxDatagramBytes,
    takesText: stream.takesText,
    get staysOpen() {
      return stream.staysOpen;
    },
    get dropped() {
      return stream.dropped;
    },
    receive: () => stream.receive(),
    send: (batch) => stream.send(batch),
    closeWrite: (ending) => stream.closeWrite(ending),
    get ending() {
      return stream.ending;
    },
    abort: (reason) => stream.abort(reason),
    finished: stream.finished && (() => stream.finished!()),
  };
  return Object.assign(same, changes);
}
