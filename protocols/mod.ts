/** The list of everything the program knows how to do. A new plug-in is a file and a line here. */
import type { Registry } from "../lib/protocol.ts";
import { chunks } from "./chunks.ts";
import { jsonDecap } from "./json_decap.ts";
import { jsonEncap } from "./json_encap.ts";
import { lengthPrefix } from "./length_prefix.ts";
import { lines } from "./lines.ts";
import { logger } from "./logger.ts";
import { metric } from "./metric.ts";
import { tcp } from "./tcp.ts";
import { udp, udpDatagram, udpRecv, udpRecvfrom, udpSendto } from "./udp.ts";
import { unix, unixClient } from "./unix.ts";
import { unixRecv, unixRecvfrom, unixSendto } from "./unix_datagram.ts";

export const registry: Registry = {
  protocols: [
    tcp,
    unix,
    unixClient,
    udp,
    udpSendto,
    udpRecvfrom,
    udpRecv,
    udpDatagram,
    unixSendto,
    unixRecvfrom,
    unixRecv,
  ],
  layers: [],
  transforms: [logger, metric, lines, lengthPrefix, chunks, jsonEncap, jsonDecap],
};
