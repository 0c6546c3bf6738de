/**
 * The libc functions the native driver calls. The library is opened when this module is imported, which only the native
 * driver does, and once per process: a library opened inside a test counts as a leak there.
 *
 * Lengths and results are declared 32 bits wide although C says `size_t` and `ssize_t`: no call here moves 2 GiB, and a
 * number given for `usize` costs ten times the call itself.
 */

const i32 = "i32" as const;
const u32 = "u32" as const;
const buffer = "buffer" as const;

const symbols = {
  socket: { parameters: [i32, i32, i32], result: i32 },
  bind: { parameters: [i32, buffer, u32], result: i32 },
  listen: { parameters: [i32, i32], result: i32 },
  accept4: { parameters: [i32, buffer, buffer, i32], result: i32 },
  connect: { parameters: [i32, buffer, u32], result: i32 },
  getsockname: { parameters: [i32, buffer, buffer], result: i32 },
  getpeername: { parameters: [i32, buffer, buffer], result: i32 },
  setsockopt: { parameters: [i32, i32, i32, buffer, u32], result: i32 },
  getsockopt: { parameters: [i32, i32, i32, buffer, buffer], result: i32 },
  shutdown: { parameters: [i32, i32], result: i32 },
  recv: { parameters: [i32, buffer, u32, i32], result: i32 },
  send: { parameters: [i32, buffer, u32, i32], result: i32 },
  sendto: { parameters: [i32, buffer, u32, i32, buffer, u32], result: i32 },
  recvmmsg: { parameters: [i32, buffer, u32, i32, buffer], result: i32 },
  sendmmsg: { parameters: [i32, buffer, u32, i32], result: i32 },
  read: { parameters: [i32, buffer, u32], result: i32 },
  write: { parameters: [i32, buffer, u32], result: i32 },
  close: { parameters: [i32], result: i32 },
  open: { parameters: [buffer, i32, u32], result: i32 },
  fcntl: { parameters: [i32, i32, i32], result: i32 },
  ioctl: { parameters: [i32, u32, buffer], result: i32 },
  dup2: { parameters: [i32, i32], result: i32 },
  poll: { parameters: [buffer, u32, i32], result: i32 },
  isatty: { parameters: [i32], result: i32 },
  statx: { parameters: [i32, buffer, i32, u32, buffer], result: i32 },
  mkfifo: { parameters: [buffer, u32], result: i32 },
  getpwnam: { parameters: [buffer], result: "pointer" },
  getgrnam: { parameters: [buffer], result: "pointer" },
  if_nametoindex: { parameters: [buffer], result: u32 },
  if_indextoname: { parameters: [u32, buffer], result: "pointer" },
  epoll_create1: { parameters: [i32], result: i32 },
  epoll_ctl: { parameters: [i32, i32, i32, buffer], result: i32 },
  epoll_wait: { parameters: [i32, buffer, i32, i32], result: i32 },
  /** `epoll_wait` in a thread of the runtime's pool. Its errno is lost: after -1 look again with `epoll_wait`. */
  epollWaitAsync: { name: "epoll_wait", parameters: [i32, buffer, i32, i32], result: i32, nonblocking: true },
  eventfd: { parameters: [u32, i32], result: i32 },
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof symbols>["symbols"];

const candidates = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

function load(): { libc: Libc } | { failure: string } {
  if (Deno.build.os !== "linux") return { failure: `it needs Linux, this is ${Deno.build.os}` };
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return { failure: "it needs the permission --allow-ffi (without a path)" };
  }
  let last: unknown;
  for (const name of candidates) {
    try {
      return { libc: Deno.dlopen(name, symbols).symbols };
    } catch (error) {
      last = error;
    }
  }
  return { failure: `libc cannot be opened: ${last instanceof Error ? last.message : last}` };
}

const loaded = load();

/** Why libc is not to be had, or undefined where it is. */
export const libcFailure: string | undefined = "failure" in loaded ? loaded.failure : undefined;

/** The functions. Only to be touched where `libcFailure` is undefined. */
export const libc: Libc = "libc" in loaded ? loaded.libc : undefined as unknown as Libc;

// errno is per thread and never moves, so one view over it serves for ever; asking for its address after each call
// could itself disturb it.
const errnoView = libcFailure === undefined
  ? new Int32Array(Deno.UnsafePointerView.getArrayBuffer(libc.__errno_location()!, 4))
  : new Int32Array(1);

/** errno of the last synchronous call; to be read before anything else is called. */
export function errno(): number {
  return errnoView[0]!;
}

const encoder = new TextEncoder();

/** A C string. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}
