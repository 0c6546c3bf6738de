/** A word of RFC 9110 section 5.6.2: the name of a header, of a subprotocol. */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}
