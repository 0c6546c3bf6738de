/** Standard input, output and error as a byte stream. */
import type { Driver } from "../lib/driver.ts";
import type { Context, Direction, Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { type Handle, HandleStream } from "../lib/stream/handle_stream.ts";
import type { StreamInfo, WindowSize } from "../lib/stream/stream.ts";
import { StandardInput } from "./_standard_input.ts";
import { standardOutput } from "./_standard_output.ts";
import { changeTerminal, terminalOptions } from "./_terminal.ts";

const streams = ["stdio", "stdin", "stdout", "stderr"] as const;

const stdioSpec = s.object({
  stream: s.choice(streams, { help: "Which of the standard streams; stdio is both stdin and stdout" }),
  ...terminalOptions,
});
type StdioSpec = s.SpecOf<typeof stdioSpec>;

// The process has one standard input, whatever the number of sessions: they share it for as long as their driver lives.
const inputs = new WeakMap<Driver, StandardInput>();

function inputOf(driver: Driver): StandardInput {
  let input = inputs.get(driver);
  if (!input) inputs.set(driver, input = new StandardInput());
  return input;
}

/** What `direction` needs of the standard streams as one; what another session may still need stays open. */
function standardHandle(
  toStderr: boolean,
  direction: Direction,
  context: Context,
  restore: () => void,
): Handle {
  const { driver, onlySession = false } = context;
  const input = direction === "write" ? undefined : inputOf(driver);
  const reader = input?.reader();
  const output = direction === "read" || toStderr ? undefined : standardOutput(context);
  return {
    read: (buffer) => reader!.read(buffer),
    write: (bytes) => output ? output.write(bytes) : Deno.stderr.write(bytes),
    endWrite: () => output?.end(),
    close: () => {
      restore();
      output?.leave();
      reader?.leave();
      // A read that never comes would keep the process alive.
      if (onlySession && input?.busy) Deno.stdin.close();
    },
  };
}

/** That of the terminal of the process; undefined when it has gone. */
function windowSize(): WindowSize | undefined {
  try {
    return Deno.consoleSize();
  } catch {
    return undefined;
  }
}

/**
 * `STDIO`, and the single streams. Half-close ends standard output for its reader, but only in a process with one
 * session. Terminal settings are restored by `abort`.
 */
export const stdio: Protocol<StdioSpec> = {
  name: "Stdio",
  types: [
    {
      names: ["STDIO", "ASYNCSTDIO", "THREADEDSTDIO", "INETD"],
      role: "local",
      parameters: { form: "none" },
      help: "Standard input and output",
    },
    {
      names: ["STDIN"],
      role: "local",
      parameters: { form: "none" },
      preset: { stream: "stdin" },
      direction: "read",
      help: "Standard input",
    },
    {
      names: ["STDOUT"],
      role: "local",
      parameters: { form: "none" },
      preset: { stream: "stdout" },
      direction: "write",
      help: "Standard output",
    },
    {
      names: ["STDERR"],
      role: "local",
      parameters: { form: "none" },
      preset: { stream: "stderr" },
      direction: "write",
      help: "Standard error",
    },
  ],
  kind: "byte",
  end: "half",
  spec: stdioSpec,
  async connect(spec, context) {
    context.signal.throwIfAborted();
    const name = spec.stream ?? "stdio";
    const restore = changeTerminal(spec);
    const own = name === "stdin" ? "read" : name === "stdio" ? "both" : "write";
    const direction = own === "both" ? context.direction : own;
    const handle = standardHandle(name === "stderr", direction, context, restore);
    const watched = direction !== "write" && Deno.stdin.isTerminal();
    const info: StreamInfo = {
      protocol: "Stdio",
      name,
      descriptors: [0, name === "stderr" ? 2 : 1],
      windowSize: watched ? windowSize : undefined,
    };
    return new HandleStream(handle, info, direction);
  },
};
