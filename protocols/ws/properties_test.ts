/** Properties of both ends of a WebSocket, whatever a peer sends and however it arrives. */
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { L7mpError } from "../../lib/errors.ts";
import { concat } from "../../lib/stream/concat.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { cutAt, cuts } from "../../tests/support/cuts.ts";
import {
  binaryOpcode,
  closeOpcode,
  closePayload,
  continuation,
  frame,
  FrameReader,
  pingOpcode,
  pongOpcode,
  textOpcode,
  upgradeAnswer,
  upgradeRequest,
} from "../../tests/support/raw_websocket.ts";
import { textOf } from "../../tests/support/streams.ts";
import { ws } from "./ws.ts";

const roles = ["client", "server"] as const;
type Role = typeof roles[number];

/** Our end in this role, and the connection of its peer after the handshake. */
async function open(role: Role): Promise<{ stream: DatagramStream; peer: ByteStream }> {
  const [lower, peer] = bytePair();
  const context = testContext();
  if (role === "server") {
    await peer.write(upgradeRequest());
    const incoming = await ws.server!(lower, ws.spec.parse({}, ""), context);
    const stream = await incoming.accept(context.signal) as DatagramStream;
    await peer.read();
    return { stream, peer };
  }
  const connecting = ws.client!(lower, ws.spec.parse({}, ""), context);
  await peer.write(await upgradeAnswer(textOf((await peer.read())!)));
  return { stream: await connecting as DatagramStream, peer };
}

interface Message {
  readonly type: "text" | "binary";
  readonly data: Uint8Array;
}

/** All that is received until the end; `error` where it is none. */
async function receiveAll(stream: DatagramStream): Promise<{ messages: Message[]; error?: unknown }> {
  const messages: Message[] = [];
  try {
    for (let batch = await stream.receive(); batch; batch = await stream.receive()) {
      messages.push(...batch.map(({ data, meta }) => ({ type: meta!.type!, data: data.slice() })));
    }
  } catch (error) {
    return { messages, error };
  }
  return { messages };
}

/** Lets a peer say all of it, in pieces, and hang up; gives what we received, and what we sent meanwhile. */
async function hear(role: Role, pieces: readonly Uint8Array[]) {
  const { stream, peer } = await open(role);
  const reader = new FrameReader();
  const answers = (async () => {
    for (let view = await peer.read(); view; view = await peer.read()) reader.push(view);
  })().catch(() => {});
  const saying = (async () => {
    for (const piece of pieces) {
      await peer.write(piece);
      // The reader has its turn before the next piece, which would otherwise be joined to this one.
      await new Promise((resolve) => setTimeout(resolve));
    }
    await peer.closeWrite();
  })().catch(() => {});
  const received = await receiveAll(stream);
  stream.abort(received.error);
  await Promise.all([saying, answers]);
  peer.abort();
  return { ...received, reader };
}

const mask = (role: Role) => role === "server" ? [1, 2, 3, 4] as const : undefined;
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.string({ unit: "binary" }).map((text) => ({ type: "text" as const, data: new TextEncoder().encode(text) })),
  fc.uint8Array({ maxLength: 300, size: "max" }).map((data) => ({ type: "binary" as const, data })),
);
/** A message, where its frames end, and a ping or pong before each frame. */
const spoken = fc.record({ message, cuts, control: fc.constantFrom(undefined, pingOpcode, pongOpcode) });

for (const role of roles) {
  Deno.test(`WebSocket as ${role}: any fragments, control frames and cuts give the same messages`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(spoken, { maxLength: 6 }), cuts, async (said, places) => {
        const frames: Uint8Array[] = [];
        let pings = 0;
        for (const { message: { type, data }, cuts, control } of said) {
          // Empty fragments are left out by `cutAt`, and an empty message has none at all.
          const parts = data.length > 0 ? cutAt(data, cuts) : [data];
          for (const [i, part] of parts.entries()) {
            if (control !== undefined) frames.push(frame(control, `${i}`, { mask: mask(role) }));
            if (control === pingOpcode) pings++;
            const opcode = i > 0 ? continuation : type === "text" ? textOpcode : binaryOpcode;
            frames.push(frame(opcode, part, { fin: i === parts.length - 1, mask: mask(role) }));
          }
        }
        frames.push(frame(closeOpcode, closePayload(1000), { mask: mask(role) }));
        const { messages, error, reader } = await hear(role, cutAt(concat(frames), places));
        assertEquals(error, undefined);
        assertEquals(messages, said.map(({ message }) => message));
        let pongs = 0;
        for (let found = reader.next(); found; found = reader.next()) if (found.opcode === pongOpcode) pongs++;
        assertEquals(pongs, pings);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  Deno.test(`WebSocket as ${role}: random bytes give messages, an end or an error of ours`, async () => {
    const opcode = fc.integer({ min: 0, max: 15 });
    const flags = { fin: fc.boolean(), reserved: fc.constantFrom(0, 0, 0, 4, 1), opcode };
    const loose = fc.record({ ...flags, payload: fc.uint8Array({ maxLength: 140 }), masked: fc.boolean() })
      .map(({ payload, masked, ...rest }) =>
        frame(rest.opcode, payload, { ...rest, mask: masked ? [9, 8, 7, 6] : undefined })
      );
    const bytes = fc.array(fc.oneof(fc.uint8Array({ maxLength: 30 }), loose), { maxLength: 8 }).map(concat);
    await fc.assert(
      fc.asyncProperty(bytes, cuts, async (data, places) => {
        const { error } = await hear(role, cutAt(data, places));
        assert(error === undefined || error instanceof L7mpError, String(error));
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });
}
