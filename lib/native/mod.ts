/** Sockets and descriptors through Linux's libc: the only folder that uses FFI. */
export { openNativeDriver } from "./driver.ts";
