/** What an opening handshake takes from the request of the session's caller, where the metadata have one. Pure. */
import type { Context } from "../../lib/protocol.ts";
import {
  behind,
  escapeBytes,
  passedOn,
  pathIn,
  type RequestFacts,
  type RewrittenRequest,
  withTrace,
} from "../http/forwarding.ts";
import { ConnectError } from "../../lib/errors.ts";
import type { HeaderLine } from "../http/head.ts";
import { isToken } from "../http/token.ts";
import { commaList } from "./spec.ts";

export interface CallersHandshake {
  /** Behind the connector's own path where it has one. */
  readonly path: string | undefined;
  /** That of a whole URL, for the Host header: the connection goes where the settings say. */
  readonly host: string | undefined;
  /** Without those of one connection, those of the body and the handshake's own. */
  readonly lines: readonly HeaderLine[];
  /** What the caller asked for, or the one of it that its listener has chosen already. */
  readonly subprotocols: readonly string[];
}

/** Callers of other protocols have no `HTTP`: nothing is taken from them. Throws `ConnectError` for bad header lines and subprotocols. */
export function callersHandshake(
  { metadata, downstream }: Pick<Context, "metadata" | "downstream">,
  ownPath: string | undefined,
): CallersHandshake {
  const request = metadata?.HTTP as RewrittenRequest | undefined;
  const facts = { headers: {}, ...downstream?.facts } as RequestFacts & { subprotocol?: unknown };
  const path = request && pathIn(request);
  const { host, port } = request?.url ?? {};
  const lines = request ? passedOn(facts, request) : [];
  const asked = request?.headers?.["sec-websocket-protocol"];
  const offered = [...new Set(commaList(asked === undefined || asked === null ? "" : String(asked)))];
  if (!offered.every(isToken)) {
    const message = `WS: the session's metadata ask for the subprotocols ${JSON.stringify(asked)}, which are no words`;
    throw new ConnectError(message, { retryable: false, side: "local" });
  }
  const chosen = offered.filter((name) => name === facts.subprotocol);
  return {
    path: path === undefined ? undefined : behind(ownPath, escapeBytes(facts.path ?? "", path)),
    host: host ? `${host}${port ? `:${port}` : ""}` : undefined,
    lines: withTrace(lines.filter(([name]) => !/^sec-websocket-/i.test(name)), metadata),
    subprotocols: chosen.length > 0 ? chosen : offered,
  };
}
