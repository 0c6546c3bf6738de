/** Of `Driver`: names, pipes, descriptors, and what it leaves behind. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess, assertMatch, assertThrows } from "@std/assert";
import { ConnectError, L7mpError } from "../../lib/errors.ts";
import { anyPort, codeOf, never, rejection, runChild, type Test } from "./driver_scene.ts";

export const systemTests: Readonly<Record<string, Test>> = {
  "resolve answers literals, localhost and unknown names": async ({ driver }) => {
    assertEquals(await driver.resolve("127.0.0.1", 0, never), [anyPort]);
    assertEquals(await driver.resolve("::1", 6, never), [{ family: "inet6", host: "::1", port: 0 }]);
    assertEquals((await driver.resolve("localhost", 4, never))[0], anyPort);
    const error = await rejection(driver.resolve("nonexist.invalid", 0, never));
    assert(error instanceof ConnectError);
    assertMatch(error.message, /^getaddrinfo\("nonexist\.invalid"\): /);
    await rejection(driver.resolve("127.0.0.1", 6, never));
  },
  "users and groups have numbers, and unknown ones none": async ({ driver }) => {
    assertEquals(driver.accountNumber("user", "root"), 0);
    assertEquals(driver.accountNumber("group", "daemon"), 1);
    assertEquals(driver.accountNumber("user", "nosuchuser"), undefined);
    assertEquals(driver.accountNumber("group", "nosuchgroup"), undefined);
  },
  "mkfifo makes a pipe once": async ({ driver, folder }) => {
    driver.mkfifo(`${folder}/fifo`, 0o600);
    assert((await Deno.lstat(`${folder}/fifo`)).isFifo);
    const error = assertThrows(() => driver.mkfifo(`${folder}/fifo`, 0o600), L7mpError);
    assertEquals(codeOf(error), "EEXIST");
  },
  "descriptorKind knows the standard descriptors and refuses a closed one": async ({ driver }) => {
    const kinds = ["file", "pipe", "terminal", "stream-socket", "datagram-socket", "directory", "other"];
    for (const fd of [0, 1, 2]) assert(kinds.includes(driver.descriptorKind(fd)));
    assertEquals(codeOf(assertThrows(() => driver.descriptorKind(19_999), L7mpError)), "EBADF");
  },
  "adopts inherited files, pipes and sockets": async (_, options) => {
    assertEquals(
      await runChild("driver_descriptor_child.ts", options, 'exec 3<"$0" 4</ 5</dev/null; printf abc |'),
      "ok",
    );
  },
  "an idle session holds little memory": async (_, options) => {
    const bytes = Number(await runChild("driver_idle_child.ts", options));
    assertLess(bytes, options.idleSessionBytes);
  },
  "close releases what is open, and the process can end": async ({ driver }) => {
    const listener = await driver.listenStream(anyPort, { backlog: 1 });
    const near = await driver.connectStream(listener.local, {}, never);
    const socket = await driver.openDatagram({ local: anyPort }, {});
    const pending = [rejection(near.read()), listener.accept().then((stream) => stream?.read()), socket.receive()];
    driver.close();
    const [read, , received] = await Promise.all(pending.map((promise) => Promise.resolve(promise).catch(() => null)));
    assert(read instanceof L7mpError);
    assertEquals(received, null);
  },
};
