/** A network namespace with nothing but a loopback interface that carries multicast. */

import type { Run } from "./harness.ts";
import { within } from "./wait.ts";

const setUp = [
  "ip link set lo up",
  "ip link set lo multicast on",
  "ip route add 224.0.0.0/4 dev lo",
].join(" && ");

/** Why no namespace can be made here, or undefined where one can. */
export function namespaceSkip(): string | undefined {
  try {
    const { success } = new Deno.Command("unshare", {
      args: ["-n", "sh", "-c", `${setUp} && nsenter --version`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success ? undefined : "no network namespace can be made here (root needed)";
  } catch {
    return "unshare is not installed";
  }
}

/** Makes a namespace that lives as long as the case, and gives the words that run a program in it. */
export async function namespace(run: Run): Promise<string[]> {
  const holder = new Deno.Command("unshare", {
    args: ["-n", "sh", "-c", `${setUp} && echo ready && exec cat`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = holder.stdout.getReader();
  run.defer(async () => {
    await holder.stdin.close();
    await output.cancel();
    await holder.status;
  });
  const { done } = await within("the namespace", output.read());
  if (done) throw new Error("the namespace could not be made");
  return ["nsenter", "-t", String(holder.pid), "-n"];
}
