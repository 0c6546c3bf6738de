/** The tables of the README, made from the code. Each stands between two markers that name it. */
import type { Registry } from "../protocol.ts";
import { usage } from "../config/parameters.ts";
import { catalog, type OptionEntry, optionUsage, type TypeEntry } from "./catalog.ts";
import { configRows } from "./config_tables.ts";
import { globalUsage } from "./help.ts";
import { globalOptions } from "./options.ts";
import { overlayEntries, type OverlayEntry } from "./overlays.ts";

const ignoreStart = "<!-- deno-fmt-ignore-start -->";
const ignoreEnd = "<!-- deno-fmt-ignore-end -->";

/** Every table by the name in its markers. */
export function tables(registry: Registry): Readonly<Record<string, string>> {
  const entries = catalog(registry);
  const addresses = entries.filter(({ what }) => what === "address");
  return {
    options: markdown(["Option", "Meaning"], globalOptions.map((option) => [code(globalUsage(option)), option.help])),
    types: markdown(["Address", "Kind", "Meaning"], addresses.filter(anyVersion).map(typeRow)),
    overlays: markdown(
      ["Overlay", "Meaning"],
      overlayEntries(registry).map(overlayRow),
    ),
    transforms: markdown(
      ["Transform", "Meaning"],
      entries.filter(({ what }) => what === "transform").map(({ type }) => [code(usage(type)), type.help]),
    ),
    "address-options": optionTables(addresses),
    configuration: markdown(["Of", "Field", "Meaning"], configRows()),
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
    return `${begin}\n${ignoreStart}\n\n${table}\n${ignoreEnd}\n\n${end}`;
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
  const aliases = type.names.length > 1 ? `; also ${type.names.slice(1).map(code).join(" ")}` : "";
  return [code(usage(type)), `${kind}${limits}`, type.help + aliases];
}

function overlayRow({ name, help, options }: OverlayEntry): string[] {
  const more = options.length > 0 ? `; options ${options.map((option) => code(optionUsage(option))).join(" ")}` : "";
  return [code(`${name}:`), help + more];
}

/** The tables of the options of addresses, each below the name of its group. */
function optionTables(addresses: readonly TypeEntry[]): string {
  const uses = addresses.flatMap((entry) => entry.options.map((option) => ({ option, taker: familyOf(entry) })));
  const groups = Map.groupBy(uses, ({ option }) => headings[option.group] ?? option.group);
  return [...new Set([...Object.values(headings), ...groups.keys()])].filter((heading) => groups.has(heading))
    .map((heading) => `#### ${heading}\n\n${markdown(["Option", "Meaning"], optionRows(groups.get(heading)!))}`)
    .join("\n");
}

/** What groups of options are called here, in the order of the tables. */
const headings: Readonly<Record<string, string>> = {
  listening: "Listeners",
  connecting: "Connecting",
  ends: "Ends",
  data: "Data",
  address: "Sockets",
  socket: "Sockets",
  multicast: "Multicast",
  ownership: "Paths of UNIX sockets",
  files: "Files",
  terminal: "Terminals",
  programs: "Programs",
  other: "Programs",
  tls: "TLS",
  websocket: "WebSocket",
  http: "HTTP",
  jsonsocket: "JSONSocket",
  members: "Many who share",
  proxy: "Proxies",
};

interface Use {
  readonly option: OptionEntry;
  /** Type that takes it. */
  readonly taker: string;
}

/** One row an option; a meaning that only few of the group's types give it names them. */
function optionRows(uses: readonly Use[]): string[][] {
  const all = new Set(uses.map(({ taker }) => taker)).size;
  return [...Map.groupBy(uses, ({ option }) => option.name)].toSorted(([a], [b]) => a < b ? -1 : 1).map(([, uses]) => {
    const meanings = [...Map.groupBy(uses, ({ option }) => option.schema.notes.help).values()].map((uses) => {
      const takers = [...new Set(uses.map(({ taker }) => taker))];
      const few = takers.length <= 4 && takers.length < all;
      return few ? `${meaningOf(uses[0]!.option)} (${takers.join(", ")})` : meaningOf(uses[0]!.option);
    });
    const { option } = uses[0]!;
    const aliases = option.aliases.length > 0 ? `; also ${option.aliases.map(code).join(" ")}` : "";
    return [code(optionUsage(option)), meanings.join("; or: ") + aliases];
  });
}

/** The type without the forms for one IP version: `UDP4` counts as `UDP`. */
function familyOf({ type: { names, preset } }: TypeEntry): string {
  return preset?.pf === undefined ? names[0]! : names[0]!.replace(/[46]/, "");
}

function meaningOf({ schema }: OptionEntry): string {
  const { help = "", default: value } = schema.notes;
  return value === undefined || help.includes("efault") ? help : `${help} (default ${schema.print(value)})`;
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

/** Columns are not padded, which `deno fmt` is told to leave so: the page stays small and its lines short. */
function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line), ""].join("\n");
}
