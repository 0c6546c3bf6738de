/** One request of an HTTP listener's caller, answered by the REST API. */
import { ConnectError, messageOf } from "../lib/errors.ts";
import type { Context } from "../lib/protocol.ts";
import type { Stream, StreamInfo } from "../lib/stream/stream.ts";
import { requestBody } from "./_request_body.ts";
import { webAnswer } from "./_web_answer.ts";

/** Methods whose requests have no body as far as the API is concerned. */
const bodyless = new Set(["GET", "HEAD"]);

/** What the caller sends becomes the request's body, the answer what it reads. Throws a `ConnectError`. */
export function apiAnswer({ downstream, control }: Context): Stream {
  if (!control) {
    throw refusal("this process has no REST API to serve; --admin or a configuration (-c) gives it one");
  }
  const head = downstream && headOf(downstream);
  if (!head) {
    const from = downstream ? `, and ${downstream.name} is none` : "";
    throw refusal(`needs an HTTP request to answer, so an HTTP listener before it${from}`);
  }
  const body = bodyless.has(head.method.toUpperCase()) ? undefined : requestBody();
  const gone = new AbortController();
  const { method, url, headers } = head;
  const request = requestOf(url, { method, headers, body: body?.stream, signal: gone.signal });
  return webAnswer({
    info: { protocol: "L7mpController", name: "CONTROLLER", halfCloses: true, answer: "read" },
    downstream,
    answer: () => control(request, downstream),
    body: body?.sink,
    onAbort: (reason) => gone.abort(reason),
  });
}

function refusal(why: string): ConnectError {
  return new ConnectError(`CONTROLLER: ${why}`, { code: "NO_API", status: 500, retryable: false, side: "local" });
}

/** Of what a listener lets pass, only a method that the API cannot have (TRACE) or a target with a password is refused. */
function requestOf(url: string, init: RequestInit): Request {
  try {
    return new Request(url, init);
  } catch (cause) {
    const message = `CONTROLLER: no request for the API: ${messageOf(cause)}`;
    throw new ConnectError(message, { code: "BAD_REQUEST", status: 400, retryable: false, side: "downstream", cause });
  }
}

interface Head {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
}

/** The request that began the session; undefined: none did. */
function headOf({ facts }: StreamInfo): Head | undefined {
  if (typeof facts?.method !== "string" || typeof facts.path !== "string") return undefined;
  const headers = new Headers();
  for (const [name, value] of Object.entries(facts.headers ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, String(one));
  }
  return { method: facts.method, url: urlOf(facts.path, headers.get("host")), headers };
}

/** The target with the host it was meant for; only its path counts where that is no host. */
function urlOf(target: string, host: string | null): string {
  if (/^https?:\/\//i.test(target) && URL.canParse(target)) return target;
  const path = target.startsWith("/") ? target : `/${target}`;
  const whole = `http://${host ?? "localhost"}${path}`;
  return URL.canParse(whole) ? whole : `http://localhost${path}`;
}
