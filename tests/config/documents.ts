/** Documents that several tests of configurations need, and what is asked of a service that runs them. */
// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import type { ClusterDocument, ConfigDocument, ListenerDocument, RouteDocument } from "../../lib/config/document.ts";
import { type Run } from "../e2e/harness.ts";
import { type Peer } from "../e2e/peers.ts";
import { eventually } from "../e2e/wait.ts";
import { type Service, startService } from "./service.ts";

export const loopback = [{ spec: { address: "127.0.0.1" } }];

export function tcp(name: string, port: number): ClusterDocument {
  return { name, spec: { protocol: "TCP", port }, endpoints: loopback };
}

/** A listener all of whose sessions go `route`. */
export function listener(spec: ListenerDocument["spec"], route: RouteDocument, name = "in"): ListenerDocument {
  return { name, spec, rules: [{ action: { route } }] };
}

/** Says `text`, and hears it again. */
export async function echoes(peer: Peer, text: string): Promise<void> {
  await peer.send(text);
  assertEquals(await peer.text(text.length), text);
}

/** Names of the objects of all kinds. */
export async function names(service: Service): Promise<Record<string, string[]>> {
  const { listeners, clusters, rulelists, rules, routes, endpoints } = await service.get("/config");
  const lists = Object.entries({ listeners, clusters, rulelists, rules, routes, endpoints });
  return Object.fromEntries(lists.map(([kind, list]) => [kind, list.map(({ name }: { name: string }) => name)]));
}

/** Starts a service with `--access-log`; gives the lines about sessions of `in`, once there are `count`. */
export async function withAccessLog(run: Run, document: ConfigDocument) {
  const file = run.path("access");
  const service = await startService(run, document, { args: [`--access-log=${file}`] });
  const ended = async (count = 1) =>
    await eventually(`the end of ${count} sessions`, async () => {
      const lines = (await Deno.readTextFile(file).catch(() => "")).split("\n").filter((l) =>
        l.includes("listener=in")
      );
      return lines.length >= count && lines;
    }, { details: () => service.child.describe() });
  return { service, ended };
}
