/** Both sides' handshakes: what is asked of the peer, and what is known about it afterwards. */
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { StreamInfo } from "../../lib/stream/stream.ts";
import { machineOf, type TlsLibrary } from "./_library.ts";
import { type Anchors, formatFault } from "./certificate_path.ts";
import { fingerprintError, nameError, pathError } from "./messages.ts";
import type { Demand } from "./spec.ts";

/** What a session knows of its TLS connection (`info.facts.tls`). */
export interface TlsFacts {
  /** `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** The protocol agreed on; "" for none. */
  readonly alpn: string;
  /** The name the client asked for; "" for none. */
  readonly sni: string;
  /** The peer's certificate, where it showed one. */
  readonly peer?: PeerFacts;
}

export interface PeerFacts {
  /** Parts of the name in their order: `{ C: "HU", CN: "client" }`. */
  readonly subject: Readonly<Record<string, string>>;
  readonly issuer: Readonly<Record<string, string>>;
  /** `localhost`, `127.0.0.1`. */
  readonly names: readonly string[];
  /** SHA-256 in hexadecimal, lower case. */
  readonly fingerprint: string;
}

/** Facts about the connection of `socket`, on top of those of the stream below. */
export function infoOf(socket: TLSSocket, lower: StreamInfo): StreamInfo {
  const peer = peerOf(socket);
  const tls: TlsFacts = {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.name ?? "",
    alpn: socket.alpnProtocol || "",
    sni: (socket as { servername?: string | null }).servername || "",
    ...(peer && { peer }),
  };
  const { local, remote, halfCloses, facts } = lower;
  return { protocol: "TLS", name: `TLS ${lower.name}`, local, remote, halfCloses, facts: { ...facts, tls } };
}

/** Undefined where the peer showed no certificate, or one of a chain that cannot be read, which then nobody asked for. */
function peerOf(socket: TLSSocket): PeerFacts | undefined {
  try {
    const certificate = certificateOf(socket);
    return certificate && {
      subject: partsOf(socket.getPeerX509Certificate()?.subject),
      issuer: partsOf(socket.getPeerX509Certificate()?.issuer),
      names: namesOf(certificate),
      fingerprint: fingerprintOf(certificate),
    };
  } catch {
    return undefined;
  }
}

/** The peer's certificate; undefined when it showed none. */
export function certificateOf(socket: TLSSocket): PeerCertificate | undefined {
  const certificate = socket.getPeerCertificate() as PeerCertificate | null;
  return certificate?.raw ? certificate : undefined;
}

/** The names a certificate is for; without any the common name of its subject. */
export function namesOf({ subject, subjectaltname }: PeerCertificate): string[] {
  const names = [...(subjectaltname ?? "").matchAll(/(?:^|, )(?:DNS|IP Address):([^,]+)/g)].map(([, name]) => name!);
  return names.length > 0 || !subject?.CN ? names : [subject.CN].flat();
}

/** A name as the library prints it, a part a line; parts of one kind are joined. */
function partsOf(name = ""): Record<string, string> {
  const parts: Record<string, string> = {};
  for (const line of name.split("\n")) {
    const [, key, value = ""] = /^([^=]+)=(.*)$/.exec(line) ?? [];
    if (key) parts[key] = parts[key] === undefined ? value : `${parts[key]}, ${value}`;
  }
  return parts;
}

function fingerprintOf({ fingerprint256 }: PeerCertificate): string {
  return fingerprint256.replaceAll(":", "").toLowerCase();
}

/** Throws a `ConnectError` when what the peer showed, and the library accepted, is no proof of what is demanded. */
export function checkPath(socket: TLSSocket, subject: string, demand: Demand, anchors: Anchors): void {
  const presented = machineOf(socket).getPeerCertificateChain()?.certificates ?? [];
  const fault = demand.chain ? anchors.faultOf(presented) : formatFault(presented[0]);
  if (fault) throw pathError(subject, fault);
}

/** Throws a `ConnectError` when a certificate whose chain is good, or does not matter, is not the one demanded. */
export function checkIdentity(subject: string, certificate: PeerCertificate, demand: Demand, tls: TlsLibrary): void {
  const { name, fingerprints } = demand;
  const fingerprint = fingerprintOf(certificate);
  if (fingerprints.length > 0 && !fingerprints.includes(fingerprint)) throw fingerprintError(subject, fingerprint);
  if (name !== undefined && tls.checkServerIdentity(name, certificate)) {
    // Clients' certificates often have no other name than this one.
    if ([certificate.subject?.CN].flat().includes(name)) return;
    throw nameError(name, namesOf(certificate));
  }
}
