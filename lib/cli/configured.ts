/** The program with a configuration: from files, from addresses, or both, and with what serves the REST API. */
import type { AdminDocument, ConfigDocument, RouteDocument } from "../config/document.ts";
import { loadFiles } from "../config/load.ts";
import { planDocument } from "../config/planner.ts";
import { RunningControl } from "../control/running_control.ts";
import { ConfigError, L7mpError } from "../errors.ts";
import { Metrics } from "../metrics/metrics.ts";
import type { Registry } from "../protocol.ts";
import type { Proxy } from "../proxy.ts";
import { type ServedListener, servePlanned } from "../session/way.ts";
import { AccessLog, readAccessFormat } from "./access_log.ts";
import { documentOf } from "./addresses.ts";
import { accessSettings, applyProcessSettings, type LogSettings, logSettings } from "./admin_settings.ts";
import type { Arguments } from "./arguments.ts";
import { type ControlAddress, readControlAddress } from "./control_address.ts";
import type { Host } from "./host.ts";
import { type Outlets, serveUntilEnd, type Service } from "./serve.ts";
import { version } from "./version.ts";

/** A configuration, and how an error about it is told. */
interface Loaded {
  readonly document: ConfigDocument;
  explain(error: unknown): Promise<unknown>;
}

/** Runs, checks or prints it; resolves with the exit status. Throws `ConfigError`. */
export async function runConfigured(
  given: Arguments,
  registry: Registry,
  host: Host,
  outlets: Outlets,
): Promise<number> {
  // Without addresses it is a service, whose exit status tells what was wrong.
  if (given.config.length > 0 && given.words.length === 0) given.exitClass = true;
  const stdin = await stdinOf(given, host);
  const loaded = await load(given, registry, stdin);
  const { document } = loaded;
  const tokenFile = given.adminTokenFile ?? document.admin?.token_file;
  const own = await ownListeners({ ...given, adminTokenFile: tokenFile }, registry);
  switch (given.mode) {
    case "plan": {
      const { printDocument } = await import("../config/printer.ts");
      const { planFormat: format, showSecrets } = given;
      host.print(await printDocument(document, registry, { format, showSecrets }));
      return 0;
    }
    case "check":
      await checkOnly(loaded, given, registry, outlets);
      return 0;
  }
  const service = new ConfiguredService({ given, registry, outlets, own, loaded, stdin });
  await explained(loaded, async () => {
    applyProcessSettings(given, document.admin ?? {});
    const { admin = {} } = document;
    // Whether standard output is free is known only once the rest has been checked.
    service.applyAdmin(admin.log_file === "stdout" ? { ...admin, log_file: undefined } : admin);
  });
  // The service writes the access log, which may become another.
  return await serveUntilEnd(service, { ...given, accessLog: undefined }, outlets);
}

/** Standard input can be read once: what it said is kept for reloading. */
async function stdinOf({ config }: Arguments, host: Host): Promise<() => Promise<string>> {
  if (!config.includes("-")) return () => host.readInput();
  const text = await host.readInput();
  return () => Promise.resolve(text);
}

/** The files in order, and after them what the addresses of the command line stand for. */
async function load(given: Arguments, registry: Registry, stdin: () => Promise<string>): Promise<Loaded> {
  const { document, explain } = await loadFiles(given.config, { stdin });
  if (given.words.length === 0 && given.server === undefined) {
    if (given.config.length === 0) {
      throw new ConfigError('exactly 2 addresses required (there are 0); use option "-h" for help');
    }
    const admin = { ...document.admin, ...given.admin };
    return { document: { ...document, ...(Object.keys(admin).length > 0 && { admin }) }, explain };
  }
  const { listeners, admin } = await addressesDocument(given, registry);
  if (given.config.includes("-") && readsInput(listeners)) {
    throw new ConfigError("STDIO: standard input is the configuration (-c -), so it cannot be an address");
  }
  return {
    document: {
      ...document,
      admin: { ...(given.config.length === 0 && { log_level: given.log.level }), ...document.admin, ...admin },
      listeners: [...document.listeners ?? [], ...listeners ?? []],
    },
    explain,
  };
}

/** Whether anything in `document`, however deep under layers, reads standard input. */
function readsInput(document: unknown): boolean {
  if (typeof document !== "object" || document === null) return false;
  const { protocol, stream = "stdin" } = document as { protocol?: unknown; stream?: unknown };
  return protocol === "Stdio" && stream === "stdin" || Object.values(document).some(readsInput);
}

const placeholder = "ECHO";

/** `CLUSTER:name` as the last address is a cluster of the configuration. */
async function addressesDocument(given: Arguments, registry: Registry): Promise<ConfigDocument> {
  const cluster = /^cluster:(.+)$/i.exec(given.words.at(-1) ?? "")?.[1];
  if (cluster === undefined) return await documentOf(given, registry);
  const words = [...given.words.slice(0, -1), placeholder];
  const { listeners, ...rest } = await documentOf({ ...given, words }, registry);
  return {
    ...rest,
    listeners: listeners.map((listener) => ({
      ...listener,
      rules: listener.rules.map(({ action }) => {
        const route: RouteDocument = { ...action.route, destination: cluster };
        return { action: { route } };
      }),
    })),
  };
}

/** The listeners of the REST API and the metrics, which are no objects of the configuration. Throws `ConfigError`. */
async function ownListeners(given: Arguments, registry: Registry): Promise<readonly ServedListener[]> {
  const { adminAddress, prometheusAddress } = given;
  const serve = async (name: string, { word }: ControlAddress, target: string): Promise<ServedListener> => {
    const document = await documentOf({ ...given, words: [word, target], session: {}, server: undefined }, registry);
    const [planned] = planDocument(document, registry).listeners;
    // No object has a name with a blank.
    return { ...servePlanned(planned!), name: `${name} listener` };
  };
  const listeners: ServedListener[] = [];
  if (adminAddress !== undefined) {
    const address = readControlAddress(adminAddress, "--admin");
    // First what is wrong with its options.
    const listener = await serve("admin", address, "CONTROLLER");
    if (!address.local && !address.certificates && given.adminTokenFile === undefined) {
      const cure = "give --admin-token-file=FILE (admin.token_file) or cafile=, or use 127.0.0.1";
      throw new ConfigError(`--admin=${adminAddress}: can be reached from elsewhere; ${cure}`);
    }
    listeners.push(listener);
  }
  if (prometheusAddress !== undefined) {
    listeners.push(
      await serve("metrics", readControlAddress(prometheusAddress, "--prometheus", "/metrics"), "PROMETHEUS"),
    );
  }
  return listeners;
}

async function explained<T>({ explain }: Loaded, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw await explain(error);
  }
}

interface Parts {
  readonly given: Arguments;
  readonly registry: Registry;
  readonly outlets: Outlets;
  readonly own: readonly ServedListener[];
  readonly loaded: Loaded;
  readonly stdin: () => Promise<string>;
}

/** What it opens, serves and reads again. */
class ConfiguredService implements Service {
  readonly plan = { listeners: [], warnings: [] };
  readonly many = true;
  readonly options: Service["options"];
  readonly variables: Service["variables"];
  readonly events: Service["events"];
  readonly #parts: Parts;
  readonly #accessLog: AccessLog;
  #log: LogSettings;
  /** What it begins with. */
  #loaded: Loaded;
  #control: RunningControl | undefined;
  #metrics: Metrics | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#loaded = parts.loaded;
    const { registry, outlets: { log, open }, given } = parts;
    this.#accessLog = new AccessLog(open);
    this.variables = registry.environment;
    const { level, format, file } = given.log;
    this.#log = { level, format, file };
    let answer: Promise<(request: Request, caller: never) => Promise<Response>> | undefined;
    this.options = {
      observe: true,
      control: async (request, caller) => {
        answer ??= import("../admin/app.ts").then(({ createAdmin }) =>
          createAdmin(this.#control!, { registry, log, strict: given.admin.strict, tokenFile: given.adminTokenFile })
        );
        return await (await answer)(request, caller as never);
      },
      metrics: () => this.#metrics!.text(),
      steps: {
        began: (cluster) => this.#metrics?.stepBegan(cluster),
        counter: (...step) => this.#metrics!.counter(...step),
      },
    };
    if (given.config.length > 0) this.reload = () => this.#reload();
    this.events = {
      onSessionStart: (session) => {
        this.#metrics?.sessionStarted(session);
        this.#control?.sessionChanged("ADDED", session);
      },
      onSessionChange: (session) => this.#control?.sessionChanged("MODIFIED", session),
      onSessionEnd: (record, session) => {
        this.#metrics?.sessionEnded(record, session);
        this.#accessLog.write(record, session);
        this.#control?.sessionChanged("DELETED", session);
      },
      onRefused: (listener, error) => this.#metrics?.refused(listener, error),
    };
  }

  async run(proxy: Proxy): Promise<{ error?: L7mpError }> {
    const { given, registry, outlets, own } = this.#parts;
    const loaded = this.#loaded;
    const control = new RunningControl({
      registry,
      proxy,
      log: outlets.log,
      programVersion: version,
      session: given.session,
      warnOfBoundaries: given.config.length > 0,
      onAdmin: (admin) => this.applyAdmin(admin),
      onConnect: (cluster, durationMs) => this.#metrics?.connected(cluster, durationMs),
    });
    this.#control = control;
    this.#metrics = new Metrics({
      get snapshot() {
        return control.snapshot;
      },
      get clusters() {
        return control.clusters;
      },
      sessions: () => proxy.sessions.running(),
      isUp: (name) => proxy.serves(name),
    }, { version });
    try {
      await explained(loaded, async () => {
        await control.reload(loaded.document, "refuse");
        await proxy.open(own);
      });
      if (own.length === 0 && control.snapshot.listeners.size === 0) {
        const cure = "SIGHUP reads it again, --admin serves the REST API";
        outlets.log.warn("config.empty", `the configuration has no listeners, so nobody can call; ${cure}`);
      }
    } catch (error) {
      if (!(error instanceof L7mpError)) throw error;
      outlets.log.error(error instanceof ConfigError ? "config.error" : "listener.error", error.message, {
        code: error.code,
      });
      await proxy.stop(0);
      return { error };
    }
    return await proxy.ended();
  }

  /** Without files SIGHUP ends the program. */
  readonly reload?: () => void;

  #reload(): void {
    const { given, registry, outlets, stdin } = this.#parts;
    const { log } = outlets;
    const again = async () => {
      const loaded = await load(given, registry, stdin);
      if (!this.#control) {
        // It waits for its lock.
        await checkOnly(loaded, given, registry, outlets);
        this.#loaded = loaded;
      }
      await explained(loaded, async () => await this.#control?.reload(loaded.document, "refuse"));
      log.notice("config.reloaded", "configuration read again");
    };
    again().catch((error) => {
      const { message } = error as Error;
      log.error("config.error", `configuration not reloaded, the old one stays: ${message}`);
    });
  }

  async close(): Promise<void> {
    await this.#control?.[Symbol.asyncDispose]();
  }

  /** The logs go on as `admin` says. Throws `ConfigError`; nothing has changed then. */
  applyAdmin(admin: AdminDocument): void {
    const { given, outlets } = this.#parts;
    const access = this.#accessLog.prepare(accessSettings(given, admin));
    const log = logSettings(given, admin);
    try {
      if (!sameSettings(log, this.#log)) outlets.changeLog(log);
      this.#log = log;
    } catch (error) {
      access.cancel();
      throw error;
    }
    access.commit();
  }
}

function sameSettings(a: LogSettings, b: LogSettings): boolean {
  return a.level === b.level && a.format === b.format && a.quiet === b.quiet && a.file === b.file;
}

async function checkOnly(loaded: Loaded, given: Arguments, registry: Registry, { log }: Outlets): Promise<void> {
  const { Proxy } = await import("../proxy.ts");
  const { chooseDriver } = await import("./choose_driver.ts");
  await explained(loaded, async () => applyProcessSettings(given, loaded.document.admin ?? {}));
  const driver = await chooseDriver(given.driver, log);
  const settings = { program: given.program, ipVersion: given.ipVersion, compatSocat: given.compatSocat };
  const proxy = new Proxy({ plan: { listeners: [], warnings: [] }, driver, log, events: {}, ...settings });
  await using control = new RunningControl({
    registry,
    proxy,
    log,
    programVersion: version,
    session: given.session,
    warnOfBoundaries: true,
  });
  await explained(loaded, async () => {
    readAccessFormat(accessSettings(given, loaded.document.admin ?? {}).format, "admin.access_log_format");
    await control.check(loaded.document);
  });
}
