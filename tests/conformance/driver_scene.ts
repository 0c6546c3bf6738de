/** What the tests of drivers have in common. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import type { DatagramSocket, Driver, Packet, StreamListener } from "../../lib/driver.ts";
import { L7mpError } from "../../lib/errors.ts";
import type { ByteStream, SocketAddress } from "../../lib/stream/stream.ts";
import { closedPort } from "../support/machine.ts";
import { bytesOf, readAll, textOf } from "../support/streams.ts";

export interface DriverSuiteOptions {
  /** Tests a driver cannot pass, each with the reason; shown as ignored. */
  readonly skips?: readonly (readonly [test: string, reason: string])[];
  /** Module and export that open the driver in a process of its own. */
  readonly module: { readonly specifier: URL; readonly open: string };
  /** Largest memory of an idle session (two sockets with pending reads), in bytes. */
  readonly idleSessionBytes: number;
}

export interface Scene {
  readonly driver: Driver;
  /** A folder of the test's own. */
  readonly folder: string;
  /** Sockets to close afterwards, whatever happens. */
  defer(release: () => void): void;
}

export type Test = (scene: Scene, options: DriverSuiteOptions) => Promise<void>;

export const never = new AbortController().signal;
export const anyPort: SocketAddress = { family: "inet", host: "127.0.0.1", port: 0 };
export const nobody = { family: "inet", host: "127.0.0.1", port: closedPort } as const;

export async function listen(scene: Scene, local: SocketAddress = anyPort, more: object = {}): Promise<StreamListener> {
  const listener = await scene.driver.listenStream(local, { backlog: 511, ...more });
  scene.defer(() => listener.close());
  return listener;
}

/** A connected pair: who called, and who was called. */
export async function pair(scene: Scene, local?: SocketAddress): Promise<{ near: ByteStream; far: ByteStream }> {
  const listener = await listen(scene, local);
  const [near, far] = await Promise.all([scene.driver.connectStream(listener.local, {}, never), listener.accept()]);
  assert(far);
  scene.defer(() => near.abort());
  scene.defer(() => far.abort());
  return { near, far };
}

export async function datagrams(scene: Scene, target: Parameters<Driver["openDatagram"]>[0], more: object = {}) {
  const socket = await scene.driver.openDatagram(target, more);
  scene.defer(() => socket.close());
  return socket;
}

/** Receives until `count` packets are there. */
export async function receive(socket: DatagramSocket, count: number): Promise<Packet[]> {
  const packets: Packet[] = [];
  while (packets.length < count) packets.push(...(await socket.receive())!);
  return packets;
}

export const codeOf = (error: unknown) => (error as { code?: string }).code;

export async function rejection(promise: Promise<unknown>): Promise<L7mpError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof L7mpError, `expected an error of ours, not ${error}`);
  return error;
}

export async function runChild(file: string, options: DriverSuiteOptions, prefix = ""): Promise<string> {
  const child = `${import.meta.dirname}/../support/${file}`;
  const command = `${prefix} exec "$0" run -A --v8-flags=--expose-gc "$@"`;
  const { specifier, open } = options.module;
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command, Deno.execPath(), child, specifier.href, open],
  }).output();
  assert(success, textOf(stderr));
  return textOf(stdout).trim();
}

export const unixPath = (scene: Scene, name: string): SocketAddress & { family: "unix" } => {
  return { family: "unix", path: `${scene.folder}/${name}` };
};
export const abstractName = (): SocketAddress => ({ family: "unix", path: `@l7mp-test-${crypto.randomUUID()}` });

/** Each end says something, and hears the other out after its own end. */
export async function echoesHalves({ near, far }: { near: ByteStream; far: ByteStream }): Promise<void> {
  await near.write(bytesOf("question"));
  await near.closeWrite();
  assertEquals(textOf(await readAll(far)), "question");
  assertEquals(await far.read(), null);
  await far.write(bytesOf("answer after the end"));
  await far.closeWrite();
  await far.closeWrite();
  assertEquals(textOf(await readAll(near)), "answer after the end");
}
