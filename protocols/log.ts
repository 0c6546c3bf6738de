/** `log:`: LOGGER at one place of a stack, so that it sees what passes below TLS or above it. */
import type { Layer } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { delegateBytes, delegateDatagrams } from "../lib/stream/delegate.ts";
import type { Stream } from "../lib/stream/stream.ts";
import { recordOptions, RecordWriter } from "./_record_writer.ts";

const spec = s.object({
  log_file: s.string({ help: "File to append to; - is standard output (default stderr)", example: "copy.log" }),
  ...recordOptions,
});

const help = "Write a copy of what passes here, as LOGGER does between addresses";

/** Passes everything on unchanged. A record in JSON has `flow` `in` for what is read, `out` for what is written. */
export const log: Layer<s.SpecOf<typeof spec>> = {
  name: "Log",
  types: [],
  schemes: ["log"],
  overlays: [{ name: "log", role: "connect", help }, { name: "log", role: "listen", help }],
  needs: "any",
  gives: "same",
  end: "half",
  spec,
  wrap(stream, spec, { log, sessionName = "" }) {
    const writer = new RecordWriter(spec.log_file ?? "stderr", spec, log);
    return logged(stream, writer, sessionName);
  },
};

function logged(stream: Stream, writer: RecordWriter, session: string): Stream {
  const read = { session, flow: "in" };
  const written = { session, flow: "out" };
  let closed = false;
  const abort = (reason?: unknown) => {
    stream.abort(reason);
    if (!closed) writer.close();
    closed = true;
  };
  if (stream.kind === "byte") {
    return delegateBytes(stream, {
      abort,
      async read() {
        const data = await stream.read();
        if (data !== null) writer.write({ data }, read);
        return data;
      },
      write(data) {
        writer.write({ data }, written);
        return stream.write(data);
      },
    });
  }
  return delegateDatagrams(stream, {
    abort,
    async receive() {
      const batch = await stream.receive();
      for (const message of batch ?? []) writer.write(message, read);
      return batch;
    },
    send(batch) {
      for (const message of batch) writer.write(message, written);
      return stream.send(batch);
    },
  });
}
