/** What tests may count on, and what a machine may lack: why a test that needs it cannot run here; undefined: it can. */

/**
 * Nobody listens there, by TCP or UDP. One that was free a moment ago may be another test's by now, or be given to the very
 * connection that is to be refused. (1 is none that `fetch` tries.)
 */
export const closedPort = 2;

export const noIpv6 = lacking("IPv6", () => Deno.listen({ hostname: "::1", port: 0 }).close());

export const noTerminals = Deno.build.os === "linux"
  ? lacking("pseudo-terminals", () => Deno.openSync("/dev/ptmx", { read: true, write: true }).close())
  : "pseudo-terminals need Linux";

function lacking(what: string, attempt: () => void): string | undefined {
  try {
    attempt();
  } catch (error) {
    return `no ${what} here: ${(error as Error).message}`;
  }
}
