/**
 * The load for the benchmarks: one role a process, blocking libc calls, nothing shared with what is measured.
 * `load.ts ROLE PORT SECONDS`; each role prints one JSON object when done.
 */
import { encodeSockaddr } from "../../lib/native/sockaddr.ts";
import { iovec, mmsghdr, msghdr } from "../../lib/native/layout.ts";
import { libc } from "../../lib/native/libc.ts";

const stream = 1;
const datagram = 2;
const batchSize = 64;
const datagramBytes = 64;
/** More than any relay delivers, but spread out: an unbounded flood would take the relay's processor too. */
const offeredPerMs = 300;

function openSocket(type: number): number {
  const fd = libc.socket(2, type, 0);
  if (fd < 0) throw new Error("socket failed");
  libc.setsockopt(fd, 1, 2, new Uint8Array([1, 0, 0, 0]), 4); // SO_REUSEADDR
  libc.setsockopt(fd, 6, 1, new Uint8Array([1, 0, 0, 0]), 4); // TCP_NODELAY; refused by a datagram socket
  return fd;
}

function address(port: number): Uint8Array<ArrayBuffer> {
  return encodeSockaddr({ family: "inet", host: "127.0.0.1", port });
}

function listening(port: number, type: number): number {
  const fd = openSocket(type);
  if (type === datagram) libc.setsockopt(fd, 1, 8, new Uint8Array(new Int32Array([4 << 20]).buffer), 4); // SO_RCVBUF
  if (libc.bind(fd, address(port), 16) < 0) throw new Error(`bind ${port} failed`);
  if (type === stream && libc.listen(fd, 511) < 0) throw new Error(`listen ${port} failed`);
  console.log(JSON.stringify({ ready: true }));
  return fd;
}

function connected(port: number, type: number): number {
  const fd = openSocket(type);
  if (libc.connect(fd, address(port), 16) < 0) throw new Error(`connect ${port} failed`);
  return fd;
}

/** A blocking receive gives up after this long (SO_RCVTIMEO: `struct timeval`). */
function limitReceive(fd: number, milliseconds: number): void {
  const seconds = Math.floor(milliseconds / 1000);
  const time = new BigInt64Array([BigInt(seconds), BigInt((milliseconds - seconds * 1000) * 1000)]);
  libc.setsockopt(fd, 1, 20, new Uint8Array(time.buffer), 16);
}

/** Headers for one `sendmmsg` or `recvmmsg` of equal messages. */
function messageBatch(): { headers: Uint8Array<ArrayBuffer>; kept: Uint8Array[] } {
  const data = new Uint8Array(batchSize * datagramBytes);
  const vectors = new Uint8Array(batchSize * iovec.size);
  const headers = new Uint8Array(batchSize * mmsghdr.size);
  const at = (bytes: Uint8Array<ArrayBuffer>) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  const [dataAt, vectorsAt] = [at(data), at(vectors)];
  const vectorView = new DataView(vectors.buffer);
  const headerView = new DataView(headers.buffer);
  for (let i = 0; i < batchSize; i++) {
    vectorView.setBigUint64(i * iovec.size + iovec.base, dataAt + BigInt(i * datagramBytes), true);
    vectorView.setBigUint64(i * iovec.size + iovec.length, BigInt(datagramBytes), true);
    const header = i * mmsghdr.size + mmsghdr.header;
    headerView.setBigUint64(header + msghdr.iov, vectorsAt + BigInt(i * iovec.size), true);
    headerView.setBigUint64(header + msghdr.iovCount, 1n, true);
  }
  return { headers, kept: [data, vectors] };
}

function udpSink(port: number, seconds: number): unknown {
  const fd = listening(port, datagram);
  const { headers, kept } = messageBatch();
  limitReceive(fd, 200);
  let packets = 0;
  let first = 0;
  let last = 0;
  const deadline = performance.now() + (seconds + 3) * 1000;
  while (performance.now() < deadline) {
    // MSG_WAITFORONE
    const count = libc.recvmmsg(fd, headers, batchSize, 0x10000, null);
    if (count > 0) {
      last = performance.now();
      first ||= last;
      packets += count;
    } else if (first > 0) break;
  }
  return { packets, seconds: (last - first) / 1000, kept: kept.length };
}

function udpFlood(port: number, seconds: number): unknown {
  const fd = connected(port, datagram);
  const { headers, kept } = messageBatch();
  const { symbols: { usleep } } = Deno.dlopen("libc.so.6", { usleep: { parameters: ["u32"], result: "i32" } });
  const start = performance.now();
  let packets = 0;
  for (let now = start; now < start + seconds * 1000; now = performance.now()) {
    const ahead = packets / offeredPerMs - (now - start);
    if (ahead > 0) usleep(Math.ceil(ahead * 1000));
    else packets += Math.max(0, libc.sendmmsg(fd, headers, batchSize, 0));
  }
  return { packets, kept: kept.length };
}

function tcpSink(port: number): unknown {
  const fd = libc.accept4(listening(port, stream), null, null, 0);
  const buffer = new Uint8Array(1 << 20);
  let bytes = 0;
  const start = performance.now();
  for (let count = 1; count > 0; bytes += Math.max(0, count)) count = libc.recv(fd, buffer, buffer.length, 0);
  return { bytes, seconds: (performance.now() - start) / 1000 };
}

function tcpSource(port: number, seconds: number): unknown {
  const fd = connected(port, stream);
  const buffer = new Uint8Array(1 << 20);
  const deadline = performance.now() + seconds * 1000;
  let bytes = 0;
  while (performance.now() < deadline) {
    const count = libc.send(fd, buffer, buffer.length, 0x4000); // MSG_NOSIGNAL
    if (count < 0) break;
    bytes += count;
  }
  libc.shutdown(fd, 1);
  libc.recv(fd, buffer, buffer.length, 0);
  return { bytes };
}

const connections = 50;

function tcpEcho(port: number): unknown {
  const listener = listening(port, stream);
  const fds = Array.from({ length: connections }, () => libc.accept4(listener, null, null, 0));
  const buffer = new Uint8Array(datagramBytes);
  for (;;) {
    for (const fd of fds) {
      if (libc.recv(fd, buffer, buffer.length, 0) <= 0) return {};
      libc.send(fd, buffer, buffer.length, 0x4000);
    }
  }
}

/** All connections ask, then all are answered: as many requests in flight as there are connections. */
function tcpRequests(port: number, seconds: number): unknown {
  const fds = Array.from({ length: connections }, () => connected(port, stream));
  const buffer = new Uint8Array(datagramBytes);
  const start = performance.now();
  let requests = 0;
  while (performance.now() - start < seconds * 1000) {
    for (const fd of fds) libc.send(fd, buffer, buffer.length, 0x4000);
    for (const fd of fds) if (libc.recv(fd, buffer, buffer.length, 0x100) <= 0) throw new Error("connection lost");
    requests += fds.length;
  }
  const took = (performance.now() - start) / 1000;
  for (const fd of fds) libc.close(fd);
  return { requests, seconds: took };
}

const roles: Readonly<Record<string, (port: number, seconds: number) => unknown>> = {
  "udp-sink": udpSink,
  "udp-flood": udpFlood,
  "tcp-sink": tcpSink,
  "tcp-source": tcpSource,
  "tcp-echo": tcpEcho,
  "tcp-requests": tcpRequests,
};

const [role = "", port, seconds] = Deno.args;
const run = roles[role];
if (!run) throw new Error(`no role "${role}": ${Object.keys(roles).join(", ")}`);
console.log(JSON.stringify(run(Number(port), Number(seconds))));
