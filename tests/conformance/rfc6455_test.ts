/**
 * RFC 6455 sections 5 to 7 and 8.1, and compression by RFC 7692, as frames typed in by hand, given to both roles of the WebSocket layer: in one piece,
 * and one byte at a time. The name of each test begins with its section.
 */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { EndedError, LimitError, ProtocolError } from "../../lib/errors.ts";
import { concat } from "../../lib/stream/concat.ts";
import type { ByteStream, Datagram, DatagramStream } from "../../lib/stream/stream.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import { WebSocketClosedError } from "../../protocols/ws/stream.ts";
import { ws } from "../../protocols/ws/ws.ts";
import { testContext } from "../support/context.ts";
import { oneByte } from "../support/one_byte.ts";
import {
  binaryOpcode,
  closeOpcode,
  closePayload,
  continuation,
  type Frame,
  frame,
  type FrameOptions,
  FrameReader,
  pingOpcode,
  pongOpcode,
  sampleAccept,
  textOpcode,
  upgradeAnswer,
  upgradeRequest,
} from "../support/raw_websocket.ts";
import { bytesOf, patternBytes, textOf } from "../support/streams.ts";

type Role = "client" | "server";
const roles = ["client", "server"] as const;

/** Our end of a WebSocket, and the peer that a test plays. */
class Talk {
  readonly role: Role;
  readonly stream: DatagramStream;
  readonly #raw: ByteStream;
  readonly #reader: FrameReader;

  private constructor(role: Role, stream: DatagramStream, raw: ByteStream, reader: FrameReader) {
    this.role = role;
    this.stream = stream;
    this.#raw = raw;
    this.#reader = reader;
  }

  static async open(role: Role, cut: (lower: ByteStream) => ByteStream, { settings = {}, extension }: TestOptions) {
    const headers = extension ? [`Sec-WebSocket-Extensions: ${extension}`] : [];
    const [lower, raw] = bytePair();
    const context = testContext();
    const spec = ws.spec.parse(settings, "");
    let stream: DatagramStream;
    let received = "";
    if (role === "server") {
      await raw.write(upgradeRequest("/", headers));
      stream = await (await ws.server!(cut(lower), spec, context)).accept(context.signal) as DatagramStream;
      received = await readHead(raw);
      assert(received.includes(`\r\nSec-WebSocket-Accept: ${sampleAccept}\r\n`), received);
      assertEquals(received.includes("\r\nSec-WebSocket-Extensions:"), extension !== undefined);
    } else {
      const connecting = ws.client!(cut(lower), spec, context);
      received = await readHead(raw);
      await raw.write(await upgradeAnswer(received, headers));
      stream = await connecting as DatagramStream;
    }
    assert(received.endsWith("\r\n\r\n"), received);
    return new Talk(role, stream, raw, new FrameReader());
  }

  /** A frame as the peer of this role has to send it: masked by a client. */
  frame(opcode: number, payload: string | Uint8Array = "", options: FrameOptions = {}): Uint8Array {
    return frame(opcode, payload, { mask: this.role === "server" ? [0x37, 0xfa, 0x21, 0x3d] : undefined, ...options });
  }

  async send(...frames: readonly Uint8Array[]): Promise<void> {
    await this.#raw.write(concat(frames));
  }

  /** The next frame that we sent; null: no more. */
  async next(): Promise<Frame | null> {
    for (;;) {
      const found = this.#reader.next();
      if (found) return found;
      const view = await this.#raw.read().catch(() => null);
      if (view === null) return null;
      this.#reader.push(view);
    }
  }

  /** The next message we received, as the type and its bytes. */
  async message(): Promise<Datagram> {
    while (this.#messages.length === 0) {
      const batch = await this.stream.receive();
      assert(batch, "the stream has ended");
      this.#messages.push(...batch.map(({ data, meta }) => ({ data: data.slice(), meta })));
    }
    return this.#messages.shift()!;
  }
  readonly #messages: Datagram[] = [];

  async text(): Promise<string> {
    const { data, meta } = await this.message();
    assertEquals(meta?.type, "text");
    return textOf(data);
  }

  /** The code of our close frame, and that nothing comes after it. */
  async closeCode(): Promise<number> {
    for (;;) {
      const found = await this.next();
      assert(found, "no close frame");
      assertEquals(found.masked, this.role === "client");
      if (found.opcode !== closeOpcode) continue;
      return found.payload.length === 0 ? 1005 : (found.payload[0]! << 8) | found.payload[1]!;
    }
  }

  /** The peer breaks a rule: we fail with a `ProtocolError`, and it hears `code`. */
  async fails(code: number): Promise<void> {
    const error = await this.error();
    assert(error instanceof ProtocolError, String(error));
    assertMatch(error.message, /RFC (6455|7692) section/);
    this.stream.abort(error);
    assertEquals(await this.closeCode(), code);
  }

  async error(): Promise<unknown> {
    try {
      while (await this.stream.receive() !== null);
    } catch (error) {
      return error;
    }
    throw new Error("an end and no error");
  }

  /** An ordinary close from our side, so that nothing is left. */
  async end(): Promise<void> {
    this.stream.abort();
    await this.#raw.closeWrite().catch(() => {});
    while (await this.next());
    this.#raw.abort();
  }

  async hangUp(): Promise<void> {
    await this.#raw.closeWrite().catch(() => {});
    this.#raw.abort();
  }
}

async function readHead(raw: ByteStream): Promise<string> {
  let text = "";
  while (!text.endsWith("\r\n\r\n")) text += textOf((await raw.read())!);
  return text;
}

interface TestOptions {
  readonly settings?: Record<string, unknown>;
  /** That the peer offers or accepts. */
  readonly extension?: string;
  readonly roles?: readonly Role[];
  /** Too long for one byte at a time. */
  readonly whole?: boolean;
}

const cuts = [[(lower: ByteStream) => lower, ""], [oneByte, ", byte by byte"]] as const;

function rfc(section: string, title: string, test: (talk: Talk) => Promise<void>, options: TestOptions = {}): void {
  for (const role of options.roles ?? roles) {
    for (const [cut, how] of options.whole ? cuts.slice(0, 1) : cuts) {
      Deno.test(`${section} ${title} (${role}${how})`, async () => {
        const talk = await Talk.open(role, cut, options);
        await test(talk);
        await talk.end();
      });
    }
  }
}

// Section 5.1: masking.

rfc("5.1", "a server refuses a frame that is not masked", async (talk) => {
  await talk.send(talk.frame(textOpcode, "Hello", { mask: undefined }));
  await talk.fails(1002);
}, { roles: ["server"] });
rfc("5.1", "a client refuses a frame that is masked", async (talk) => {
  await talk.send(talk.frame(textOpcode, "Hello", { mask: [1, 2, 3, 4] }));
  await talk.fails(1002);
}, { roles: ["client"] });

// Section 5.2: the base framing protocol.

for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]) {
  rfc("5.2", `a message of ${length} bytes arrives as it is, and leaves in the shortest form`, async (talk) => {
    const data = patternBytes(length);
    await talk.send(talk.frame(binaryOpcode, data));
    const message = await talk.message();
    assertEquals(message.meta?.type, "binary");
    assertEquals(message.data, data);
    const [, sent] = await Promise.all([talk.stream.send([{ data, meta: { type: "binary" } }]), talk.next()]);
    const { mask: _, payload, ...rest } = sent!;
    assertEquals(rest, { fin: true, reserved: 0, opcode: binaryOpcode, masked: talk.role === "client" });
    assertEquals(payload, data);
  }, { whole: length > 1000 });
}
for (const reserved of [1, 2, 3, 4, 5, 6, 7]) {
  rfc("5.2", `reserved bits ${reserved} mean nothing without an extension`, async (talk) => {
    await talk.send(talk.frame(textOpcode, "Hello", { reserved }));
    await talk.fails(1002);
  });
}
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  rfc("5.2", `opcode ${opcode} is reserved`, async (talk) => {
    await talk.send(talk.frame(opcode));
    await talk.fails(1002);
  });
}
rfc("5.2", "a length whose highest bit is set is refused before any payload", async (talk) => {
  const header = talk.frame(binaryOpcode, "", { lengthBytes: 8 });
  header[2] = 0x80;
  await talk.send(header);
  const error = await talk.error();
  assert(error instanceof ProtocolError || error instanceof LimitError, String(error));
  talk.stream.abort(error);
  assert([1002, 1009].includes(await talk.closeCode()));
});
rfc("5.2", "a frame that announces more than max-message is refused before its payload", async (talk) => {
  const header = talk.frame(binaryOpcode, "", { lengthBytes: 2 });
  header[2] = 0x10;
  await talk.send(header);
  const error = await talk.error();
  assert(error instanceof LimitError, String(error));
  talk.stream.abort(error);
  assertEquals(await talk.closeCode(), 1009);
}, { settings: { max_message: 1000 } });

// Section 5.3: the masking key.

rfc("5.3", "a client takes a new key for each frame", async (talk) => {
  const sent: Uint8Array[] = [];
  for (let i = 0; i < 4; i++) {
    await talk.stream.send([{ data: bytesOf("same"), meta: { type: "text" } }]);
    const found = await talk.next();
    assertEquals(textOf(found!.payload), "same");
    sent.push(found!.mask);
  }
  for (const [i, mask] of sent.entries()) assertNotEquals(mask, sent[(i + 1) % 4]);
}, { roles: ["client"] });

// Section 5.4: fragmentation.

rfc("5.4", "a message in pieces is one message, also with empty ones", async (talk) => {
  await talk.send(
    talk.frame(textOpcode, "Hel", { fin: false }),
    talk.frame(continuation, "", { fin: false }),
    talk.frame(continuation, "lo", { fin: false }),
    talk.frame(continuation, ""),
    talk.frame(textOpcode, "", { fin: false }),
    talk.frame(continuation, ""),
    talk.frame(binaryOpcode, "", { fin: false }),
    talk.frame(continuation, "x"),
  );
  assertEquals([await talk.text(), await talk.text()], ["Hello", ""]);
  assertEquals((await talk.message()).meta?.type, "binary");
});
rfc("5.4", "control frames between the pieces are answered at once", async (talk) => {
  await talk.send(talk.frame(textOpcode, "Hel", { fin: false }), talk.frame(pingOpcode, "p"));
  const pong = await talk.next();
  assertEquals([pong!.opcode, textOf(pong!.payload)], [pongOpcode, "p"]);
  await talk.send(talk.frame(pongOpcode, "q"), talk.frame(continuation, "lo"));
  assertEquals(await talk.text(), "Hello");
});
rfc("5.4", "a character may be cut between pieces", async (talk) => {
  const [a, b] = [bytesOf("κόσμε").subarray(0, 3), bytesOf("κόσμε").subarray(3)];
  await talk.send(talk.frame(textOpcode, a, { fin: false }), talk.frame(continuation, b));
  assertEquals(await talk.text(), "κόσμε");
});
rfc("5.4", "a close between the pieces ends the WebSocket", async (talk) => {
  await talk.send(talk.frame(textOpcode, "Hel", { fin: false }), talk.frame(closeOpcode, closePayload(1000)));
  assertEquals(await talk.stream.receive(), null);
  await talk.stream.closeWrite();
  assertEquals(await talk.closeCode(), 1000);
});
for (const fin of [true, false]) {
  rfc("5.4", `a continuation (fin ${fin}) needs a beginning`, async (talk) => {
    await talk.send(talk.frame(continuation, "x", { fin }));
    await talk.fails(1002);
  });
  rfc("5.4", `a new message (fin ${fin}) may not begin within another`, async (talk) => {
    await talk.send(talk.frame(textOpcode, "a", { fin: false }), talk.frame(textOpcode, "b", { fin }));
    await talk.fails(1002);
  });
}
rfc("5.4", "a continuation after the last piece needs a beginning", async (talk) => {
  await talk.send(
    talk.frame(textOpcode, "a", { fin: false }),
    talk.frame(continuation, "b"),
    talk.frame(continuation, "c"),
  );
  await talk.fails(1002);
});
rfc("5.4", "max-message holds for all pieces together", async (talk) => {
  const piece = new Uint8Array(60);
  await talk.send(talk.frame(binaryOpcode, piece, { fin: false }), talk.frame(continuation, piece));
  const error = await talk.error();
  assert(error instanceof LimitError, String(error));
  talk.stream.abort(error);
  assertEquals(await talk.closeCode(), 1009);
}, { settings: { max_message: 100 } });
rfc("5.4", "we cut a message at max-frame", async (talk) => {
  await talk.stream.send([{ data: bytesOf("Hello"), meta: { type: "text" } }]);
  const frames = [await talk.next(), await talk.next(), await talk.next()];
  const seen = frames.map((f) => [f!.opcode, f!.fin, textOf(f!.payload)]);
  assertEquals(seen, [[textOpcode, false, "He"], [continuation, false, "ll"], [continuation, true, "o"]]);
}, { settings: { max_frame: 2 } });

// Section 5.5: control frames.

for (const [name, opcode] of [["close", closeOpcode], ["ping", pingOpcode], ["pong", pongOpcode]] as const) {
  rfc("5.5", `a ${name} may not be cut in pieces`, async (talk) => {
    await talk.send(talk.frame(opcode, "", { fin: false }));
    await talk.fails(1002);
  });
  rfc("5.5", `a ${name} of 126 bytes is too long`, async (talk) => {
    await talk.send(talk.frame(opcode, opcode === closeOpcode ? closePayload(1000, "x".repeat(124)) : "x".repeat(126)));
    await talk.fails(1002);
  });
}
rfc("5.5", "a ping with a long form of its length is too long", async (talk) => {
  await talk.send(talk.frame(pingOpcode, "x", { lengthBytes: 2 }));
  await talk.fails(1002);
});

// Section 5.5.1 and 7.4: close.

rfc("5.5.1", "a close without a code is answered by one, and is code 1005", async (talk) => {
  await talk.send(talk.frame(closeOpcode));
  assertEquals(await talk.stream.receive(), null);
  await talk.stream.closeWrite();
  assertEquals(await talk.closeCode(), 1005);
});
rfc("5.5.1", "a close of one byte has no code", async (talk) => {
  await talk.send(talk.frame(closeOpcode, "x"));
  await talk.fails(1002);
});
rfc("5.5.1", "messages before the close arrive, and those after it do not", async (talk) => {
  const after = talk.frame(textOpcode, "after");
  await talk.send(talk.frame(textOpcode, "before"), talk.frame(closeOpcode, closePayload(1000)), after);
  assertEquals(await talk.text(), "before");
  assertEquals(await talk.stream.receive(), null);
});
rfc("5.5.1", "after our close frame we send nothing and still hear", async (talk) => {
  await talk.stream.closeWrite();
  await assertRejects(() => talk.stream.send([{ data: bytesOf("late") }]), EndedError);
  assertEquals(await talk.closeCode(), 1000);
  await talk.send(talk.frame(textOpcode, "still here"), talk.frame(closeOpcode, closePayload(1000)));
  assertEquals(await talk.text(), "still here");
  assertEquals(await talk.stream.receive(), null);
  await talk.hangUp();
  assertEquals(await talk.next(), null);
});
rfc("5.5.1", "code and reason of ours stand in the close frame", async (talk) => {
  await talk.stream.closeWrite();
  const found = await talk.next();
  assertEquals(found!.payload, closePayload(4001, "enough"));
}, { settings: { close_code: 4001, close_reason: "enough" } });
for (const code of [1000, 1001]) {
  rfc("7.4.1", `code ${code} is an ordinary end, and is sent back`, async (talk) => {
    await talk.send(talk.frame(closeOpcode, closePayload(code, "x".repeat(123))));
    assertEquals(await talk.stream.receive(), null);
    await talk.stream.closeWrite();
    assertEquals(await talk.closeCode(), code);
  });
}
for (const code of [1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
  rfc("7.4", `code ${code} is an error that the peer may name, and is sent back`, async (talk) => {
    await talk.send(talk.frame(closeOpcode, closePayload(code, "why")));
    const error = await talk.error();
    assert(error instanceof WebSocketClosedError, String(error));
    assertEquals([error.closeCode, error.closeReason], [code, "why"]);
    talk.stream.abort(error);
    assertEquals(await talk.closeCode(), code);
  });
}
for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) {
  rfc("7.4", `code ${code} may not stand in a close frame`, async (talk) => {
    await talk.send(talk.frame(closeOpcode, closePayload(code)));
    await talk.fails(1002);
  });
}
rfc("5.5.1", "a reason that is not UTF-8 is refused", async (talk) => {
  await talk.send(talk.frame(closeOpcode, closePayload(1000, new Uint8Array([0xce, 0xba, 0xe1]))));
  await talk.fails(1007);
});

// Sections 5.5.2 and 5.5.3: ping and pong.

for (const payload of ["", "Hello", "\0\xff".repeat(30), "x".repeat(125)]) {
  rfc("5.5.2", `a ping of ${payload.length} characters is answered with its own bytes`, async (talk) => {
    await talk.send(talk.frame(pingOpcode, payload));
    const pong = await talk.next();
    assertEquals([pong!.opcode, pong!.masked, textOf(pong!.payload)], [pongOpcode, talk.role === "client", payload]);
  });
}
rfc("5.5.3", "a peer that reads late may ping meanwhile, and its last ping is answered", async (talk) => {
  const sending = talk.stream.send([{ data: new Uint8Array(300_000), meta: { type: "binary" } }]);
  await talk.send(...Array.from({ length: 1000 }, (_, i) => talk.frame(pingOpcode, `${i}`)));
  let last = "";
  while (last !== "999") {
    const found = await talk.next();
    assert(found, `the connection has ended after pong ${last}`);
    if (found.opcode === pongOpcode) last = textOf(found.payload);
  }
  await sending;
}, { whole: true });
rfc("5.5.3", "a pong nobody asked for is no message", async (talk) => {
  await talk.send(talk.frame(pongOpcode, "x"), talk.frame(textOpcode, "y"));
  assertEquals(await talk.text(), "y");
});

// Section 7.1: the end of the connection.

rfc("7.1.5", "a connection that ends without a close frame is code 1006", async (talk) => {
  await talk.hangUp();
  const error = await talk.error();
  assert(error instanceof WebSocketClosedError, String(error));
  assertEquals(error.closeCode, 1006);
  talk.stream.abort(error);
});
rfc("7.1.5", "a connection that ends within a frame is code 1006", async (talk) => {
  await talk.send(talk.frame(textOpcode, "Hello").subarray(0, -2));
  await talk.hangUp();
  const error = await talk.error();
  assert(error instanceof WebSocketClosedError, String(error));
  assertEquals(error.closeCode, 1006);
  talk.stream.abort(error);
});

// Section 8.1: text is UTF-8. A text is judged when it is complete.

const malformed: readonly (readonly [string, readonly number[]])[] = [
  ["a lone continuation byte", [0x80]],
  ["a cut character", [0xce, 0xba, 0xe1, 0xbd]],
  ["an overlong form", [0xc0, 0xaf]],
  ["an overlong form of three bytes", [0xe0, 0x80, 0xaf]],
  ["a surrogate", [0xed, 0xa0, 0x80]],
  ["a code point beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ["a form of five bytes", [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ["the byte FE", [0xfe]],
];
for (const [what, bytes] of malformed) {
  rfc("8.1", `${what} is no text`, async (talk) => {
    await talk.send(talk.frame(textOpcode, new Uint8Array([0x61, ...bytes])));
    await talk.fails(1007);
  });
  rfc("8.1", `${what} is no text in pieces either`, async (talk) => {
    const at = Math.ceil(bytes.length / 2);
    await talk.send(
      talk.frame(textOpcode, new Uint8Array(bytes.slice(0, at)), { fin: false }),
      talk.frame(continuation, new Uint8Array(bytes.slice(at))),
    );
    await talk.fails(1007);
  });
  rfc("8.1", `${what} may be binary`, async (talk) => {
    await talk.send(talk.frame(binaryOpcode, new Uint8Array(bytes)));
    assertEquals((await talk.message()).data, new Uint8Array(bytes));
  });
}
for (
  const text of [
    "\0",
    "\x7f",
    "\u0080",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\ufffd",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
  ]
) {
  rfc("8.1", `U+${text.codePointAt(0)!.toString(16).padStart(4, "0")} is text`, async (talk) => {
    await talk.send(talk.frame(textOpcode, text));
    assertEquals(await talk.text(), text);
  });
}

// RFC 7692: compression, where both sides agreed on it.

const compressed = { settings: { compress: true }, extension: "permessage-deflate" };
const compressedHello = new Uint8Array([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);

rfc("7692 7.2.3.1", "a compressed text is read, in one piece and in two", async (talk) => {
  await talk.send(
    talk.frame(textOpcode, compressedHello, { reserved: 4 }),
    talk.frame(textOpcode, compressedHello.subarray(0, 3), { reserved: 4, fin: false }),
    talk.frame(continuation, compressedHello.subarray(3)),
    talk.frame(textOpcode, "plain"),
  );
  assertEquals([await talk.text(), await talk.text(), await talk.text()], ["Hello", "Hello", "plain"]);
}, compressed);
rfc("7692 6", "only the first piece of a message says that it is compressed", async (talk) => {
  await talk.send(
    talk.frame(textOpcode, compressedHello.subarray(0, 3), { reserved: 4, fin: false }),
    talk.frame(continuation, compressedHello.subarray(3), { reserved: 4 }),
  );
  await talk.fails(1002);
}, compressed);
rfc("7692 6", "a control frame is never compressed", async (talk) => {
  await talk.send(talk.frame(pingOpcode, compressedHello, { reserved: 4 }));
  await talk.fails(1002);
}, compressed);
rfc("7692 6.2", "what is not compressed data is refused", async (talk) => {
  await talk.send(talk.frame(textOpcode, new Uint8Array([0xff, 0xff, 0xff, 0xff]), { reserved: 4 }));
  await talk.fails(1007);
}, compressed);
rfc("7692 8", "max-message holds for what comes out, not for what comes in", async (talk) => {
  const source = new Blob([new Uint8Array(1 << 20)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bomb = new Uint8Array(await new Response(source).arrayBuffer());
  assert(bomb.length < 2000);
  await talk.send(talk.frame(binaryOpcode, bomb, { reserved: 4 }));
  const error = await talk.error();
  assert(error instanceof LimitError, String(error));
  talk.stream.abort(error);
  assertEquals(await talk.closeCode(), 1009);
}, { ...compressed, settings: { compress: true, max_message: 10_000 } });
rfc("7692 7", "what we send compressed can be read", async (talk) => {
  const data = bytesOf("again ".repeat(1000));
  await talk.stream.send([{ data, meta: { type: "text" } }]);
  const sent = await talk.next();
  assertEquals([sent!.reserved, sent!.opcode], [4, textOpcode]);
  assert(sent!.payload.length < 200);
  await talk.send(talk.frame(textOpcode, sent!.payload, { reserved: 4 }));
  assertEquals(await talk.text(), textOf(data));
}, compressed);
rfc("7692 8", "what nobody reads is not inflated", async (talk) => {
  const source = new Blob([new Uint8Array(1 << 20)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bomb = new Uint8Array(await new Response(source).arrayBuffer());
  const count = 20;
  await talk.send(
    ...Array.from({ length: count }, () => talk.frame(binaryOpcode, bomb, { reserved: 4 })),
    talk.frame(pingOpcode),
  );
  // All of them have arrived; inflated ones have had the time to be queued.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const first = await talk.stream.receive();
  assert(first!.length < 5, `${first!.length} messages`);
  for (let seen = first!.length; seen < count;) seen += (await talk.stream.receive())!.length;
  assertEquals((await talk.next())!.opcode, pongOpcode);
}, { ...compressed, whole: true });
