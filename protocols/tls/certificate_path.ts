/**
 * Whether a certificate really comes from an issuer we trust. The runtime's `node:tls` takes the names in a chain for
 * proof where a certificate of it is not of X.509 version 3 or is malformed, and then asks for no proof of the key
 * either; so what it accepted is followed here again, signature by signature (RFC 5280 section 6.1).
 */
import type { X509Certificate } from "node:crypto";
import { crypto } from "./_library.ts";

/** What is wrong with a path: OpenSSL's name for it, and the words. */
export interface PathFault {
  readonly code: string;
  readonly text: string;
}

/** As far as a path is looked for; nobody's is longer. */
const mostSteps = 8;
const mostSignatures = 64;

const versionFault: PathFault = {
  code: "X509_VERSION",
  text: "it is of X.509 version 1, which cannot be checked here; issue it again as version 3 " +
    "(openssl x509 -req wants -extfile for that)",
};
const malformedFault: PathFault = { code: "BAD_CERTIFICATE", text: "it is malformed" };
const signatureFault: PathFault = {
  code: "CERT_SIGNATURE_FAILURE",
  text: "its signature is not that of an issuer we trust",
};

/** Why a certificate, in DER, cannot stand for its owner, whoever issued it; undefined: it can. */
export function formatFault(certificate: Uint8Array | undefined): PathFault | undefined {
  if (!certificate) return malformedFault;
  try {
    return namesOf(certificate).version === 3 ? undefined : versionFault;
  } catch {
    return malformedFault;
  }
}

/** Certificates we trust, found by their subject. */
export class Anchors {
  readonly #bySubject = new Map<string, Uint8Array[]>();

  /** From PEM; what cannot be read is nobody's issuer. */
  constructor(trusted: readonly string[]) {
    for (const der of trusted.flatMap(derOf)) {
      try {
        const { subject } = namesOf(der);
        this.#bySubject.set(subject, [...this.#bySubject.get(subject) ?? [], der]);
      } catch {
        continue;
      }
    }
  }

  /**
   * What is wrong with the path of the first of `presented`, in DER, through the others to one of these; undefined: there
   * is a good one.
   */
  faultOf(presented: readonly Uint8Array[]): PathFault | undefined {
    const [leaf] = presented;
    const fault = formatFault(leaf);
    if (fault) return fault;
    try {
      return this.#leads(leaf!, presented.slice(1), { signatures: mostSignatures }) ? undefined : signatureFault;
    } catch {
      return malformedFault;
    }
  }

  #leads(der: Uint8Array, others: readonly Uint8Array[], left: { signatures: number }, steps = mostSteps): boolean {
    const { subject, issuer } = namesOf(der);
    if (this.#bySubject.get(subject)?.some((anchor) => sameBytes(anchor, der))) return true;
    const certificate = parse(der);
    if (!certificate || !isValidNow(certificate)) return false;
    for (const anchor of this.#bySubject.get(issuer) ?? []) {
      if (isSignedBy(certificate, parse(anchor), left)) return true;
    }
    if (steps === 0) return false;
    return others.some((other) => {
      if (formatFault(other) || namesOf(other).subject !== issuer) return false;
      const next = parse(other);
      if (!next?.ca || !isSignedBy(certificate, next, left)) return false;
      return this.#leads(other, others.filter((one) => one !== other), left, steps - 1);
    });
  }
}

function isSignedBy(
  certificate: X509Certificate,
  issuer: X509Certificate | undefined,
  left: { signatures: number },
): boolean {
  if (!issuer || left.signatures-- <= 0) return false;
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    // A kind of signature that nobody here can check.
    return false;
  }
}

function isValidNow({ validFrom, validTo }: X509Certificate): boolean {
  const now = Date.now();
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}

function parse(der: Uint8Array): X509Certificate | undefined {
  try {
    const { X509Certificate } = crypto();
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

/** The certificates in `pem`; what OpenSSL adds behind a trusted one is left out. */
function derOf(pem: string): Uint8Array[] {
  return [...pem.matchAll(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----([^-]+)-----END/g)].map(([, body]) => {
    const der = Uint8Array.fromBase64(body!.replace(/\s/g, ""));
    return der.subarray(0, elementAt(der, 0).end);
  });
}

const sequence = 0x30;
const explicitVersion = 0xa0;

interface CertificateNames {
  readonly version: number;
  /** The names in DER, a character a byte. */
  readonly issuer: string;
  readonly subject: string;
}

/** Reads `Certificate` as far as its names (RFC 5280 section 4.1). Throws a `RangeError` when it is no such thing. */
function namesOf(der: Uint8Array): CertificateNames {
  const whole = elementAt(der, 0, sequence);
  if (whole.end !== der.length) throw new RangeError("bytes behind the certificate");
  const body = elementAt(der, whole.start, sequence);
  let at = body.start;
  let version = 1;
  const first = elementAt(der, at);
  if (first.tag === explicitVersion) {
    version = der[first.end - 1]! + 1;
    at = first.end;
  }
  // Serial number and algorithm of the signature.
  at = elementAt(der, elementAt(der, at).end, sequence).end;
  const issuer = elementAt(der, at, sequence);
  const validity = elementAt(der, issuer.end, sequence);
  const subject = elementAt(der, validity.end, sequence);
  const text = ({ start, end }: Element) => String.fromCharCode(...der.subarray(start, end));
  return { version, issuer: text(issuer), subject: text(subject) };
}

interface Element {
  readonly tag: number;
  /** Of its content. */
  readonly start: number;
  readonly end: number;
}

/** One element of DER (X.690 section 8.1), which must lie within `der`. */
function elementAt(der: Uint8Array, at: number, tag = der[at]): Element {
  let length = der[at + 1] ?? NaN;
  let start = at + 2;
  if (length >= 0x80) {
    const bytes = length - 0x80;
    if (bytes === 0 || bytes > 3) throw new RangeError("a length that no certificate has");
    length = 0;
    for (const end = start + bytes; start < end; start++) length = length * 256 + (der[start] ?? NaN);
  }
  const end = start + length;
  if (der[at] !== tag || !(end <= der.length)) throw new RangeError("not the element that stands here");
  return { tag: der[at]!, start, end };
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
