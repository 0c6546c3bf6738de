/** The settings of TLS, either side. */
import { ConfigError } from "../../lib/errors.ts";
import type { AddressType } from "../../lib/protocol.ts";
import * as s from "../../lib/schema.ts";
import { checkRole } from "../_socket_options.ts";

const tls = "tls";
const connecting = "connecting";
const listening = "listening";

/** `0`: no certificate is asked for or checked. `optional`: on a listener, one that is shown must be good. */
export type Verify = "0" | "1" | "optional";

export const versions = ["TLS1.2", "TLS1.3"] as const;
export type Version = typeof versions[number];

function readVersion(text: string): Version {
  const wanted = text.toUpperCase().replace(/^(TLSV?)?(?=1\.)/, "TLS");
  const found = versions.find((version) => version === wanted);
  if (found) return found;
  if (/^(D?TLS1(\.[01])?|SSL[V]?[23](\.0)?)$/.test(wanted)) {
    throw new SyntaxError(`${text} not available; there are ${versions.join(" and ")}`);
  }
  throw new SyntaxError(`"${text}" is not one of ${versions.join(", ")}`);
}

const version = (notes: s.Notes<Version>) =>
  s.custom<Version>(versions.join("|"), readVersion, (value) => value, notes);

/** A SHA-256 in hexadecimal, with or without colons; kept in lower case without. */
function readFingerprint(text: string): string {
  const hex = text.replace(/^sha256[:/]?/i, "").replaceAll(":", "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new SyntaxError(`"${text}" is not a SHA-256 in hexadecimal`);
  return hex;
}

const verify: s.Schema<Verify> = {
  type: "0|1|optional",
  notes: {
    group: tls,
    help: "Check the peer's certificate (connectors: on; listeners: when cafile, capath or commonname is given)",
    example: "0",
  },
  isSwitch: true,
  parse(value, at) {
    if (value === true || value === 1 || value === "1") return "1";
    if (value === false || value === 0 || value === "0") return "0";
    if (value === "optional") return "optional";
    throw new ConfigError(`${at}: ${JSON.stringify(value)} is not one of 0, 1, optional`);
  },
  fromText: (text, at) => verify.parse(text?.toLowerCase() ?? "1", `option "${at}"`),
  print: (value) => value === "optional" ? value : value === "1",
  json: () => ({ enum: [true, false, "optional"] }),
};

/** Options of OpenSSL that the runtime's TLS has no say in: known, to be told from misspelt ones. */
const refused = (why: string) =>
  s.custom<never>(
    "",
    () => {
      throw new SyntaxError(why);
    },
    String,
    { group: tls, hidden: true },
  );

/** Options that change nothing of what is promised: taken for socat's sake, with a warning. */
export const ignoredOptions = ["compress", "egd", "pseudo", "dhparams"] as const;
const ignored = (aliases: readonly string[] = []) => s.string({ group: tls, hidden: true, aliases });

export const tlsSpec = s.object({
  /** Those of what lies under it, which it shares: the name to check, and to ask for. */
  address: s.string(),
  port: s.integer({ min: 0, max: 65535 }),
  cert: s.string({
    group: tls,
    aliases: ["certificate"],
    help: "Our certificate, PEM; the chain and the key may stand in the same file",
    example: "server.pem",
  }),
  key: s.string({
    group: tls,
    help: "Key of the certificate, PEM, if not in its file",
    example: "server.key,cert=server.pem",
  }),
  pkcs12: s.string({
    group: tls,
    help: "Certificate, chain and key in one PKCS#12 file",
    example: "server.p12,pkcs12-pass=secret",
  }),
  pkcs12_pass: s.string({
    group: tls,
    secret: true,
    help: "Password of the PKCS#12 file",
    example: "secret,pkcs12=server.p12",
  }),
  cafile: s.string({
    group: tls,
    aliases: ["ca"],
    help: "Trust only the issuers in this PEM file; mozilla: those of the browser (default: those of the system)",
    example: "ca.pem",
  }),
  capath: s.string({ group: tls, help: "Trust the issuers in the PEM files of this directory", example: "certs" }),
  verify,
  commonname: s.string({
    group: tls,
    aliases: ["cn"],
    help: "Name that the peer's certificate must have (connectors: the host); empty: any name",
    example: "example.org",
  }),
  fingerprint: s.list(s.custom("sha256", readFingerprint, (hex) => hex), {
    group: tls,
    help: "SHA-256 of the peer's certificate; alone it stands for the check of issuer and name; repeatable",
    example: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  }),
  snihost: s.string({
    group: connecting,
    aliases: ["openssl-snihost"],
    help: "Name to ask the server for, if not the host",
    example: "example.org",
  }),
  nosni: s.boolean({ group: connecting, aliases: ["no-sni", "openssl-no-sni"], help: "Ask the server for no name" }),
  alpn: s.string({
    group: tls,
    help: "Protocols to offer or to choose from, with commas between",
    example: '"h2,http/1.1"',
  }),
  min_proto_version: version({
    group: tls,
    aliases: ["openssl-min-proto-version", "min-version"],
    help: "Oldest version of TLS",
    example: "TLS1.3",
  }),
  max_proto_version: version({
    group: tls,
    aliases: ["openssl-max-proto-version", "max-version"],
    help: "Newest version of TLS",
    example: "TLS1.2",
  }),
  handshake_timeout: s.duration({ group: listening, help: "Limit for a caller's handshake (10)" }),
  ciphers: {
    ...refused("not available: the runtime chooses among the AES-GCM and ChaCha20 suites of TLS 1.2 and 1.3 by itself"),
    notes: { group: tls, hidden: true, aliases: ["cipher", "cipherlist"] },
  },
  method: refused("not available; use min-proto-version and max-proto-version"),
  fips: refused("not available"),
  keylog: refused("not available: the runtime does not give the keys of a connection away"),
  compress: ignored(),
  egd: ignored(),
  pseudo: ignored(),
  dhparams: ignored(["dhparam", "dh"]),
});
export type TlsSpec = s.SpecOf<typeof tlsSpec>;

/** `A,B` as a list. */
export function protocolNames(text: string | undefined): string[] {
  return (text ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** What is asked of the peer's certificate. */
export interface Demand {
  /** The peer must show a certificate (`required`), may (`optional`), or is not asked. Servers always show one. */
  readonly certificate: "required" | "optional" | "none";
  /** Its chain must end at an issuer we trust. */
  readonly chain: boolean;
  /** It must be valid for this name. */
  readonly name: string | undefined;
  /** It must be one of these; empty: any. */
  readonly fingerprints: readonly string[];
}

/** What `spec` demands; `insecure` is `-k`, which any written demand overrules. */
export function demandOf(spec: TlsSpec, role: AddressType["role"], insecure: boolean): Demand {
  const fingerprints = spec.fingerprint ?? [];
  const trust = spec.cafile !== undefined || spec.capath !== undefined;
  const asks = trust || (spec.commonname ?? "") !== "";
  const written = spec.verify ?? (insecure ? "0" : undefined);
  if (written === "0") return { certificate: "none", chain: false, name: undefined, fingerprints: [] };
  const pinned = fingerprints.length > 0 && written === undefined && !asks;
  if (role === "listen") {
    const chain = !pinned && (written !== undefined || asks);
    const certificate = written === "optional" ? "optional" : chain || pinned ? "required" : "none";
    return { certificate, chain, name: chain ? nameIn(spec.commonname) : undefined, fingerprints };
  }
  return { certificate: "required", chain: !pinned, name: pinned ? undefined : nameToCheck(spec), fingerprints };
}

/** The name a server must have; undefined when an empty `commonname` waives it. */
function nameToCheck({ commonname, address, snihost }: TlsSpec): string | undefined {
  return nameIn(commonname ?? address ?? snihost);
}

/** A name as certificates have it: an IPv6 address without the brackets that it is written in. */
function nameIn(written: string | undefined): string | undefined {
  return written?.replace(/^\[([\da-f:.]+)\]$/i, "$1") || undefined;
}

/** The name a client asks the server for: none for addresses, and none where nothing has a name. */
export function serverName({ nosni, snihost, commonname, address }: TlsSpec): string | undefined {
  if (nosni) return undefined;
  const name = (snihost ?? (commonname || address) ?? "").replace(/\.$/, "");
  return name === "" || isIpAddress(name) ? undefined : name;
}

function isIpAddress(name: string): boolean {
  return name.includes(":") || /^\d+(\.\d+){3}$/.test(name);
}

/** Combinations that make no sense, before anything opens. */
export function checkCombinations(
  spec: TlsSpec,
  role: AddressType["role"],
  name = role === "listen" ? "OPENSSL-LISTEN" : "OPENSSL",
): void {
  checkRole(name, tlsSpec.fields, spec, role);
  const fail = (text: string) => {
    throw new ConfigError(`${name}: ${text}`);
  };
  if (role === "listen" && spec.cert === undefined && spec.pkcs12 === undefined) {
    fail("no certificate given; use option cert");
  }
  if (spec.key !== undefined && spec.cert === undefined) fail('option "key" needs option "cert"');
  if (spec.pkcs12 !== undefined && spec.cert !== undefined) fail('options "cert" and "pkcs12" exclude each other');
  if (spec.pkcs12_pass !== undefined && spec.pkcs12 === undefined) fail('option "pkcs12-pass" needs option "pkcs12"');
  if (spec.min_proto_version === "TLS1.3" && spec.max_proto_version === "TLS1.2") {
    fail("min-proto-version is above max-proto-version");
  }
  if (spec.snihost !== undefined && isIpAddress(spec.snihost)) fail(`option "snihost": "${spec.snihost}" is no name`);
  if (spec.nosni && spec.snihost !== undefined) fail('options "nosni" and "snihost" exclude each other');
  if (protocolNames(spec.alpn).some((name) => new TextEncoder().encode(name).length > 255)) {
    fail('option "alpn": a name is longer than 255 bytes');
  }
  const compress = spec.compress ?? "none";
  if (compress !== "none" && compress !== "") fail(`option "compress=${compress}" not available`);
  const demand = demandOf(spec, role, false);
  if (role === "listen") {
    const issuers = (spec.cafile !== undefined && spec.cafile !== "mozilla") || spec.capath !== undefined;
    if (demand.chain && !issuers) fail("no issuer of clients' certificates given; use option cafile or capath");
    return;
  }
  if (spec.verify === "optional") fail('option "verify=optional" is for listeners');
  if (demand.chain && demand.name === undefined && spec.commonname === undefined) {
    fail("no name to check the server's certificate for; use commonname=NAME (empty: any name)");
  }
}
