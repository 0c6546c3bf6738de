/** Runs a plan until it is done, a signal comes, or time is up. */
import type { Plan } from "../config/plan.ts";
import { Log } from "../log.ts";
import { Proxy } from "../proxy.ts";
import { accessLine } from "./access_log.ts";
import { announcement } from "./announce.ts";
import type { Arguments } from "./arguments.ts";
import { chooseDriver } from "./choose_driver.ts";
import { dumpTap } from "./dump.ts";
import { Ending } from "./ending.ts";
import type { Sink } from "./log_sink.ts";
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
  /** Opens every file anew. */
  reopen(): void;
}

const cutLimitMs = 3000;

/** Resolves with the exit status when every session has ended. */
export async function serve(plan: Plan, given: Arguments, outlets: Outlets): Promise<number> {
  const { log, asked, reopen } = outlets;
  const { graceMs, timeoutMs, exitClass } = given;
  const events = makeEvents(given, outlets);
  const driver = await chooseDriver(given.driver, log);
  const proxy = new Proxy({ plan, driver, log, events, tap: makeTap(given, outlets), ...settingsOf(given) });
  const many = plan.listeners.some(({ endpoint }) => endpoint.listen?.fork || endpoint.connect?.fork);
  const statistics = (withSessions: boolean) => {
    for (const line of statisticsLines(proxy.statistics(), withSessions)) asked.info("statistics", line);
  };
  const ending = new Ending(proxy, { log, graceMs: many ? graceMs : 0, exitClass, cutLimitMs });
  const releaseSignals = handleSignals({
    end: (signal) => ending.bySignal(signal),
    statistics: () => statistics(many),
    reopen,
  });
  const releaseFaults = handleFaults((error) => ending.byFault(error));
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => ending.byTimeout(timeoutMs), timeoutMs);
  try {
    proxy.run().then(({ error }) => ending.byItself(error), (error) => ending.byFault(error));
    return await ending.status;
  } finally {
    clearTimeout(timer);
    releaseFaults();
    releaseSignals();
    if (given.admin.statistics) statistics(false);
    driver.close();
  }
}

function settingsOf({ program, ipVersion, http, compatSocat, insecure }: Arguments) {
  return { program, version, ipVersion, http, compatSocat, insecure };
}

function makeEvents(
  { admin, announce, log }: Arguments,
  { open }: Outlets,
): ConstructorParameters<typeof Proxy>[0]["events"] {
  const accessLog = admin.access_log_path === undefined ? undefined : open(admin.access_log_path);
  const announcements = announce === undefined ? undefined : open(announce);
  const format = log.format === "json" ? "json" : "text";
  return {
    onSessionEnd: accessLog && ((record) => accessLog.write(`${accessLine(record, format)}\n`)),
    onListening: announcements &&
      ((type, address) => announcements.write(`${announcement(type, address)}\n`)),
  };
}

function makeTap({ session: { dump } }: Arguments, { standardError }: Outlets) {
  return dump && (() => dumpTap({ format: dump, write: (block) => standardError.write(block) }));
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
