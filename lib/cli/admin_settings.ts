/** What a configuration's `admin` says about the process, where the command line says nothing. */
import type { AdminDocument } from "../config/document.ts";
import { adminSettings } from "../config/settings.ts";
import type { Level, LogOptions } from "../log.ts";
import type { AccessSettings } from "./access_log.ts";
import type { Arguments } from "./arguments.ts";

/** The original's levels, most talkative first, and what they are here. */
const levels: Readonly<Record<string, Level | "silent">> = {
  silly: "debug",
  verbose: "debug",
  debug: "debug",
  info: "info",
  notice: "notice",
  warn: "warn",
  warning: "warn",
  error: "error",
  silent: "silent",
};

/** Settings that hold from the start to the end of the process. Throws `ConfigError`. */
export function applyProcessSettings(given: Arguments, admin: AdminDocument): void {
  const { grace, timeout, driver } = adminSettings.parse({ ...admin }, "admin") as Record<string, unknown>;
  given.statistics ||= admin.statistics === true;
  if (given.admin.grace === undefined && grace !== undefined) given.graceMs = grace as number;
  if (given.admin.timeout === undefined && timeout !== undefined) given.timeoutMs = timeout as number;
  if (given.admin.driver === undefined && driver !== undefined) given.driver = driver as Arguments["driver"];
}

/** Where log lines go: standard output, standard error (`undefined`), or a file. */
export interface LogSettings extends Pick<LogOptions, "level" | "format" | "quiet"> {
  readonly file: string | undefined;
}

/**
 * The log's settings. `admin` has the command line's settings where there were some when it was loaded; its level may
 * have been changed since.
 */
export function logSettings({ admin: own, log }: Arguments, admin: AdminDocument): LogSettings {
  const level = levels[admin.log_level ?? own.log_level ?? "info"] ?? "info";
  return {
    level,
    format: own.log_format === undefined ? admin.log_format ?? log.format : log.format,
    // Where nobody asks for more than what is usual.
    quiet: own.log_level === undefined && level === "info",
    file: log.file ?? (admin.log_file === "stderr" ? undefined : admin.log_file),
  };
}

/** The access log's settings, as those of the log; where nothing says how lines look, they are JSON if the log's are. */
export function accessSettings(given: Arguments, admin: AdminDocument): AccessSettings {
  const { admin: own } = given;
  const usual = logSettings(given, admin).format === "json" ? "json" : "text";
  return {
    path: admin.access_log_path ?? own.access_log_path,
    format: admin.access_log_format ?? own.access_log_format ?? usual,
  };
}
