/** The program from its arguments to its exit status. */
import { ConfigError, L7mpError } from "../errors.ts";
import { Log, type LogOptions } from "../log.ts";
import type { LoadPlugins } from "../protocol.ts";
import { type Arguments, defaultArguments, readArguments } from "./arguments.ts";
import { type Host, systemHost } from "./host.ts";
import { internalError } from "./internal_error.ts";
import { openSink, type Sink } from "./log_sink.ts";
import type { Outlets } from "./serve.ts";

/** Runs the program and resolves with its exit status; never rejects. Everything it says has been written by then. */
export async function run(words: readonly string[], load: LoadPlugins, host: Host = systemHost()): Promise<number> {
  const given = defaultArguments();
  const sinks = new Set<Sink>();
  const lost = (message: string) => new Log(logOptions(given, host, host.standardError)).error("log.lost", message);
  const open = (path: string) => {
    const sink = openSink(path, host.standardError, lost);
    const owned: Sink = {
      ...sink,
      close() {
        sinks.delete(owned);
        sink.close();
      },
    };
    sinks.add(owned);
    return owned;
  };
  let log = new Log(logOptions(given, host, host.standardError));
  let status: number;
  if (words[0] === "ctl") return await (await import("./ctl.ts")).runCtl(words.slice(1), host);
  try {
    if (host.startedAs === "socat") given.compatSocat = true;
    const fault = faultOf(() => readArguments(words, host.environment, given));
    // A fault is told the way the options before it ask for; a mere question about a command line leaves no file.
    const syslog = given.mode === "run" ? await openSyslog(given, host, lost) : undefined;
    if (syslog) sinks.add(syslog);
    const openLog = (file: string | undefined): Sink =>
      syslog ?? (file === undefined ? host.standardError : open(file));
    const sink = given.mode === "run" ? openLog(given.log.file) : host.standardError;
    const options = logOptions(given, host, sink);
    const asked = { ...options, level: "info" } satisfies LogOptions;
    log = new Log(options);
    if (fault !== undefined) throw fault;
    for (const { level, message } of given.notes) log[level]("option.ignored", message);
    let current = { file: given.log.file, sink };
    const outlets: Outlets = {
      log,
      asked: new Log(asked),
      standardError: host.standardError,
      open,
      started: syslog?.start,
      reopen: () => sinks.forEach((sink) => sink.reopen()),
      changeLog({ level, format, quiet, file }) {
        const before = current;
        // What a configuration calls so is no file.
        const toOutput = file === "stdout" && !syslog;
        if (file !== before.file) current = { file, sink: toOutput ? host.standardOutput : openLog(file) };
        const { sink } = current;
        const { write } = logOptions(given, host, sink);
        Object.assign(options, { level, format, quiet, write });
        Object.assign(asked, { format, write });
        if (before.sink !== sink) before.sink.close();
      },
    };
    status = await act(given, load, host, outlets);
  } catch (error) {
    status = tell(error, log, given);
  }
  log.notice("exit", `exiting with status ${status}`, { status });
  for (const sink of sinks) sink.close();
  return status;
}

function faultOf(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
}

function logOptions({ log, program }: Arguments, host: Host, sink: Sink): LogOptions {
  const { level, format, microseconds } = log;
  const hostName = log.hostName ? host.environment("HOSTNAME") || host.hostName() : undefined;
  const write: LogOptions["write"] = (line, entry) => sink.write(`${line}\n`, entry);
  return { level, format, microseconds, program, pid: host.pid, hostName, write };
}

/** The sink of `-ly` and `-lm`. */
async function openSyslog({ log, program }: Arguments, host: Host, onFailure: (message: string) => void) {
  if (!log.syslog) return undefined;
  const { syslogSink } = await import("./syslog.ts");
  const { standardError, pid, syslogPath: path } = host;
  return syslogSink({ ...log.syslog, path, program, pid, standardError, onFailure });
}

/** The one line of an error that ends the program, and the exit status. */
function tell(error: unknown, log: Log, { exitClass }: Arguments): number {
  if (error instanceof L7mpError) {
    log.error(error instanceof ConfigError ? "config.error" : "error", error.message, { code: error.code });
    return exitClass ? error.exitStatus : 1;
  }
  const { message, stack } = internalError(error);
  log.fatal("internal", message);
  log.debug("internal.stack", stack);
  return 1;
}

/** Each mode loads what it needs: modules cost more at start than anything else. */
async function act(given: Arguments, load: LoadPlugins, host: Host, outlets: Outlets): Promise<number> {
  switch (given.mode) {
    case "help": {
      const { helpText, topicText } = await import("./help.ts");
      const { helpTopic, helpLevel } = given;
      const registry = await load();
      host.print(helpTopic === undefined ? helpText(registry, helpLevel) : topicText(registry, helpTopic));
      return 0;
    }
    case "version":
      host.print((await import("./version.ts")).versionText(await load()));
      return 0;
  }
  const { access_log_format: accessFormat } = given.admin;
  if (accessFormat !== undefined) {
    (await import("./access_log.ts")).readAccessFormat(accessFormat, 'option "--access-log-format"');
    if (given.accessLog === undefined && given.config.length === 0) {
      outlets.log.warn("option.ignored", "option --access-log-format has no effect without --access-log");
    }
  }
  const served = given.adminAddress !== undefined || given.prometheusAddress !== undefined;
  if (given.config.length > 0 || served || given.mode === "run" && given.words.some(isPrometheus)) {
    return await (await import("./configured.ts")).runConfigured(given, await load(), host, outlets);
  }
  return await (await import("./addresses.ts")).runAddresses(given, load, host, outlets);
}

/** Metrics are counted only where somebody can ask for them. */
function isPrometheus(word: string): boolean {
  return /^prometheus\b/i.test(word);
}
