/** `-ly` and `-lm`: the log to the system's logger, as RFC 3164 has it on a machine of its own. */
import type { LogEntry } from "../log.ts";
import { type LineSocket, lineSocket } from "../native/line_socket.ts";
import type { Sink } from "./log_sink.ts";
import { syslogFacilities } from "./syslog_facilities.ts";

const severities: Readonly<Record<LogEntry["level"], number>> = {
  fatal: 2,
  error: 3,
  warn: 4,
  notice: 5,
  info: 6,
  debug: 7,
};

/** How long a line waits for room, in looks of a millisecond; the program stands still meanwhile. */
const patience = 100;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

export interface SyslogOptions {
  /** The logger's socket. */
  readonly path: string;
  /** One of `syslogFacilities`. */
  readonly facility: string;
  readonly program: string;
  readonly pid: number;
  /** Takes the lines that the logger does not, and before `start` all. */
  readonly standardError: Sink;
  /** Standard error takes the lines until `start` is called. */
  readonly mixed: boolean;
  /** Hears of the first line that the logger does not take, and again after it has taken some. */
  onFailure(message: string): void;
}

export interface SyslogSink extends Sink {
  /** Everything is open: from now on lines go to the logger. */
  start(): void;
}

/** Throws a `ConfigError` where libc is not to be had. */
export function syslogSink(options: SyslogOptions): SyslogSink {
  const { path, facility, program, pid, standardError, onFailure } = options;
  const socket = lineSocket(path);
  let waiting = options.mixed;
  let failing = false;
  return {
    write(text, entry) {
      if (waiting || !entry) return standardError.write(text);
      const priority = syslogFacilities[facility]! * 8 + severities[entry.level];
      const line = `<${priority}>${timestamp(new Date())} ${program}[${pid}]: ${entry.body}`;
      const fault = send(socket, new TextEncoder().encode(line), failing ? 0 : patience);
      if (fault !== undefined) {
        if (!failing) onFailure(`${fault}; the log goes to standard error until this is mended`);
        standardError.write(text);
      }
      failing = fault !== undefined;
    },
    start: () => void (waiting = false),
    reopen: () => socket.close(),
    close: () => socket.close(),
  };
}

function send(socket: LineSocket, line: Uint8Array, looks: number): string | undefined {
  for (;; looks--) {
    const result = socket.send(line);
    if (result === undefined) return undefined;
    if (result !== "full") return result.fault;
    if (looks <= 0) return "send: the system's logger takes nothing";
    Atomics.wait(sleeper, 0, 0, 1);
  }
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Local time as RFC 3164 section 4.1.2 has it: `Nov  2 03:04:05`. */
function timestamp(time: Date): string {
  const two = (n: number, fill = "0") => String(n).padStart(2, fill);
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return `${months[time.getMonth()]} ${two(time.getDate(), " ")} ${clock}`;
}
