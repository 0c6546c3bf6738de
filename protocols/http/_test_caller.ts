/** A caller of HTTP-LISTEN that a test plays, and what it says. */
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { bytesOf, readAll, textOf } from "../../tests/support/streams.ts";
import { http } from "./http.ts";

export const never = new AbortController().signal;
export const remote = { family: "inet", host: "10.0.0.9", port: 4711 } as const;

/** A caller that the test plays, and what our listener makes of it. */
export class Caller {
  readonly peer: ByteStream;
  readonly #lower: ByteStream;
  readonly #settings: Record<string, unknown>;
  readonly #context: Context;

  constructor(settings: Record<string, unknown> = {}, context: Partial<Context> = {}) {
    [this.peer, this.#lower] = bytePair({ info: { remote } });
    this.#settings = settings;
    this.#context = testContext(context);
  }

  async say(text: string): Promise<void> {
    await this.peer.write(bytesOf(text));
  }

  serve(lower: ByteStream = this.#lower): Promise<Incoming> {
    return http.server!(lower, http.spec.parse(this.#settings, ""), this.#context);
  }

  /** Sends `wire`, is accepted, and gives the server's side of it. */
  async accepted(wire: string): Promise<ByteStream> {
    await this.say(wire);
    return await (await this.serve()).accept(never) as ByteStream;
  }

  async rest(): Promise<string> {
    return textOf(await readAll(this.peer));
  }
}

export const get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
export const post = (length: number) => `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`;
export const chunkedPost = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Reads to the end of a request, and answers with `blocks`. */
export async function answer(stream: ByteStream, ...blocks: string[]): Promise<void> {
  assertEquals(await stream.read(), null);
  for (const block of blocks) await stream.write(bytesOf(block));
  await stream.closeWrite();
  stream.abort();
}
