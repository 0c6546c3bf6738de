/** Two WebSockets over memory, for tests. */
import type { Context, Incoming } from "../../lib/protocol.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { bytesOf } from "../../tests/support/streams.ts";
import { ws } from "./ws.ts";

export type Settings = Record<string, unknown>;

export function connect(lower: ByteStream, settings: Settings = {}, context = testContext()): Promise<DatagramStream> {
  return ws.client!(lower, ws.spec.parse(settings, ""), context) as Promise<DatagramStream>;
}

export function serve(lower: ByteStream, settings: Settings = {}, context = testContext()): Promise<Incoming> {
  return ws.server!(lower, ws.spec.parse(settings, ""), context);
}

export const example = { address: "h.example", port: 8080, path: "/p" };

/** Both sides of a WebSocket, each with its own settings and context. */
export async function openPair(
  { client = {}, server = {}, clientContext = testContext(), serverContext = testContext() }: {
    client?: Settings;
    server?: Settings;
    clientContext?: Context;
    serverContext?: Context;
  } = {},
): Promise<{ client: DatagramStream; server: DatagramStream; incoming: Incoming; lowers: [ByteStream, ByteStream] }> {
  const [a, b] = bytePair();
  const connecting = connect(a, { ...example, ...client }, clientContext);
  const incoming = await serve(b, server, serverContext);
  const [one, two] = await Promise.all([connecting, incoming.accept(serverContext.signal)]);
  return { client: one, server: two as DatagramStream, incoming, lowers: [a, b] };
}

/** Ends both sides in the ordinary way, so that no timer is left. */
export async function endPair({ client, server }: { client: DatagramStream; server: DatagramStream }): Promise<void> {
  await Promise.all([client.closeWrite(), server.closeWrite()]);
  while (await client.receive() !== null);
  while (await server.receive() !== null);
  client.abort();
  server.abort();
}

const handshake = [
  "GET /p HTTP/1.1",
  "Host: h",
  "Upgrade: websocket",
  "Connection: keep-alive, Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
];

/** The handshake of RFC 6455 section 1.2, with lines replaced or left out (`undefined`) by name. */
export function request(changes: Record<string, string | undefined> = {}, first = handshake[0]!): Uint8Array {
  const lines = new Map(handshake.slice(1).map((line) => [line.split(":")[0]!, line]));
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) lines.delete(name);
    else lines.set(name, `${name}: ${value}`);
  }
  return bytesOf([first, ...lines.values(), "", ""].join("\r\n"));
}

/** A masked frame with a mask of zeros, as a client sends it. */
export function frame(opcode: number, payload: Uint8Array): Uint8Array {
  return new Uint8Array([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}
