/** Handshakes over memory streams, for the tests of TLS. */
// @ts-types="../../tests/deno_std.d.ts"
import { assert } from "@std/assert";
import { L7mpError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream, Stream } from "../../lib/stream/stream.ts";
import { type Certificates, makeCertificates, noOpenssl } from "../../tests/support/certificates.ts";
import { testContext } from "../../tests/support/context.ts";
import type { TlsFacts } from "./handshake.ts";
import type { TlsSpec } from "./spec.ts";
import { tls } from "./tls.ts";

const made = makeCertificates();
export const certificates = made as Certificates;

export function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: made ? name : `${name} (skipped: ${noOpenssl})`, ignore: !made, fn });
}

export type Settings = Readonly<Record<string, unknown>>;

/** Settings in the document's form; names of files are those of the certificates. */
export function specOf(settings: Settings): TlsSpec {
  const files = new Set(["cert", "key", "cafile", "pkcs12"]);
  const entries = Object.entries(settings).map(([key, value]) =>
    [key, files.has(key) && value !== "mozilla" ? certificates.path(String(value)) : value] as const
  );
  return tls.spec.parse(Object.fromEntries(entries), "");
}

export const good = { cert: "server-both.pem" };
export const trusting = { address: "localhost", cafile: "ca.pem" };

export interface Outcome {
  readonly client: PromiseSettledResult<Stream>;
  readonly server: PromiseSettledResult<Stream>;
  readonly near: ByteStream;
  readonly far: ByteStream;
}

export interface Contexts {
  readonly client?: Partial<Context>;
  readonly server?: Partial<Context>;
}

/** Both sides' handshakes over two connected streams. */
export async function shake(
  client: Settings,
  server: Settings,
  contexts: Contexts = {},
  [near, far]: readonly [ByteStream, ByteStream] = bytePair(),
): Promise<Outcome> {
  const context = testContext(contexts.server);
  const [one, other] = await Promise.allSettled([
    tls.client!(near, specOf(client), testContext(contexts.client)),
    tls.server!(far, specOf(server), context).then((incoming) => incoming.accept(context.signal)),
  ]);
  return { client: one, server: other, near, far };
}

export function release({ client, server }: Outcome): void {
  for (const side of [client, server]) if (side.status === "fulfilled") side.value.abort();
}

/** Both streams of a handshake that succeeded. */
export async function connected(
  client: Settings = trusting,
  server: Settings = good,
  streams?: readonly [ByteStream, ByteStream],
) {
  const outcome = await shake(client, server, {}, streams);
  const [one, other] = [outcome.client, outcome.server].map((side) => {
    if (side.status === "rejected") throw side.reason;
    assert(side.value.kind === "byte");
    return side.value;
  });
  return { ...outcome, client: one!, server: other!, release: () => release(outcome) };
}

/** What the client rejected with. */
export async function clientFault(client: Settings, server: Settings, contexts?: Contexts): Promise<L7mpError> {
  const outcome = await shake(client, server, contexts);
  release(outcome);
  assert(outcome.client.status === "rejected", "the client was content");
  assert(outcome.client.reason instanceof L7mpError, `not ours: ${outcome.client.reason}`);
  return outcome.client.reason;
}

/** What the server rejected with, while the client may have been content: in TLS 1.3 it is done first. */
export async function serverFault(client: Settings, server: Settings): Promise<{ fault: L7mpError; outcome: Outcome }> {
  const outcome = await shake(client, server);
  assert(outcome.server.status === "rejected", "the server was content");
  assert(outcome.server.reason instanceof L7mpError, `not ours: ${outcome.server.reason}`);
  return { fault: outcome.server.reason, outcome };
}

export function factsOf(stream: Stream): TlsFacts {
  return stream.info.facts!.tls as TlsFacts;
}

/** A TLS server that is not ours: it looks at nothing. Resolves when its connection is gone. */
export async function serveRaw(lower: ByteStream, options: Readonly<Record<string, unknown>>): Promise<void> {
  const { TLSSocket } = await import("node:tls");
  const { toDuplex } = await import("../../lib/stream/duplex.ts");
  const { duplex } = await toDuplex(lower);
  const socket = new TLSSocket(duplex, { isServer: true, ...options });
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.on("close", () => resolve()).on("end", () => resolve()));
  socket.destroy();
  duplex.destroy();
}
