// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { ConnectError, StreamError } from "../errors.ts";
import { bytePair } from "../stream/memory.ts";
import { memoryEndpoint, memoryTarget } from "../../tests/support/memory_plan.ts";
import { Fellows, Stage } from "./stage.ts";
import type { Choice } from "./way.ts";

/** A choice that notes what it is told. */
function choice(name: string) {
  const told: string[] = [];
  const made: Choice = {
    endpoint: memoryEndpoint({ connect: memoryTarget().connect }, { name }),
    shown: { name, spec: { address: name } },
    connected: () => told.push("connected"),
    failed: () => told.push("failed"),
    release: () => told.push("released"),
  };
  return { choice: made, told };
}

const refused = () => new ConnectError("refused");
const ignore = () => {};

Deno.test("Stage releases every choice once, whatever becomes of it", () => {
  const stage = new Stage("c");
  const [a, b] = [choice("a"), choice("b")];
  stage.connecting(a.choice, ignore);
  stage.attemptFailed(a.choice, refused());
  stage.retrying();
  stage.connecting(b.choice, ignore);
  assertEquals(a.told, ["failed", "released"]);
  const [stream] = bytePair();
  stage.connected(stream);
  stage.join();
  assertEquals(stage.failed, []);
  stage.end();
  stage.end();
  assertEquals(b.told, ["released"]);
  assertEquals(stage.retries, 1);
});

Deno.test("Stage releases at once what is picked or connected after its end, and stays ended", () => {
  const stage = new Stage("c");
  const [a, b] = [choice("a"), choice("b")];
  stage.connecting(a.choice, ignore);
  stage.end();
  const [stream] = bytePair();
  stage.connected(stream);
  stage.connecting(b.choice, ignore);
  stage.lost(undefined);
  stage.restored();
  assertEquals([a.told, b.told], [["released"], ["released"]]);
  assertEquals(stage.status, "END");
});

Deno.test("Stage leaves those it shares a connection with at its end: they may go on for ever", () => {
  const among = new Set<Stage>();
  const fellows = new class extends Fellows {
    override add(stage: Stage) {
      super.add(stage);
      among.add(stage);
    }
    override delete(stage: Stage) {
      super.delete(stage);
      among.delete(stage);
    }
  }();
  const stages = [new Stage("c"), new Stage("c")] as const;
  for (const stage of stages) stage.connected(bytePair()[0], fellows);
  stages[0].end();
  assertEquals([...among], [stages[1]]);
  fellows.lost(undefined);
  assertEquals(stages.map(({ status }) => status), ["END", "DISCONNECTED"]);
});

Deno.test("Stage is away from a loss until it is back, and tells both", () => {
  const told: string[] = [];
  const stage = new Stage("c", {
    onDisconnect: ({ status }, error) => told.push(`${status} ${(error as Error | undefined)?.message}`),
    onReconnect: ({ status }) => told.push(status),
  });
  const statuses: string[] = [stage.status];
  const [stream] = bytePair();
  stage.connecting(choice("a").choice, ignore);
  stage.retrying();
  assert(!stage.away);
  stage.connected(stream);
  statuses.push(stage.status);
  stage.join();
  statuses.push(stage.status);
  stage.lost(new StreamError("reset"));
  statuses.push(stage.status);
  assert(stage.away);
  stage.retrying();
  assert(stage.away);
  stage.connected(stream);
  stage.restored();
  assert(!stage.away);
  statuses.push(stage.status);
  assertEquals(statuses, ["INIT", "CONNECTED", "READY", "DISCONNECTED", "READY"]);
  assertEquals(told, ["DISCONNECTED reset", "READY"]);
});

Deno.test("Stage remembers the last sixteen failures since the last success", () => {
  const stage = new Stage("c");
  for (let i = 0; i < 40; i++) {
    const { choice: one } = choice(String(i));
    stage.connecting(one, ignore);
    stage.attemptFailed(one, refused());
  }
  assertEquals(stage.failed.map(({ shown }) => shown!.name), Array.from({ length: 16 }, (_, i) => String(24 + i)));
});

Deno.test("Stage.disconnect() takes the connection, or the attempt to have one, and nothing after the end", async () => {
  const stage = new Stage("c");
  const reasons: unknown[] = [];
  const cancel = (reason: unknown) => void reasons.push(reason);
  stage.connecting(choice("a").choice, cancel);
  stage.disconnect(new StreamError("deleted"));
  assertEquals(reasons.length, 1);
  assert(reasons[0] instanceof ConnectError && reasons[0].retryable);
  const [stream, peer] = bytePair();
  stage.connected(stream);
  stage.disconnect(new StreamError("deleted"));
  assertEquals(reasons.length, 1);
  assertEquals(await peer.read().catch((error) => error.code), "ECONNRESET");
  stage.connecting(choice("b").choice, cancel);
  stage.end();
  stage.disconnect(new StreamError("deleted"));
  assertEquals(reasons.length, 1);
});

Deno.test("Stage shows its origin, the endpoint of the last attempt, and its status", () => {
  const stage = new Stage("c");
  assertEquals(stage.toJSON(), { origin: "c", endpoint: "<INVALID>", status: "INIT" });
  stage.connecting(choice("a").choice, ignore);
  stage.end();
  assertEquals(stage.toJSON(), { origin: "c", endpoint: { name: "a", spec: { address: "a" } }, status: "END" });
});
