/** The list of everything the program knows how to do. A new plug-in is a file and a line here. */
import type { Registry } from "../lib/protocol.ts";
import { acceptFd } from "./accept_fd.ts";
import { broadcast } from "./broadcast.ts";
import { chunks } from "./chunks.ts";
import { controller } from "./controller.ts";
import { discard } from "./discard.ts";
import { echo } from "./echo.ts";
import { random, zero } from "./endless.ts";
import { exec, shell, system } from "./exec.ts";
import { fd } from "./fd.ts";
import { create, gopen, open } from "./file.ts";
import { httpConnect } from "./http_connect.ts";
import { http } from "./http/http.ts";
import { jsonDecap } from "./json_decap.ts";
import { jsonEncap } from "./json_encap.ts";
import { jsonSocket } from "./jsonsocket/jsonsocket.ts";
import { lengthPrefix } from "./length_prefix.ts";
import { lines } from "./lines.ts";
import { literal, reply } from "./literal.ts";
import { log } from "./log.ts";
import { logger } from "./logger.ts";
import { metric } from "./metric.ts";
import { pipe } from "./pipe.ts";
import { programEnvironment } from "./_program_environment.ts";
import { prometheus } from "./prometheus.ts";
import { proxyProtocol } from "./proxy_protocol.ts";
import { pty } from "./pty.ts";
import { socks4 } from "./socks4.ts";
import { socks5 } from "./socks5.ts";
import { stall } from "./stall.ts";
import { stdio } from "./stdio.ts";
import { sync } from "./sync.ts";
import { tcp } from "./tcp.ts";
import { text } from "./text.ts";
import { tls } from "./tls/tls.ts";
import { udp, udpDatagram, udpRecv, udpRecvfrom, udpSendto } from "./udp.ts";
import { unix, unixClient } from "./unix.ts";
import { unixRecv, unixRecvfrom, unixSendto } from "./unix_datagram.ts";
import { ws } from "./ws/ws.ts";

export const registry: Registry = {
  environment: programEnvironment,
  protocols: [
    stdio,
    fd,
    acceptFd,
    open,
    create,
    gopen,
    pipe,
    echo,
    discard,
    sync,
    controller,
    prometheus,
    stall,
    text,
    literal,
    reply,
    random,
    zero,
    pty,
    exec,
    system,
    shell,
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
  layers: [tls, ws, http, jsonSocket, socks5, socks4, httpConnect, proxyProtocol, log, broadcast],
  transforms: [logger, metric, lines, lengthPrefix, chunks, jsonEncap, jsonDecap],
};
