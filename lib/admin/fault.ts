/** An answer that is no success. */

/** What the statuses of the API are called; with a reason of its own where clients of the original expect one. */
export const statusNames: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  422: "Unprocessable Entity: Input JSON schema validation failed",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** Thrown by whoever finds it; becomes the body `{status, message, content}`. */
export class Fault extends Error {
  readonly status: number;
  /** What is wrong, for the one who asked: a text, or a list of validation errors. */
  readonly content: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, content?: unknown, headers: Readonly<Record<string, string>> = {}) {
    super(typeof content === "string" ? content : statusNames[status]);
    this.name = "Fault";
    this.status = status;
    this.content = content;
    this.headers = headers;
  }
}

/** An object that is not there. The API of the original says 400, and its clients look for the first two words. */
export function notFound(what: string, name: string): Fault {
  return new Fault(400, `Not Found: Unknown ${what} "${name}"`);
}
