/** What programs find in their environment about the TLS connection of their caller. */
import type { TlsFacts } from "./handshake.ts";

/** Parts of a certificate's subject that have a variable of their own, by their short names. */
const parts = {
  COMMONNAME: "CN",
  COUNTRYNAME: "C",
  LOCALITYNAME: "L",
  ORGANIZATIONNAME: "O",
  ORGANIZATIONALUNITNAME: "OU",
} as const;

/** The variables, without prefix; socat's names and ours. */
export function tlsVariables(facts: TlsFacts | undefined): Record<string, string | undefined> {
  if (!facts) return {};
  const { version, cipher, alpn, peer } = facts;
  const variables: Record<string, string | undefined> = {
    TLS_VERSION: version,
    TLS_CIPHER: cipher,
    TLS_ALPN: alpn || undefined,
    OPENSSL_PROTO_VERSION: version,
    OPENSSL_CIPHER: cipher,
  };
  if (!peer) return variables;
  variables.OPENSSL_X509_SUBJECT = oneLine(peer.subject);
  variables.OPENSSL_X509_ISSUER = oneLine(peer.issuer);
  for (const [name, part] of Object.entries(parts)) variables[`OPENSSL_X509_${name}`] = peer.subject[part];
  return variables;
}

/** `C = HU, CN = client`. */
function oneLine(name: Readonly<Record<string, string>>): string {
  return Object.entries(name).map(([part, value]) => `${part} = ${value}`).join(", ");
}
