/** The tables of the README, made from the code. Each stands between two markers that name it. */
import type { Registry } from "../protocol.ts";
import { usage } from "../config/parameters.ts";
import { catalog, type OptionEntry, optionUsage, type TypeEntry } from "./catalog.ts";
import { globalUsage } from "./help.ts";
import { globalOptions } from "./options.ts";
import { overlayEntries } from "./overlays.ts";

/** Every table by the name in its markers. */
export function tables(registry: Registry): Readonly<Record<string, string>> {
  const entries = catalog(registry);
  const addresses = entries.filter(({ what }) => what === "address");
  return {
    options: markdown(["Option", "Meaning"], globalOptions.map((option) => [code(globalUsage(option)), option.help])),
    types: markdown(["Address", "Aliases", "Kind", "Meaning"], addresses.filter(anyVersion).map(typeRow)),
    overlays: markdown(
      ["Overlay", "Meaning"],
      overlayEntries(registry).map(({ name, help }) => [code(`${name}:`), help]),
    ),
    transforms: markdown(
      ["Transform", "Meaning"],
      entries.filter(({ what }) => what === "transform").map(({ type }) => [code(usage(type)), type.help]),
    ),
    "address-options": markdown(["Option", "Aliases", "For", "Meaning"], optionRows(addresses)),
  };
}

/** `text` with each table put between its markers. Throws `RangeError` when a table has none or a marker no table. */
export function fillTables(text: string, registry: Registry): string {
  const all = tables(registry);
  const seen = new Set<string>();
  const filled = text.replace(/(<!-- table:(\S+) -->\n).*?(<!-- \/table -->)/gs, (_, begin, name, end) => {
    const table = all[name];
    if (table === undefined) throw new RangeError(`there is no table "${name}"`);
    seen.add(name);
    return `${begin}\n${table}\n${end}`;
  });
  const missing = Object.keys(all).find((name) => !seen.has(name));
  if (missing !== undefined) throw new RangeError(`nothing marks the place of the table "${missing}"`);
  return filled;
}

/** Leaves out the forms for one IP version, which differ in nothing else; the README says that they exist. */
function anyVersion({ type }: TypeEntry): boolean {
  return type.preset?.pf === undefined;
}

function typeRow({ type, kind, direction }: TypeEntry): string[] {
  const limits = { both: "", read: ", read only", write: ", write only" }[direction];
  return [code(usage(type)), type.names.slice(1).map(code).join(" "), `${kind}${limits}`, type.help];
}

function optionRows(entries: readonly TypeEntry[]): string[][] {
  const uses = entries.flatMap((entry) => entry.options.map((option) => ({ entry, option })));
  const meanings = Map.groupBy(uses, ({ option }) => `${option.group}\0${option.name}\0${option.schema.notes.help}`);
  const rows = [...meanings.values()].map((uses) => ({
    option: uses[0]!.option,
    takers: uses.map(({ entry }) => entry),
  }));
  return [...Map.groupBy(rows, ({ option }) => option.group).values()].flatMap((group) =>
    group.toSorted((a, b) => a.option.name < b.option.name ? -1 : 1).map(({ option, takers }) => [
      code(optionUsage(option)),
      option.aliases.map(code).join(" "),
      takersText(takers, entries),
      meaningOf(option),
    ])
  );
}

function meaningOf({ schema }: OptionEntry): string {
  const { help = "", default: value } = schema.notes;
  return value === undefined || help.includes("efault") ? help : `${help} (default ${schema.print(value)})`;
}

/** `all`, `listeners`, or the families of types. */
function takersText(takers: readonly TypeEntry[], all: readonly TypeEntry[]): string {
  const listens = ({ type }: TypeEntry) => type.role === "listen";
  if (takers.length === all.length) return "all";
  if (takers.every(listens) && takers.length === all.filter(listens).length) return "listeners";
  if (!takers.some(listens) && takers.length === all.filter((entry) => !listens(entry)).length) {
    return "all but listeners";
  }
  const families = new Set(takers.filter(anyVersion).map(({ type }) => type.names[0]!));
  return [...families].join(", ");
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

/** Columns are padded as `deno fmt` pads them, so that both leave each other's work alone. */
function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line), ""].join("\n");
}
