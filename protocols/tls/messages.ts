/** Why a handshake failed or a connection broke, in words that say what to do. */
import { ConnectError, type L7mpError, messageOf, ProtocolError, StreamError } from "../../lib/errors.ts";

/** What is wrong with a chain, by the library's code, in OpenSSL's words. */
const chainFaults: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "self-signed certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "self-signed certificate in certificate chain",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unable to get local issuer certificate",
  UNABLE_TO_GET_ISSUER_CERT: "unable to get issuer certificate",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unable to get local issuer certificate",
  CERT_HAS_EXPIRED: "certificate has expired",
  CERT_NOT_YET_VALID: "certificate is not yet valid",
  CERT_REVOKED: "certificate revoked",
  CERT_SIGNATURE_FAILURE: "certificate signature failure",
  INVALID_PURPOSE: "certificate is not for this purpose",
  INVALID_CA: "an issuer in the chain is no issuer",
};

export function isChainFault(code: string): boolean {
  return code in chainFaults;
}

/** When a certificate is valid, as the library prints it. */
export interface Validity {
  readonly valid_from: string;
  readonly valid_to: string;
}

/**
 * `certificate verify failed for "host": self-signed certificate (cafile=FILE trusts it, ...)`. The library has one code
 * for certificates out of date and for issuers unknown: `certificate` tells them apart, where it is known.
 */
export function chainError(subject: string, code: string, certificate: Validity | undefined): ConnectError {
  const dates = certificate && datesFault(certificate);
  const vague = code === "UNABLE_TO_VERIFY_LEAF_SIGNATURE" && !certificate;
  const fault = dates?.text ?? (vague ? "issuer not trusted, or out of date" : chainFaults[code] ?? code);
  const cure = dates ? "" : "cafile=FILE trusts it, ";
  const message = `certificate verify failed for "${subject}": ${fault} (${cure}verify=0 disables the check)`;
  return new ConnectError(message, { code: dates?.code ?? code, retryable: false });
}

/** What is wrong with a path that the library has not looked at closely enough. */
export function pathError(subject: string, { code, text }: { code: string; text: string }): ConnectError {
  const message = `certificate verify failed for "${subject}": ${text} (verify=0 disables the check)`;
  return new ConnectError(message, { code, retryable: false });
}

function datesFault({ valid_from, valid_to }: Validity): { code: string; text: string } | undefined {
  const now = Date.now();
  if (Date.parse(valid_to) < now) {
    return { code: "CERT_HAS_EXPIRED", text: `certificate has expired on ${printDate(valid_to)}` };
  }
  if (Date.parse(valid_from) <= now) return undefined;
  return { code: "CERT_NOT_YET_VALID", text: `certificate is not yet valid, it will be on ${printDate(valid_from)}` };
}

/** Why our own certificate in `file` cannot be used now; undefined: it can. */
export function ownDatesFault(file: string, certificate: Validity): string | undefined {
  const fault = datesFault(certificate);
  return fault && `cert "${file}": ${fault.text}`;
}

/** `2026-11-22 02:19:03 UTC`. */
function printDate(date: string): string {
  return new Date(date).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

export function nameError(name: string, names: readonly string[]): ConnectError {
  const has = names.length > 0 ? `names: ${names.join(", ")}` : "it has none";
  const message = `certificate is valid but its name does not match "${name}" (${has}); use commonname=`;
  return new ConnectError(message, { code: "ERR_TLS_CERT_ALTNAME_INVALID", retryable: false });
}

export function fingerprintError(subject: string, fingerprint: string): ConnectError {
  const message = `certificate of "${subject}" has none of the given fingerprints; its SHA-256 is ${fingerprint}`;
  return new ConnectError(message, { code: "FINGERPRINT", retryable: false });
}

/** What to do about an alert or a fault, where that can be told. */
const cures: readonly (readonly [pattern: RegExp, cure: string])[] = [
  [/CertificateRequired|certificate required/i, "it wants a certificate of ours: cert= and key="],
  [/UnknownCA|unknown ca/i, "it does not trust the issuer of our certificate"],
  [/CertificateExpired|certificate expired/i, "our certificate has expired"],
  [/NoApplicationProtocol|no application protocol/i, "it speaks none of the protocols in alpn="],
  [/ProtocolVersion|protocol version/i, "see min-proto-version and max-proto-version"],
];

/** `UnknownCA` as `unknown CA`. */
function alertWords(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/\b[A-Z][a-z]/g, (word) => word.toLowerCase());
}

/** What the library says, put plainly. `side` is who found the fault. */
function explain(error: unknown): string {
  const text = messageOf(error);
  const { code = "" } = error as { code?: string };
  const alert = /received fatal alert: (\w+)/.exec(text)?.[1];
  if (alert) {
    const cure = cures.find(([pattern]) => pattern.test(alert))?.[1];
    return `the peer sent alert "${alertWords(alert)}"${cure ? ` (${cure})` : ""}`;
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") return "wrong version number (the peer does not speak TLS)";
  // Where the library was told to judge no chain, this is all it can mean.
  if (code === "UNABLE_TO_VERIFY_LEAF_SIGNATURE") return "the peer does not have the key of its certificate";
  if (code === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE") return "peer did not return a certificate";
  if (code === "ERR_SSL_NO_APPLICATION_PROTOCOL") return "no application protocol in common (alpn)";
  if (/peer is incompatible/.test(text)) {
    return `no version or cipher in common (${text.replace(/^.*peer is incompatible: /, "")})`;
  }
  return text.replace(/ \(SSL routines:.*$/, "");
}

/** A handshake that came to nothing; `peer` is its address. */
export function handshakeError(peer: string, error: unknown): L7mpError {
  const { code } = error as { code?: string };
  return new ConnectError(`TLS handshake with ${peer} failed: ${explain(error)}`, {
    code,
    // A refusal stays one; a lost connection may have been an accident.
    retryable: error instanceof StreamError,
    cause: error,
  });
}

export function closedInHandshake(peer: string): ConnectError {
  const text = `TLS handshake with ${peer} failed: connection closed by the peer`;
  return new ConnectError(text, { code: "ECONNRESET" });
}

/** A fault of an established connection. */
export function streamFault(call: string, name: string, error: unknown): L7mpError {
  const { code } = error as { code?: string };
  if (code?.startsWith("ERR_SSL_")) {
    return new ProtocolError(`${call}(${name}): ${explain(error)}`, { code, cause: error });
  }
  return new StreamError(`${call}(${name}): ${explain(error)}`, { code, cause: error });
}

export function cutError(name: string): StreamError {
  const text = `read(${name}): connection closed without close_notify: the data may be cut off (RFC 8446 section 6.1)`;
  return new StreamError(text, { code: "CUT" });
}
