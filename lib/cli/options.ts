/**
 * The options of the command line that are about the whole program, as values: names, value, help, example, effect.
 * The reader of arguments and the help both go by this table; an option that is not in it does not exist.
 */
import { ConfigError } from "../errors.ts";
import { printDuration } from "../schema.ts";
import type { Arguments } from "./arguments.ts";
import { readProxy } from "./default_proxies.ts";
import { syslogFacilities } from "./syslog_facilities.ts";
import { readBytes, readChoice, readHeader, readLevel, readSeconds } from "./option_values.ts";

export interface GlobalOption {
  /** As typed; the first is the canonical one. */
  readonly names: readonly string[];
  /** Absent: the option takes no value. */
  readonly value?: {
    /** Its name in the help: `SECONDS`. */
    readonly label: string;
    /** May be left out; then it is written only as `--name=value`, or `attached`. */
    readonly optional?: boolean;
    /** Follows the letters of a short option at once: `-lylocal2`. */
    readonly attached?: boolean;
    /** A short option whose value must be a word of its own (`-l LEVEL`, because `-ls` and `-lu` are options). */
    readonly separate?: boolean;
  };
  readonly group: Group;
  readonly help: string;
  /** A command line that runs as it is, give or take the names of hosts and files. */
  readonly example: string;
  /** What a value that looks like an address was meant to be: websocat has the same letter for something else. */
  readonly websocatMeaning?: string;
  /** Puts the option into effect; `name` is the spelling that was used. Throws `ConfigError`. */
  set(result: Arguments, text: string | undefined, name: string): void;
}

export const groups = [
  "Information",
  "Configuration",
  "Log and statistics",
  "Transfer",
  "Addresses",
  "WebSocket",
  "Process",
] as const;
export type Group = typeof groups[number];

const hasNoEffect = (result: Arguments, name: string, level: "warn" | "info") =>
  result.notes.push({ level, message: `option ${name} has no effect` });

function setDump(result: Arguments, kind: "text" | "hex"): void {
  const before = result.session.dump;
  result.session.dump = before === undefined || before === kind ? kind : "both";
}

function setDirection(result: Arguments, direction: "ltr" | "rtl"): void {
  const before = result.session.direction;
  if (before !== undefined && before !== direction) {
    throw new ConfigError("options -u and -U exclude each other; without either, data flows both ways");
  }
  result.session.direction = direction;
}

/** `-d` adds one, `-ddd` adds three, `-d3` sets three; the default is one. */
function setVerbosity(result: Arguments, name: string): void {
  const digit = /\d$/.exec(name)?.[0];
  result.verbosity = digit === undefined ? (result.verbosity ?? 0) + name.length - 1 : Number(digit);
  const level = (["error", "warn", "notice", "info", "debug"] as const)[Math.min(result.verbosity, 4)]!;
  result.log.level = level;
  result.admin.log_level = level;
}

function setSyslog(result: Arguments, name: string, text = "daemon", mixed: boolean): void {
  const facility = text.toLowerCase();
  if (!Object.hasOwn(syslogFacilities, facility)) {
    const known = Object.keys(syslogFacilities).join(", ");
    throw new ConfigError(`option ${name}: unknown syslog facility "${text}"; known are ${known}`);
  }
  delete result.log.file;
  delete result.admin.log_file;
  result.log.syslog = { facility, mixed };
}

function setLock(result: Arguments, path: string, wait: boolean): void {
  if (result.lock) throw new ConfigError("only one of -L and -W, and that once");
  result.lock = { path, wait };
}

export const globalOptions: readonly GlobalOption[] = [
  {
    names: ["-V", "--version"],
    group: "Information",
    help: "Print version and features",
    example: "l7mp -V",
    set: (result) => void (result.mode = "version"),
  },
  {
    names: ["-h", "-?", "--help", "-hh", "-??", "-hhh", "-???"],
    value: { label: "TOPIC", optional: true },
    group: "Information",
    help: "Print this; -hh adds the options of addresses, -hhh every alias; a topic is a type or option",
    example: "l7mp --help=tcp-listen",
    set(result, text, name) {
      result.mode = "help";
      result.helpLevel = name.startsWith("--") ? 1 : Math.min(name.length - 1, 3) as 1 | 2 | 3;
      result.helpTopic = text;
    },
  },
  {
    names: ["--plan"],
    value: { label: "yaml|json", optional: true },
    group: "Information",
    help: "Print the configuration that the command line means, open nothing",
    example: "l7mp --plan udp-l:15000,fork ws:127.0.0.1:16000",
    set(result, text = "yaml", name) {
      result.mode = "plan";
      result.planFormat = readChoice(text, ["yaml", "json"], name);
    },
  },
  {
    names: ["--show-secrets"],
    group: "Information",
    help: "Print passwords and the like in plans as they are, not as ***",
    example: "l7mp --plan --show-secrets - ws:127.0.0.1:16000,basic-auth=me:secret",
    set: (result) => void (result.showSecrets = true),
  },
  {
    names: ["--check"],
    group: "Information",
    help: "Check the command line or the configuration, open nothing; exit 0, or 1 (with -c alone 2)",
    example: "l7mp --check tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result) => void (result.mode = "check"),
  },

  {
    names: ["-c"],
    value: { label: "FILE" },
    group: "Configuration",
    help: "Run a configuration (YAML or JSON; -: standard input); repeatable; SIGHUP reads it again",
    example: "l7mp -c config/l7mp-minimal.yaml",
    set: (result, text) => void result.config.push(text!),
  },
  {
    names: ["--admin"],
    value: { label: "ADDRESS" },
    group: "Configuration",
    help: "Serve the REST API: PORT (on 127.0.0.1), HOST:PORT or unix:PATH; TLS options may follow",
    example: "l7mp --admin=1234 tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text) => void (result.adminAddress = text!),
  },
  {
    names: ["--admin-token-file"],
    value: { label: "FILE" },
    group: "Configuration",
    help: "File with the bearer token that callers of the REST API from elsewhere must show",
    example: "l7mp --admin=0.0.0.0:1234 --admin-token-file=token tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text) => void (result.adminTokenFile = text!),
  },
  {
    names: ["--prometheus"],
    value: { label: "ADDRESS" },
    group: "Configuration",
    help: "Serve metrics at /metrics: PORT (on 127.0.0.1), HOST:PORT or unix:PATH",
    example: "l7mp --prometheus=9090 tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text) => void (result.prometheusAddress = text!),
  },
  {
    names: ["--strict-config"],
    group: "Configuration",
    help: "Validate REST requests against the schema; with -c also spelt -s",
    example: "l7mp --strict-config -c config/l7mp-minimal.yaml",
    set: (result) => void (result.admin.strict = true),
  },

  {
    names: ["-d", "-dd", "-ddd", "-dddd", "-d0", "-d1", "-d2", "-d3", "-d4"],
    group: "Log and statistics",
    help: "Log more: -d0 errors; -d, -d1 (default) warnings; -dd, -d2 notices; -d3 info; -d4 debug",
    example: "l7mp -dd tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, _text, name) => setVerbosity(result, name),
  },
  {
    names: ["-q"],
    group: "Log and statistics",
    help: "Log errors only, as -d0",
    example: "l7mp -q - tcp:127.0.0.1:80",
    set: (result) => setVerbosity(result, "-d0"),
  },
  {
    names: ["-l", "--log-level"],
    value: { label: "LEVEL", separate: true },
    group: "Log and statistics",
    help: "Log level: error, warn, notice, info, debug",
    example: "l7mp -l info tcp-l:8080,fork tcp:127.0.0.1:80",
    set(result, text, name) {
      result.log.level = readLevel(text!, name);
      result.admin.log_level = result.log.level;
    },
  },
  {
    names: ["-ls"],
    group: "Log and statistics",
    help: "Log to standard error (default)",
    example: "l7mp -ls - pipe",
    set(result) {
      delete result.log.file;
      delete result.log.syslog;
      delete result.admin.log_file;
    },
  },
  {
    names: ["-lf"],
    value: { label: "FILE" },
    group: "Log and statistics",
    help: "Append the log to FILE; SIGUSR2 opens it anew",
    example: "l7mp -lf l7mp.log tcp-l:8080,fork tcp:127.0.0.1:80",
    set(result, text) {
      delete result.log.syslog;
      result.log.file = text!;
      result.admin.log_file = text!;
    },
  },
  {
    names: ["-ly"],
    value: { label: "FACILITY", optional: true, attached: true },
    group: "Log and statistics",
    help: "Log to the system's logger, by default as daemon; what it does not take goes to standard error",
    example: "l7mp -lylocal2 tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text, name) => setSyslog(result, name, text, false),
  },
  {
    names: ["-lm"],
    value: { label: "FACILITY", optional: true, attached: true },
    group: "Log and statistics",
    help: "Log to standard error until everything is open, then as -ly",
    example: "l7mp -lm tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text, name) => setSyslog(result, name, text, true),
  },
  {
    names: ["-lp"],
    value: { label: "NAME" },
    group: "Log and statistics",
    help: "Program name in log lines and prefix of environment variables",
    example: "l7mp -lp gateway -dd - pipe",
    set: (result, text) => void (result.program = text!),
  },
  {
    names: ["-lu"],
    group: "Log and statistics",
    help: "Microseconds in log times",
    example: "l7mp -lu -dd - pipe",
    set: (result) => void (result.log.microseconds = true),
  },
  {
    names: ["-lh"],
    group: "Log and statistics",
    help: "Name of the machine in log lines: $HOSTNAME, or what the system says",
    example: "l7mp -lh -dd - pipe",
    set: (result) => void (result.log.hostName = true),
  },
  {
    names: ["--log-format"],
    value: { label: "socat|json" },
    group: "Log and statistics",
    help: "Form of log lines: as socat writes them (default), or one JSON object a line",
    example: "l7mp --log-format=json -dd tcp-l:8080,fork tcp:127.0.0.1:80",
    set(result, text, name) {
      result.log.format = readChoice(text!, ["socat", "json"], name);
      result.admin.log_format = result.log.format;
    },
  },
  {
    names: ["--access-log"],
    value: { label: "FILE", optional: true },
    group: "Log and statistics",
    help: "One line per ended session, to FILE or standard error",
    example: "l7mp --access-log=access.log tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text = "-") => void (result.accessLog = result.admin.access_log_path = text),
  },
  {
    names: ["--access-log-format"],
    value: { label: "text|json|LINE" },
    group: "Log and statistics",
    help: "Lines of the access log: key=value, JSON, or a LINE with {names} such as '{time} {source} {ltr_bytes}'",
    example: "l7mp --access-log --access-log-format=json tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text) => void (result.admin.access_log_format = text!),
  },
  {
    names: ["-v"],
    group: "Log and statistics",
    help: "Copy transferred data to standard error as text",
    example: "l7mp -v tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result) => setDump(result, "text"),
  },
  {
    names: ["-x"],
    group: "Log and statistics",
    help: "Copy transferred data to standard error in hex; -v -x gives both",
    example: "l7mp -x - tcp:127.0.0.1:80",
    set: (result) => setDump(result, "hex"),
  },
  {
    names: ["-r"],
    value: { label: "FILE" },
    group: "Log and statistics",
    help:
      "Append what goes from address1 to address2 to FILE, as it is; its name may have $$, $PROGNAME, $TIMESTAMP, " +
      "$MICROS and variables of the environment, such as $SOCAT_PEERADDR, in it; SIGUSR2 opens it anew",
    example: "l7mp -r '$TIMESTAMP-$SOCAT_PEERADDR.in' tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text) => void (result.session.copy_upstream = text!),
  },
  {
    names: ["-R"],
    value: { label: "FILE" },
    group: "Log and statistics",
    help: "As -r, what goes from address2 to address1",
    example: "l7mp -R '$TIMESTAMP-$SOCAT_PEERADDR.out' tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text) => void (result.session.copy_downstream = text!),
  },
  {
    names: ["--statistics"],
    group: "Log and statistics",
    help: "Log packets and bytes of both directions at the end; SIGUSR1 logs them any time",
    example: "l7mp --statistics - tcp:127.0.0.1:80",
    set: (result) => void (result.statistics = result.admin.statistics = true),
  },
  {
    names: ["--announce"],
    value: { label: "FILE", optional: true },
    group: "Log and statistics",
    help: "Write LISTEN <type> <host> <port or path> for each listener, to FILE or standard error",
    example: "l7mp --announce tcp-l:0,fork pipe",
    set: (result, text = "-") => void (result.announce = text),
  },

  {
    names: ["-b"],
    value: { label: "SIZE" },
    group: "Transfer",
    help: "Largest block per step, in bytes (suffixes k M G); a larger datagram is cut",
    example: "l7mp -b 64k - tcp:127.0.0.1:80",
    websocatMeaning: "for WebSocket binary mode use --binary",
    set: (result, text, name) => void (result.session.block_size = readBytes(text!, name)),
  },
  {
    names: ["-B", "--max-message"],
    value: { label: "SIZE" },
    group: "Transfer",
    help: "Largest message to assemble or accept (default 64M)",
    example: "l7mp -B 1M ws-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text, name) => void (result.session.max_message = readBytes(text!, name)),
  },
  {
    names: ["-u"],
    group: "Transfer",
    help: "One direction: from address1 to address2",
    example: "l7mp -u open:file.txt tcp:127.0.0.1:80",
    set: (result) => setDirection(result, "ltr"),
  },
  {
    names: ["-U"],
    group: "Transfer",
    help: "One direction: from address2 to address1",
    example: "l7mp -U create:copy.txt tcp:127.0.0.1:80",
    set: (result) => setDirection(result, "rtl"),
  },
  {
    names: ["-t"],
    value: { label: "SECONDS" },
    group: "Transfer",
    help:
      "After one side ended, end when the other is silent this long; inf: wait for its end (default 0.5 when a side is " +
      "STDIO, a program, a file or speaks in messages; 60 between network streams and for the answer of an HTTP request)",
    example: "l7mp -t 10 - tcp:127.0.0.1:80",
    websocatMeaning: "for WebSocket text mode use --text",
    set: (result, text, name) => void (result.session.linger = printDuration(readSeconds(text!, name, 0))),
  },
  {
    names: ["-T"],
    value: { label: "SECONDS" },
    group: "Transfer",
    help: "End a session after this long without data; negative: never (default)",
    example: "l7mp -T 60 tcp-l:8080,fork tcp:127.0.0.1:80",
    set(result, text, name) {
      const ms = readSeconds(text!, name);
      if (ms < 0 || ms === Infinity) delete result.session.idle_timeout;
      else result.session.idle_timeout = printDuration(ms);
    },
  },
  {
    names: ["-E", "--exit-on-eof"],
    group: "Transfer",
    help: "End a session as soon as one side ends, as -t 0",
    example: "l7mp -E - tcp:127.0.0.1:80",
    set: (result) => void (result.session.linger = "0s"),
  },
  {
    names: ["-1", "--one-message"],
    group: "Transfer",
    help: "Forward one message or block per direction, then end",
    example: "l7mp -1 - udp:127.0.0.1:53",
    set: (result) => void (result.session.one_message = true),
  },
  {
    names: ["-p"],
    value: { label: "TEXT" },
    group: "Transfer",
    help: "Send TEXT to address2 once, at the start; the option preamble sends it on every connection",
    example: "l7mp -p hello - ws:127.0.0.1:16000",
    set: (result, text) => void (result.session.preamble_upstream = text!),
  },
  {
    names: ["-P"],
    value: { label: "TEXT" },
    group: "Transfer",
    help: "Send TEXT to address1 once, at the start",
    example: "l7mp -P welcome tcp-l:8080,fork pipe",
    set: (result, text) => void (result.session.preamble_downstream = text!),
  },
  {
    names: ["--null"],
    group: "Transfer",
    help: "Lines are separated by NUL instead of newline",
    example: "l7mp --null - ws:127.0.0.1:16000",
    set: (result) => void (result.lines.nul = true),
  },
  {
    names: ["--strict"],
    group: "Transfer",
    help: "Drop lines that are too long or unfinished, with a warning",
    example: "l7mp --strict -B 64k - ws:127.0.0.1:16000",
    set: (result) => void (result.lines.strict = true),
  },

  {
    names: ["-4"],
    group: "Addresses",
    help: "IPv4 where an address does not say (default)",
    example: "l7mp -4 - tcp:localhost:80",
    set: (result) => void (result.ipVersion = result.listenIpVersion = 4),
  },
  {
    names: ["-6"],
    group: "Addresses",
    help: "IPv6 where an address does not say",
    example: "l7mp -6 - tcp:localhost:80",
    set: (result) => void (result.ipVersion = result.listenIpVersion = 6),
  },
  {
    names: ["-0"],
    group: "Addresses",
    help: "Either IP version; listeners serve both where the system can",
    example: "l7mp -0 tcp-l:8080,fork pipe",
    set: (result) => void (result.ipVersion = result.listenIpVersion = 0),
  },
  {
    names: ["--driver"],
    value: { label: "auto|native|portable" },
    group: "Addresses",
    help: "How sockets are opened: libc, or the runtime alone (auto: libc where it can)",
    example: "l7mp --driver=portable tcp-l:8080,fork pipe",
    set(result, text, name) {
      result.driver = readChoice(text!, ["auto", "native", "portable"], name);
      result.admin.driver = result.driver;
    },
  },
  {
    names: ["--compat"],
    value: { label: "socat" },
    group: "Addresses",
    help:
      "socat's defaults where ours differ: 0.5 s of silence after one end, blocks of 8192 bytes, HTTP/1.0 to proxies",
    example: "l7mp --compat=socat tcp-l:8080,fork tcp:127.0.0.1:80",
    set(result, text, name) {
      readChoice(text!, ["socat"], name);
      result.compatSocat = true;
    },
  },

  {
    names: ["-k", "--insecure"],
    group: "Addresses",
    help: "Check no certificates: verify=0 on every TLS address that does not say",
    example: "l7mp -k - openssl:127.0.0.1:443",
    set(result, _text, name) {
      result.insecure = true;
      const message = `option ${name}: certificates of peers are not checked`;
      result.notes.push({ level: "warn", message });
    },
  },

  {
    names: ["--server"],
    value: { label: "[HOST:]PORT[/PATH]" },
    group: "WebSocket",
    help: "Serve WebSockets as address1, by default on 127.0.0.1 and many; options of WS-LISTEN may follow",
    example: "l7mp --server 8080",
    set: (result, text) => void (result.server = text!),
  },
  {
    names: ["--via"],
    value: { label: "PROXY" },
    group: "Addresses",
    help: "Proxy of outgoing TCP connections, as option via; env: from the environment; repeatable: a chain",
    example: "l7mp --via=socks5://127.0.0.1:1080 - ws:127.0.0.1:16000",
    set: (result, text, name) => void result.via.push(readProxy(text!, name)),
  },

  {
    names: ["--text"],
    group: "WebSocket",
    help: "Send text messages where the address does not say",
    example: "l7mp --text tcp-l:8080,fork ws:127.0.0.1:16000",
    set: (result) => void (result.http.messageType = "text"),
  },
  {
    names: ["--binary"],
    group: "WebSocket",
    help: "Send binary messages where the address does not say; standard input is not cut into lines",
    example: "l7mp --binary - ws:127.0.0.1:16000",
    set: (result) => void (result.http.messageType = "binary"),
  },
  {
    names: ["-n", "--no-close"],
    group: "WebSocket",
    help: "Send no close frame when the local side ends; keep receiving",
    example: "l7mp -n -1 - ws:127.0.0.1:16000",
    set: (result) => void (result.session.no_close = true),
  },
  {
    names: ["-H", "--header"],
    value: { label: "'NAME: VALUE'" },
    group: "WebSocket",
    help: "Extra header of outgoing requests; repeatable",
    example: "l7mp -H 'Authorization: Bearer x' - ws:127.0.0.1:16000",
    // websocat's users write -H='NAME: VALUE'.
    set: (result, text, name) => void result.http.headers.push(readHeader(text!.replace(/^=/, ""), name)),
  },
  {
    names: ["--ping-interval"],
    value: { label: "SECONDS" },
    group: "WebSocket",
    help: "Ping a WebSocket that was silent this long",
    example: "l7mp --ping-interval=30 - ws:127.0.0.1:16000",
    set: (result, text, name) => void (result.http.pingIntervalMs = readSeconds(text!, name, 0)),
  },
  {
    names: ["--ping-timeout"],
    value: { label: "SECONDS" },
    group: "WebSocket",
    help: "Fail when a ping is not answered this long",
    example: "l7mp --ping-interval=30 --ping-timeout=5 - ws:127.0.0.1:16000",
    set: (result, text, name) => void (result.http.pingTimeoutMs = readSeconds(text!, name, 0)),
  },

  {
    names: ["--timeout"],
    value: { label: "SECONDS" },
    group: "Process",
    help: "End the program after this long, whatever happens, with status 124",
    example: "l7mp --timeout=5 - tcp:127.0.0.1:80",
    set(result, text, name) {
      result.timeoutMs = readSeconds(text!, name, 0);
      result.admin.timeout = printDuration(result.timeoutMs);
    },
  },
  {
    names: ["-L"],
    value: { label: "FILE" },
    group: "Process",
    help: "Make FILE, and remove it at the end; fail if it exists",
    example: "l7mp -L l7mp.lock tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text) => setLock(result, text!, false),
  },
  {
    names: ["-W"],
    value: { label: "FILE" },
    group: "Process",
    help: "Make FILE, and remove it at the end; wait as long as it exists",
    example: "l7mp -W l7mp.lock tcp-l:8080,fork tcp:127.0.0.1:80",
    set: (result, text) => setLock(result, text!, true),
  },
  {
    names: ["--grace"],
    value: { label: "SECONDS" },
    group: "Process",
    help: "On SIGTERM or SIGINT let sessions finish for at most this long (default 0); a second signal ends at once",
    example: "l7mp --grace=30 tcp-l:8080,fork tcp:127.0.0.1:80",
    set(result, text, name) {
      result.graceMs = readSeconds(text!, name, 0);
      result.admin.grace = printDuration(result.graceMs);
    },
  },
  {
    names: ["--exit-class"],
    group: "Process",
    help: "Exit with the class of an error: 2 configuration, 3 connecting, 4 protocol, 5 limit, 6 stream",
    example: "l7mp --exit-class - tcp:127.0.0.1:80",
    set: (result) => void (result.exitClass = true),
  },
  {
    names: ["-S"],
    value: { label: "MASK" },
    group: "Process",
    help: "Accepted for socat's sake; has no effect",
    example: "l7mp -S 0 - pipe",
    websocatMeaning: "to drop long and unfinished lines use --strict",
    set: (result, _text, name) => hasNoEffect(result, name, "warn"),
  },
  {
    names: ["-s", "-g"],
    group: "Process",
    help: "Accepted for socat's sake; has no effect: an option that does not fit or cannot be set is an error",
    example: "l7mp -s - pipe",
    set(result, _text, name) {
      const meant = name === "-s" ? " (for a WebSocket server use --server)" : "";
      const message = `option ${name} has no effect: an option that does not fit or cannot be set is an error${meant}`;
      result.notes.push({ level: "warn", message });
    },
  },
  {
    names: ["--experimental", "-D", "-e", "--async-stdio"],
    group: "Process",
    help: "Accepted for socat's and websocat's sake; has no effect",
    example: "l7mp --experimental - pipe",
    set: (result, _text, name) => hasNoEffect(result, name, "info"),
  },
];
