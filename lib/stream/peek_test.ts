// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { bytesOf, readAll, textOf } from "../../tests/support/streams.ts";
import { StreamError } from "../errors.ts";
import { bytePair, datagramPair } from "./memory.ts";
import { afterHandshake, afterHandshakeDatagrams } from "./peek.ts";

Deno.test("afterHandshake() gives what is left over first, then what comes", async () => {
  const [near, far] = bytePair();
  const stream = afterHandshake(near, bytesOf("left "), { ...near.info, name: "new" });
  await far.write(bytesOf("over"));
  await far.closeWrite();
  assertEquals(textOf(await readAll(stream)), "left over");
  assertEquals(stream.info.name, "new");
  stream.abort();
  far.abort();
});

Deno.test("afterHandshake() stays a handle of the system only where nothing is left over", () => {
  const [near] = bytePair();
  const handle = { ...near, native: { fd: 3 } };
  assertEquals(afterHandshake(handle, new Uint8Array(0), near.info).native, handle.native);
  assertEquals(afterHandshake(handle, bytesOf("x"), near.info).native, undefined);
});

Deno.test("afterHandshake() gives nothing after an abort", async () => {
  const [near] = bytePair();
  const stream = afterHandshake(near, bytesOf("left"), near.info);
  const reason = new StreamError("cut");
  stream.abort(reason);
  assertEquals(await assertRejects(() => stream.read()), reason);
  const [other] = bytePair();
  const closed = afterHandshake(other, bytesOf("left"), other.info);
  closed.abort();
  await assertRejects(() => closed.read(), StreamError, "closed");
});

Deno.test("afterHandshakeDatagrams() gives what is left over first, then what comes, and nothing after an abort", async () => {
  const [near, far] = datagramPair();
  const left = [{ data: bytesOf("left") }, { data: bytesOf("") }];
  const stream = afterHandshakeDatagrams(near, left, { ...near.info, name: "new" });
  await far.send([{ data: bytesOf("over") }]);
  const receive = async () => (await stream.receive())?.map(({ data }) => textOf(data));
  assertEquals([await receive(), await receive(), stream.info.name], [["left", ""], ["over"], "new"]);
  const reason = new StreamError("cut");
  const cut = afterHandshakeDatagrams(far, left, far.info);
  cut.abort(reason);
  assertEquals(await assertRejects(() => cut.receive()), reason);
  stream.abort();
});
