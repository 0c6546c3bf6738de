/** `--null` and `--strict`: how lines are told apart, written into the document wherever there are lines. */
import type { Document, InlineTransform, SpecDocument } from "./document.ts";

export interface LineOptions {
  /** Lines end in NUL instead of newline. */
  readonly nul: boolean;
  /** Lines that are too long or unfinished are dropped. */
  readonly strict: boolean;
}

/** A copy of a complete `document` whose lines are as `options` say, unless they say so themselves. */
export function withLineOptions(document: Document, options: LineOptions): Document {
  if (!options.nul && !options.strict) return document;
  const address = (spec: SpecDocument) => lineAddress(spec, options);
  const chain = (items: InlineTransform[]) => items.map(({ spec }) => ({ spec: lineTransform(spec, options) }));
  const listeners = document.listeners.map((listener) => ({
    ...listener,
    spec: address(listener.spec),
    rules: listener.rules.map(({ action: { route } }) => ({
      action: {
        route: {
          ...(route.ingress && { ingress: chain(route.ingress) }),
          ...(route.egress && { egress: chain(route.egress) }),
          destination: { ...route.destination, spec: address(route.destination.spec) },
          ...(route.retry && { retry: route.retry }),
        },
      },
    })),
  }));
  return { ...document, listeners };
}

function lineAddress(spec: SpecDocument, options: LineOptions): SpecDocument {
  const { read, write } = spec;
  if (read && write) return { ...spec, read: lineAddress(read, options), write: lineAddress(write, options) };
  if (spec.lines !== true && spec.null_lines !== true) return spec;
  const { lines, null_lines, ...rest } = spec;
  const kind = options.nul || null_lines ? { null_lines: true } : { lines };
  return { ...rest, ...kind, ...(options.strict && { strict: spec.strict ?? true }) };
}

function lineTransform(spec: SpecDocument, { nul, strict }: LineOptions): SpecDocument {
  if (spec.protocol !== "LINES") return spec;
  return { ...spec, ...(nul && { sep: spec.sep ?? "\0" }), ...(strict && { strict: spec.strict ?? true }) };
}
