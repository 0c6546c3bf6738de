/** Close codes of RFC 6455 section 7.4.1 and the registry it founds, in words. */
const meanings: Readonly<Record<number, string>> = {
  1000: "normal closure",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no status",
  1006: "connection gone without a close frame",
  1007: "invalid payload data",
  1008: "policy violation",
  1009: "message too big",
  1010: "extension missing",
  1011: "internal error",
  1012: "service restart",
  1013: "try again later",
  1014: "bad gateway",
  1015: "TLS handshake failed",
};

/** `1008 (policy violation)`. */
export function describeCloseCode(code: number): string {
  const meaning = meanings[code] ?? (code >= 4000 ? "application" : code >= 3000 ? "registered" : "unknown");
  return `${code} (${meaning})`;
}

/** Whether a close with this code is an ordinary end. */
export function isOrdinaryClose(code: number): boolean {
  return code === 1000 || code === 1001 || code === 1005;
}

/** Whether a close frame may carry this code; others only stand for what happened without one. */
export function isSendableCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
}
