/** A relay between streams in memory, for tests. */
import { bytePair } from "./memory.ts";
import { type DirectionOptions, noFlows, relay, type RelayOptions } from "./relay.ts";
import type { ByteStream, DatagramStream, Stream } from "./stream.ts";

export const encode = (text: string) => new TextEncoder().encode(text);
export const bytes: DirectionOptions = { steps: [], payload: "byte" };
const messages: DirectionOptions = { steps: [], payload: "datagram" };

export function start(downstream: Stream, upstream: Stream, changes: Partial<RelayOptions> = {}) {
  const flows = noFlows();
  const signal = new AbortController().signal;
  const way = (source: Stream) => source.kind === "byte" ? bytes : messages;
  const options: RelayOptions = {
    ltr: way(downstream),
    rtl: way(upstream),
    direction: "both",
    lingerMs: 5000,
    idleTimeoutMs: Infinity,
    signal,
    flows,
    ...changes,
  };
  return { flows, done: relay(downstream, upstream, options) };
}

/** Two relayed ends as their peers see them: `client` and `server`. */
export function joined(changes: Partial<RelayOptions> = {}) {
  const [client, downstream] = bytePair();
  const [server, upstream] = bytePair();
  return { client, server, ...start(downstream, upstream, changes) };
}

export async function readAll(stream: ByteStream): Promise<string> {
  let text = "";
  for (let data = await stream.read(); data; data = await stream.read()) text += new TextDecoder().decode(data);
  return text;
}

export async function receiveAll(stream: DatagramStream): Promise<string[]> {
  const all: string[] = [];
  for (let batch = await stream.receive(); batch; batch = await stream.receive()) {
    all.push(...batch.map(({ data }) => new TextDecoder().decode(data)));
  }
  return all;
}
