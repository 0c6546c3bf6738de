/** Starts and stops what a measurement needs, and waits for what can be observed. */

/** A free port of 127.0.0.1 at this moment. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Waits until something is bound to `port`, by the kernel's tables: nothing is sent. */
export async function bound(port: number, transport: "tcp" | "udp", timeoutMs = 10_000): Promise<void> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  const files = [`/proc/net/${transport}`, `/proc/net/${transport}6`];
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    for (const file of files) {
      const lines = (await Deno.readTextFile(file).catch(() => "")).split("\n");
      if (lines.some((line) => line.trim().split(" ")[1]?.concat(" ").endsWith(local))) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`nothing was bound to ${transport} port ${port} within ${timeoutMs} ms`);
}

export class Background implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stderr: Promise<string>;
  readonly #lines: Promise<string>;

  constructor(command: readonly string[]) {
    const [program, ...args] = command;
    this.#child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
    this.#stderr = new Response(this.#child.stderr).text();
    this.#lines = new Response(this.#child.stdout).text();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The last line of output once the program has ended, as JSON. */
  async result<T>(): Promise<T> {
    const { success } = await this.#child.status;
    const output = (await this.#lines).trim().split("\n").at(-1)!;
    if (!success) throw new Error(`load failed: ${await this.#stderr}`);
    return JSON.parse(output) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
    await this.#child.status;
    clearTimeout(timer);
    await Promise.all([this.#stderr, this.#lines]);
  }
}
