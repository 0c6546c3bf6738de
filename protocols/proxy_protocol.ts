/**
 * The PROXY protocol (HAProxy's specification): a header before everything else that says who the original client is.
 * Options `accept-proxy` and `proxy-protocol` put this layer into a stack; it has no addresses of its own.
 */
import { ConfigError, ConnectError, messageOf } from "../lib/errors.ts";
import type { Layer } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { afterHandshake } from "../lib/stream/peek.ts";
import { type ByteStream, formatAddress, type Stream, type StreamInfo } from "../lib/stream/stream.ts";
import { converse } from "./_dialogue.ts";
import type { ProxyHeader } from "./_proxy_protocol_codec.ts";
import { readyCaller } from "./_ready_caller.ts";

/** A caller has this long to send its header. */
const headerMs = 10_000;

const spec = s.object({
  /** Listeners: refuse callers that send no header. */
  required: s.boolean(),
  /** Connectors: which version to send. */
  version: s.integer({ min: 1, max: 2 }),
});
type ProxyProtocolSpec = s.SpecOf<typeof spec>;

export const proxyProtocol: Layer<ProxyProtocolSpec> = {
  name: "PROXYPROTO",
  types: [],
  schemes: ["proxyproto"],
  needs: "byte",
  gives: "byte",
  end: "half",
  base: "TCP",
  spec,
  tellsCaller: true,

  async client(stream, spec, { downstream, signal }) {
    const lower = bytes(stream);
    const { encodeProxyHeader } = await import("./_proxy_protocol_codec.ts");
    const { remote, local } = downstream ?? {};
    const addresses = remote && local && { source: remote, destination: local };
    const onAbort = () => lower.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      await lower.write(encodeProxyHeader(spec.version === 1 ? 1 : 2, addresses));
      return lower;
    } catch (error) {
      lower.abort();
      signal.throwIfAborted();
      throw new ConnectError(`${lower.info.name}: sending the PROXY header: ${messageOf(error)}`, { cause: error });
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  },

  async server(stream, spec, { log, signal }) {
    const lower = bytes(stream);
    const { ProxyHeaderReader } = await import("./_proxy_protocol_codec.ts");
    const from = lower.info.remote ? formatAddress(lower.info.remote) : lower.info.name;
    const name = `accept-proxy from ${from}`;
    const dialogue = new ProxyHeaderReader({ required: spec.required === true });
    const options = { name, signal, limitMs: headerMs, awaited: "PROXY header" };
    const { result, rest } = await converse(lower, dialogue, options);
    const info = result ? infoOf(lower.info, result) : lower.info;
    if (result?.addresses) {
      log.notice("proxy.caller", `${from} speaks for ${formatAddress(result.addresses.source)}`);
    }
    return readyCaller(afterHandshake(lower, rest, info));
  },
};

/** The caller's facts, with the addresses the header tells instead of those of whoever sent it. */
function infoOf(info: StreamInfo, { version, addresses, authority, alpn, uniqueId }: ProxyHeader): StreamInfo {
  const facts = { version, authority, alpn, uniqueId: uniqueId?.toHex() };
  return {
    ...info,
    ...(addresses && { remote: addresses.source, local: addresses.destination }),
    facts: { ...info.facts, proxyProtocol: facts },
  };
}

function bytes(lower: Stream): ByteStream {
  if (lower.kind === "byte") return lower;
  lower.abort();
  throw new ConfigError(`PROXYPROTO needs a byte stream, and ${lower.info.name} is not one`);
}
