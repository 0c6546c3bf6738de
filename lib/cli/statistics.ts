/** The lines of `--statistics` and SIGUSR1. */

export interface Statistics {
  /** Sessions that are open now. */
  readonly sessions: number;
  readonly ltr: { readonly messages: number; readonly bytes: number };
  readonly rtl: { readonly messages: number; readonly bytes: number };
  readonly dropped: number;
}

/** Two lines in socat's words. `withSessions` adds one with the number of open sessions and of dropped messages. */
export function statisticsLines(statistics: Statistics, withSessions: boolean): string[] {
  const { ltr, rtl, sessions, dropped } = statistics;
  const lines = [
    `STATISTICS: left to right: ${ltr.messages} packet(s), ${ltr.bytes} byte(s)`,
    `STATISTICS: right to left: ${rtl.messages} packet(s), ${rtl.bytes} byte(s)`,
  ];
  if (withSessions) lines.push(`STATISTICS: open sessions: ${sessions}, dropped: ${dropped} packet(s)`);
  return lines;
}
