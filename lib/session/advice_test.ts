// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { ConnectError, StreamError } from "../errors.ts";
import { adviceOn } from "./advice.ts";

Deno.test("adviceOn() names retry where opening again helps, and nowhere else", () => {
  const code = "ECONNREFUSED";
  const connecting = new ConnectError("connect(AF=2 127.0.0.1:1): Connection refused", { code });
  const open = new StreamError("read(AF=2 127.0.0.1:1): Connection refused", { code });
  const wait = "; retry waits for a server that starts late";
  assertEquals(adviceOn(connecting, { retries: false }), `; nobody listens there${wait}`);
  assertEquals(adviceOn(connecting, { retries: true }), "; nobody listens there");
  assertEquals(adviceOn(open, { retries: false }), "; nobody listens there");
});
