/** Logs a line to the system's logger when there is no descriptor left; run under a lowered limit. */
import { systemHost } from "../../lib/cli/host.ts";
import { syslogSink } from "../../lib/cli/syslog.ts";

const { standardError } = systemHost();
const failures: string[] = [];
const sink = syslogSink({
  path: "/dev/log",
  facility: "user",
  program: "l7mp",
  pid: 1,
  standardError,
  mixed: false,
  onFailure: (message) => void failures.push(message),
});
const files: Deno.FsFile[] = [];
try {
  for (;;) files.push(Deno.openSync("/dev/null"));
} catch {
  sink.write("head line\n", { level: "error", body: "line" });
}
for (const file of files) file.close();
console.log(failures.join("\n"));
