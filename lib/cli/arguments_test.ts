// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../errors.ts";
import { type Arguments, defaultArguments, readArguments } from "./arguments.ts";
import { globalOptions } from "./options.ts";

function read(line: string | readonly string[], environment: Record<string, string> = {}): Arguments {
  const words = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
  return readArguments(words, (name) => environment[name]);
}

const messages: readonly (readonly [line: string, message: string])[] = [
  ["-z - PIPE", 'unknown option "-z"; use option "-h" for help'],
  ["--statistic - PIPE", 'unknown option "--statistic"; use option "-h" for help; did you mean "--statistics"?'],
  ["--no-such-thing", 'unknown option "--no-such-thing"; use option "-h" for help'],
  ["-vx - PIPE", 'option "-vx": give single character options separately: -v -x'],
  ["-uvx - PIPE", 'option "-uvx": give single character options separately: -u -v -x'],
  ["-dv - PIPE", 'option "-dv": give single character options separately: -d -v'],
  ["-b", "option -b requires an argument"],
  ["- PIPE --grace", "option --grace requires an argument"],
  ["- PIPE --grace=", "option --grace requires an argument"],
  ["--plan= - PIPE", 'option --plan= requires an argument; without one leave the "=" out'],
  ["-b 12x - PIPE", 'trailing garbage in numerical arg of option "-b": "12x"'],
  ["-t2q - PIPE", 'trailing garbage in numerical arg of option "-t": "2q"'],
  ["-b abc - PIPE", 'missing numerical value of option "-b": "abc"'],
  ["-b 0 - PIPE", 'option "-b": 0 out of range 1..9007199254740991'],
  ["-b -5 - PIPE", 'option "-b": -5 out of range 1..9007199254740991'],
  ["-B 9007199254740993 - PIPE", 'option "-B": 9007199254740993 out of range 1..9007199254740991'],
  ["-t -1 - PIPE", 'option "-t": -1 out of range 0..'],
  ["-t ws://127.0.0.1/ -", '-t: not a number: "ws://127.0.0.1/" (for WebSocket text mode use --text)'],
  ["-t - ws://127.0.0.1/", '-t: not a number: "-" (for WebSocket text mode use --text)'],
  ["-t -E tcp-l:1 -", '-t: not a number: "-E" (for WebSocket text mode use --text)'],
  ["-b --no-close ws-l:1 -", '-b: not a number: "--no-close" (for WebSocket binary mode use --binary)'],
  ["-S ws://h/", '-S: not a number: "ws://h/" (to drop long and unfinished lines use --strict)'],
  ["-b ws-l:1234 -", '-b: not a number: "ws-l:1234" (for WebSocket binary mode use --binary)'],
  ["-u -U - PIPE", "options -u and -U exclude each other; without either, data flows both ways"],
  ["--text=1 - PIPE", "option --text takes no value"],
  ["-linfo - PIPE", 'unknown option "-linfo"; use option "-h" for help'],
  ["-l loud - PIPE", 'option "-l": "loud" is not one of error, warn, notice, info, debug'],
  ["--driver=fast - PIPE", 'option "--driver": "fast" is not one of auto, native, portable'],
  ["--compat=nc - PIPE", 'option "--compat": "nc" is not one of socat'],
  ["--plan=xml - PIPE", 'option "--plan": "xml" is not one of yaml, json'],
  ["-H nonsense - PIPE", 'option "-H": "nonsense" is not of the form "Name: value"'],
  ["- CREATE:n\uFFFDm", 'argument 2, "CREATE:n\uFFFDm", is not UTF-8: names and text must be'],
  ["-X POST - PIPE", 'option "-X": not in this version (use option method= of the address)'],
  ["-XPOST - PIPE", 'option "-X": not in this version (use option method= of the address)'],
  [
    "-lmnone - PIPE",
    'option -lm: unknown syslog facility "none"; known are kern, user, mail, daemon, auth, security, syslog, lpr, news, ' +
    "uucp, cron, authpriv, ftp, local0, local1, local2, local3, local4, local5, local6, local7",
  ],
  [
    "--oneshot ws-l:1 -",
    'option "--oneshot": not in this version (leave it out: without fork a listener serves one caller)',
  ],
  ["- ws:h:1 --origin=http://h", 'option "--origin": not in this version (use option origin= of the address)'],
];

for (const [line, message] of messages) {
  Deno.test(`readArguments() refuses ${line}`, () => {
    const error = assertThrows(() => read(line), ConfigError);
    assertEquals(error.message, message);
  });
}

Deno.test("readArguments() takes a facility only where it is attached, and the last place that the log is to go to", () => {
  const log = (line: string) => {
    const { log: { file, syslog }, words } = read(line);
    assertEquals(words, ["-", "PIPE"]);
    return file ?? syslog;
  };
  assertEquals(log("-ly - PIPE"), { facility: "daemon", mixed: false });
  assertEquals(log("-lf x -lmLOCAL7 - PIPE"), { facility: "local7", mixed: true });
  assertEquals(log("-ly -lfx - PIPE"), "x");
  assertEquals(log("-ly -ls - PIPE"), undefined);
});

Deno.test("readArguments() takes no empty word for a value", () => {
  for (const name of ["-b", "-c", "-lp", "-H", "--driver"]) {
    const error = assertThrows(() => read([name, "", "-", "PIPE"]), ConfigError);
    assertEquals(error.message, `option ${name} requires an argument`);
  }
});

Deno.test("readArguments() takes a header as websocat's users attach it", () => {
  assertEquals(read(["-H=X-A: b", "-HX-C: d=e", "-", "ws://h/"]).http.headers, ["X-A: b", "X-C: d=e"]);
});

Deno.test("readArguments() takes values attached and separate", () => {
  for (const line of ["-t2 - PIPE", "-t 2 - PIPE", "-t 2000ms - PIPE", "-t2.0s - PIPE"]) {
    const { session, words } = read(line);
    assertEquals(session, { linger: "2s" });
    assertEquals(words, ["-", "PIPE"]);
  }
  assertEquals(read("--grace=5 - PIPE").graceMs, 5000);
  assertEquals(read("--grace 5 - PIPE").graceMs, 5000);
  assertEquals(read("-lfl7mp.log - PIPE").log.file, "l7mp.log");
  assertEquals(read("-lf l7mp.log - PIPE").log.file, "l7mp.log");
  assertEquals(read("-lpgate - PIPE").program, "gate");
  assertEquals(read("-b 0x10 - PIPE").session.block_size, 16);
  assertEquals(read("-b010 - PIPE").session.block_size, 8);
  assertEquals(read("-B 1M - PIPE").session.max_message, 2 ** 20);
});

Deno.test("readArguments() takes configuration files, and -s beside them as the original's users mean it", () => {
  const { config, admin, adminAddress } = read("-c a.yaml -cb.yaml -s --admin=:1234");
  assertEquals({ config, admin, adminAddress }, {
    config: ["a.yaml", "b.yaml"],
    admin: { strict: true },
    adminAddress: ":1234",
  });
});

Deno.test("readArguments() leaves words that begin with a dash but are addresses", () => {
  assertEquals(read("-,crnl -").words, ["-,crnl", "-"]);
  assertEquals(read("-!!STDOUT PIPE").words, ["-!!STDOUT", "PIPE"]);
});

Deno.test("readArguments() takes options after addresses", () => {
  const { words, announce, http } = read(["tcp-l:0", "-", "--announce", "-H", "A: b", "-HC: d"]);
  assertEquals(words, ["tcp-l:0", "-"]);
  assertEquals(announce, "-");
  assertEquals(http.headers, ["A: b", "C: d"]);
});

Deno.test("readArguments() hands on what stands after -- untouched", () => {
  const { words, tail } = read(["-u", "EXEC-ARG", "-", "--", "printf", "-z", "--", "a,b:c"]);
  assertEquals(words, ["EXEC-ARG", "-"]);
  assertEquals(tail, ["printf", "-z", "--", "a,b:c"]);
});

Deno.test("readArguments() counts -d and takes its short forms", () => {
  const levels = {
    "": "warn",
    "-q": "error",
    "-d0": "error",
    "-d": "warn",
    "-d1": "warn",
    "-d -d": "notice",
    "-dd": "notice",
    "-d2": "notice",
    "-ddd": "info",
    "-d3": "info",
    "-d -d -d -d": "debug",
    "-dddd": "debug",
    "-d4 -d": "debug",
    "-l notice": "notice",
    "--log-level=silly": "debug",
    "-l silent": "error",
  } as const;
  for (const [line, level] of Object.entries(levels)) assertEquals(read(`${line} - PIPE`).log.level, level, line);
});

Deno.test("readArguments() writes session and process options into the document's two places", () => {
  const given = read(
    "-u -T 1.5 -t inf -b 8k -1 -n -v -x --statistics --access-log --timeout=2m --driver=portable - PIPE",
  );
  assertEquals(given.session, {
    direction: "ltr",
    idle_timeout: "1500ms",
    linger: "inf",
    block_size: 8192,
    one_message: true,
    no_close: true,
    dump: "both",
  });
  assertEquals(given.admin, { statistics: true, access_log_path: "-", timeout: "2m", driver: "portable" });
});

Deno.test("readArguments() takes a negative -T for never, and 0 for at once", () => {
  assertEquals(read("-T -1 - PIPE").session, {});
  assertEquals(read("-T 5 -T -1 - PIPE").session, {});
  assertEquals(read("-T 0 - PIPE").session, { idle_timeout: "0s" });
});

Deno.test("readArguments() stops at help and version, whatever follows", () => {
  assertEquals(read("-h -zzz").mode, "help");
  assertEquals(read("-V FOO").mode, "version");
  const levels = ["-h", "-hh", "-hhh", "-?", "-??", "-???"].map((word) => read(word).helpLevel);
  assertEquals(levels, [1, 2, 3, 1, 2, 3]);
  assertEquals(read("--help=fork").helpTopic, "fork");
  assertEquals(read("--help").helpTopic, undefined);
  assertEquals(read("--help fork").helpTopic, "fork");
  assertEquals(read("--help -d").helpTopic, undefined);
});

Deno.test("readArguments() reads the environment, and options win over it", () => {
  const environment = {
    L7MP_OPTS: "-d -d -lp 'my gate'",
    SOCAT_PREFERRED_RESOLVE_IP: "6",
    SOCAT_DEFAULT_LISTEN_IP: "0",
  };
  const given = read("-d - PIPE", environment);
  assertEquals(given.log.level, "info");
  assertEquals(given.program, "my gate");
  assertEquals([given.ipVersion, given.listenIpVersion], [6, 0]);
  assertEquals(read("-4 - PIPE", environment).ipVersion, 4);
  const stray = assertThrows(() => read("- PIPE", { L7MP_OPTS: "-d tcp:a:1" }), ConfigError);
  assertEquals(stray.message, 'L7MP_OPTS: "tcp:a:1" is not an option');
  const quote = assertThrows(() => read("- PIPE", { L7MP_OPTS: "-lp 'x" }), ConfigError);
  assertEquals(quote.message, "L7MP_OPTS: unclosed quote");
  const unknown = assertThrows(() => read("- PIPE", { L7MP_OPTS: "-z" }), ConfigError);
  assertEquals(unknown.message, 'L7MP_OPTS: unknown option "-z"; use option "-h" for help');
  const version = assertThrows(() => read("- PIPE", { SOCAT_PREFERRED_RESOLVE_IP: "5" }), ConfigError);
  assertEquals(version.message, 'SOCAT_PREFERRED_RESOLVE_IP: "5" is not 4, 6 or 0');
});

Deno.test("readArguments() says what has no effect", () => {
  assertEquals(read("-S 0x8 --experimental - PIPE").notes, [
    { level: "warn", message: "option -S has no effect" },
    { level: "info", message: "option --experimental has no effect" },
  ]);
  const none = "has no effect: an option that does not fit or cannot be set is an error";
  assertEquals(read("-s -g - PIPE").notes, [
    { level: "warn", message: `option -s ${none} (for a WebSocket server use --server)` },
    { level: "warn", message: `option -g ${none}` },
  ]);
});

Deno.test("readArguments() leaves the log's settings before a fault to its caller", () => {
  const given = defaultArguments();
  assertThrows(() => readArguments(["-lp", "gate", "--log-format=json", "-z"], () => undefined, given), ConfigError);
  assertEquals([given.program, given.log.format], ["gate", "json"]);
});

Deno.test("globalOptions have no name twice", () => {
  const names = globalOptions.flatMap((option) => option.names);
  assertEquals(names.length, new Set(names).size);
});
