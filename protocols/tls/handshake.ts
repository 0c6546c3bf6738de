/** Both sides' handshakes: what is asked of the peer, and what is known about it afterwards. */
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { Log } from "../../lib/log.ts";
import type { StreamInfo } from "../../lib/stream/stream.ts";
import type { TlsLibrary } from "./_library.ts";
import { fingerprintError, nameError } from "./messages.ts";
import type { Demand } from "./spec.ts";

/** What a session knows of its TLS connection (`info.facts.tls`). */
export interface TlsFacts {
  /** `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** The protocol agreed on; "" for none. */
  readonly alpn: string;
  /** The name the client asked for; "" for none. */
  readonly serverName: string;
  /** The peer's certificate, where it showed one. */
  readonly peer?: PeerFacts;
}

export interface PeerFacts {
  readonly subject: Readonly<Record<string, string>>;
  readonly issuer: Readonly<Record<string, string>>;
  /** `localhost`, `127.0.0.1`. */
  readonly names: readonly string[];
  /** SHA-256 in hexadecimal, lower case. */
  readonly fingerprint: string;
}

/** Facts about the connection of `socket`, on top of those of the stream below. */
export function infoOf(socket: TLSSocket, lower: StreamInfo): StreamInfo {
  const certificate = certificateOf(socket);
  const tls: TlsFacts = {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.name ?? "",
    alpn: socket.alpnProtocol || "",
    serverName: (socket as { servername?: string | null }).servername || "",
    ...(certificate && {
      peer: {
        subject: certificate.subject as unknown as Record<string, string>,
        issuer: certificate.issuer as unknown as Record<string, string>,
        names: namesOf(certificate),
        fingerprint: fingerprintOf(certificate),
      },
    }),
  };
  const { local, remote, halfCloses, facts } = lower;
  return { protocol: "TLS", name: `TLS ${lower.name}`, local, remote, halfCloses, facts: { ...facts, tls } };
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

function fingerprintOf({ fingerprint256 }: PeerCertificate): string {
  return fingerprint256.replaceAll(":", "").toLowerCase();
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

/** Says once for each endpoint what its options do not do. */
export function warnOnce(seen: WeakSet<object>, spec: object, log: Log, messages: readonly string[]): void {
  if (seen.has(spec)) return;
  seen.add(spec);
  for (const message of messages) log.warn("tls.option", message);
}
