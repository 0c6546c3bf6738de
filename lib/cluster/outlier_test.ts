// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { ConnectError, LimitError, ProtocolError, StreamError } from "../errors.ts";
import { makeTools, weighted } from "./_test_cluster.ts";
import { readOutlierDetection } from "./cluster_settings.ts";
import type { OutlierDetectionDocument } from "../config/document.ts";
import type { Member } from "./member.ts";
import { type FaultKind, faultKindOf, OutlierDetector, type Phase } from "./outlier.ts";

/** A detector over ten members, or as many as `weights` name, with its clock. */
function detector(document: OutlierDetectionDocument = {}, names = "abcdefghij") {
  const { clock, now } = makeTools();
  const members = weighted(Object.fromEntries([...names].map((name) => [name, 1])));
  const ejections: string[] = [];
  const settings = readOutlierDetection(document, "o");
  const outlier = new OutlierDetector(
    settings,
    now,
    ({ name }, ms, errors) => ejections.push(`${name} ${ms} ${errors}`),
  );
  const fail = (times: number, member = members[0]!, kind: FaultKind = "connect", phase: Phase = "connecting") => {
    for (let i = 0; i < times; i++) outlier.failed(member, phase, kind, members);
  };
  const ejected = () =>
    members.filter(({ ejectedUntilMs }) => ejectedUntilMs > clock.ms).map(({ name }) => name).join("");
  return { outlier, members: members as [Member, Member, ...Member[]], ejections, fail, ejected, clock };
}

Deno.test("OutlierDetector leaves a member out after 5 errors in a row, for 30 s", () => {
  const { fail, ejected, ejections, clock, members } = detector();
  fail(4);
  assertEquals(ejected(), "");
  fail(1);
  assertEquals([ejected(), ejections], ["a", ["a 30000 5"]]);
  assertEquals([members[0].counters.ejections, members[1].counters.ejections], [1, 0]);
  clock.ms = 29_999;
  assertEquals(ejected(), "a");
  clock.ms = 30_000;
  assertEquals(ejected(), "");
  fail(4);
  assertEquals(ejected(), "");
  fail(1);
  assertEquals(ejected(), "a");
});

Deno.test("OutlierDetector begins to count anew after a success, each phase for itself", () => {
  const { outlier, members, fail, ejected } = detector();
  const [a] = members;
  fail(4);
  outlier.succeeded(a, "connecting");
  fail(4);
  assertEquals(ejected(), "");
  // Connections that come about and break: that they come about is no success of this kind.
  for (let i = 0; i < 4; i++) {
    outlier.succeeded(a, "connecting");
    fail(1, a, "reset", "connected");
  }
  outlier.succeeded(a, "connected");
  for (let i = 0; i < 5; i++) {
    assertEquals(ejected(), "");
    outlier.succeeded(a, "connecting");
    fail(1, a, "reset", "connected");
  }
  assertEquals(ejected(), "a");
});

Deno.test("OutlierDetector ejects for longer each time in a row, up to max_ejection_time", () => {
  const { fail, ejections, clock, members } = detector({ max_ejection_time: "70s", interval: "10s" });
  for (let i = 0; i < 4; i++) {
    fail(5);
    clock.ms = members[0].ejectedUntilMs;
  }
  assertEquals(ejections.map((line) => line.split(" ")[1]), ["30000", "60000", "70000", "70000"]);
});

Deno.test("OutlierDetector forgives one ejection for every interval without another", () => {
  const { fail, ejections, clock, members } = detector({ interval: "10s" });
  for (const pauseMs of [0, 0, 25_000, 9_999, 1_000_000]) {
    fail(5);
    clock.ms = members[0].ejectedUntilMs + pauseMs;
  }
  fail(5);
  const seconds = ejections.map((line) => Number(line.split(" ")[1]) / 1000);
  assertEquals(seconds, [30, 60, 90, 60, 90, 30]);
});

Deno.test("OutlierDetector ejects no more than max_ejection_percent, but always one", () => {
  const { fail, ejected, members, clock } = detector({ max_ejection_percent: 29 });
  for (const member of members) fail(5, member);
  assertEquals(ejected(), "ab");
  // Those that were spared are ejected by their next error, once there is room.
  clock.ms = 30_000;
  fail(1, members[5]);
  assertEquals(ejected(), "f");
  const small = detector({ max_ejection_percent: 0 }, "ab");
  for (const member of small.members) small.fail(5, member);
  assertEquals(small.ejected(), "a");
});

Deno.test("OutlierDetector counts only the kinds of errors that it is told to", () => {
  const { fail, ejected, members } = detector({ count: ["timeout", "exception"], max_ejection_percent: 100 });
  for (const kind of ["connect", "reset", "error"] as const) fail(10, members[0], kind);
  assertEquals(ejected(), "");
  fail(3, members[0], "timeout");
  fail(2, members[0], "exception");
  fail(5, members[1], "exception");
  assertEquals(ejected(), "ab");
  const usual = detector();
  usual.fail(10, usual.members[0], "exception");
  assertEquals(usual.ejected(), "");
});

Deno.test("OutlierDetector does not eject whom it has ejected already", () => {
  const { fail, ejections } = detector({ max_ejection_percent: 100 });
  fail(50);
  assertEquals(ejections, ["a 30000 5"]);
});

Deno.test("faultKindOf() tells the kinds of errors apart", () => {
  const kinds: [unknown, FaultKind][] = [
    [new ConnectError("x", { code: "ECONNREFUSED" }), "connect"],
    [new ConnectError("x", { code: "ETIMEDOUT" }), "timeout"],
    [new StreamError("x", { code: "ETIMEDOUT" }), "timeout"],
    [new StreamError("x", { code: "ECONNRESET" }), "reset"],
    [new StreamError("x", { code: "EPIPE" }), "reset"],
    [new StreamError("x", { code: "EIO" }), "error"],
    [new ProtocolError("x"), "error"],
    [new LimitError("x"), "error"],
    [new TypeError("x"), "error"],
    [undefined, "error"],
  ];
  for (const [error, kind] of kinds) assertEquals(faultKindOf(error), kind, String(error));
});
