/** Of `Driver`: connecting and listening, and what can go wrong with either. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { once } from "node:events";
import net from "node:net";
import { ConfigError, ConnectError } from "../../lib/errors.ts";
import type { ByteStream, SocketAddress } from "../../lib/stream/stream.ts";
import { bytesOf, readAll, settledAt, textOf } from "../support/streams.ts";
import {
  anyPort,
  codeOf,
  datagrams,
  echoesHalves,
  listen,
  never,
  nobody,
  receive,
  rejection,
  runChild,
  type Test,
  unixPath,
} from "./driver_scene.ts";

export const openingTests: Readonly<Record<string, Test>> = {
  "an IPv6 listener and receiver take IPv4 too when told so": async (scene) => {
    const everywhere: SocketAddress = { family: "inet6", host: "::", port: 0 };
    const listener = await listen(scene, everywhere, { v6only: false });
    assert(listener.local.family === "inet6");
    const here: SocketAddress = { family: "inet", host: "127.0.0.1", port: listener.local.port };
    const [near, far] = await Promise.all([scene.driver.connectStream(here, {}, never), listener.accept()]);
    scene.defer(() => near.abort());
    scene.defer(() => far!.abort());
    await echoesHalves({ near, far: far! });
    const receiver = await datagrams(scene, { local: everywhere }, { v6only: false });
    assert(receiver.local.family === "inet6");
    const sender = await datagrams(scene, { remote: { ...here, port: receiver.local.port } });
    await sender.send([{ data: bytesOf("four") }]);
    const [packet] = await receive(receiver, 1);
    assertEquals(textOf(packet!.data), "four");
    await receiver.send([{ data: bytesOf("back") }], packet!.from);
    assertEquals(textOf((await receive(sender, 1))[0]!.data), "back");
  },
  "ipv6-v6only of an IPv4 socket is an error": async (scene) => {
    for (const v6only of [false, true]) {
      const options = { backlog: 1, v6only };
      const fault = "ipv6-v6only";
      await assertRejects(() => scene.driver.listenStream(anyPort, options), ConfigError, fault);
      await assertRejects(() => scene.driver.connectStream(anyPort, options, never), ConfigError, fault);
      await assertRejects(() => scene.driver.openDatagram({ local: anyPort }, options), ConfigError, fault);
    }
  },
  "500 connections at once are each answered": async (scene) => {
    const listener = await listen(scene);
    const serving = (async () => {
      const served: Promise<void>[] = [];
      for (let i = 0; i < 500; i++) {
        const stream = (await listener.accept())!;
        served.push((async () => {
          const question = textOf(await readAll(stream));
          await stream.write(bytesOf(`answer to ${question}`));
          await stream.closeWrite();
          stream.abort();
        })());
      }
      await Promise.all(served);
    })();
    const answers = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
      const stream = await scene.driver.connectStream(listener.local, {}, never);
      await stream.write(bytesOf(`question ${i}`));
      await stream.closeWrite();
      const answer = textOf(await readAll(stream));
      stream.abort();
      return answer;
    }));
    await serving;
    assertEquals(answers, Array.from({ length: 500 }, (_, i) => `answer to question ${i}`));
  },
  "a UNIX connection waits for room in the backlog behind all who wait, and can be cancelled": async (scene) => {
    const { path } = unixPath(scene, "socket");
    const listener = await listen(scene, { family: "unix", path }, { backlog: 1 });
    let connected = 0;
    const connect = async (signal: AbortSignal) => {
      const stream = await scene.driver.connectStream(listener.local, {}, signal);
      scene.defer(() => stream.abort());
      return ++connected;
    };
    let strangers = 0;
    // Asked past the driver.
    const isFull = async () => {
      try {
        const conn = await Deno.connect({ transport: "unix", path });
        scene.defer(() => conn.close());
        strangers++;
        return false;
      } catch (error) {
        if (error instanceof Deno.errors.WouldBlock) return true;
        throw error;
      }
    };
    const callers: Promise<number>[] = [];
    const call = () => {
      for (let i = 0; i < 50; i++) callers.push(connect(never));
      assertLess(callers.length, 10_000, "nobody waited");
    };
    // A driver may have a backlog of its own.
    do call(); while (!(await isFull()));
    // All of these wait, and have begun to when somebody who asked after them has an answer.
    call();
    assert(await isFull());
    const cancelled = new AbortController();
    const late = connect(cancelled.signal);
    const reason = new Error("enough");
    cancelled.abort(reason);
    assertStrictEquals(await late.catch((error) => error), reason);
    (await listener.accept())!.abort();
    // There is room at this moment, before any of those who wait has looked.
    const newcomer = connect(never);
    for (let i = 0; i < callers.length + strangers; i++) (await listener.accept())!.abort();
    await Promise.all(callers);
    assertEquals(await newcomer, callers.length + 1, "it passed those who wait");
  },
  "a refused connection names call, address and cause": async (scene) => {
    const error = await rejection(scene.driver.connectStream(nobody, {}, never));
    assert(error instanceof ConnectError);
    assertEquals(error.code, "ECONNREFUSED");
    assertEquals(error.message, `connect(AF=2 127.0.0.1:${nobody.port}): Connection refused`);
  },
  "a missing and a dead UNIX path are told apart": async (scene) => {
    const missing = await rejection(scene.driver.connectStream(unixPath(scene, "missing"), {}, never));
    assertEquals(missing.code, "ENOENT");
    const listener = await listen(scene, unixPath(scene, "dead"), { unlinkClose: false });
    listener.close();
    assertEquals(
      (await rejection(scene.driver.connectStream(unixPath(scene, "dead"), {}, never))).code,
      "ECONNREFUSED",
    );
  },
  "connect binds the local address asked for": async (scene) => {
    const listener = await listen(scene);
    const local: SocketAddress = { family: "inet", host: "127.0.0.2", port: 0 };
    const [near, far] = await Promise.all([
      scene.driver.connectStream(listener.local, { local }, never),
      listener.accept(),
    ]);
    assert(far?.info.remote?.family === "inet");
    assertEquals(far.info.remote.host, "127.0.0.2");
    near.abort();
    far.abort();
  },
  "connect is cancelled by its signal": async (scene) => {
    const reason = new Error("enough");
    const listener = await listen(scene, anyPort, { backlog: 0 });
    const controller = new AbortController();
    // A full backlog leaves further callers without an answer.
    const streams: ByteStream[] = [];
    const outcomes = Array.from({ length: 8 }, () =>
      scene.driver.connectStream(listener.local, {}, controller.signal)
        .then((stream) => void streams.push(stream), (error) => error));
    await settledAt(() => streams.length);
    controller.abort(reason);
    const errors = (await Promise.all(outcomes)).filter((outcome) => outcome !== undefined);
    for (const stream of streams) stream.abort();
    assert(errors.length > 0, "every connection was accepted by the system");
    for (const error of errors) assertStrictEquals(error, reason);
    await assertRejects(() => scene.driver.connectStream(listener.local, {}, controller.signal), Error, "enough");
  },
  "an address in use is an error that names it": async (scene) => {
    const listener = await listen(scene);
    const error = await rejection(scene.driver.listenStream(listener.local, { backlog: 1 }));
    assert(error instanceof ConnectError && listener.local.family === "inet");
    assertEquals(error.code, "EADDRINUSE");
    assertMatch(error.message, /^bind\(AF=2 127\.0\.0\.1:\d+\): Address already in use/);
  },
  "a listener's close ends a pending accept": async (scene) => {
    const listener = await listen(scene);
    const accepting = listener.accept();
    listener.close();
    listener.close();
    assertEquals(await accepting, null);
    assertEquals(await listener.accept(), null);
  },
  "a caller that resets before it is accepted costs the next one nothing": async (scene) => {
    const listener = await listen(scene);
    const { port } = listener.local as { port: number };
    const caller = net.connect(port, "127.0.0.1");
    await once(caller, "connect");
    const closed = once(caller, "close");
    caller.resetAndDestroy();
    await closed;
    const near = await scene.driver.connectStream(listener.local, {}, never);
    scene.defer(() => near.abort());
    await near.write(bytesOf("next"));
    await near.closeWrite();
    for (let text = ""; text !== "next";) {
      const far = await listener.accept();
      assert(far);
      scene.defer(() => far.abort());
      // Where the system gives us the first caller too, all that can be had of it is the reset.
      text = await readAll(far).then(textOf, (error) => codeOf(error) ?? String(error));
      assert(text === "next" || text === "ECONNRESET", text);
    }
  },
  "out of descriptors accept rejects with EMFILE and works again later": async (_, options) => {
    assertEquals(await runChild("driver_emfile_child.ts", options, "ulimit -n 80;"), "ok");
  },
  "an existing path is refused unless unlink-early": async (scene) => {
    const address = unixPath(scene, "file");
    await Deno.writeTextFile(address.path, "precious");
    const error = await rejection(scene.driver.listenStream(address, { backlog: 1 }));
    assertEquals(error.code, "EADDRINUSE");
    const said = `bind(AF=1 ${JSON.stringify(address.path)}): Address already in use`;
    const advice = "; what stands there is no socket: choose another path, or remove it with unlink-early";
    assertEquals(error.message, said + advice);
    await listen(scene, address, { unlinkEarly: true });
    const inUse = await rejection(scene.driver.listenStream(address, { backlog: 1 }));
    assertEquals(inUse.message, `${said}; a process listens there: end that, or choose another path`);
    const refused = await rejection(scene.driver.openDatagram({ local: address }, {}));
    assertEquals(refused.message, inUse.message);
    const dead = unixPath(scene, "dead");
    (await listen(scene, dead, { unlinkClose: false })).close();
    const stale = await rejection(scene.driver.listenStream(dead, { backlog: 1 }));
    assertEquals(stale.message, `bind(AF=1 ${JSON.stringify(dead.path)}): Address already in use; use unlink-early`);
  },
  "unlink-stale removes a dead socket, and neither a live one nor a file": async (scene) => {
    const [dead, live, file] = ["dead", "live", "file"].map((name) => unixPath(scene, name));
    (await listen(scene, dead, { unlinkClose: false })).close();
    await listen(scene, dead, { unlinkStale: true });
    await listen(scene, live);
    assertEquals(
      (await rejection(scene.driver.listenStream(live!, { backlog: 1, unlinkStale: true }))).code,
      "EADDRINUSE",
    );
    const receiver = unixPath(scene, "receiver");
    await datagrams(scene, { local: receiver });
    assertEquals(
      (await rejection(scene.driver.openDatagram({ local: receiver }, { unlinkStale: true }))).code,
      "EADDRINUSE",
    );
    await Deno.writeTextFile(file!.path, "precious");
    assertEquals(
      (await rejection(scene.driver.listenStream(file!, { backlog: 1, unlinkStale: true }))).code,
      "EADDRINUSE",
    );
  },
  "a path gets its permissions, and leaves a successor's socket alone": async (scene) => {
    const address = unixPath(scene, "socket");
    const listener = await listen(scene, address, { mode: 0o640 });
    assertEquals((await Deno.lstat(address.path)).mode! & 0o777, 0o640);
    await listen(scene, address, { unlinkEarly: true });
    listener.close();
    assert((await Deno.lstat(address.path)).isSocket);
  },
  "a path gets the owner and the group it is to have, each by itself too": async (scene) => {
    // Others may give away nothing.
    if (Deno.uid() !== 0) return;
    for (const { user, group } of [{ user: 1 }, { group: 2 }, { user: 3, group: 4 }, {}]) {
      const address = unixPath(scene, `socket${user}${group}`);
      await listen(scene, address, { user, group });
      const { uid, gid, mode } = await Deno.lstat(address.path);
      assertEquals([uid, gid, mode! & 0o777], [user ?? 0, group ?? Deno.gid(), 0o777 & ~Deno.umask()]);
    }
  },
  "a path that is too long is a configuration error naming the limit": async (scene) => {
    const address: SocketAddress = { family: "unix", path: `/tmp/${"x".repeat(110)}` };
    const error = await rejection(scene.driver.listenStream(address, { backlog: 1 }));
    assert(error instanceof ConfigError);
    assertMatch(error.message, /\b107\b/);
  },
  "stream options are accepted": async (scene) => {
    const options = { nodelay: false, keepalive: true, reuseaddr: true };
    const listener = await listen(scene, anyPort, options);
    const [near, far] = await Promise.all([
      scene.driver.connectStream(listener.local, options, never),
      listener.accept(),
    ]);
    await echoesHalves({ near, far: far! });
    near.abort();
    far!.abort();
  },
};
