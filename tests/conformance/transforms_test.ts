// What every transform promises: what it makes of data it can undo, however the data was cut and wherever its memory goes.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { L7mpError } from "../../lib/errors.ts";
import type { StreamKind } from "../../lib/stream/stream.ts";
import { registry } from "../../protocols/mod.ts";
import { cutAt, cuts } from "../support/cuts.ts";
import { makeStep, runStep, stepContext } from "../support/steps.ts";

interface Case {
  readonly settings?: Record<string, unknown>;
  /** Kind of what `into` takes. */
  readonly input: StreamKind;
  /** The way that makes what the other one undoes. */
  readonly into: "forward" | "backward";
  /** What a message must not contain, since it has a meaning. */
  readonly without?: readonly number[];
  /** The blocks are the messages: cutting them in other places makes others. */
  readonly blocks?: true;
}

const cases: Readonly<Record<string, Case>> = {
  Logger: { settings: { log_file: "/dev/null" }, input: "datagram", into: "forward" },
  Metric: { input: "datagram", into: "forward" },
  LINES: { input: "datagram", into: "backward", without: [10, 13] },
  LENGTHPREFIX: { input: "datagram", into: "backward" },
  CHUNKS: { input: "byte", into: "forward", blocks: true },
  JSONEncap: { input: "datagram", into: "forward" },
  JSONDecap: { input: "datagram", into: "backward" },
};

const other = { forward: "backward", backward: "forward" } as const;

Deno.test("every transform is tried here", () => {
  assertEquals(Object.keys(cases).sort(), registry.transforms.map(({ name }) => name).sort());
});

for (const transform of registry.transforms) {
  const made = cases[transform.name];
  if (!made) continue;
  const { settings = {}, input, into, without, blocks } = made;
  const between: StreamKind = transform.gives === "same" ? input : input === "byte" ? "datagram" : "byte";
  const step = (way: "forward" | "backward", input: StreamKind) =>
    makeStep(transform, settings, stepContext(input), way);
  const message = fc.uint8Array({ maxLength: 300 })
    .map((bytes) => without === undefined ? bytes : bytes.filter((byte) => !without.includes(byte)))
    .filter(({ length }) => input === "datagram" || length > 0);
  const messages = fc.array(message, { maxLength: 20 });

  Deno.test(`${transform.name} undoes what it did, in order, and keeps no memory that was lent to it`, () => {
    fc.assert(fc.property(messages, (sent) => {
      const out = runStep(step(into, input), sent);
      assertEquals(runStep(step(other[into], between), out), sent);
    }));
  });

  if (between === "byte" && !blocks) {
    Deno.test(`${transform.name} finds the same messages however the bytes are cut`, () => {
      fc.assert(fc.property(messages, cuts, (sent, places) => {
        const bytes = Uint8Array.from(runStep(step(into, input), sent).flatMap((part) => [...part]));
        assertEquals(runStep(step(other[into], between), cutAt(bytes, places)), sent);
      }));
    });
  }

  for (const way of ["forward", "backward"] as const) {
    Deno.test(`${transform.name} makes something of any data, or an error of ours (${way})`, () => {
      fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (data) => {
        const fed = data.filter(({ length }) => length > 0);
        try {
          runStep(step(way, way === into ? input : between), fed);
        } catch (error) {
          assert(error instanceof L7mpError, String(error));
        }
      }));
    });
  }
}
