/** Runs what the arguments ask for until it is done, a signal comes, or time is up. */
import type { Plan } from "../config/plan.ts";
import type { L7mpError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Registry } from "../protocol.ts";
import { Proxy, type ProxyEvents, type ProxyOptions } from "../proxy.ts";
import { after } from "../stream/timer.ts";
import type { LogSettings } from "./admin_settings.ts";
import { announcement } from "./announce.ts";
import type { Arguments } from "./arguments.ts";
import { chooseDriver } from "./choose_driver.ts";
import { type DumpFormat, dumpTap } from "./dump.ts";
import { Ending } from "./ending.ts";
import type { Sink } from "./log_sink.ts";
import type { RawCopies } from "./raw_copies.ts";
import { SignalTakers } from "./signal_takers.ts";
import { handleSignals } from "./signals.ts";
import { statisticsLines } from "./statistics.ts";
import { version } from "./version.ts";

/** Where everything that is not payload goes. */
export interface Outlets {
  readonly log: Log;
  /** The same log for what was asked for by name: written whatever the level is. */
  readonly asked: Log;
  readonly standardError: Sink;
  /** Opens a file, or `-` for standard error; closed by whoever made these outlets. */
  open(path: string): Sink;
  /** Called once everything is open, if not twice: the log of `-lm` goes to the system's logger from now on. */
  readonly started?: () => void;
  /** Opens every file anew. */
  reopen(): void;
  /** The log goes on like this. Throws `ConfigError` when its file cannot be opened; nothing has changed then. */
  changeLog(settings: LogSettings): void;
}

/** What is to run in a proxy. */
export interface Service {
  readonly plan: Plan;
  /** Many sessions are possible: they get `--grace`. */
  readonly many: boolean;
  /** What its proxy has beyond what every proxy has. */
  readonly options?: Partial<ProxyOptions>;
  readonly events?: ProxyEvents;
  /** What names of files about a session can know of it. */
  readonly variables?: Registry["environment"];
  /** Resolves when there is nothing left to do. */
  run(proxy: Proxy): Promise<{ error?: L7mpError }>;
  /** Reads the configuration again (SIGHUP); absent: the signal ends the program. */
  reload?(): void;
  /** Releases what the service owns; nothing runs any more. */
  close?(): Promise<void>;
}

const cutLimitMs = 3000;

/** Runs `plan`; resolves with the exit status when every session has ended. */
export function serve(
  plan: Plan,
  given: Arguments,
  outlets: Outlets,
  variables: Service["variables"],
): Promise<number> {
  const many = plan.listeners.some(({ endpoint }) => endpoint.listen?.fork || endpoint.connect?.fork);
  return serveUntilEnd({ plan, many, variables, run: (proxy) => proxy.run() }, given, outlets);
}

/** Resolves with the exit status when `service` is done or the program is to end. */
export async function serveUntilEnd(service: Service, given: Arguments, outlets: Outlets): Promise<number> {
  const { log, asked, reopen, standardError } = outlets;
  const { plan, many } = service;
  const { graceMs, timeoutMs, exitClass } = given;
  const events = bothEvents(await makeEvents(given, outlets, many), service.events);
  const driver = await chooseDriver(given.driver, log);
  const tap = (format: DumpFormat) => dumpTap({ format, write: (block) => standardError.write(block) });
  let copies: Promise<RawCopies> | undefined;
  const openCopy: ProxyOptions["openCopy"] = async (name, caller, log) => {
    const { program } = given;
    copies ??= import("./raw_copies.ts").then(({ RawCopies }) => new RawCopies(program));
    return (await copies).open(name, service.variables?.({ ...caller, program, version }) ?? {}, log);
  };
  const takers = new SignalTakers();
  const shared = { driver, log, tap, openCopy, takeSignal: takers.take };
  const proxy = new Proxy({ plan, ...shared, ...settingsOf(given), ...service.options, events });
  const statistics = (withSessions: boolean) => {
    for (const line of statisticsLines(proxy.sessions.totals(), withSessions)) asked.info("statistics", line);
  };
  const ending = new Ending(proxy, { log, graceMs: many ? graceMs : 0, exitClass, cutLimitMs });
  const releaseSignals = handleSignals({
    pass: (name) => takers.pass(name),
    end: (signal) => ending.bySignal(signal),
    statistics: () => statistics(many),
    reopen() {
      reopen();
      copies?.then((copies) => copies.reopen());
    },
    reload: service.reload && (() => service.reload!()),
  });
  const releaseFaults = handleFaults((error) => ending.byFault(error));
  const timer = after(timeoutMs ?? Infinity, () => ending.byTimeout(timeoutMs!));
  const lock = given.lock && new (await import("./process_lock.ts")).ProcessLock(given.lock, log);
  const run = () => lock ? lock.hold(() => service.run(proxy)) : service.run(proxy);
  try {
    run().then(({ error }) => ending.byItself(error), (error) => ending.byFault(error));
    return await ending.status;
  } finally {
    timer.stop();
    releaseFaults();
    releaseSignals();
    try {
      await service.close?.();
      if (given.statistics) statistics(false);
    } finally {
      lock?.release();
      driver.close();
    }
  }
}

/** Both are told of what both hear of. */
function bothEvents(one: ProxyEvents, other: ProxyEvents | undefined): ProxyEvents {
  if (!other) return one;
  return {
    ...one,
    ...other,
    onSessionChange(session) {
      one.onSessionChange?.(session);
      other.onSessionChange?.(session);
    },
    onSessionEnd(record, session) {
      one.onSessionEnd?.(record, session);
      other.onSessionEnd?.(record, session);
    },
  };
}

function settingsOf({ program, ipVersion, http, compatSocat, insecure }: Arguments) {
  return { program, version, ipVersion, http, compatSocat, insecure };
}

async function makeEvents(given: Arguments, { open, started }: Outlets, many: boolean): Promise<ProxyEvents> {
  const { accessLog: path, announce } = given;
  const accessLog = path === undefined ? undefined : await openAccessLog(given, open);
  const announcements = announce === undefined ? undefined : open(announce);
  return {
    onSessionEnd: accessLog && ((record, session) => accessLog.write(record, session)),
    onListening: (announcements || started) && ((type, address) => {
      announcements?.write(`${announcement(type, address)}\n`);
      if (many) started?.();
    }),
    onSessionChange: started && ((session) => {
      if (session.connected) started();
    }),
  };
}

async function openAccessLog(given: Arguments, open: Outlets["open"]) {
  const { AccessLog } = await import("./access_log.ts");
  const { accessSettings } = await import("./admin_settings.ts");
  const accessLog = new AccessLog(open);
  accessLog.prepare(accessSettings(given, given.admin)).commit();
  return accessLog;
}

/** Hears of errors that nobody caught, until the returned function is called. */
function handleFaults(onFault: (error: unknown) => void): () => void {
  const rejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    onFault(event.reason);
  };
  const thrown = (event: ErrorEvent) => {
    event.preventDefault();
    onFault(event.error);
  };
  addEventListener("unhandledrejection", rejection);
  addEventListener("error", thrown);
  return () => {
    removeEventListener("unhandledrejection", rejection);
    removeEventListener("error", thrown);
  };
}
