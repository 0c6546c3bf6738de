/** Why a handshake failed or a connection broke, in words that say what to do. */
import { ConnectError, messageOf, ProtocolError, StreamError } from "../../lib/errors.ts";
import type { L7mpError } from "../../lib/errors.ts";

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

/** Faults that no list of issuers cures. */
const notOfTrust = /^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|CERT_REVOKED|INVALID_PURPOSE|CERT_SIGNATURE_FAILURE)$/;

export function isChainFault(code: string): boolean {
  return code in chainFaults;
}

/** `certificate verify failed for "host": self-signed certificate (cafile=FILE trusts it, ...)`. */
export function chainError(subject: string, code: string, cause?: unknown): ConnectError {
  const fault = chainFaults[code] ?? (cause ? messageOf(cause) : code);
  const cure = notOfTrust.test(code)
    ? "verify=0 disables the check"
    : "cafile=FILE trusts it, verify=0 disables the check";
  const message = `certificate verify failed for "${subject}": ${fault} (${cure})`;
  return new ConnectError(message, { code, retryable: false, cause });
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
