// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { runHere } from "../../tests/support/cli.ts";
import { syslogSink } from "./syslog.ts";

/** The system's logger, for a test. */
class Logger implements Disposable {
  readonly path: string;
  #socket: Deno.DatagramConn;

  constructor(path: string) {
    this.path = path;
    this.#socket = Deno.listenDatagram({ transport: "unixpacket", path });
  }
  async next(): Promise<string> {
    const [bytes] = await this.#socket.receive(new Uint8Array(65_536));
    return new TextDecoder().decode(bytes);
  }
  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A sink, and what it wrote elsewhere. */
function start(path: string, mixed = false) {
  const stderr: string[] = [];
  const failures: string[] = [];
  const standardError = { write: (text: string | Uint8Array) => void stderr.push(`${text}`), reopen() {}, close() {} };
  const onFailure = (message: string) => void failures.push(message);
  const options = { path, facility: "local2", program: "gateway", pid: 42, standardError, mixed, onFailure };
  const sink = syslogSink(options);
  const say = (text: string) => sink.write(`head ${text}\n`, { level: "error", body: text });
  return { sink, say, stderr, failures };
}

const ignore = Deno.build.os !== "linux";

Deno.test({
  name: "syslogSink() sends facility, level, time, name and pid with each line",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      using logger = new Logger(`${folder}/log`);
      const { sink, stderr } = start(logger.path);
      sink.write("head W some text\n", { level: "warn", body: "W some text" });
      sink.write("head F worse\n", { level: "fatal", body: "F worse" });
      assertMatch(await logger.next(), /^<148>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d gateway\[42\]: W some text$/);
      assertMatch(await logger.next(), /^<146>.* gateway\[42\]: F worse$/);
      assertEquals(stderr, []);
      sink.close();
    }),
});

Deno.test({
  name: "syslogSink() says once that nobody listens, writes to standard error, and finds a logger that comes back",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const path = `${folder}/log`;
      const { sink, say, stderr, failures } = start(path);
      say("one");
      say("two");
      const lost = (text: string) => `connect("${path}"): ${text}; the log goes to standard error until this is mended`;
      assertEquals(failures, [lost("No such file or directory")]);
      assertEquals(stderr, ["head one\n", "head two\n"]);
      {
        using logger = new Logger(path);
        say("three");
        assertMatch(await logger.next(), / three$/);
      }
      Deno.removeSync(path);
      {
        // Another one: the connection to the first is no good.
        using logger = new Logger(path);
        say("four");
        assertMatch(await logger.next(), / four$/);
      }
      say("five");
      assertEquals(failures.slice(1), [lost("Connection refused")]);
      assertEquals(stderr.length, 3);
      sink.close();
    }),
});

Deno.test({
  name: "syslogSink() writes to standard error where no descriptor is left for the logger's socket",
  ignore,
  async fn() {
    const child = new URL("../../tests/support/syslog_emfile_child.ts", import.meta.url).pathname;
    const { stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", 'ulimit -n 80; exec "$0" run -A "$1"', Deno.execPath(), child],
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([text(stdout), text(stderr)], [
      'socket("/dev/log"): Too many open files; the log goes to standard error until this is mended\n',
      "head line\n",
    ]);
  },
});

Deno.test({
  name: "syslogSink() gives up a logger that takes nothing, until it does again",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      using logger = new Logger(`${folder}/log`);
      const { sink, say, stderr, failures } = start(logger.path);
      let said = 0;
      while (failures.length === 0) say(String(said++));
      assertEquals(stderr, [`head ${said - 1}\n`]);
      for (let i = 0; i < said - 1; i++) assertMatch(await logger.next(), new RegExp(`: ${i}$`));
      say("again");
      assertMatch(await logger.next(), / again$/);
      assertEquals(failures.length, 1);
      sink.close();
    }),
});

Deno.test({
  name: "-ly logs what is wrong with the command line; -lm only what comes once everything is open",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      using logger = new Logger(`${folder}/log`);
      const refused = await runHere(["-lyuser", "-lpgateway", "-", "FOO:1"], {}, "", logger.path);
      assertEquals([refused.status, refused.log], [1, ""]);
      assertMatch(await logger.next(), /^<11>.* gateway\[1\]: E unknown device\/address "FOO"/);
      const early = await runHere(["-lm", "-", "FOO:1"], {}, "", logger.path);
      assertMatch(early.log, /^E unknown device\/address "FOO"/);
      const ran = await runHere(["-lm", "-dd", "-u", "TEXT:a", "DISCARD"], {}, "", logger.path);
      assertEquals([ran.status, ran.log], [0, ""]);
      assertMatch(await logger.next(), /^<29>.* l7mp\[1\]: N starting data transfer loop/);
    }),
});

Deno.test("-lh has the machine's name in each line, the environment's before the system's", async () => {
  const first = async (environment: Record<string, string>) =>
    (await runHere(["-lh", "-", "FOO:1"], environment)).log.split("\n")[0]!;
  assertMatch(await first({}), /^\S+ \S+ machine l7mp\[1\] E unknown/);
  assertMatch(await first({ HOSTNAME: "other" }), /^\S+ \S+ other l7mp\[1\] E unknown/);
});
