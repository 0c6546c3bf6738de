// The lines that scripts read: access log, statistics, announcements.
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { StreamError } from "../errors.ts";
import type { SessionRecord } from "../session/record.ts";
import { accessLine } from "./access_log.ts";
import { announcement } from "./announce.ts";
import { statisticsLines } from "./statistics.ts";

const record: SessionRecord = {
  name: "cli-1",
  listener: "cli",
  startedAt: new Date(Date.UTC(2026, 10, 21, 23, 15, 7, 209)),
  durationMs: 1234.5678,
  source: "AF=2 127.0.0.1:5555",
  target: "TCP:127.0.0.1:80",
  ltr: { bytes: 12, messages: 2 },
  rtl: { bytes: 3, messages: 1 },
  dropped: 0,
  reason: "eof",
  retries: 0,
};

Deno.test("accessLine() as text", () => {
  assertEquals(
    accessLine(record, "text"),
    '2026-11-21T23:15:07.209Z session=cli-1 listener=cli duration=1.235 source="AF=2 127.0.0.1:5555" ' +
      "target=TCP:127.0.0.1:80 ltr_bytes=12 ltr_messages=2 rtl_bytes=3 rtl_messages=1 dropped=0 reason=eof",
  );
});

Deno.test("accessLine() tells the error, on one line", () => {
  const error = new StreamError('read(AF=1 "/x\ny"): Connection reset by peer');
  const line = accessLine({ ...record, reason: "reset", error }, "text");
  assertEquals(line.split("reason=")[1], 'reset error="read(AF=1 \\"/x\\ny\\"): Connection reset by peer"');
});

Deno.test("accessLine() as JSON has the same keys", () => {
  assertEquals(JSON.parse(accessLine(record, "json")), {
    time: "2026-11-21T23:15:07.209Z",
    session: "cli-1",
    listener: "cli",
    duration: 1.235,
    source: "AF=2 127.0.0.1:5555",
    target: "TCP:127.0.0.1:80",
    ltr_bytes: 12,
    ltr_messages: 2,
    rtl_bytes: 3,
    rtl_messages: 1,
    dropped: 0,
    reason: "eof",
  });
});

Deno.test("statisticsLines() are socat's two, and one about sessions", () => {
  const statistics = { sessions: 4, ltr: { messages: 1, bytes: 3 }, rtl: { messages: 2, bytes: 5 }, dropped: 6 };
  const both = [
    "STATISTICS: left to right: 1 packet(s), 3 byte(s)",
    "STATISTICS: right to left: 2 packet(s), 5 byte(s)",
  ];
  assertEquals(statisticsLines(statistics, false), both);
  assertEquals(statisticsLines(statistics, true), [...both, "STATISTICS: open sessions: 4, dropped: 6 packet(s)"]);
});

Deno.test("announcement() has four words for every family", () => {
  const port = 8080;
  assertEquals(
    announcement("TCP-LISTEN", { family: "inet", host: "127.0.0.1", port }),
    "LISTEN TCP-LISTEN 127.0.0.1 8080",
  );
  assertEquals(announcement("TCP6-LISTEN", { family: "inet6", host: "::1", port }), "LISTEN TCP6-LISTEN ::1 8080");
  assertEquals(announcement("UNIX-LISTEN", { family: "unix", path: "/run/x" }), "LISTEN UNIX-LISTEN - /run/x");
  assertEquals(announcement("ABSTRACT-LISTEN", { family: "unix", path: "@x" }), "LISTEN ABSTRACT-LISTEN - @x");
  assertEquals(announcement("UNIX-LISTEN", { family: "unix", path: "/a\nb" }), "LISTEN UNIX-LISTEN - /a\\nb");
});
