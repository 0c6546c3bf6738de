/** Speaks with the REST API of a running proxy. */
import { ConfigError, ConnectError, messageOf, ProtocolError, systemFault } from "../errors.ts";
import { readToken } from "../admin/token.ts";
import { readTlsFiles, tlsCure, type TlsFiles } from "./ctl_tls.ts";

export interface ClientOptions extends TlsFiles {
  /** `1234`, `:1234`, `HOST:PORT`, `unix:/path`, or a URL. */
  readonly admin: string;
  readonly tokenFile?: string;
}

/** What an API that refuses says. */
export class Refused extends ProtocolError {
  constructor(message: string, readonly answer: number) {
    super(message);
  }
}

export class CtlClient implements Disposable {
  readonly #base: string;
  /** As the user knows it. */
  readonly #name: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #http: Deno.HttpClient;
  readonly #tls: TlsFiles;

  private constructor(base: string, given: ClientOptions, headers: Record<string, string>, http: Deno.HttpClient) {
    this.#base = base;
    this.#name = given.admin;
    this.#headers = headers;
    this.#http = http;
    this.#tls = given;
  }

  /** Reads the files of `options`; connects to nobody yet. Rejects with `ConfigError`. */
  static async open(given: ClientOptions): Promise<CtlClient> {
    const { admin, tokenFile } = given;
    const { base, path } = addressOf(admin);
    const headers: Record<string, string> = {};
    if (tokenFile !== undefined) headers.authorization = `Bearer ${await readToken(tokenFile)}`;
    const http = Deno.createHttpClient({
      ...await readTlsFiles(given),
      ...(path !== undefined && { proxy: { transport: "unix", path } as const }),
    } as Deno.CreateHttpClientOptions);
    return new CtlClient(base, given, headers, http);
  }

  /** Sends `body` as JSON; resolves with the answer's JSON. Rejects with `Refused` or another `L7mpError`. */
  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.#fetch(method, path, body);
    const text = await answer.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new ProtocolError(`what answers at ${this.#name} is not the REST API of l7mp: its answer is no JSON`);
    }
  }

  /** The lines of an answer that does not end by itself. */
  async *lines(path: string): AsyncIterable<string> {
    const answer = await this.#fetch("GET", path);
    let rest = "";
    try {
      for await (const text of answer.body!.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        yield* lines.filter((line) => line !== "");
      }
    } catch (error) {
      throw new ConnectError(`the connection to the REST API at ${this.#name} broke: ${messageOf(error)}`);
    }
  }

  [Symbol.dispose](): void {
    this.#http.close();
  }

  async #fetch(method: string, path: string, body?: unknown): Promise<Response> {
    const content: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    let answer: Response;
    try {
      answer = await fetch(`${this.#base}/api/v1/${path}`, {
        method,
        headers: { ...this.#headers, ...content },
        body: body === undefined ? undefined : JSON.stringify(body),
        client: this.#http,
      });
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (answer.ok) return answer;
    throw await this.#refusal(answer);
  }

  #unreachable(error: unknown): ConnectError {
    // The library says first what everybody knows: that a request was sent, and where to.
    const said = messageOf((error as { cause?: unknown }).cause ?? error);
    const text = systemFault(new Error(said.replace(/^.*client error \(\w+\): ([a-z ]+ error: )?/s, ""))).text;
    const why = /Connection refused|No such file/i.test(text)
      ? "is a proxy running there with --admin, or with a listener that is routed to L7mpController?"
      : tlsCure(text, this.#tls);
    const cure = why && `; ${why}`;
    return new ConnectError(`cannot reach the REST API at ${this.#name}: ${text}${cure}`, { cause: error });
  }

  async #refusal(answer: Response): Promise<Refused> {
    const text = await answer.text();
    let said: { message?: unknown; content?: unknown };
    try {
      said = JSON.parse(text);
    } catch {
      said = {};
    }
    const { content, message = answer.statusText } = said;
    if (typeof content === "string") return new Refused(content, answer.status);
    if (!Array.isArray(content)) return new Refused(`${answer.status} ${message}`, answer.status);
    const violations = content.map(({ dataPath, message }) => `\n  ${dataPath || "."}: ${message}`).join("");
    return new Refused(`the request does not fit its schema:${violations}`, answer.status);
  }
}

/** Throws `ConfigError`. */
function addressOf(admin: string): { readonly base: string; readonly path?: string } {
  if (admin.startsWith("unix:")) return { base: "http://localhost", path: admin.slice("unix:".length) };
  const text = /^:?\d+$/.test(admin) ? `127.0.0.1:${admin.replace(":", "")}` : admin;
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${/:\d+$/.test(text) ? text : `${text}:1234`}`);
  if (!url || url.search !== "" || url.hash !== "") {
    throw new ConfigError(`option --admin: "${admin}" is not like 1234, HOST:PORT, unix:/path or https://HOST:PORT`);
  }
  return { base: (url.origin + url.pathname).replace(/(\/api\/v1)?\/*$/, "") };
}
