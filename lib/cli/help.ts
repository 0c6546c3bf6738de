/** `-h`, `-hh`, `-hhh` and `--help=TOPIC`, made from the table of options and the plug-ins: only what works is listed. */
import { ConfigError } from "../errors.ts";
import type { Registry } from "../protocol.ts";
import { nearest } from "../schema.ts";
import { usage } from "../config/parameters.ts";
import { ctlHelp } from "./ctl_help.ts";
import { catalog, type OptionEntry, optionUsage, type TypeEntry } from "./catalog.ts";
import { exampleOf, optionExample, overlayExample } from "./examples.ts";
import { type GlobalOption, globalOptions, groups } from "./options.ts";
import { overlayEntries, type OverlayEntry } from "./overlays.ts";

const lineWidth = 110;

/** The whole help. Level 2 adds the options of addresses, level 3 every alias. */
export function helpText(registry: Registry, level: 1 | 2 | 3): string {
  const entries = catalog(registry);
  const addresses = entries.filter(({ what }) => what === "address");
  const transforms = entries.filter(({ what }) => what === "transform");
  return [
    "l7mp: a programmable multiprotocol proxy. It joins two addresses and moves data between them.",
    "",
    "Usage:",
    "  l7mp [options] <address1> [<transform> ...] <address2>",
    "  l7mp [options] <address>                      the other side is STDIO",
    "  l7mp [options] --server [<host>:]<port>       WebSocket server talking to STDIO",
    "  l7mp [options] -c <file> [-c <file> ...] [<address1> [<transform> ...] <address2>]",
    "  l7mp ctl [--admin=<address>] get|add|delete|apply|watch ...   client of the REST API; see l7mp ctl --help",
    "  l7mp -V | -h | -hh | -hhh | --help=<topic>    for example --help=tcp-listen or --help=fork",
    "",
    "Options (a value may be attached, -t2, or follow, -t 2; long ones also take --name=value):",
    ...groups.flatMap((group) => [
      `  ${group}:`,
      ...table(globalOptions.filter((option) => option.group === group).map((o) => [globalUsage(o), o.help]), 4),
    ]),
    "",
    "Addresses (names in any case; options follow, separated by commas: tcp-listen:8080,fork):",
    ...table(addresses.map((entry) => [typeUsage(entry, level), entry.type.help]), 2),
    "",
    "Overlays (in front of an address: autoreconnect:ws://host/):",
    ...table(overlayEntries(registry).map(({ name, help }) => [`${name}:`, help]), 2),
    "",
    "Transforms (between the addresses):",
    ...table(transforms.map((entry) => [typeUsage(entry, level), entry.type.help]), 2),
    "",
    "Environment:",
    ...table(environment, 2),
    "",
    ...(level > 1 ? optionSection(entries, level) : ["-hh lists the options of addresses, -hhh all aliases too.", ""]),
  ].join("\n");
}

/** What is read of it. */
const environment: readonly (readonly [name: string, help: string])[] = [
  ["L7MP_OPTS", "Options that stand before all others; quotes keep blanks"],
  ["SOCAT_PREFERRED_RESOLVE_IP", "4, 6 or 0: as options -4, -6, -0, for addresses that connect"],
  ["SOCAT_DEFAULT_LISTEN_IP", "4, 6 or 0: the same for those that listen"],
];

/** Everything that goes by the name `topic`: a type, a transform, an option. Throws `ConfigError` when nothing does. */
export function topicText(registry: Registry, topic: string): string {
  const entries = catalog(registry);
  const wanted = normal(topic).replace(/:$/, "");
  const overlays = overlayEntries(registry);
  const sections = [
    ...globalNamed(topic).map(globalSection),
    ...(wanted === "ctl" ? [ctlHelp.trimEnd()] : []),
    ...entries.filter(({ type }) => type.names.some((name) => normal(name) === wanted)).map(typeSection),
    ...overlays.filter(({ name }) => name === wanted).map(overlaySection),
    ...optionsNamed(entries, wanted),
    ...overlays.flatMap((overlay) => overlayOptionsNamed(overlay, wanted)),
  ];
  if (sections.length === 0) {
    const names = [
      ...entries.flatMap(({ type, options }) => [...type.names, ...options.map(({ name }) => name)]),
      ...globalOptions.flatMap(({ names }) => names.map(normal)),
      ...overlays.flatMap(({ name, options }) => [name, ...options.map(({ name }) => name)]),
    ];
    const near = nearest(wanted, names);
    throw new ConfigError(
      `no help for "${topic}"${near ? `; did you mean "${near}"?` : '; use option "-h" for a list'}`,
    );
  }
  return `${sections.join("\n\n")}\n`;
}

/** Options of the program by that name; -t is not -T where both could be meant. */
function globalNamed(topic: string): readonly GlobalOption[] {
  const exact = globalOptions.filter(({ names }) => names.includes(topic));
  if (exact.length > 0) return exact;
  return globalOptions.filter(({ names }) => names.some((name) => normal(name) === normal(topic)));
}

/** The spelling topics are compared in. */
function normal(name: string): string {
  return name.replace(/^--?/, "").replaceAll("_", "-").toLowerCase();
}

/** `-t SECONDS`, `-ly[FACILITY]`, `-B, --max-message=SIZE`. */
export function globalUsage({ names, value }: GlobalOption): string {
  const last = names.findLast((name) => name.startsWith("--")) ?? names.at(-1)!;
  const spellings = names.join(", ");
  if (!value) return spellings;
  if (!last.startsWith("--")) return value.attached ? `${spellings}[${value.label}]` : `${spellings} ${value.label}`;
  return spellings.replace(last, value.optional ? `${last}[=${value.label}]` : `${last}=${value.label}`);
}

function globalSection(option: GlobalOption): string {
  return [globalUsage(option), ...wrap(option.help, 2), `Example: ${option.example}`].join("\n");
}

function typeUsage({ type }: TypeEntry, level: 1 | 2 | 3): string {
  const aliases = level === 3 && type.names.length > 1 ? `  (${type.names.slice(1).join(" ")})` : "";
  return `${usage(type)}${aliases}`;
}

const directionTexts = { both: "", read: "; for reading only", write: "; for writing only" } as const;

function typeSection(entry: TypeEntry): string {
  const { type, kind, end, direction, options, what } = entry;
  const facts = [`${what}; ${kind}${directionTexts[direction]}`];
  if (end) facts.push(`when the other side ended: ${endTexts[end] ?? end}`);
  if (type.names.length > 1) facts.push(`aliases: ${type.names.slice(1).join(" ")}`);
  if (type.implies) {
    facts.push(`implies: ${Object.keys(type.implies).map((key) => key.replaceAll("_", "-")).join(" ")}`);
  }
  return [
    usage(type),
    ...wrap(type.help, 2),
    ...facts.map((fact) => `  ${fact}`),
    ...optionList(options),
    `Example: ${exampleOf(entry)}`,
  ].join("\n");
}

function overlaySection(overlay: OverlayEntry): string {
  const { name, help, options, like } = overlay;
  return [
    `${name}:<address>`,
    ...wrap(help, 2),
    ...(like.length > 0 ? [`  options: those of ${like.join(" and ")}`] : []),
    ...optionList(options),
    `Example: ${overlayExample(overlay)}`,
  ].join("\n");
}

function optionList(options: readonly OptionEntry[]): string[] {
  if (options.length === 0) return [];
  return ["Options:", ...table(options.map((o) => [optionUsage(o), o.schema.notes.help ?? ""]), 2)];
}

const endTexts: Readonly<Record<string, string>> = {
  half: "its writing half is shut, it may still send",
  close: "it is closed",
  none: "nothing, until silence ends the session",
  zero: "an empty datagram is sent",
};

/** One section for each meaning the option has, that of listeners first: types may use one name for different things. */
function optionsNamed(entries: readonly TypeEntry[], wanted: string): string[] {
  const all = entries.flatMap((entry) => entry.options.map((option) => ({ entry, option })));
  const found = all.filter(({ option }) => [option.name, ...option.aliases].some((name) => normal(name) === wanted));
  const [listening, others] = [true, false].map((listens) =>
    found.filter(({ entry: { type } }) => (type.role === "listen") === listens)
  );
  return Map.groupBy([...listening!, ...others!], ({ option }) => option.schema.notes.help).values().map((uses) => {
    const takers = uses.map(({ entry: { type } }) => type.names[0]!);
    return optionText(uses[0]!.option, optionExample(uses), takers);
  }).toArray();
}

function overlayOptionsNamed(overlay: OverlayEntry, wanted: string): string[] {
  return overlay.options
    .filter(({ name, aliases }) => [name, ...aliases].some((name) => normal(name) === wanted))
    .map((option) => optionText(option, overlayExample(overlay, option), [`${overlay.name}:`]));
}

function optionText(option: OptionEntry, example: string, takers: readonly string[]): string {
  const { notes, repeatable } = option.schema;
  return [
    optionUsage(option),
    ...wrap(notes.help ?? "", 2),
    ...(option.aliases.length > 0 ? [`  aliases: ${option.aliases.join(" ")}`] : []),
    ...(notes.default !== undefined ? [`  default: ${option.schema.print(notes.default)}`] : []),
    ...(repeatable ? ["  may be given several times"] : []),
    `Example: ${example}`,
    ...wrap(`for: ${takers.join(" ")}`, 2),
  ].join("\n");
}

/** All options of addresses by their group, each meaning once. */
function optionSection(entries: readonly TypeEntry[], level: 1 | 2 | 3): string[] {
  const options = entries.flatMap(({ options }) => options);
  const unique = [...new Map(options.map((option) => [`${option.name} ${option.schema.notes.help}`, option])).values()];
  const lines = ["Options of addresses (which type takes which: --help=<type>):"];
  for (const [group, members] of Map.groupBy(unique, ({ group }) => group)) {
    lines.push(`  ${group}:`);
    const rows = members.toSorted((a, b) => a.name.localeCompare(b.name)).map((option): [string, string] => [
      level === 3 && option.aliases.length > 0
        ? `${optionUsage(option)}  (${option.aliases.join(" ")})`
        : optionUsage(option),
      option.schema.notes.help ?? "",
    ]);
    lines.push(...table(rows, 4));
  }
  return [...lines, ""];
}

/** Two columns; a left part that is too long gets a line of its own. */
function table(rows: readonly (readonly [string, string])[], indent: number): string[] {
  const width = Math.min(34, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) => {
    const pad = " ".repeat(indent);
    const [first = "", ...more] = wrap(right, 0, lineWidth - indent - width - 2);
    const rest = more.map((line) => `${pad}${" ".repeat(width + 2)}${line}`);
    if (left.length > width) return [`${pad}${left}`, `${pad}${" ".repeat(width + 2)}${first}`, ...rest];
    return [`${pad}${left.padEnd(width)}  ${first}`.trimEnd(), ...rest];
  });
}

function wrap(text: string, indent: number, width = lineWidth - indent): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line].map((one) => " ".repeat(indent) + one);
}
