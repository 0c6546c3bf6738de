/** A running configuration, and its REST API. */
import type { ConfigDocument } from "../../lib/config/document.ts";
import type { Child, StartOptions } from "../e2e/child.ts";
import type { Program, Run } from "../e2e/harness.ts";
import { eventually, isBound } from "../e2e/wait.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

/** A configuration that runs, with `--admin`. */
export class Service {
  readonly child: Child;
  /** The file it was read from. */
  readonly file: string;
  /** Of its API, without a slash at the end. */
  readonly url: string;
  /** Keeps one connection, so that those of l7mp can be counted. */
  readonly client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });

  constructor(child: Child, file: string, adminPort: number) {
    this.child = child;
    this.file = file;
    this.url = `http://127.0.0.1:${adminPort}/api/v1`;
  }

  /** One request; `body` is sent as JSON. */
  async request(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }> {
    const headers = { "Content-Type": "application/json" };
    const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
    const response = await fetch(`${this.url}${path}`, { ...init, client: this.client });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  async get(path: string): Promise<Json> {
    return (await this.request("GET", path)).body;
  }

  /** A request that must succeed. */
  async do(method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.request(method, path, body);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  /** The sessions, once `condition` holds. */
  async sessions(what: string, condition: (sessions: Json[]) => boolean): Promise<Json[]> {
    return await eventually(what, async () => {
      const sessions = await this.get("/sessions");
      return condition(sessions) && sessions;
    });
  }
}

/** Starts `document`, written to a file of the case, and waits for its API. */
export async function startService(
  run: Run,
  document: ConfigDocument,
  options: StartOptions & { readonly args?: readonly string[]; readonly program?: Program } = {},
): Promise<Service> {
  const port = run.port();
  const file = run.path(`config-${port}.yaml`);
  await Deno.writeTextFile(file, JSON.stringify(document));
  const { args = [], ...start } = options;
  const child = await run.serve([`--admin=${port}`, "-l", "warn", "-c", file, ...args], { tcp: port }, {
    stderr: "any",
    ...start,
  });
  const service = new Service(child, file, port);
  run.defer(() => service.client.close());
  return service;
}

/** Waits until something listens on TCP `port`. */
export async function listening(port: number): Promise<void> {
  await eventually(`a listener on port ${port}`, () => isBound({ tcp: port }));
}
