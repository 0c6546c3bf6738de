// How often and when a session tries again: section (c.5) of the configuration's specification, on a clock of the test.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { Gateway } from "../../tests/support/memory_net.ts";
import type { RetryDocument, RouteDocument } from "../config/document.ts";
import type { ByteStream } from "../stream/stream.ts";
// Loaded when first needed, for which a clock that is told to go on does not wait.
import "../session/reconnect.ts";

interface Case {
  readonly gateway: Gateway;
  /** Lets time pass in steps of a millisecond, so that what follows from a timer has its own time. */
  pass(ms: number): Promise<void>;
  /** Times of the attempts to reach a port, from the arrival of the caller on. */
  times(port: number): number[];
  call(): ByteStream;
}

/** One listener on port 1, a route with `retry`, cluster `up` on port 9 and `stage` on port 8. */
async function onClock(retry: RetryDocument, test: (it: Case) => Promise<void>, route: Partial<RouteDocument> = {}) {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const endpoints = [{ spec: { address: "x" } }];
    const gateway = await Gateway.start({
      listeners: [{
        name: "in",
        spec: { protocol: "MEM", port: 1 },
        rules: [{ action: { route: { destination: "up", retry, ...route } } }],
      }],
      clusters: [
        { name: "up", spec: { protocol: "MEM", port: 9 }, endpoints },
        { name: "stage", spec: { protocol: "MEM", port: 8 }, endpoints },
      ],
    });
    let start = 0;
    const call = () => {
      start = performance.now();
      return gateway.net.call(1).peer;
    };
    const times = (port: number) =>
      gateway.net.attempts.flatMap((one) => one.port === port ? [Math.round(one.atMs - start)] : []);
    const pass = async (ms: number) => {
      for (let i = 0; i < ms; i++) await clock.tickAsync(1);
    };
    await test({ gateway, pass, times, call });
    await gateway[Symbol.asyncDispose]();
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
}

for (
  const [retry, refused, hanging] of [
    [{ retry_on: "never", num_retries: 3, timeout: 100 }, [0], [0]],
    [{ retry_on: "disconnect", num_retries: 3, timeout: 100 }, [0], [0]],
    [{ retry_on: "connect-failure", num_retries: 3, timeout: 100 }, [0, 100, 200, 300], [0, 200, 400, 600]],
    [{ retry_on: "always", num_retries: 2, timeout: 100 }, [0, 100, 200], [0, 200, 400]],
    [{ retry_on: "always", num_retries: 0, timeout: 100 }, [0], [0]],
    // An extension of ours: another wait than the limit.
    [{ retry_on: "always", num_retries: 2, timeout: 100, interval: 10 }, [0, 10, 20], [0, 110, 220]],
  ] as const
) {
  const name = `${retry.retry_on} ${retry.num_retries}${"interval" in retry ? " with an interval" : ""}`;
  Deno.test(`retry ${name} makes its attempts at set-up when refused, and when nobody answers`, async () => {
    for (const [behaviour, expected] of [[undefined, refused], ["hang", hanging]] as const) {
      await onClock(retry, async ({ gateway, pass, times, call }) => {
        gateway.net.serve(9, behaviour);
        call();
        await pass(2000);
        assertEquals(times(9), [...expected]);
        assertEquals(gateway.records.length, 1);
        assertEquals(gateway.records[0]!.retries, expected.length - 1);
        assertEquals(gateway.records[0]!.error!.code, behaviour === "hang" ? "ETIMEDOUT" : "ECONNREFUSED");
        assertEquals(gateway.counts("up"), { active: 0, connections: 0, pending: 0 });
        assertEquals(gateway.net.hanging, 0);
      });
    }
  });
}

for (
  const [retry, expected] of [
    [{ retry_on: "never", num_retries: 3, timeout: 100 }, []],
    [{ retry_on: "connect-failure", num_retries: 3, timeout: 100 }, []],
    [{ retry_on: "disconnect", num_retries: 0, timeout: 100 }, [0]],
    [{ retry_on: "disconnect", num_retries: 1, timeout: 100 }, [0]],
    [{ retry_on: "disconnect", num_retries: 3, timeout: 100 }, [0, 100, 200]],
    [{ retry_on: "always", num_retries: 2, timeout: 100 }, [0, 100]],
  ] as const
) {
  Deno.test(`retry ${retry.retry_on} ${retry.num_retries} makes ${expected.length} attempts after a loss`, async () => {
    await onClock(retry, async ({ gateway, pass, times, call }) => {
      const peers = gateway.net.peers(9);
      call();
      await pass(500);
      assertEquals(times(9), [0]);
      gateway.net.serve(9, undefined);
      peers[0]!.abort(new Error("gone"));
      await pass(2000);
      // At once is ten milliseconds, so that nothing spins.
      assertEquals(times(9).slice(1).map((ms) => Math.floor((ms - 500) / 50) * 50), [...expected]);
      assertEquals(gateway.records.length, 1);
      assertEquals(gateway.counts("up"), { active: 0, connections: 1, pending: 0 });
    });
  });
}

Deno.test("retry begins its budget anew at every loss", async () => {
  await onClock({ retry_on: "disconnect", num_retries: 2, timeout: 100 }, async ({ gateway, pass, times, call }) => {
    const peers = gateway.net.peers(9);
    call();
    for (let losses = 1; losses <= 5; losses++) {
      await pass(200);
      assertEquals(peers.length, losses);
      // The first attempt fails, the second and last one does not.
      gateway.net.serve(9, undefined);
      peers.at(-1)!.abort(new Error("gone"));
      await pass(50);
      gateway.net.serve(9, (far) => void peers.push(far as ByteStream));
      await pass(100);
    }
    assertEquals(times(9).length, 1 + 5 * 2);
    assertEquals(gateway.records.length, 0);
    assertEquals(gateway.counts("up").active, 1);
  });
});

Deno.test("retry with num_retries -1 never gives up, at set-up and after a loss", async () => {
  await onClock({ retry_on: "always", num_retries: -1, timeout: 10 }, async ({ gateway, pass, times, call }) => {
    call();
    await pass(1000);
    assert(times(9).length >= 100, String(times(9).length));
    const peers = gateway.net.peers(9);
    await pass(20);
    const before = times(9).length;
    gateway.net.serve(9, undefined);
    peers[0]!.abort(new Error("gone"));
    await pass(1000);
    assert(times(9).length >= before + 90, String(times(9).length - before));
    assertEquals(gateway.records.length, 0);
  });
});

Deno.test("each stage has a budget of its own, and the first that finally fails ends the session", async () => {
  const retry = { retry_on: "connect-failure", num_retries: 3, timeout: 100 } as const;
  await onClock(retry, async ({ gateway, pass, times, call }) => {
    call();
    await pass(2000);
    assertEquals(times(9), [0, 100, 200, 300]);
    // In the moment of its last attempt the other has given up.
    assertEquals(times(8).slice(0, 3), [0, 100, 200]);
    assertEquals(gateway.records.length, 1);
  }, { ingress: ["stage"] });
  await onClock(retry, async ({ gateway, pass, times, call }) => {
    gateway.net.serve(8, "hang");
    call();
    await pass(2000);
    assertEquals(times(9), [0, 100, 200, 300]);
    // It was trying when the other gave up.
    assertEquals(times(8), [0, 200]);
    assertEquals(gateway.net.hanging, 0);
    assertEquals(gateway.counts("stage"), { active: 0, connections: 0, pending: 0 });
  }, { egress: ["stage"] });
});

Deno.test("i-9: a stage that is connected when another gives up is released, with its place", async () => {
  const retry = { retry_on: "connect-failure", num_retries: 1, timeout: 100 } as const;
  await onClock(retry, async ({ gateway, pass, call }) => {
    const peers = gateway.net.peers(8);
    call();
    await pass(500);
    assertEquals(peers.length, 1);
    // What was opened is closed: nothing is left to read, and nobody to write to.
    let ended = false;
    peers[0]!.read().then(() => ended = true, () => ended = true);
    await pass(1);
    assert(ended);
    assertEquals(gateway.counts("stage"), { active: 0, connections: 1, pending: 0 });
  }, { ingress: ["stage"] });
});

Deno.test("a cluster that does not exist yet is waited for", async () => {
  const retry = { retry_on: "connect-failure", num_retries: 3, timeout: 100 } as const;
  await onClock(retry, async ({ gateway, pass, times, call }) => {
    gateway.net.peers(7);
    call();
    await pass(150);
    assertEquals(gateway.shown.destination.status, "RETRYING");
    const late = { name: "late", spec: { protocol: "MEM", port: 7 }, endpoints: [{ spec: { address: "x" } }] };
    await gateway.control.change((draft) => draft.addCluster(late));
    await pass(100);
    assertEquals(times(7), [200]);
    assertEquals(gateway.shown.destination.status, "READY");
  }, { destination: "late" });
});

Deno.test("the error of a session that gives up is the most frequent one of its attempts", async () => {
  const retry = { retry_on: "connect-failure", num_retries: 3, timeout: 100 } as const;
  await onClock(retry, async ({ gateway, pass, call }) => {
    call();
    await pass(250);
    // The last attempt fails for another reason.
    gateway.net.serve(9, "hang");
    await pass(2000);
    assertMatch(gateway.records[0]!.error!.message, /Connection refused/);
  });
});

Deno.test("a session that is ended while it tries stops trying, and leaves no place taken", async () => {
  const retry = { retry_on: "connect-failure", num_retries: 100, timeout: 100 } as const;
  await onClock(retry, async ({ gateway, pass, times, call }) => {
    gateway.net.serve(9, "hang");
    call();
    await pass(250);
    assertEquals(gateway.net.hanging, 1);
    gateway.control.endSession(gateway.control.sessions()[0]!.name);
    await pass(1000);
    assertEquals(times(9), [0, 200]);
    assertEquals(gateway.net.hanging, 0);
    assertEquals(gateway.records[0]!.reason, "deleted");
    assertEquals(gateway.counts("up"), { active: 0, connections: 0, pending: 0 });
  });
});
