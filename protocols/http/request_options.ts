/** Settings of whatever sends an HTTP request: HTTP itself, and the upgrade of a WebSocket. */
import * as s from "../../lib/schema.ts";

/** For `s.string`: what may stand in a header. */
export const oneLine = { pattern: /^[^\r\n\0]*$/, expected: "one line" };

const headerLine = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*$/;
const group = "connecting";

/** Option `header`, listed under `group` in the help. */
export function headerOption(group: string): s.Schema<readonly string[]> {
  return s.list(s.string({ pattern: headerLine, expected: "NAME: VALUE" }), {
    group,
    help: "Header of the request, or of a listener's answer; repeatable",
    example: '"X-Token: abc"',
  });
}

export const requestFields = {
  host: s.string({ ...oneLine, group, help: "Host header, if not the address", example: "example.org" }),
  useragent: s.string({ ...oneLine, group, aliases: ["user-agent"], help: "User-Agent header", example: "l7mp" }),
  basic_auth: s.string({
    ...oneLine,
    group,
    secret: true,
    help: "USER:PASSWORD to log in with",
    example: "me:secret",
  }),
  basic_auth_file: s.string({ group, help: "File that holds USER:PASSWORD" }),
};
