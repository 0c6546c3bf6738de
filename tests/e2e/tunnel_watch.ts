/** What cases that share a tunnel must leave as they found it. */
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import type { Tunnel } from "./carriers.ts";
import { type Child, eventually } from "./harness.ts";
import { openHandles } from "./wait.ts";

interface WatchedEnd {
  readonly child: Child;
  readonly handles: number;
}

/** What the ends of a tunnel hold and have said; a cell must leave the first as it was, and add only to the second what it expects. */
export class TunnelWatch {
  readonly #ends: readonly WatchedEnd[];
  #said: readonly number[] = [];

  private constructor(ends: readonly WatchedEnd[]) {
    this.#ends = ends;
  }

  static async begin({ entry, exit }: Tunnel): Promise<TunnelWatch> {
    return new TunnelWatch(
      await Promise.all([entry, exit].map(async (child) => ({ child, handles: await openHandles(child.pid) }))),
    );
  }

  mark(): void {
    this.#said = this.#ends.map(({ child }) => child.stderr.length);
  }

  async check(expected: readonly (readonly RegExp[])[]): Promise<void> {
    for (const [i, { child, handles }] of this.#ends.entries()) {
      await eventually("the release of everything", async () => await openHandles(child.pid) <= handles, {
        details: () => child.describe(),
      });
      const lines = () => child.stderr.slice(this.#said[i]).split("\n").filter((line) => line !== "");
      const wanted = expected[i]!;
      await eventually(`${wanted.length} lines`, () => lines().length >= wanted.length, {
        details: () => child.describe(),
      });
      assertEquals(lines().length, wanted.length, `unexpected lines: ${lines().join("\n")}`);
      for (const [at, pattern] of wanted.entries()) assertMatch(lines()[at]!, pattern);
    }
  }
}
