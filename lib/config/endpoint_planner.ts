/** Checks one address and resolves its settings: values, kinds of its layers, direction, the plug-ins' own checks. */
import { ConfigError } from "../errors.ts";
import type { Direction, Registry } from "../protocol.ts";
import { nameOf } from "./address_printer.ts";
import { checkConnect } from "./check_connect.ts";
import { kindOf, kindOfLevels } from "./document_reader.ts";
import type { ParsedAddress } from "./endpoint_parser.ts";
import { callerRule, connectOptions, type ListenOptions, listenOptions, streamOptions } from "./engine_options.ts";
import { mask } from "./printer.ts";
import type { Endpoint, PlannedLayer, PlannedProtocol } from "./plan.ts";
import { type Level, mainLevel, type Place, pluginOf, type Settings, type Stack, typeName } from "./stack.ts";
import { proxyName, withProxies } from "./via.ts";

/** Plans an address at `place` that is used in `direction`. Throws `ConfigError`. */
export function planEndpoint(
  address: ParsedAddress,
  place: Place,
  direction: Direction,
  registry: Registry,
): Endpoint {
  if ("single" in address) return planStack(address.single, place, direction, registry);
  const read = planStack(address.dual.read, "half", "read", registry);
  const write = planStack(address.dual.write, "half", "write", registry);
  return {
    name: nameOf(address),
    role: "local",
    direction,
    kind: read.kind,
    source: { dual: { read, write } },
    layers: [],
    stream: streamOptions.parse({}, ""),
    connect: connectOptions.parse({}, ""),
  };
}

function planStack(stack: Stack, place: Place | "half", direction: Direction, registry: Registry): Endpoint {
  const { role } = stack;
  const [outer] = stack.levels;
  const at = outer.at ?? typeName(stack);
  checkDirection(stack, place, direction);
  checkKinds(stack);
  checkSharing(stack);
  const { levels } = withProxies(stack, registry);
  // Listeners of files serve many sessions unless they say otherwise; one as destination waits for one peer.
  const many = role === "listen" && place === "listener" && outer.settings.oneshot !== true;
  const fork = many ? outer.settings.fork ?? true : outer.settings.fork;
  const shared = { ...sharedBy(outer), fork };
  const specs = levels.map((level, i) => {
    const plugin = pluginOf(level);
    for (const [key, schema] of Object.entries(plugin.spec.fields)) {
      if (!schema.notes.secret || ![level.settings[key]].flat().includes(mask)) continue;
      throw new ConfigError(`${level.at ?? at}.${key}: the secret is masked; write the real one (--show-secrets)`);
    }
    const spec = plugin.spec.parse(
      { ...shared, ...peerOf(levels.slice(i)), ...level.settings },
      level.at ?? at,
    );
    if (level.layer?.proxy) Object.assign(spec as Settings, { proxy: proxyName(levels.slice(i + 1)) });
    const type = mainLevel(stack.levels).type ?? level.type;
    plugin.check?.(spec, { role, direction, type: type?.names[0] });
    return spec;
  });
  const base = levels.at(-1)! as Extract<Level, { protocol: unknown }>;
  const source: PlannedProtocol = { protocol: base.protocol!, spec: specs.at(-1) };
  const layers = levels.slice(0, -1).map((level, i): PlannedLayer => ({ layer: level.layer!, spec: specs[i] }))
    .reverse();
  const endpoint = {
    name: nameOf({ single: stack }),
    role,
    direction,
    kind: kindOf(stack),
    source,
    layers,
    stream: streamOptions.parse(outer.settings, at),
  };
  if (role !== "listen") {
    const connect = connectOptions.parse(outer.settings, at);
    checkConnect(endpoint, connect);
    checkSessions(stack, connect);
    return { ...endpoint, connect };
  }
  const listen = listenOptions.parse(outer.settings, at);
  checkAdmission(stack, layers, listen);
  const served = { ...listen, fork: many && (listen.fork ?? true) };
  checkSessions(stack, served);
  return { ...endpoint, listen: served };
}

/** Refuses a bound on the number of sessions where there is one: who wrote it has forgotten `fork`. */
function checkSessions(stack: Stack, { fork, max_children }: Pick<ListenOptions, "fork" | "max_children">): void {
  if (max_children === undefined || fork) return;
  throw new ConfigError(`option "max-children" of ${typeName(stack)} not allowed without option fork`);
}

/** Refuses rules about the IP addresses of callers that have none: nobody would ever be refused. */
function checkAdmission(stack: Stack, layers: readonly PlannedLayer[], listen: ListenOptions): void {
  const option = callerRule(listen);
  if (!option || layers.some(({ layer }) => layer.tellsCaller)) return;
  const { protocol } = stack.levels.at(-1) as Extract<Level, { protocol: unknown }>;
  const types = protocol!.types.filter(({ role }) => role === "listen");
  // A descriptor tells once it is open.
  if (types.some(({ parameters: { form } }) => form.endsWith("port") || form === "number")) return;
  throw new ConfigError(`option "${option}" does not apply to ${typeName(stack)}: its callers have no IP address`);
}

/**
 * Host and port stand once, at the base or the proxy's client that connects to them; the layers on top of that may want
 * to name them in their requests.
 */
function peerOf(levels: readonly Level[]): Settings {
  const client = levels.findIndex((level) => level.layer?.proxy);
  if (client < 0 && !levels.at(-1)!.type?.parameters.form.endsWith("port")) return {};
  // What lies under the client is the way to the proxy.
  const known = client < 0 ? levels : levels.slice(0, client + 1);
  const valueOf = (key: string) => known.find((level) => level.settings[key] !== undefined)?.settings[key];
  return { address: valueOf("address"), port: valueOf("port") };
}

/** What the engine is told at the outermost level and lower ones want to know too: lines are messages. */
function sharedBy({ settings: { lines, null_lines } }: Level): Settings {
  return { lines, null_lines };
}

function checkDirection(stack: Stack, place: Place | "half", direction: Direction): void {
  const only = stack.levels.map((level) => level.type?.direction).find((only) => only && only !== "both");
  if (!only || only === direction) return;
  const first = place === "listener";
  const [verb, option] = only === "read"
    ? ["writing", first ? "-u" : "-U"] as const
    : ["reading", first ? "-U" : "-u"] as const;
  const cure = place === "half" ? "swap the halves around" : `use ${option}, or`;
  const name = typeName(stack);
  const both = /^STD(IN|OUT)$/.test(name) && place !== "half" ? "; for both ways -" : "";
  throw new ConfigError(`${name}: cannot be used for ${verb} (${cure} "!!"${both})`);
}

/** What is said over a connection that many share, each of them would say again. */
function checkSharing({ levels }: Stack): void {
  const sharing = levels.findLastIndex(({ layer }) => layer?.share);
  const over = levels.slice(0, Math.max(sharing, 0)).find(({ layer }) => layer && !layer.wrap);
  if (!over) return;
  const [shared, other] = [levels[sharing]!, over].map(({ layer }) => `${layer!.schemes[0]}:`);
  if (shared === other) throw new ConfigError(`"${shared}" stands once in front of an address`);
  throw new ConfigError(`"${other}" needs a connection of its own: "${shared}" stands in front of it`);
}

function checkKinds({ levels }: Stack): void {
  for (const [i, level] of levels.entries()) {
    const lower = levels.slice(i + 1);
    if (!level.layer || level.layer.needs === "any") continue;
    const gives = kindOfLevels(lower);
    if (gives === "either" || gives === level.layer.needs) continue;
    const { name } = pluginOf(mainLevel(lower));
    throw new ConfigError(`${level.layer.name} needs a ${level.layer.needs} stream under it, ${name} is ${gives}`);
  }
}
