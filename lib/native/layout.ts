/**
 * Struct layouts of 64-bit little-endian Linux: the one place that knows offsets. Each constant set names the C
 * declaration it stands for; `layout_test.ts` checks each against the running kernel.
 */

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** `struct sockaddr_in { sa_family_t sin_family; in_port_t sin_port; struct in_addr sin_addr; char sin_zero[8]; }` */
export const sockaddrIn = { size: 16, family: 0, port: 2, address: 4 } as const;

/**
 * `struct sockaddr_in6 { sa_family_t sin6_family; in_port_t sin6_port; uint32_t sin6_flowinfo;
 * struct in6_addr sin6_addr; uint32_t sin6_scope_id; }`
 */
export const sockaddrIn6 = { size: 28, family: 0, port: 2, flow: 4, address: 8, scope: 24 } as const;

/** `struct sockaddr_un { sa_family_t sun_family; char sun_path[108]; }` */
export const sockaddrUn = { size: 110, family: 0, path: 2, pathBytes: 108 } as const;

/** Room for any of the above (`struct sockaddr_storage` is 128 bytes). */
export const sockaddrStorageBytes = 128;

/**
 * `struct epoll_event { uint32_t events; epoll_data_t data; }`, packed on x86-64 alone. Offsets in 32-bit words, so that
 * an Int32Array over an array of events reads them: `events[i * words]`, `events[i * words + data]`.
 */
export const epollEvent = Deno.build.arch === "x86_64"
  ? { words: 3, events: 0, data: 1 } as const
  : { words: 4, events: 0, data: 2 } as const;

/** `struct iovec { void *iov_base; size_t iov_len; }` */
export const iovec = { size: 16, base: 0, length: 8 } as const;

/**
 * `struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; size_t msg_iovlen; void *msg_control;
 * size_t msg_controllen; int msg_flags; }`
 */
export const msghdr = {
  size: 56,
  name: 0,
  nameLength: 8,
  iov: 16,
  iovCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
} as const;

/** `struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; }` */
export const mmsghdr = { size: 64, header: 0, length: 56 } as const;

/** `struct linger { int l_onoff; int l_linger; }` */
export function linger(on: boolean, seconds: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Int32Array([on ? 1 : 0, seconds]).buffer);
}

/** `struct ip_mreqn { struct in_addr imr_multiaddr; struct in_addr imr_address; int imr_ifindex; }` */
export function ipMreqn(group: Uint8Array, local: Uint8Array | undefined, index: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12);
  bytes.set(group, 0);
  if (local) bytes.set(local, 4);
  new DataView(bytes.buffer).setInt32(8, index, true);
  return bytes;
}

/**
 * `struct ip_mreq_source { struct in_addr imr_multiaddr; struct in_addr imr_interface; struct in_addr imr_sourceaddr; }`
 */
export function ipMreqSource(
  group: Uint8Array,
  local: Uint8Array | undefined,
  source: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12);
  bytes.set(group, 0);
  if (local) bytes.set(local, 4);
  bytes.set(source, 8);
  return bytes;
}

/** `struct ipv6_mreq { struct in6_addr ipv6mr_multiaddr; unsigned int ipv6mr_interface; }` */
export function ipv6Mreq(group: Uint8Array, index: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(20);
  bytes.set(group, 0);
  new DataView(bytes.buffer).setUint32(16, index, true);
  return bytes;
}

/**
 * `struct group_source_req { uint32_t gsr_interface; struct sockaddr_storage gsr_group, gsr_source; }`; the storages are
 * aligned to 8 bytes. `group` and `source` are whole socket addresses.
 */
export function groupSourceReq(index: number, group: Uint8Array, source: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(264);
  new DataView(bytes.buffer).setUint32(0, index, true);
  bytes.set(group, 8);
  bytes.set(source, 136);
  return bytes;
}

/** `struct pollfd { int fd; short events; short revents; }` */
export const pollfd = { size: 8, fd: 0, events: 4, happened: 6 } as const;

/** `struct winsize { unsigned short ws_row; unsigned short ws_col; unsigned short ws_xpixel; unsigned short ws_ypixel; }` */
export function winsize(rows: number, columns: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint16Array([rows, columns, 0, 0]).buffer);
}

/** `struct statx`: `stx_mode` is a `__u16` after mask, blksize, attributes, nlink, uid, gid. */
export const statx = { size: 256, mode: 28 } as const;

/** `struct passwd { char *pw_name; char *pw_passwd; uid_t pw_uid; gid_t pw_gid; ... }` */
export const passwd = { uid: 16 } as const;

/** `struct group { char *gr_name; char *gr_passwd; gid_t gr_gid; ... }` */
export const group = { gid: 16 } as const;
