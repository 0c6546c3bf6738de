/** One line per ended session, for people and programs: `--access-log`. */
import type { SessionRecord } from "../session/session.ts";

/**
 * The line of one session, without a newline. `text`: the start, then `key=value` pairs with quotes where a value has
 * blanks. `json`: one object with the same keys. Durations are seconds.
 */
export function accessLine(record: SessionRecord, format: "text" | "json"): string {
  const { ltr, rtl, startedAt } = record;
  const values = {
    session: record.name,
    listener: record.listener,
    duration: Number((record.durationMs / 1000).toFixed(3)),
    source: record.source,
    target: record.target,
    ltr_bytes: ltr.bytes,
    ltr_messages: ltr.messages,
    rtl_bytes: rtl.bytes,
    rtl_messages: rtl.messages,
    dropped: record.dropped,
    reason: record.reason,
    ...(record.error !== undefined && { error: record.error.message }),
  };
  if (format === "json") return JSON.stringify({ time: startedAt.toISOString(), ...values });
  const pairs = Object.entries(values).map(([key, value]) => `${key}=${quoted(String(value))}`);
  return `${startedAt.toISOString()} ${pairs.join(" ")}`;
}

function quoted(value: string): string {
  return /^[\w.:/@%+[\]-]+$/.test(value) ? value : JSON.stringify(value);
}
