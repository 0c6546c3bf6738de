/**
 * Opens as many files as its first argument says, then listens; a program that it starts has that socket, too. Prints its own
 * number, and who has the port.
 */
import * as c from "../../lib/native/constants.ts";
import { AF_INET } from "../../lib/native/layout.ts";
import { libc } from "../../lib/native/libc.ts";
import { bindSocket, localAddress, openSocket } from "../../lib/native/socket.ts";
import { ownerOf } from "../../protocols/_socket_owner.ts";

for (let i = 0; i < Number(Deno.args[0]); i++) Deno.openSync("/dev/null");
const fd = openSocket(AF_INET, c.SOCK_STREAM);
bindSocket(fd, { family: "inet", host: "127.0.0.1", port: 0 }, {});
const F_SETFD = 2;
if (libc.listen(fd, 1) < 0 || libc.fcntl(fd, F_SETFD, 0) < 0) throw new Error("cannot listen");
const child = new Deno.Command("cat", { stdin: "piped", stdout: "null" }).spawn();
const isInherited = await Deno.readLink(`/proc/${child.pid}/fd/${fd}`) === await Deno.readLink(`/proc/self/fd/${fd}`);
if (!isInherited) throw new Error("the child has not got the socket");
console.log(Deno.pid, await ownerOf(localAddress(fd), "tcp"));
await child.stdin.close();
await child.status;
