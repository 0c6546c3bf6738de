/**
 * What every stream promises (`lib/stream/stream.ts`), as tests that any implementation runs:
 *
 *     protocolSuite("TCP", openPair, { skip: [["reset", "the runtime cannot reset"]] });
 */
import type { ByteStream, DatagramStream, Stream } from "../../lib/stream/stream.ts";
import { byteTests } from "./byte_contract.ts";
import { datagramTests } from "./datagram_contract.ts";

/** Two connected streams, or one that gives back what it is given (both names are the same stream then). */
export interface Pair<S extends Stream> {
  readonly near: S;
  readonly far: S;
  /** Releases what lies around the streams (listeners, files), after both were aborted. */
  close?(): void | Promise<void>;
}

export interface SuiteOptions {
  /** Why no test can run here. */
  readonly absent?: string;
  /** Tests that do not apply, by name, each with the reason. A name that is no test fails the suite. */
  readonly skip?: readonly (readonly [test: string, reason: string])[];
  /** Bytes that may be under way while nobody reads, the kernel's buffers included. Default 16 MiB. */
  readonly heldBackBytes?: number;
  /** Largest message of the large-message test. Default 64 MiB, or the stream's own limit. */
  readonly largeBytes?: number;
  /** Both ends are one stream (`echoPair`): tests that need two are shown as skipped. */
  readonly echo?: true;
}

export interface ContractTest<S extends Stream> {
  readonly name: string;
  /** Needs two ends. */
  readonly pairOnly?: boolean;
  run(pair: Pair<S>, options: SuiteOptions): Promise<void>;
}

/** A pair around one echoing stream. */
export function echoPair<S extends Stream>(echo: S): Pair<S> {
  return { near: echo, far: echo };
}

/** Registers the tests of `kind` for the streams that `open` makes; each test has a pair of its own. */
export function protocolSuite(
  name: string,
  kind: "byte",
  open: () => Promise<Pair<ByteStream>>,
  options?: SuiteOptions,
): void;
export function protocolSuite(
  name: string,
  kind: "datagram",
  open: () => Promise<Pair<DatagramStream>>,
  options?: SuiteOptions,
): void;
export function protocolSuite(
  name: string,
  kind: "byte" | "datagram",
  open: () => Promise<Pair<ByteStream>> | Promise<Pair<DatagramStream>>,
  options: SuiteOptions = {},
): void {
  const tests: readonly ContractTest<never>[] = kind === "byte" ? byteTests : datagramTests;
  for (const [skipped] of options.skip ?? []) {
    if (!tests.some((test) => test.name === skipped)) throw new Error(`${name}: no test "${skipped}" to skip`);
  }
  for (const test of tests) {
    const reason = options.absent ?? options.skip?.find(([skipped]) => skipped === test.name)?.[1] ??
      (test.pairOnly && options.echo ? "both ends are one" : undefined);
    Deno.test({
      name: `${name} ${test.name}${reason ? ` (skipped: ${reason})` : ""}`,
      ignore: reason !== undefined,
      async fn() {
        const pair = await open() as Pair<never>;
        try {
          if ((pair.near === pair.far) !== (options.echo ?? false)) throw new Error("an echo is one end, and says so");
          await test.run(pair, options);
        } finally {
          await release(pair);
        }
      },
    });
  }
}

async function release(pair: Pair<Stream>): Promise<void> {
  for (const stream of [pair.near, pair.far]) {
    stream.abort();
    await stream.finished?.().catch(() => {});
  }
  await pair.close?.();
}
