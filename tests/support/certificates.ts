/**
 * Certificates for tests, made by `openssl` into a temporary directory that goes with the test process:
 *
 *     const certificates = makeCertificates();
 *     Deno.test({ name: "...", ignore: certificates === undefined, fn() { certificates!.path("server.pem") } });
 */

/** Names of the files; each certificate `x.pem` has its key in `x.key`, and both together in `x-both.pem`. */
const leaves = {
  /** For localhost and 127.0.0.1. */
  server: { subject: "/CN=localhost", names: "DNS:localhost,IP:127.0.0.1" },
  /** Another one for the same names. */
  renewed: { subject: "/CN=localhost/O=renewed", names: "DNS:localhost,IP:127.0.0.1" },
  wrongname: { subject: "/CN=a.example", names: "DNS:a.example,DNS:b.example" },
  client: { subject: "/C=HU/L=Budapest/O=l7mp/OU=tests/CN=client", names: "DNS:client.example" },
  expired: { subject: "/CN=localhost", names: "DNS:localhost,IP:127.0.0.1", from: "20200101", to: "20210101" },
  early: { subject: "/CN=localhost", names: "DNS:localhost,IP:127.0.0.1", from: "20900101", to: "20910101" },
  /** A client's, of an issuer that nobody trusts. */
  other: { subject: "/CN=client", names: "DNS:client.example", issuer: "otherca" },
  /** An issuer between the root and `below`. */
  intermediate: { subject: "/CN=l7mp test intermediate", names: "DNS:intermediate", authority: true },
  below: { subject: "/CN=localhost", names: "DNS:localhost", issuer: "intermediate" },
  /** By one who calls himself as `ca` does. */
  forged: { subject: "/CN=localhost", names: "DNS:localhost", issuer: "impostor" },
  /** By one who has a certificate, but is no issuer. */
  usurped: { subject: "/CN=localhost", names: "DNS:localhost", issuer: "client" },
} as const satisfies Record<string, Leaf>;

interface Leaf {
  readonly subject: string;
  readonly names: string;
  readonly from?: string;
  readonly to?: string;
  /** One of the issuers, or of the leaves above. */
  readonly issuer?: string;
  readonly authority?: boolean;
}

export interface Certificates {
  /** Also the working directory that relative names such as `server.pem` are for. */
  readonly directory: string;
  /** `path("server.pem")`. Issuers are `ca.pem` and `otherca.pem`; `selfsigned.pem` and `ed448.pem` have no other issuer than themselves. */
  path(name: string): string;
  text(name: string): string;
}

/** For the name of a test that is ignored without them. */
export const noOpenssl = "openssl is not installed";

/** Makes them all, in about a quarter of a second. Undefined where there is no `openssl`. */
export function makeCertificates(): Certificates | undefined {
  try {
    openssl(".", "version");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const directory = Deno.makeTempDirSync({ prefix: "l7mp-certificates-" });
  addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  makeIssuer(directory, "ca");
  makeIssuer(directory, "otherca");
  makeIssuer(directory, "impostor", "ca");
  makeSelfSigned(directory, "selfsigned");
  makeSelfSigned(directory, "ed448", words("-newkey ed448 -nodes"));
  for (const [name, leaf] of Object.entries(leaves)) makeLeaf(directory, name, leaf);
  openssl(directory, ...words("pkcs12 -export -in server.pem -inkey server.key -passout pass:secret -out server.p12"));
  openssl(directory, ...words("ec -in server.key -aes256 -passout pass:secret -out encrypted.key"));
  openssl(directory, ...words("pkcs8 -topk8 -in server.key -passout pass:secret -out encrypted8.key"));
  const path = (name: string) => `${directory}/${name}`;
  return { directory, path, text: (name) => Deno.readTextFileSync(path(name)) };
}

const newKey = words("-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes");

function makeIssuer(directory: string, name: string, called = name): void {
  const subject = ["-subj", `/CN=l7mp test ${called}`];
  openssl(directory, "req", "-x509", ...newKey, ...words(`-keyout ${name}.key -out ${name}.pem -days 30`), ...subject);
}

function makeSelfSigned(directory: string, name: string, key = newKey): void {
  const files = words(`-keyout ${name}.key -out ${name}.pem -days 30 -subj /CN=localhost`);
  const names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  openssl(directory, "req", "-x509", ...key, ...files, ...names);
  joinFiles(directory, name);
}

function makeLeaf(directory: string, name: string, leaf: Leaf): void {
  const { subject, names, from, to, issuer = "ca", authority = false } = leaf;
  Deno.writeTextFileSync(`${directory}/${issuer}.index`, "");
  Deno.writeTextFileSync(`${directory}/${issuer}.index.attr`, "unique_subject = no\n");
  openssl(directory, "req", "-new", ...newKey, ...words(`-keyout ${name}.key -out ${name}.csr`), "-subj", subject);
  Deno.writeTextFileSync(
    `${directory}/${name}.cnf`,
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${issuer}.index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n` +
      `policy=p\ncopy_extensions=none\nx509_extensions=x\ndefault_days=30\n[p]\n` +
      `countryName=optional\nlocalityName=optional\norganizationName=optional\norganizationalUnitName=optional\ncommonName=supplied\n` +
      `[x]\nsubjectAltName=${names}\nbasicConstraints=CA:${
        authority ? "TRUE" : "FALSE"
      }\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n`,
  );
  const files = words(
    `-config ${name}.cnf -in ${name}.csr -out ${name}.pem -cert ${issuer}.pem -keyfile ${issuer}.key`,
  );
  const dates = from && to ? words(`-startdate ${from}000000Z -enddate ${to}000000Z`) : [];
  openssl(directory, "ca", "-batch", "-notext", ...files, ...dates);
  joinFiles(directory, name);
}

function joinFiles(directory: string, name: string): void {
  const read = (suffix: string) => Deno.readTextFileSync(`${directory}/${name}.${suffix}`);
  Deno.writeTextFileSync(`${directory}/${name}-both.pem`, read("pem") + read("key"));
}

function words(text: string): string[] {
  return text.split(" ");
}

function openssl(directory: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command("openssl", { args, cwd: directory }).outputSync();
  if (!success) throw new Error(`openssl ${args.join(" ")}\n${new TextDecoder().decode(stderr)}`);
}

/** `word` of an example, with the certificates and keys that it names in the folder of the tests' own. */
export function withFiles(word: string, certificates: Certificates | undefined): string {
  if (!certificates) return word;
  const { directory } = certificates;
  return word.replace(/\bcapath=certs\b/, `capath=${directory}`).replace(
    /\b(cert|key|cafile|ca|pkcs12)=(?!mozilla)(?=[\w.]+)/g,
    `$1=${directory}/`,
  )
    .replace(`${directory}/server.pem`, `${directory}/server-both.pem`);
}
