/**
 * Adopts descriptors it inherited: 0 is a pipe that holds `abc` and ends, 3 a regular file, 4 a directory, 5 /dev/null.
 * Arguments: module and export that open the driver. Prints `ok`.
 */
import type { Driver } from "../../lib/driver.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";

const [specifier, open] = Deno.args;
const driver: Driver = await (await import(specifier!))[open!]();
const faults: string[] = [];
const expect = (what: string, actual: unknown, wanted: unknown) => {
  if (actual !== wanted) faults.push(`${what}: ${actual} instead of ${wanted}`);
};
const adopt = (fd: number, direction: "read" | "write" | "both") =>
  driver.adoptDescriptor(fd, { name: `FD:${fd}`, direction, keepOpen: false }) as ByteStream;

expect("kind of 3", driver.descriptorKind(3), "file");
expect("kind of 4", driver.descriptorKind(4), "directory");
expect("kind of 1", driver.descriptorKind(1), "pipe");

const file = adopt(3, "read");
let bytes = 0;
for (let view = await file.read(); view; view = await file.read()) bytes += view.length;
file.abort();
expect("size of 3", bytes, (await Deno.stat(Deno.execPath())).size);

try {
  await adopt(4, "read").read();
  faults.push("a directory was read");
} catch (error) {
  expect("reading 4", (error as { code?: string }).code, "EISDIR");
}

const input = driver.adoptDescriptor(0, { name: "STDIN", direction: "read", keepOpen: true }) as ByteStream;
let text = "";
for (let view = await input.read(); view; view = await input.read()) text += new TextDecoder().decode(view);
input.abort();
expect("reading 0", text, "abc");

const nothing = adopt(5, "read");
expect("reading 5", await nothing.read(), null);
nothing.abort();

const out = driver.adoptDescriptor(1, { name: "STDOUT", direction: "write", keepOpen: true }) as ByteStream;
await out.write(new TextEncoder().encode(faults.length === 0 ? "o" : `${faults.join("; ")}\n`));
await out.closeWrite();
out.abort();
// The descriptor was only lent: it still works.
await Deno.stdout.write(new TextEncoder().encode("k\n"));
driver.close();
