// Who has a socket.
// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import * as c from "../../lib/native/constants.ts";
import { AF_INET } from "../../lib/native/layout.ts";
import { libc, libcFailure } from "../../lib/native/libc.ts";
import { bindSocket, localAddress, openSocket } from "../../lib/native/socket.ts";
import { ownerOf } from "../../protocols/_socket_owner.ts";

Deno.test({
  name: "ownerOf() names a process whose children have its socket, too",
  ignore: libcFailure !== undefined,
  async fn() {
    const fd = openSocket(AF_INET, c.SOCK_STREAM);
    try {
      bindSocket(fd, { family: "inet", host: "127.0.0.1", port: 0 }, {});
      assertEquals(libc.listen(fd, 1), 0);
      // Programs that are started have it from now on.
      const F_SETFD = 2;
      assertEquals(libc.fcntl(fd, F_SETFD, 0), 0);
      const child = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
      try {
        assertEquals(await Deno.readLink(`/proc/${child.pid}/fd/${fd}`), await Deno.readLink(`/proc/self/fd/${fd}`));
        assertEquals(await ownerOf(localAddress(fd), "tcp"), `pid ${Deno.pid} (deno)`);
      } finally {
        await child.stdin.close();
        await child.output();
      }
    } finally {
      libc.close(fd);
    }
  },
});
