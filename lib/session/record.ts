/** How a session went, for the access log and the statistics. */
import { L7mpError, messageOf, StreamError } from "../errors.ts";
import type { Flow } from "../stream/pump.ts";
import type { RelayEnd } from "../stream/relay.ts";
import type { Metadata } from "./way.ts";

/** `eof`: both sides ended, or one and the other stayed silent. `stopped`: the process is ending. `deleted`: on request. */
export type SessionEnd = "eof" | "idle" | "reset" | "error" | "stopped" | "deleted";

/** One line of the access log. */
export interface SessionRecord {
  readonly name: string;
  readonly listener: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  /** Address of the caller, or name of address1. */
  readonly source: string;
  /** Name of address2, or of the endpoint that was picked; empty: none had been. */
  readonly target: string;
  readonly ltr: Readonly<Flow>;
  readonly rtl: Readonly<Flow>;
  readonly dropped: number;
  readonly reason: SessionEnd;
  readonly error?: L7mpError;
  /** Attempts to connect after the first, for all stages. */
  readonly retries: number;
  /** From the caller's arrival until everything was connected; absent: it never was. */
  readonly openedMs?: number;
  readonly metadata?: Metadata;
  /** Name of the route it took. */
  readonly route?: string;
  /** What an HTTP caller was answered by whom the session called; absent: by the listener itself, or not at all. */
  readonly status?: number;
}

/** Why sessions are aborted when the process ends; not an error of theirs. */
export const stopped = "STOPPED";
/** Why a session is aborted that somebody deleted. */
export const deleted = "DELETED";

/** What a session's end is called. */
export function endOf(end: RelayEnd, error: L7mpError | undefined): SessionEnd {
  if (end === "idle") return "idle";
  if (end !== "error") return "eof";
  if (error?.code === stopped) return "stopped";
  if (error?.code === deleted) return "deleted";
  return error?.code === "ECONNRESET" || error?.code === "EPIPE" ? "reset" : "error";
}

/** Anything thrown as one of ours; what is not is a fault of the program, and says so. */
export function asL7mpError(error: unknown): L7mpError {
  if (error instanceof L7mpError) return error;
  return new StreamError(`internal error: ${messageOf(error)}; please report`, { code: "INTERNAL", cause: error });
}
