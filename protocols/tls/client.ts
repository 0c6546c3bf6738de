/** The connecting side of TLS. */
import type { TLSSocket } from "node:tls";
import type { Context } from "../../lib/protocol.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import type { TlsLibrary } from "./_library.ts";
import { endpointOf } from "./endpoint.ts";
import type { Anchors } from "./certificate_path.ts";
import { certificateOf, checkIdentity, checkPath, infoOf } from "./handshake.ts";
import { chainError, isChainFault } from "./messages.ts";
import { type Demand, demandOf, protocolNames, serverName, type TlsSpec } from "./spec.ts";
import { TlsStream } from "./stream.ts";

/** Opens TLS over `lower`, which it owns. Rejects with `ConnectError`, or the signal's reason. */
export async function connectTls(lower: ByteStream, spec: TlsSpec, context: Context): Promise<ByteStream> {
  const { signal, log } = context;
  const demand = demandOf(spec, "connect", context.insecure === true);
  const subject = subjectOf(lower, spec);
  let stream: TlsStream | undefined;
  try {
    const { tls, context: secureContext, anchors } = await endpointOf(spec, "connect").ready(log);
    signal.throwIfAborted();
    const alpn = protocolNames(spec.alpn);
    stream = await TlsStream.start(lower, (duplex) =>
      tls.connect({
        socket: duplex,
        secureContext,
        servername: serverName(spec),
        rejectUnauthorized: refusesItself(demand, spec),
        // Names are checked below, for any of the names an address may have.
        checkServerIdentity: () => undefined,
        ...(alpn.length > 0 && { ALPNProtocols: alpn }),
      }));
    await stream.established("secureConnect", signal);
    checkServer(stream.socket, subject, demand, tls, anchors);
    stream.info = infoOf(stream.socket, lower.info);
    return stream;
  } catch (error) {
    const fault = refusesItself(demand, spec) ? chainFault(error, subject) : error;
    (stream ?? lower).abort(signal.aborted ? signal.reason : fault);
    signal.throwIfAborted();
    throw fault;
  }
}

/**
 * Whether the library judges the server's chain. It says more about one that it may not refuse, but then shows a
 * certificate of ours before we can refuse.
 */
function refusesItself(demand: Demand, { cert, pkcs12 }: TlsSpec): boolean {
  return demand.chain && (cert ?? pkcs12) !== undefined;
}

/** Throws a `ConnectError` when the server is not the one that was meant. */
function checkServer(
  socket: TLSSocket,
  subject: string,
  demand: Demand,
  tls: TlsLibrary,
  anchors: Anchors,
): void {
  if (demand.certificate === "none") return;
  const certificate = certificateOf(socket);
  if (!certificate || (demand.chain && !socket.authorized)) {
    const code = certificate ? String(socket.authorizationError) : "no certificate";
    throw chainError(subject, code, certificate);
  }
  checkPath(socket, subject, demand, anchors);
  checkIdentity(subject, certificate, demand, tls);
}

/** The name in messages about the server's certificate. */
function subjectOf(lower: ByteStream, spec: TlsSpec): string {
  return spec.commonname || spec.address || spec.snihost || lower.info.name;
}

/** A refusal by the library in our words. */
function chainFault(error: unknown, subject: string): unknown {
  const { code } = error as { code?: string };
  const refused = code !== undefined && isChainFault(code) && !(error as Error).message.startsWith("certificate");
  return refused ? chainError(subject, code, undefined) : error;
}
