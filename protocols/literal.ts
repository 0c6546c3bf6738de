/** One fixed message: given once, or as the answer to every other. */
import type { Protocol } from "../lib/protocol.ts";
import { ConfigError } from "../lib/errors.ts";
import * as s from "../lib/schema.ts";
import { delegateDatagrams } from "../lib/stream/delegate.ts";
import { datagramEcho } from "../lib/stream/memory.ts";
import { fixedDatagrams } from "./_fixed.ts";

const literalSpec = s.object({
  text: s.string({ help: "The message" }),
  base64: s.boolean({ group: "data", help: "The text is base64 of the message" }),
});
type LiteralSpec = s.SpecOf<typeof literalSpec>;

/** The message's bytes. Throws a `ConfigError` when `base64` is asked for and the text is not base64 (RFC 4648). */
function messageOf({ text = "", base64 }: LiteralSpec): Uint8Array {
  if (!base64) return new TextEncoder().encode(text);
  try {
    return Uint8Array.fromBase64(text);
  } catch (error) {
    throw new ConfigError(`option "base64": "${text}" is not base64`, { cause: error });
  }
}

/** Gives the message once, then the end; swallows what it is sent. */
export const literal: Protocol<LiteralSpec> = {
  name: "LITERAL",
  types: [{
    names: ["LITERAL"],
    role: "local",
    parameters: { form: "text", key: "text", label: "text" },
    help: "Gives the text once, as one message",
  }],
  kind: "datagram",
  end: "none",
  spec: literalSpec,
  check(spec) {
    messageOf(spec);
  },
  async connect(spec, { signal }) {
    signal.throwIfAborted();
    return fixedDatagrams([{ data: messageOf(spec) }], { protocol: "LITERAL", name: "LITERAL" });
  },
};

/**
 * Answers every message with its own, of the type of the one it answers. Answers wait (64 KiB, or one larger one) until
 * they are received; then the sender waits. None is dropped: after a half-close all that are owed come before the end.
 */
export const reply: Protocol<LiteralSpec> = {
  name: "REPLY",
  types: [{
    names: ["REPLY", "LITERALREPLY"],
    role: "local",
    parameters: { form: "text", key: "text", label: "text" },
    help: "Answers every message with the text",
  }],
  kind: "datagram",
  end: "half",
  spec: literalSpec,
  check(spec) {
    messageOf(spec);
  },
  async connect(spec, { signal }) {
    signal.throwIfAborted();
    const data = messageOf(spec);
    const answers = datagramEcho({ info: { protocol: "REPLY", name: "REPLY" } });
    return delegateDatagrams(answers, { send: (batch) => answers.send(batch.map((asked) => ({ ...asked, data }))) });
  },
};
