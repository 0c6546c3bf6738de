/** `--announce`: tells scripts which port a listener really got. */
import { onOneLine } from "../log.ts";
import type { SocketAddress } from "../stream/stream.ts";

/**
 * `LISTEN TCP-LISTEN 127.0.0.1 8080`, without a newline. A UNIX socket has `-` for the host and its path for the port;
 * an abstract name begins with `@`.
 */
export function announcement(type: string, address: SocketAddress): string {
  return address.family === "unix"
    ? `LISTEN ${type} - ${onOneLine(address.path)}`
    : `LISTEN ${type} ${address.host} ${address.port}`;
}
