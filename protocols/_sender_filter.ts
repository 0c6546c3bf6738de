/** Which senders a receiver listens to. */
import type { Packet, Peer } from "../lib/driver.ts";
import type { Log } from "../lib/log.ts";
import { inNets, type Net } from "../lib/stream/net_range.ts";
import { OnceAMinute } from "../lib/stream/once_a_minute.ts";
import { formatAddress, type SocketAddress } from "../lib/stream/stream.ts";
import { sameIpAddress } from "./_addresses.ts";

export interface SenderRules {
  readonly range?: readonly Net[];
  readonly sourceport?: number;
  readonly lowport?: boolean;
  /** Only this peer. */
  readonly only?: SocketAddress;
}

/** Drops datagrams from senders that the rules exclude; tells it at level info, at most once a minute. */
export class SenderFilter {
  readonly #rules: SenderRules;
  readonly #log: Log;
  readonly #told = new OnceAMinute();
  // Traffic mostly comes from one sender at a time: its answer is kept.
  #lastKey: Peer["key"] | undefined;
  #lastAllowed = false;

  constructor(rules: SenderRules, log: Log) {
    this.#rules = rules;
    this.#log = log;
  }

  /** The packets of allowed senders; the same array when all are. */
  filter(packets: readonly Packet[]): readonly Packet[] {
    for (const packet of packets) {
      if (!this.allows(packet.from)) return packets.filter(({ from }) => this.allows(from));
    }
    return packets;
  }

  allows(peer: Peer): boolean {
    if (peer.key !== this.#lastKey) {
      this.#lastKey = peer.key;
      this.#lastAllowed = this.#check(peer.address);
    }
    return this.#lastAllowed;
  }

  #check(address: SocketAddress): boolean {
    const { range, sourceport, lowport, only } = this.#rules;
    const why = !inNets(address, range)
      ? "range option"
      : sourceport !== undefined && address.family !== "unix" && address.port !== sourceport
      ? "sourceport option"
      : lowport && address.family !== "unix" && address.port >= 1024
      ? "lowport option"
      : only && !sameIpAddress(address, only)
      ? "not the peer"
      : undefined;
    if (why && this.#told.due()) {
      this.#log.info("datagram.refused", `dropping datagrams from ${formatAddress(address)}: ${why}`);
    }
    return why === undefined;
  }
}
