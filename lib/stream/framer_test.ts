// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { patternBytes, receiveSome } from "../../tests/support/streams.ts";
import { silentLog } from "../log.ts";
import { delegateBytes } from "./delegate.ts";
import { type Codec, framed } from "./framer.ts";
import { bytePair } from "./memory.ts";

/** One byte of length, then the message in two pieces. */
const codec: Codec = {
  decoder() {
    let rest: number[] = [];
    return {
      push: (chunk) => void (rest = [...rest, ...chunk]),
      next() {
        if (rest.length === 0 || rest.length <= rest[0]!) return null;
        const length = rest[0]!;
        const message = Uint8Array.from(rest.slice(1, length + 1));
        rest = rest.slice(length + 1);
        return message;
      },
      end: () => null,
    };
  },
  encode: (message) => [Uint8Array.of(message.length), message.subarray(0, 9), message.subarray(9)],
};

Deno.test("framed() writes a batch of many pieces whole and in order, however many writes it takes", async () => {
  const [near, far] = bytePair();
  const sent = Array.from({ length: 1000 }, (_, i) => ({ data: patternBytes(i * 7 % 251, i) }));
  let writes = 0;
  const counted = delegateBytes(near, { write: (bytes) => (writes++, near.write(bytes)) });
  const sending = framed(counted, codec, silentLog()).send(sent);
  const received = await receiveSome(framed(far, codec, silentLog()), sent.length);
  await sending;
  assertEquals(received, sent.map(({ data }) => data));
  assertEquals(writes, 2);
  near.abort();
});
