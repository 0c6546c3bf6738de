/**
 * Certificates, keys and trusted issuers from their files, checked before they are used. Reading is synchronous: it
 * happens before anything opens, and again when a file changed, which a handshake looks for.
 */
import type { KeyObject, X509Certificate } from "node:crypto";
import type { SecureContext } from "node:tls";
import { ConfigError, messageOf, systemFault } from "../../lib/errors.ts";
import type { AddressType } from "../../lib/protocol.ts";
import { crypto } from "./_library.ts";
import { ownDatesFault } from "./messages.ts";
import { demandOf, type TlsSpec } from "./spec.ts";

/** What the files of an endpoint hold, in the form the library takes. */
export interface Credentials {
  /** Ours, PEM: certificate and chain, and its key. */
  readonly cert?: string;
  readonly key?: string;
  readonly pfx?: Uint8Array;
  readonly passphrase?: string;
  /** Trusted issuers, PEM, or a store of the system's or the runtime's own. Absent: nobody's word is asked for. */
  readonly ca?: readonly string[] | "system" | "mozilla";
}

const certificateBlock =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const keyBlock = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----/s;

/** Reads and checks the files that `spec` names. Throws `ConfigError` that names option and file. */
export function readCredentials(spec: TlsSpec, role: AddressType["role"]): Credentials {
  return {
    ...(spec.cert !== undefined && readOwn(spec.cert, spec.key)),
    ...(spec.pkcs12 !== undefined && { pfx: readFile("pkcs12", spec.pkcs12), passphrase: spec.pkcs12_pass ?? "" }),
    ...trustOf(spec, role),
  };
}

/** The files that `readCredentials` reads. */
export function filesOf({ cert, key, pkcs12, cafile, capath }: TlsSpec): string[] {
  const files = [cert, key, pkcs12, cafile === "mozilla" ? undefined : cafile, capath];
  return files.filter((file) => file !== undefined);
}

function readOwn(certFile: string, keyFile: string | undefined): { cert: string; key: string } {
  const text = readText("cert", certFile);
  const certificates = certificatesIn(text, "cert", certFile);
  const { validFrom: valid_from, validTo: valid_to } = certificates[0]!;
  const fault = ownDatesFault(certFile, { valid_from, valid_to });
  if (fault !== undefined) throw new ConfigError(fault);
  const keyOption = keyFile === undefined ? "cert" : "key";
  const key = keyIn(keyFile === undefined ? text : readText("key", keyFile), keyOption, keyFile ?? certFile);
  if (!certificates[0]!.checkPrivateKey(key.object)) {
    const what = keyFile === undefined ? `cert "${certFile}": the key in it` : `key "${keyFile}"`;
    throw new ConfigError(`${what} does not belong to the certificate${keyFile ? ` in "${certFile}"` : ""}`);
  }
  return { cert: text.match(certificateBlock)!.join("\n"), key: key.pem };
}

function keyIn(text: string, option: string, file: string) {
  const match = keyBlock.exec(text);
  if (!match) {
    const cure = option === "cert" ? "; option key names another file for it" : "";
    throw new ConfigError(`${option} "${file}": no private key found in PEM data${cure}`);
  }
  const [pem, kind] = match;
  if (kind!.startsWith("ENCRYPTED") || pem.includes("Proc-Type: 4,ENCRYPTED")) {
    const cure = `"openssl pkey -in ${file} -out FILE" decrypts it`;
    throw new ConfigError(`${option} "${file}": the private key is encrypted; ${cure}`);
  }
  const object = parseKey(pem, option, file);
  const type = object.asymmetricKeyType ?? "unknown";
  if (!keyTypes.includes(type)) {
    throw new ConfigError(`${option} "${file}": TLS takes no ${type.toUpperCase()} keys, only RSA, EC and Ed25519`);
  }
  return { pem, object };
}

/** What the runtime's TLS can sign with. */
const keyTypes: readonly string[] = ["rsa", "ec", "ed25519"];

function parseKey(pem: string, option: string, file: string): KeyObject {
  try {
    return crypto().createPrivateKey(pem);
  } catch (error) {
    throw new ConfigError(`${option} "${file}": the private key is damaged (${messageOf(error)})`, { cause: error });
  }
}

function trustOf(spec: TlsSpec, role: AddressType["role"]): Pick<Credentials, "ca"> {
  const { cafile, capath } = spec;
  const issuers = [
    ...(cafile === undefined || cafile === "mozilla" ? [] : issuersIn(cafile)),
    ...(capath === undefined ? [] : issuersInDirectory(capath)),
  ];
  if (role === "listen") {
    const bytes = issuers.reduce((sum, pem) => sum + pem.length * 0.75, 0);
    if (bytes > sentIssuersBytes) {
      const why = "a listener sends them all with its certificate";
      throw new ConfigError(
        `${cafile === undefined ? "capath" : "cafile"}: ${issuers.length} issuers are too many: ${why}`,
      );
    }
  }
  if (!demandOf(spec, role, false).chain) return {};
  return { ca: issuers.length > 0 ? issuers : cafile === "mozilla" ? "mozilla" : "system" };
}

/** The runtime puts the issuers that a listener trusts behind its certificate, in a message of 64 KiB at most. */
const sentIssuersBytes = 48_000;

function issuersIn(file: string): string[] {
  const text = readText("cafile", file);
  certificatesIn(text, "cafile", file);
  return text.match(certificateBlock)!;
}

function issuersInDirectory(directory: string): string[] {
  const issuers = new Set<string>();
  for (const name of namesIn(directory)) {
    const path = `${directory}/${name}`;
    if (!Deno.statSync(path).isFile) continue;
    for (const pem of readText("capath", path).match(certificateBlock) ?? []) issuers.add(pem);
  }
  if (issuers.size === 0) throw new ConfigError(`capath "${directory}": no certificate found in its files`);
  return [...issuers];
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    throw new ConfigError(`capath: opendir("${directory}"): ${systemFault(error).text}`, { cause: error });
  }
}

/** The certificates in `text`, parsed, of which there must be one. */
function certificatesIn(text: string, option: string, file: string): X509Certificate[] {
  const blocks = text.match(certificateBlock) ?? [];
  if (blocks.length === 0) throw new ConfigError(`${option} "${file}": no certificate found in PEM data`);
  const { X509Certificate } = crypto();
  return blocks.map((pem, i) => {
    try {
      return new X509Certificate(pem);
    } catch (error) {
      const which = blocks.length > 1 ? `certificate ${i + 1}` : "the certificate";
      throw new ConfigError(`${option} "${file}": ${which} is damaged (${messageOf(error)})`, { cause: error });
    }
  });
}

function readText(option: string, file: string): string {
  return new TextDecoder().decode(readFile(option, file));
}

function readFile(option: string, file: string): Uint8Array {
  try {
    return Deno.readFileSync(file);
  } catch (error) {
    const { code, text } = systemFault(error);
    throw new ConfigError(`${option}: open("${file}", O_RDONLY): ${text}`, { code, cause: error });
  }
}

/** The library's form of credentials. Throws `ConfigError` for a PKCS#12 file it cannot read. */
export function secureContext(
  credentials: Credentials,
  spec: TlsSpec,
  { createSecureContext, getCACertificates }: typeof import("node:tls"),
): SecureContext {
  const { ca, cert, key, pfx, passphrase } = credentials;
  const versions = { "TLS1.2": "TLSv1.2", "TLS1.3": "TLSv1.3" } as const;
  try {
    return createSecureContext({
      cert,
      key,
      pfx: pfx as never,
      passphrase,
      ca: issuersOf(ca, getCACertificates),
      minVersion: versions[spec.min_proto_version ?? "TLS1.2"],
      maxVersion: versions[spec.max_proto_version ?? "TLS1.3"],
    });
  } catch (error) {
    if (pfx === undefined) throw error;
    const why = messageOf(error).includes("mac verify") ? "wrong password (pkcs12-pass)" : messageOf(error);
    throw new ConfigError(`pkcs12 "${spec.pkcs12}": ${why}`, { cause: error });
  }
}

/**
 * The issuers we trust, PEM; undefined: nobody is asked for. The system's are those that come with the runtime where it
 * has none; `DENO_TLS_CA_STORE` chooses.
 */
export function issuersOf(
  ca: Credentials["ca"],
  getCACertificates: typeof import("node:tls").getCACertificates,
): string[] | undefined {
  if (ca === undefined) return undefined;
  if (typeof ca !== "string") return [...ca];
  if (ca === "mozilla") return getCACertificates("bundled");
  const stores = (Deno.env.get("DENO_TLS_CA_STORE") ?? "system").split(",").map((name) => name.trim());
  const issuers = stores.flatMap((name) => getCACertificates(name === "mozilla" ? "bundled" : "system"));
  return issuers.length > 0 ? issuers : getCACertificates("bundled");
}
