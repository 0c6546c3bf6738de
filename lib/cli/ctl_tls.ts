/** TLS of `l7mp ctl`: its files, and what to do where they or the server's certificate do not please the runtime. */
import { ConfigError, messageOf, systemFault } from "../errors.ts";

export interface TlsFiles {
  /** PEM files: issuers of the API's certificate, and the certificate to show it. */
  readonly cafile?: string;
  readonly cert?: string;
  readonly key?: string;
}

type TlsOptions = Pick<Deno.CreateHttpClientOptions, "caCerts"> & { cert?: string; key?: string };

/** Reads the files and has the runtime try them. Rejects with `ConfigError`, which names the option and its file. */
export async function readTlsFiles({ cafile, cert, key }: TlsFiles): Promise<TlsOptions> {
  if ((cert === undefined) !== (key === undefined)) throw new ConfigError("options --cert and --key need each other");
  const options: TlsOptions = {};
  if (cafile !== undefined) {
    const text = await readText(cafile);
    // One without any is taken for one that trusts nobody.
    if (!holdsCertificate(text)) throw new ConfigError(`option --cafile: "${cafile}": it ${faults.noCertificate}`);
    options.caCerts = [text];
    attempt(options, "cafile", cafile);
  }
  if (cert !== undefined && key !== undefined) {
    options.cert = await readText(cert);
    options.key = await readText(key);
    attempt(options, "cert", cert, key);
  }
  return options;
}

const faults = {
  noCertificate: "holds no certificate (PEM: -----BEGIN CERTIFICATE-----)",
  noKey: "holds no key without a passphrase (PEM: -----BEGIN PRIVATE KEY-----)",
  damaged: "is damaged",
  version: "is a certificate of X.509 version 1; issue it again as one of version 3: " +
    "to openssl x509 -req say -extfile, with a file that holds basicConstraints=critical,CA:FALSE",
} as const;

function holdsCertificate(text: string): boolean {
  return text.includes("-----BEGIN CERTIFICATE-----");
}

function attempt(options: TlsOptions, option: "cafile" | "cert", file: string, key?: string): void {
  try {
    Deno.createHttpClient(options as Deno.CreateHttpClientOptions).close();
  } catch (error) {
    const said = messageOf(error);
    const fault = (name: string, path: string, text: string) =>
      new ConfigError(`option --${name}: "${path}": it ${text}`, { cause: error });
    if (/UnsupportedCertVersion/.test(said)) throw fault(option, file, faults.version);
    if (/No certificates found/.test(said)) throw fault(option, file, faults.noCertificate);
    if (key !== undefined && /KeyMismatch/.test(said)) throw fault("key", key, `is not the key of "${file}"`);
    if (key !== undefined && /No keys found|private key/i.test(said)) throw fault("key", key, faults.noKey);
    throw fault(option, file, /BadEncoding/.test(said) ? faults.damaged : `cannot be used: ${said}`);
  }
}

/** What to do about a connection that failed with this text; nothing where that is not known. */
export function tlsCure(said: string, { cafile, cert }: TlsFiles): string {
  if (/CaUsedAsEndEntity/.test(said)) {
    return "the server's certificate is marked as an issuer's (CA:TRUE); if it is self-signed, make it with " +
      "-addext basicConstraints=critical,CA:FALSE";
  }
  if (/UnsupportedCertVersion/.test(said)) return `the server's ${faults.version}`;
  if (/UnknownIssuer/.test(said)) {
    return cafile === undefined
      ? "give the certificate of its issuer with --cafile=FILE"
      : `none of "${cafile}" issued the server's certificate`;
  }
  if (/CertificateRequired/.test(said)) return "it wants a client certificate: give --cert=FILE and --key=FILE";
  if (cert !== undefined && /fatal alert|Connection reset/.test(said)) {
    return `does the server trust the issuer of "${cert}"?`;
  }
  if (/invalid HTTP version|InvalidContentType|corrupt message/i.test(said)) {
    return "one side speaks TLS and the other does not: is it --admin=https://HOST:PORT, or without https?";
  }
  return "";
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new ConfigError(`cannot read "${path}": ${systemFault(error).text}`, { cause: error });
  }
}
