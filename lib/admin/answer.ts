/** Answers as bytes: `application/json`, with a length that counts bytes. */
import { Fault, statusNames } from "./fault.ts";
import { formatJson } from "./format.ts";

/** What every successful change answers. */
export const ok = { status: 200, message: "OK" } as const;

const encoder = new TextEncoder();

export function jsonAnswer(
  value: unknown,
  format: string | null,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return textAnswer(200, statusNames[200]!, formatJson(value, format), headers);
}

/** The body of an error is indented by four, whatever `format` asks for. */
export function faultAnswer({ status, content, headers }: Fault): Response {
  const message = statusNames[status] ?? String(status);
  return textAnswer(status, message, JSON.stringify({ status, message, content }, null, 4), headers);
}

function textAnswer(
  status: number,
  statusText: string,
  text: string,
  headers: Readonly<Record<string, string>>,
): Response {
  const body = encoder.encode(text);
  return new Response(body, {
    status,
    statusText,
    headers: {
      "content-type": "application/json",
      "content-length": String(body.length),
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
