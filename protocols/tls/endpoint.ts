/** What an endpoint keeps between its handshakes: its credentials, read anew when their files change. */
import type { SecureContext } from "node:tls";
import { messageOf } from "../../lib/errors.ts";
import type { Log } from "../../lib/log.ts";
import type { AddressType } from "../../lib/protocol.ts";
import { loadTls, tlsAtOnce, type TlsLibrary } from "./_library.ts";
import { Anchors } from "./certificate_path.ts";
import { type Credentials, filesOf, issuersOf, readCredentials, secureContext } from "./credentials.ts";
import type { TlsSpec } from "./spec.ts";

export class TlsEndpoint {
  readonly #spec: TlsSpec;
  readonly #role: AddressType["role"];
  #credentials: Credentials;
  /** Sizes and times of the files when they were last read. */
  #stamp: string;
  #context: SecureContext | undefined;
  #anchors: Anchors | undefined;

  /** Reads and checks the files. Throws `ConfigError`. */
  constructor(spec: TlsSpec, role: AddressType["role"]) {
    this.#spec = spec;
    this.#role = role;
    this.#stamp = stampOf(spec);
    this.#credentials = readCredentials(spec, role);
    // Only the library can open such a file and tell whether the password is right.
    if (spec.pkcs12 !== undefined) this.#context = secureContext(this.#credentials, spec, tlsAtOnce());
  }

  /**
   * The library and what it needs for one handshake. Files that changed since the last one are read again; when they
   * are no good the old ones stay in force, with a warning for each change.
   */
  async ready(log: Log): Promise<{ tls: TlsLibrary; context: SecureContext; anchors: Anchors }> {
    const tls = await loadTls();
    const stamp = stampOf(this.#spec);
    if (stamp !== this.#stamp) {
      this.#stamp = stamp;
      try {
        const credentials = readCredentials(this.#spec, this.#role);
        this.#context = secureContext(credentials, this.#spec, tls);
        this.#credentials = credentials;
        this.#anchors = undefined;
        log.notice("tls.reload", `certificates read again: ${filesOf(this.#spec).join(", ")}`);
      } catch (error) {
        log.warn("tls.reload", `${messageOf(error)}; the certificates read before stay in use`);
      }
    }
    this.#context ??= secureContext(this.#credentials, this.#spec, tls);
    this.#anchors ??= new Anchors(issuersOf(this.#credentials.ca, tls.getCACertificates) ?? []);
    return { tls, context: this.#context, anchors: this.#anchors };
  }
}

function stampOf(spec: TlsSpec): string {
  return filesOf(spec).map((file) => {
    try {
      const { mtime, size, ino } = Deno.statSync(file);
      return `${mtime?.getTime()} ${size} ${ino}`;
    } catch {
      return "absent";
    }
  }).join();
}

const endpoints = new WeakMap<TlsSpec, TlsEndpoint>();

/** The endpoint of `spec`, made at the first call: by the check before the start. Throws `ConfigError`. */
export function endpointOf(spec: TlsSpec, role: AddressType["role"]): TlsEndpoint {
  let endpoint = endpoints.get(spec);
  if (!endpoint) endpoints.set(spec, endpoint = new TlsEndpoint(spec, role));
  return endpoint;
}
