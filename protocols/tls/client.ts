/** The connecting side of TLS. */
import type { Context } from "../../lib/protocol.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { endpointOf } from "./endpoint.ts";
import { certificateOf, checkIdentity, infoOf } from "./handshake.ts";
import { chainError, isChainFault } from "./messages.ts";
import { demandOf, protocolNames, serverName, type TlsSpec } from "./spec.ts";
import { TlsStream } from "./stream.ts";

/** Opens TLS over `lower`, which it owns. Rejects with `ConnectError`, or the signal's reason. */
export async function connectTls(lower: ByteStream, spec: TlsSpec, context: Context): Promise<ByteStream> {
  const { signal, log } = context;
  const demand = demandOf(spec, "connect", context.insecure === true);
  let stream: TlsStream | undefined;
  try {
    const { tls, context: secureContext } = await endpointOf(spec, "connect").ready(log);
    signal.throwIfAborted();
    const alpn = protocolNames(spec.alpn);
    stream = await TlsStream.start(lower, (duplex) =>
      tls.connect({
        socket: duplex,
        secureContext,
        servername: serverName(spec),
        rejectUnauthorized: demand.chain,
        // Names are checked below, for any of the names an address may have.
        checkServerIdentity: () => undefined,
        ...(alpn.length > 0 && { ALPNProtocols: alpn }),
      }));
    await stream.established("secureConnect", signal);
    const certificate = certificateOf(stream.socket);
    // A server without a certificate is none of TLS's; without a demand there is nothing to ask of it.
    if (certificate) checkIdentity(subjectOf(lower, spec), certificate, demand, tls);
    else if (demand.certificate === "required") throw chainError(subjectOf(lower, spec), "no certificate");
    stream.info = infoOf(stream.socket, lower.info);
    return stream;
  } catch (error) {
    const fault = chainFault(error, subjectOf(lower, spec));
    (stream ?? lower).abort(signal.aborted ? signal.reason : fault);
    signal.throwIfAborted();
    throw fault;
  }
}

/** The name in messages about the server's certificate. */
function subjectOf(lower: ByteStream, spec: TlsSpec): string {
  return spec.commonname || spec.address || spec.snihost || lower.info.name;
}

function chainFault(error: unknown, subject: string): unknown {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return code !== undefined && isChainFault(code) ? chainError(subject, code, cause) : error;
}
