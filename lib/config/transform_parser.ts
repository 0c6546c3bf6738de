/** From a word between the addresses to a transform of the document. */
import { ConfigError } from "../errors.ts";
import { choice } from "../schema.ts";
import type { SpecDocument } from "./document.ts";
import { lexAddress, textOf } from "./lexer.ts";
import type { Names } from "./names.ts";
import { applyTransformOption, isOption } from "./options.ts";
import { parseParameters } from "./parameters.ts";
import { suggestion } from "./suggest.ts";
import { isUrl } from "./url_form.ts";

export interface ParsedTransform {
  readonly spec: SpecDocument;
  /** The only direction it works in; absent: both. */
  readonly dir?: "ltr" | "rtl";
}

/** The option of all transforms. It is no setting: the document has a list for each direction. */
export const directionOption = choice(["ltr", "rtl"], {
  help: "Only from the first address to the second (ltr), or only back (rtl)",
});

/** Reads one transform. Throws `ConfigError`. */
export function parseTransform(word: string, names: Names): ParsedTransform {
  const [lexed, ...others] = lexAddress(word);
  const { body } = lexed!;
  const head = body[0] && "text" in body[0] ? body[0].text : "";
  const found = names.transform(head);
  if (!found || others.length > 0) {
    const isAddress = others.length > 0 || head === "-" || head.includes("/") || /^\d+$/.test(head) ||
      names.type(head) || names.overlay(head) || isUrl(body, names);
    if (isAddress) {
      throw new ConfigError(`"${word}" is an address, not a transform; more than one pair needs a file (-c)`);
    }
    if (isOption(word.split("=")[0]!, names)) {
      throw new ConfigError(`unknown transform "${head}"; options follow the address after a comma (…,${word})`);
    }
    const all = names.registry.transforms.flatMap((transform) => transform.types.flatMap((type) => type.names));
    const cure = suggestion(head.toUpperCase(), all) || '; use option "-h" for a list';
    throw new ConfigError(`unknown transform "${head}"${cure}`);
  }
  const { transform, type } = found;
  const tokens = body.length > 1 ? body.slice(2) : undefined;
  const { fields } = transform.spec;
  const settings = { ...type.preset, ...parseParameters(type, { tokens, address: textOf(body) }, fields) };
  let dir: "ltr" | "rtl" | undefined;
  for (const option of lexed!.options) {
    if (option.name.toLowerCase() === "dir") dir = directionOption.fromText(option.value, "dir");
    else applyTransformOption({ type, fields, settings }, option, names);
  }
  for (const [key, value] of Object.entries(type.implies ?? {})) settings[key] ??= value;
  return { spec: { protocol: transform.name, ...settings }, dir };
}
