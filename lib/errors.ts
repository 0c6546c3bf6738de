/**
 * The error classes of l7mp. Each says where it happened (`side`), whether trying again can help (`retryable`), and
 * which exit status its class has where classes are asked for. Never thrown for success, never for a cancel.
 */

/** Where a fault lies: at our caller, at whom we call, or with ourselves. */
export type Side = "downstream" | "upstream" | "local";

export interface ErrorOptions {
  /** Stable name of the fault: an errno name such as `ECONNREFUSED`, or a word of ours such as `TIMEOUT`. */
  readonly code?: string;
  readonly side?: Side;
  readonly retryable?: boolean;
  /** What it is called where faults have HTTP's numbers: 404 no route, 503 no endpoint. Absent: told from the class. */
  readonly status?: number;
  readonly cause?: unknown;
}

export abstract class L7mpError extends Error {
  /** Exit status of the class (`--exit-class`). */
  abstract readonly exitStatus: number;
  readonly code: string;
  readonly retryable: boolean;
  /** The HTTP status of the fault, for callers whose protocol has such (HTTP, WebSocket, JSONSocket). */
  readonly status: number | undefined;
  /** Set once, by whoever knows: the relay, when a stream did not. */
  side: Side | undefined;
  /**
   * `warn` for what a listener serving many callers takes in its stride: one that may not, or cannot, be served; `info`
   * for one that left without asking for anything.
   */
  level: "error" | "warn" | "info" = "error";

  constructor(message: string, options: ErrorOptions & { defaultCode: string; defaultRetryable: boolean }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code ?? options.defaultCode;
    this.side = options.side;
    this.status = options.status;
    this.retryable = options.retryable ?? options.defaultRetryable;
  }
}

/** Bad input, found before any I/O. The message names the argument, or file, line and path. */
export class ConfigError extends L7mpError {
  readonly exitStatus = 2;
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { side: "local", ...options, defaultCode: "CONFIG", defaultRetryable: false });
  }
}

/** No stream came about: name, route, refusal, upgrade, program. Trying again may help unless said otherwise. */
export class ConnectError extends L7mpError {
  readonly exitStatus = 3;
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { ...options, defaultCode: "CONNECT", defaultRetryable: true });
  }
}

/** The peer broke a rule of its protocol. The message names the clause. */
export class ProtocolError extends L7mpError {
  readonly exitStatus = 4;
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { ...options, defaultCode: "PROTOCOL", defaultRetryable: false });
  }
}

/** A bound of ours was reached. The message names the bound and the option that sets it. */
export class LimitError extends L7mpError {
  readonly exitStatus = 5;
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { ...options, defaultCode: "LIMIT", defaultRetryable: false });
  }
}

/** An established stream failed: reset, broken pipe, timeout, failed child. */
export class StreamError extends L7mpError {
  readonly exitStatus = 6;
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { ...options, defaultCode: "STREAM", defaultRetryable: false });
  }
}

/**
 * The peer has ended in its protocol's own way, and takes no more of what there still is to send. What it said before
 * its end is delivered before the session ends with this.
 */
export class EndedError extends StreamError {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { code: "ENDED", ...options });
  }
}

/** Text of anything thrown, for a log line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Faults that the runtime reports without a code, by text. */
const uncoded: Readonly<Record<string, string>> = { "Protocol wrong type for socket": "EPROTOTYPE" };

/** What the runtime's half for Node calls otherwise than the system does. */
const systemTexts: Readonly<Record<string, string>> = {
  "Illegal operation on a directory": "Is a directory",
  "File already exists": "File exists",
  "Too many symbolic links encountered": "Too many levels of symbolic links",
  "Name too long": "File name too long",
};

/**
 * Errno's name and plain text of what the runtime threw for a system call: `ENOENT`, `No such file or directory`. Both
 * spellings are known, `text (os error 2): ...` and node's `ENOENT: text, open '...'`.
 */
export function systemFault(error: unknown): { readonly code?: string; readonly text: string } {
  const { code } = error as { code?: unknown };
  const message = messageOf(error);
  const node = /^E[A-Z0-9]+: (.)([^,]*)/.exec(message);
  const text = node ? node[1]!.toUpperCase() + node[2] : message.replace(/ ?\(os error \d+\).*$/s, "");
  return { code: typeof code === "string" ? code : uncoded[text], text: systemTexts[text] ?? text };
}
