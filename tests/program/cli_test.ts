// The program from its arguments to its exit status, as far as nothing is opened.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { version } from "../../lib/cli/version.ts";
import { runHere } from "../support/cli.ts";

Deno.test("-V prints the version on line 2 and features as socat does", async () => {
  const { status, stdout, log } = await runHere(["-V"]);
  assertEquals([status, log], [0, ""]);
  const lines = stdout.split("\n");
  assertMatch(lines[1]!, new RegExp(`^l7mp version ${version} on \\d+ \\w+ \\d{4} [\\d:]+$`));
  for (const feature of ["STDIO", "TCP", "UDP", "UNIX", "ABSTRACT_UNIXSOCKET", "IP6", "LISTEN", "EXEC", "RETRY"]) {
    assert(lines.includes(`  #define WITH_${feature} 1`), feature);
  }
  assert(!stdout.includes("WITH_READLINE"), "what is absent is not listed");
});

Deno.test("the version is that of deno.json", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assertEquals(version, config.version);
});

Deno.test("-h lists options and addresses, -hh their options, -hhh aliases", async () => {
  const [first, second, third] = await Promise.all(["-h", "-hh", "-hhh"].map((word) => runHere([word])));
  for (const { status, log } of [first!, second!, third!]) assertEquals([status, log], [0, ""]);
  assertStringIncludes(first!.stdout, "\n  TCP-LISTEN:[<host>:]<port>");
  assertStringIncludes(first!.stdout, "\n    -t SECONDS");
  assertStringIncludes(first!.stdout, "\n  l7mp [options] -c <file> ");
  for (const variable of ["L7MP_OPTS", "SOCAT_PREFERRED_RESOLVE_IP", "SOCAT_DEFAULT_LISTEN_IP"]) {
    assertStringIncludes(first!.stdout, `\n  ${variable} `);
  }
  assert(!first!.stdout.includes("max-children="));
  assertStringIncludes(second!.stdout, "    max-children=<number>");
  assert(!second!.stdout.includes("TCP-L "));
  assertStringIncludes(third!.stdout, "TCP-LISTEN:[<host>:]<port>  (TCP-L ");
  for (const line of first!.stdout.split("\n")) assert(line.length <= 110, line);
});

Deno.test("--help=TOPIC explains a type, an option of addresses, an option of the program", async () => {
  const type = await runHere(["--help=tcp-l"]);
  assertMatch(type.stdout, /^TCP-LISTEN:\[<host>:\]<port>\n {2}Accept TCP connections\n/);
  assertStringIncludes(type.stdout, "\nExample: l7mp TCP-LISTEN:8080,fork PIPE\n");
  const option = await runHere(["--help=Max_Children"]);
  assertStringIncludes(option.stdout, "max-children=<number>\n");
  assertStringIncludes(option.stdout, "  aliases: maxchildren max-sessions conncap\n");
  const program = await runHere(["--help=grace"]);
  assertStringIncludes(program.stdout, "--grace=SECONDS\n");
  assertStringIncludes(program.stdout, "\nExample: l7mp --grace=30 ");
});

Deno.test("--help=TOPIC without such a topic suggests one", async () => {
  const { status, stdout, log } = await runHere(["--help=tcp-lisen"]);
  assertEquals([status, stdout, log], [1, "", 'E no help for "tcp-lisen"; did you mean "TCP-LISTEN"?\n']);
});

Deno.test("an error in the arguments is one line in the form and place asked for, status 1 or its class", async () => {
  const plain = await runHere(["-z", "-", "PIPE"]);
  assertEquals([plain.status, plain.log], [1, 'E unknown option "-z"; use option "-h" for help\n']);
  const classed = await runHere(["--exit-class", "-", "FOO:1"]);
  assertEquals(classed.status, 2);
  const json = await runHere(["--log-format=json", "-", "FOO:1"]);
  const { level, event, message } = JSON.parse(json.log);
  assertEquals([level, event], ["error", "config.error"]);
  assertMatch(message, /^unknown device\/address "FOO"/);
  const path = await Deno.makeTempFile();
  try {
    const filed = await runHere(["-lf", path, "-lp", "gate", "-z"]);
    assertEquals([filed.status, filed.log], [1, ""]);
    assertMatch(await Deno.readTextFile(path), /^\d{4}\/\d\d\/\d\d [\d:]+ gate\[1\] E unknown option "-z"; use option/);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("no address at all is an error that points to the help", async () => {
  const { status, log } = await runHere([]);
  assertEquals([status, log], [1, 'E exactly 2 addresses required (there are 0); use option "-h" for help\n']);
});

Deno.test("a log file that cannot be opened is an error on standard error", async () => {
  const { status, log } = await runHere(["-lf", "/nonexistent/log", "-", "PIPE"]);
  const message = 'E open("/nonexistent/log", O_WRONLY|O_CREAT|O_APPEND): No such file or directory\n';
  assertEquals([status, log], [1, message]);
});

Deno.test("a configuration that cannot be read is an error that says who asked for it", async () => {
  const { status, log } = await runHere(["-c", "/nonexistent/x.yaml"]);
  assertEquals([status, log], [2, 'E -c: open("/nonexistent/x.yaml"): No such file or directory\n']);
});

Deno.test("--access-log-format is checked, and told where there is no access log", async () => {
  const wrong = await runHere(["--check", "--access-log-format={foo", "-", "PIPE"]);
  assertEquals(wrong.status, 1);
  assertMatch(wrong.log, /^E option "--access-log-format": "\{foo" has a "\{" without its other half/);
  const alone = await runHere(["--check", "--access-log-format=json", "-", "PIPE"]);
  const message = "W option --access-log-format has no effect without --access-log\n";
  assertEquals([alone.status, alone.log], [0, message]);
  const both = await runHere(["--check", "--access-log-format=json", "--access-log", "-", "PIPE"]);
  assertEquals([both.status, both.log], [0, ""]);
});

Deno.test("an option that the addresses have no use for is told, one that they have is not", async () => {
  const pair = ["-", "TCP:127.0.0.1:80"];
  const socket = ["-", "autoreconnect:ws:127.0.0.1:80"];
  const secrets = ["--show-secrets"];
  const cases: readonly (readonly [option: string[], without: string[], withUse: string[] | undefined])[] = [
    [["-H", "A: b"], ["-", "HTTP-LISTEN:80"], socket],
    [["--via=http://127.0.0.1:1"], ["-", "UDP:127.0.0.1:80"], ["-", "STDIN!!TCP:127.0.0.1:80"]],
    [["--ping-interval=1"], pair, socket],
    [["--ping-timeout=1"], pair, socket],
    [["--text"], pair, socket],
    [["--binary"], pair, ["TCP-L:80,fork", "ws:127.0.0.1:80"]],
    [["-n"], pair, ["WS-L:80", "-"]],
    [["--null"], pair, socket],
    [["--strict"], pair, ["-", "LINES", "UDP:127.0.0.1:80"]],
    [["--admin-token-file=x"], pair, undefined],
    [["--strict-config"], pair, undefined],
    [secrets, pair, ["--plan", ...pair]],
  ];
  for (const [option, without, withUse] of cases) {
    const [name] = option[0]!.split("=");
    const { status, log } = await runHere([...option, "--check", ...without]);
    assertEquals([status, log], [0, `W option ${name} has no effect here\n`]);
    if (!withUse) continue;
    const mode = option === secrets ? [] : ["--check"];
    assertEquals((await runHere([...option, ...mode, ...withUse])).log, "", name);
  }
  const usual = await runHere(["--check", ...pair], { L7MP_OPTS: "--text" });
  assertEquals(usual.log, "", "what is set for every run is no mistake of one");
});

Deno.test("standard input is a configuration or an address, not both", async () => {
  const check = (...words: string[]) => runHere(["--check", "-c", "-", ...words], {}, "{}");
  const message = "E STDIO: standard input is the configuration (-c -), so it cannot be an address\n";
  for (const words of [["-", "PIPE"], ["PIPE"], ["-u", "STDIN", "PIPE"], ["TCP-L:1", "-!!PIPE"]]) {
    const { status, log } = await check(...words);
    assertEquals([status, log], [1, message], words.join(" "));
  }
  assertEquals((await check("TCP-L:1", "PIPE")).status, 0);
  assertEquals((await check("-u", "TCP-L:1", "STDOUT")).status, 0);
});

Deno.test("--check finds two listeners of a configuration at one address", async () => {
  const listen = (name: string, spec: Record<string, unknown>) => ({ name, spec, rules: [] });
  const both = (...specs: Record<string, unknown>[]) =>
    runHere(["--check", "-c", "-"], {}, JSON.stringify({ listeners: specs.map((spec, i) => listen("ab"[i]!, spec)) }));
  const refused = await both({ protocol: "TCP", port: 80 }, { protocol: "HTTP", port: 80 });
  assertEquals(refused.status, 2);
  assertMatch(
    refused.log,
    /^E stdin:1: listeners\[1\]\.spec: listener "a" has the same address HTTP-LISTEN:80 already; /,
  );
  const path = { protocol: "UnixDomainSocket", filename: "/run/x.sock" };
  assertEquals((await both(path, path)).status, 2);
  for (
    const [one, other] of [
      [{ protocol: "TCP", port: 80 }, { protocol: "TCP", port: 81 }],
      [{ protocol: "TCP", port: 80 }, { protocol: "UDP", port: 80 }],
      [{ protocol: "TCP", port: 0 }, { protocol: "TCP", port: 0 }],
      [{ protocol: "TCP", port: 80, address: "10.0.0.1" }, { protocol: "TCP", port: 80, address: "10.0.0.2" }],
      [{ protocol: "TCP", port: 80, reuseport: true }, { protocol: "TCP", port: 80, reuseport: true }],
      [{ protocol: "UDP", port: 80 }, { protocol: "UDP", port: 80 }],
    ]
  ) {
    assertEquals(await both(one!, other!), { status: 0, stdout: "", log: "" });
  }
});

Deno.test("--check says nothing about a good line, and exits with 0", async () => {
  assertEquals(await runHere(["--check", "tcp-l:8080,fork", "udp:127.0.0.1:53"]), { status: 0, stdout: "", log: "" });
});

const lacks = (what: string) => `${what} needs the system's own sockets; not available with --driver=portable`;

const absentOptions = [
  ["TCP-L:1,fork TCP:a:2,mss=500", "TCP:a:2", 'option "mss"'],
  ["TCP-L:1,ipv6-v6only=1 PIPE", "TCP-LISTEN:0.0.0.0:1", 'option "ipv6-v6only=1"'],
  ["TCP-L:1,reuseaddr=0 PIPE", "TCP-LISTEN:0.0.0.0:1", 'option "reuseaddr=0"'],
  ["PIPE WS:a:2,reuseport", "WS:a:2", 'option "reuseport" of a connector'],
  ["PIPE TCP:a:2,ttl=3!!PIPE", "TCP:a:2", 'option "ttl"'],
  ["PIPE PIPE!!TCP:a:2,ttl=3", "TCP:a:2", 'option "ttl"'],
  ["UDP-L:1 UDP:a:2,tos=3", "UDP:a:2", 'option "tos"'],
  ["-u UDP-RECV:1,if=lo PIPE", "UDP-RECV:0.0.0.0:1", 'option "so-bindtodevice"'],
  ["PIPE UNIX-CONNECT:/a,bind=/b", "UNIX-CONNECT:/a", 'option "bind" of a UNIX stream'],
  ["PIPE UNIX-CLIENT:/a,rcvbuf=9", "UNIX-CLIENT:/a", 'option "rcvbuf"'],
  ["UNIX-L:/a,sndbuf=9 PIPE", "UNIX-LISTEN:/a", 'option "sndbuf"'],
  ["-u PIPE UNIX-SENDTO:/a,rcvbuf=9", "UNIX-SENDTO:/a", 'option "rcvbuf"'],
] as const;

for (const [line, name, option] of absentOptions) {
  Deno.test(`--check finds what the portable driver does not have in ${line}`, async () => {
    const words = ["--check", ...line.split(" ")];
    assertEquals((await runHere(words)).log, "");
    const { status, log } = await runHere(["--driver=portable", ...words]);
    assertEquals([status, log], [1, `E ${name}: ${lacks(option)}\n`]);
  });
}

Deno.test("what the driver does not have is an error before anything listens, and in files too", async () => {
  const words = ["--timeout=60", "--announce", "TCP-L:0,fork,bind=127.0.0.1", "TCP:127.0.0.1:1,mss=500"];
  const { status, log } = await runHere(["--driver=portable", ...words]);
  assertEquals([status, log], [1, `E TCP:127.0.0.1:1: ${lacks('option "mss"')}\n`]);
  const both = "--driver=portable cannot send and receive on one UNIX datagram socket; use --driver=native, -u or -U";
  const datagrams = await runHere(["--driver=portable", "--check", "UNIX-RECVFROM:/a", "PIPE"]);
  assertEquals(datagrams.log, `E UNIX-RECVFROM:/a: ${both}\n`);
  const spec = { protocol: "TCP", port: 1, ttl: 3 };
  const endpoints = [{ spec: { address: "127.0.0.1" } }];
  const inFile = (document: object) => runHere(["--check", "-c", "-"], {}, JSON.stringify(document));
  for (const admin of [{}, { driver: "portable" }]) {
    for (
      const objects of [{ listeners: [{ name: "l", spec, rules: [] }] }, { clusters: [{ name: "c", spec, endpoints }] }]
    ) {
      const { status, log } = await inFile({ admin, ...objects });
      assertEquals(status, "driver" in admin ? 2 : 0);
      if ("driver" in admin) assertStringIncludes(log, lacks('option "ttl"'));
    }
  }
});

Deno.test("notices tell the exit status, and options without effect are told at their level", async () => {
  const { log } = await runHere(["-S", "1", "-ddd", "-D", "--check", "-", "PIPE"]);
  const lines = ["W option -S has no effect", "I option -D has no effect", "N exiting with status 0", ""];
  assertEquals(log, lines.join("\n"));
});

Deno.test("--plan prints the document in YAML or JSON and opens nothing", async () => {
  const words = ["-t", "2", "tcp-l:127.0.0.1:5000,fork", "lines", "udp:127.0.0.1:53"];
  const yaml = await runHere(["--plan", ...words]);
  assertEquals([yaml.status, yaml.log], [0, ""]);
  assertMatch(yaml.stdout, /^listeners:\n {2}- name: cli\n/);
  assertStringIncludes(yaml.stdout, "linger: 2s");
  const json = JSON.parse((await runHere(["--plan=json", ...words])).stdout);
  assertEquals(json.listeners[0].options, { linger: "2s" });
});
