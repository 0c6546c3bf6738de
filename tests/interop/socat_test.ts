// Interoperation with socat, in both roles: TCP, UDP, UNIX streams and datagrams, programs.

// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { answered } from "../e2e/answered.ts";
import { acceptance, type Bound, l7mp, type Program, type Run, socat } from "../e2e/harness.ts";
import { absent } from "../e2e/programs.ts";
import { noIpv6 } from "../support/machine.ts";

const skip = absent("socat");

interface Pairing {
  readonly name: string;
  /** Addresses of one run: what listens, what connects to it, and what to wait for. */
  addresses(run: Run): { listen: string; connect: string; bound: Bound };
  readonly skip?: string;
  /** Has no end but silence. */
  readonly endless?: true;
}

const pairings: readonly Pairing[] = [
  {
    name: "TCP",
    addresses: (run) => {
      const tcp = run.port();
      return { listen: `TCP-LISTEN:${tcp},fork`, connect: `TCP:127.0.0.1:${tcp}`, bound: { tcp } };
    },
  },
  {
    name: "TCP over IPv6",
    skip: noIpv6,
    addresses: (run) => {
      const tcp = run.port();
      return { listen: `TCP6-LISTEN:${tcp},fork`, connect: `TCP6:[::1]:${tcp}`, bound: { tcp } };
    },
  },
  {
    name: "UNIX",
    addresses: (run) => {
      const unix = run.path("s");
      return { listen: `UNIX-LISTEN:${unix},fork`, connect: `UNIX-CONNECT:${unix}`, bound: { unix } };
    },
  },
  {
    name: "abstract UNIX",
    addresses: () => {
      const name = crypto.randomUUID();
      return {
        listen: `ABSTRACT-LISTEN:${name},fork`,
        connect: `ABSTRACT-CONNECT:${name}`,
        bound: { unix: `@${name}` },
      };
    },
  },
  {
    name: "UDP",
    endless: true,
    addresses: (run) => {
      const udp = run.port();
      return { listen: `UDP-LISTEN:${udp},fork`, connect: `UDP:127.0.0.1:${udp}`, bound: { udp } };
    },
  },
  {
    name: "UDP datagrams",
    endless: true,
    addresses: (run) => {
      const udp = run.port();
      return { listen: `UDP-RECVFROM:${udp},fork`, connect: `UDP-SENDTO:127.0.0.1:${udp}`, bound: { udp } };
    },
  },
  {
    name: "UNIX datagrams",
    endless: true,
    addresses: (run) => {
      const path = run.path("r");
      const connect = `UNIX-SENDTO:${path},bind=${run.path("c")}`;
      return { listen: `UNIX-RECVFROM:${path},fork`, connect, bound: { unixDatagram: path } };
    },
  },
];

for (const { name, addresses, endless, skip: noPairing } of pairings) {
  for (const [server, client] of [[l7mp, socat], [socat, l7mp]] as [Program, Program][]) {
    acceptance("interop", `${name}: ${client.name} calls ${server.name}`, async (run) => {
      const { listen, connect, bound } = addresses(run);
      await run.serve([listen, "EXEC:cat"], bound, { program: server });
      const input = "first\nsecond\n";
      if (!endless) return assertEquals(await run.out(["-", connect], { input, program: client }), input);
      assertEquals(await answered(run, ["-", connect], input, { program: client }), input);
    }, { skip: skip ?? noPairing });
  }
}

acceptance("interop", "a chain of both carries a megabyte through TCP and UNIX", async (run) => {
  const path = run.path("s");
  const tcp = run.port();
  const input = crypto.getRandomValues(new Uint8Array(65_536));
  const data = new Uint8Array(2 ** 20).map((_, i) => input[i % input.length]! ^ (i >> 16));
  await run.serve([`UNIX-LISTEN:${path},fork`, "EXEC:cat"], { unix: path }, { program: socat });
  await run.serve([`TCP-LISTEN:${tcp},fork`, `UNIX-CONNECT:${path}`], { tcp });
  const client = run.spawn(["-", `TCP:127.0.0.1:${tcp}`], { input: data, program: socat });
  await client.end();
  assertEquals(client.stdoutBytes.length, data.length);
  assertEquals(client.stdoutBytes.every((byte, i) => byte === data[i]), true);
}, { skip });

acceptance("interop", "socat as the program of EXEC", async (run) => {
  assertEquals(await run.out(["-", "EXEC:socat - PIPE"], { input: "hello\n" }), "hello\n");
}, { skip });

acceptance("interop", "l7mp as the program of socat's EXEC", async (run) => {
  const command = [...l7mp.command, "-", "PIPE"].join(" ");
  assertEquals(await run.out(["-", `EXEC:${command}`], { input: "hello\n", program: socat }), "hello\n");
}, { skip });
