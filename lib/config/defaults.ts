/** What a command line means without saying so, written into the document where it takes effect. */
import { printDuration } from "../schema.ts";
import { getKey, knowsKey, type Level, type Place, pluginOf, type Role, same, setKey, type Stack } from "./stack.ts";
import { partsOf } from "./typed_level.ts";

export interface Defaults {
  /** `-4`, `-6`, `-0`: IP version of addresses that do not say; connectors hear of it when they connect. */
  readonly ipVersion: 4 | 6 | 0;
  /** The same of listeners only; absent: as `ipVersion`. */
  readonly listenIpVersion?: 4 | 6 | 0;
  /** `--compat=socat`: socat's defaults where ours differ. */
  readonly compat?: "socat";
  /** `--via`: proxies of outgoing connections that do not say, nearest first. */
  readonly via?: readonly string[];
  /** `--text`, `--binary`. */
  readonly messageType?: "text" | "binary";
  /** `-H`, before an address's own; `--ping-interval`, `--ping-timeout`; `-k`. */
  readonly headers?: readonly string[];
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
  readonly insecure?: boolean;
}

/** Writes the defaults that differ from those of a configuration file into the settings of `stack`. */
export function applyDefaults(stack: Stack, place: Place, defaults: Defaults): void {
  const outer = stack.levels[0];
  if (outer.settings.oneshot === true) outer.settings.fork = false;
  delete outer.settings.oneshot;
  // What a type implies is for a first address; elsewhere there is one session.
  const implied = stack.levels.some(({ type }) => type?.implies?.fork === true);
  const fork = outer.settings.fork === true && (place === "listener" || !implied);
  delete outer.settings.fork;
  // Listeners of files fork, nothing else does.
  if (fork || (stack.role === "listen" && place === "listener")) outer.settings.fork = fork;
  ipDefaults(stack, defaults);
  viaDefault(stack, defaults);
  if (defaults.messageType && !["text", "binary"].some((key) => outer.settings[key] !== undefined)) {
    if (defaults.messageType in pluginOf(outer).spec.fields) outer.settings[defaults.messageType] = true;
  }
  for (const level of stack.levels) requestDefaults(level, stack.role, defaults);
  if (defaults.compat === "socat") {
    const set = (key: string, value: unknown) => {
      if (knowsKey(stack, key) && getKey(stack, key) === undefined) setKey(stack, key, value);
    };
    set("nodelay", false);
    set("http_version", "1.0");
    const datagram = stack.levels.length === 1 && outer.protocol?.kind === "datagram";
    if (datagram && outer.settings.fork === true) outer.settings.idle_timeout ??= "0s";
  }
}

function requestDefaults(level: Level, role: Role, defaults: Defaults): void {
  const { headers = [], pingIntervalMs, pingTimeoutMs, insecure } = defaults;
  const { settings } = level;
  const { fields } = pluginOf(level).spec;
  const set = (key: string, value: unknown) => {
    if (key in fields && value !== undefined) settings[key] ??= value;
  };
  set("ping_interval", pingIntervalMs === undefined ? undefined : printDuration(pingIntervalMs));
  set("ping_timeout", pingTimeoutMs === undefined ? undefined : printDuration(pingTimeoutMs));
  set("verify", insecure ? "0" : undefined);
  // JSONSocket's header is another.
  if (role !== "connect" || headers.length === 0 || !("useragent" in fields)) return;
  settings.header = [...headers, ...(settings.header as readonly string[] | undefined) ?? []];
}

/** Connections that can go through proxies do, unless they have their own or want none. */
function viaDefault(stack: Stack, { via = [] }: Defaults): void {
  if (stack.role !== "connect" || !knowsKey(stack, "via")) return;
  const own = getKey(stack, "via");
  if (own === undefined && via.length > 0) setKey(stack, "via", [...via]);
  if (same(own, ["none"])) { for (const level of stack.levels) delete level.settings.via; }
}

/** Without a host and without `-0` a listener takes one IP version; a file's takes both where it can. */
function ipDefaults(stack: Stack, { ipVersion, listenIpVersion = ipVersion }: Defaults): void {
  if (partsOf(stack).typed.type?.parameters.form !== "[host:]port" || getKey(stack, "address") !== undefined) return;
  const pf = getKey(stack, "pf");
  const version = pf === "ip4" ? 4 : pf === "ip6" ? 6 : listenIpVersion;
  if (version !== 0) setKey(stack, "address", version === 6 ? "::" : "0.0.0.0");
}
