/** The listening side of TLS. */
import { ConnectError, L7mpError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { type ByteStream, formatAddress } from "../../lib/stream/stream.ts";
import { after } from "../../lib/stream/timer.ts";
import { readyCaller } from "../_ready_caller.ts";
import { machineOf, type TlsLibrary } from "./_library.ts";
import { endpointOf } from "./endpoint.ts";
import type { Anchors } from "./certificate_path.ts";
import { certificateOf, checkIdentity, checkPath, infoOf, namesOf } from "./handshake.ts";
import { chainError } from "./messages.ts";
import { type Demand, demandOf, protocolNames, type TlsSpec } from "./spec.ts";
import { TlsStream } from "./stream.ts";

const handshakeMs = 10_000;

/**
 * Does the handshake on `lower`, which it owns, within the limit of `handshake-timeout`. Rejects with a `ConnectError`
 * of level `warn`: a caller that cannot do TLS, or may not, is no fault of ours.
 */
export async function serveTls(lower: ByteStream, spec: TlsSpec, context: Context): Promise<Incoming> {
  const from = lower.info.remote ? formatAddress(lower.info.remote) : lower.info.name;
  const demand = demandOf(spec, "listen", context.insecure === true);
  const limit = new AbortController();
  const limitMs = spec.handshake_timeout ?? handshakeMs;
  const timer = after(limitMs > 0 ? limitMs : Infinity, () => limit.abort(late(from, limitMs)));
  const signal = AbortSignal.any([context.signal, limit.signal]);
  let stream: TlsStream | undefined;
  try {
    const { tls, context: secureContext, anchors } = await endpointOf(spec, "listen").ready(context.log);
    signal.throwIfAborted();
    const alpn = protocolNames(spec.alpn);
    stream = await TlsStream.start(lower, (duplex) =>
      new tls.TLSSocket(duplex, {
        isServer: true,
        secureContext,
        requestCert: demand.certificate !== "none",
        rejectUnauthorized: demand.certificate === "required",
        ...(alpn.length > 0 && { ALPNProtocols: alpn as never }),
      }));
    await stream.established("secure", signal);
    checkClient(stream, from, demand, tls, anchors);
    stream.info = infoOf(stream.socket, lower.info);
    // TLS has no words for a server behind this one that is down; an end in order would look like an empty answer.
    return readyCaller(stream);
  } catch (error) {
    (stream ?? lower).abort(error);
    context.signal.throwIfAborted();
    throw asWarning(error);
  } finally {
    timer.stop();
  }
}

function late(from: string, limitMs: number): ConnectError {
  const text = `TLS handshake with ${from} failed: not done within ${limitMs / 1000} s (handshake-timeout)`;
  return new ConnectError(text, { code: "ETIMEDOUT" });
}

/** The library has only made sure that there is a certificate where one is required. */
function checkClient(stream: TlsStream, from: string, demand: Demand, tls: TlsLibrary, anchors: Anchors): void {
  if (demand.certificate === "none") return;
  const certificate = certificateOf(stream.socket);
  if (!certificate) {
    if (demand.certificate === "optional") return;
    throw new ConnectError(`TLS handshake with ${from} failed: peer did not return a certificate`);
  }
  const subject = `${namesOf(certificate)[0] ?? "a client"} at ${from}`;
  const fault = demand.chain ? machineOf(stream.socket).verifyError() : undefined;
  if (fault) {
    const code = typeof fault === "string" ? fault : String((fault as { code?: string }).code);
    throw chainError(subject, code, certificate);
  }
  checkPath(stream.socket, subject, demand, anchors);
  checkIdentity(subject, certificate, demand, tls);
}

function asWarning(error: unknown): unknown {
  if (!(error instanceof L7mpError)) return error;
  error.level = "warn";
  return error;
}
