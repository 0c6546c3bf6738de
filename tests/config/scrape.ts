/** What a Prometheus sees of a running configuration. */
// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";

/** One scrape, its lines checked against the text format (version 0.0.4). */
export class Scrape {
  readonly text: string;
  readonly #series = new Map<string, number>();

  constructor(text: string) {
    this.text = text;
    const wrong: string[] = [];
    for (const line of text.split("\n")) {
      if (line === "" || /^# (HELP|TYPE) [a-zA-Z_:][\w:]* \S/.test(line)) continue;
      const found = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*)\})? (\S+)$/.exec(line);
      const value = Number(found?.[3]);
      if (!found || Number.isNaN(value)) wrong.push(line);
      else this.#series.set(found[2] ? `${found[1]}{${found[2]}}` : found[1]!, value);
    }
    assertEquals(wrong, []);
    assertEquals(this.#series.size, text.split("\n").filter((line) => /^[a-z]/.test(line)).length);
  }

  /** The value of `name{label="value",...}`; undefined: there is no such series. */
  value(series: string): number | undefined {
    return this.#series.get(series);
  }

  /** Names and labels of all series of `name`. */
  of(name: string): string[] {
    return [...this.#series.keys()].filter((series) => series === name || series.startsWith(`${name}{`));
  }

  /** Names and labels of all series. */
  get all(): string[] {
    return [...this.#series.keys()];
  }

  /** Series of counters that are smaller here than in `before`, or gone. */
  wentBack(before: Scrape): string[] {
    return [...before.#series].filter(([series, value]) =>
      /_(total|bucket|sum|count)(\{|$)/.test(series) && (this.#series.get(series) ?? -1) < value
    ).map(([series]) => series);
  }
}

export async function scrape(port: number): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return new Scrape(await response.text());
}
