// Local endpoints beyond the acceptance examples: inherited descriptors, dual addresses, shared standard streams, files.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { acceptance, eventually, socat } from "./harness.ts";
import { connect } from "./peers.ts";
import { absent } from "./programs.ts";
import { noTerminals } from "../support/machine.ts";
import { atSomePace, within } from "./wait.ts";

const both = { socat: "any" } as const;

for (const driver of ["native", "portable"]) {
  acceptance("4.1", `a descriptor that is not open is found before anything opens (${driver})`, async (run) => {
    // The runtime has opened some of these for itself.
    for (const fd of [3, 4, 6, 7, 8, 99]) {
      const stderr = new RegExp(` E FD:${fd}: Bad file descriptor; .*${fd}<FILE`);
      await run.out([`--driver=${driver}`, "-U", `CREATE:${run.path("f")}`, `FD:${fd}`], { code: 1, stderr });
    }
    // This one was meant for a port.
    await run.out([`--driver=${driver}`, "-u", "8080", `CREATE:${run.path("f")}`], {
      code: 1,
      stderr: / E FD:8080: Bad file descriptor; .*; a port is written TCP:HOST:8080 or TCP-LISTEN:8080/,
    });
    assertEquals([...Deno.readDirSync(run.dir)], []);
  });
}

for (const driver of ["native", "portable"]) {
  acceptance("4.1", `a descriptor opened the wrong way is found before anything opens (${driver})`, async (run) => {
    await Deno.writeTextFile(run.path("f"), "abc");
    const given = { redirect: `5<${run.path("f")} 6>>${run.path("h")}`, code: 1 };
    const flags = `--driver=${driver}`;
    const reading = / E FD:5: cannot be used for writing: it was opened for reading only; .* 5>FILE/;
    await run.out([flags, "-u", `OPEN:${run.path("g")},creat,rdonly`, "FD:5"], { ...given, stderr: reading });
    await run.out([flags, "FD:6!!FD:5", `-!!CREATE:${run.path("g")}`], {
      ...given,
      stderr: / E FD:6: cannot be used for reading: it was opened for writing only; .* 6<FILE/,
    });
    assertEquals([...Deno.readDirSync(run.dir)].map(({ name }) => name).sort(), ["f", "h"]);
    // Both ways is well as long as nothing goes the wrong way.
    assertEquals(await run.out([flags, "FD:5!!FD:6", "PIPE"], { redirect: given.redirect }), "");
    assertEquals(await Deno.readTextFile(run.path("h")), "abc");
    assertEquals(await run.out([flags, "-", "FD:5"], { redirect: given.redirect, input: "" }), "abc");
  });
}

for (const driver of ["native", "portable"]) {
  acceptance("1.2", `notices give the numbers of descriptors (${driver})`, async (run) => {
    const notices = async (...args: string[]) => {
      const options = { input: "x", stderr: "any", redirect: `6>>${run.path("f")}` } as const;
      const { stderr } = await run.spawn([`--driver=${driver}`, "-dd", ...args], options).end();
      return [...stderr.matchAll(/ N (?:starting data transfer loop with )?(FDs .*|socket 1 .*)/g)].map(([, text]) =>
        text
      );
    };
    const end = "socket 1 (fd 0) is at EOF";
    assertEquals(await notices("-", "PIPE"), ["FDs [0,1] and [PIPE]", end]);
    assertEquals(await notices("-u", "STDIN", "FD:6"), ["FDs [0,1] and [6,6]", end]);
    assertEquals(await notices("STDIN!!FD:6", "ECHO"), ["FDs [0,6] and [ECHO]", end]);
    // A pipe that is only read ends: we do not hold its writing side ourselves.
    assertEquals(await notices("FD:0", "FD:6"), ["FDs [0,0] and [6,6]", end]);
  });
}

acceptance("4.1", "sessions one after another write to an inherited descriptor", async (run) => {
  const file = run.path("f");
  const port = run.port();
  await run.serve(["-u", `TCP-L:${port},fork,reuseaddr`, "FD:5"], { tcp: port }, { redirect: `5>${file}` });
  let expected = "";
  for (const text of ["one\n", "two\n", "three\n"]) {
    const client = await connect(run, { tcp: port });
    await client.send(text);
    await client.endWrite();
    expected += text;
    await eventually(`${text} in the file`, async () => await Deno.readTextFile(file) === expected);
    client.close();
  }
}, both);

acceptance("4.1", "ECHO with a path is a named pipe", async (run) => {
  // We hold its writing side ourselves: only the linger ends it.
  await atSomePace(async (lingerSeconds) => {
    assertEquals(await run.out(["-t", String(lingerSeconds), `ECHO:${run.path("p")}`, "-"], { input: "abc" }), "abc");
    assertEquals([...Deno.readDirSync(run.dir)], []);
  });
}, both);

acceptance("4.1", "ZERO and RANDOM give as many bytes as readbytes says, and swallow what they get", async (run) => {
  const bytes = 300_001;
  const [zeros, noise] = [run.path("zeros"), run.path("noise")];
  await run.out(["-u", `ZERO,readbytes=${bytes}`, `CREATE:${zeros}`]);
  assertEquals(await Deno.readFile(zeros), new Uint8Array(bytes));
  await run.out(["-u", `RANDOM,readbytes=${bytes}`, `CREATE:${noise}`]);
  const found = await Deno.readFile(noise);
  assertEquals([found.length, new Set(found).size], [bytes, 256]);
  assertEquals(await run.out(["-u", `OPEN:${noise}`, "ZERO"]), "");
});

acceptance("4.1", "REPLY answers every line, and ends when it has answered all", async (run) => {
  assertEquals(await run.out(["-", "LINES", "REPLY:yes"], { input: "a\nb\nc\n" }), "yes\nyes\nyes\n");
});

acceptance("3", "the halves of a dual address may differ in kind", async (run) => {
  const file = run.path("f");
  assertEquals(await run.out(["-", `LITERAL:x!!CREATE:${file}`], { input: "abc" }), "x");
  assertEquals(await Deno.readTextFile(file), "abc");
  assertEquals(await run.out(["STDIN!!DISCARD", "PIPE"], { input: "abc" }), "");
});

const noLine = absent("socat") ?? noTerminals;

acceptance("5.8", "a serial line has its settings while it is open, and then those of before", async (run) => {
  const [line, far] = [run.path("line"), run.path("far")];
  run.spawn([`PTY,link=${line},raw,echo=0`, `PTY,link=${far},raw,echo=0`], {
    program: socat,
    stderr: "any",
    code: 143,
  });
  await eventually("both ends", () => [...Deno.readDirSync(run.dir)].length === 2);
  const stty = (...words: string[]) => {
    const { stdout } = new Deno.Command("stty", { args: ["-F", line, ...words], env: { LC_ALL: "C" } }).outputSync();
    return new TextDecoder().decode(stdout);
  };
  stty("sane", "9600");
  const before = stty("-g");
  const child = run.spawn(["-", `${line},b115200,cs8,raw,echo=0,cstopb,crnl`], { openInput: true });
  const wanted = [/speed 115200/, /-icanon/, /-echo /, / cstopb /];
  await eventually("its settings", () => wanted.every((setting) => setting.test(stty("-a"))));
  using peer = await Deno.open(far, { read: true, write: true });
  await child.write("to far\n");
  const heard = new Uint8Array(8);
  for (let at = 0; at < heard.length;) at += (await within("the line", peer.read(heard.subarray(at))))!;
  assertEquals(new TextDecoder().decode(heard), "to far\r\n");
  await peer.write(new TextEncoder().encode("from far\r\n"));
  await eventually("the answer", () => child.stdout === "from far\n");
  await child.endInput();
  await child.end();
  assertEquals(stty("-g"), before);
}, { ...both, skip: noLine });

acceptance("5.4", "escape ends the input of a user whose terminal passes every key on", async (run) => {
  for (const line of [["-,escape=0x0f", "PIPE"], ["PIPE", "-,escape=017"]]) {
    const child = run.spawn(line, { openInput: true });
    await child.write("abc\x0fdef");
    assertEquals((await child.end()).stdout, "abc");
  }
}, both);

acceptance("5.8", "settings of a terminal for what is none", async (run) => {
  await Deno.writeTextFile(run.path("f"), "abc");
  const stderr = / E tcgetattr\(".*\/f"\): Inappropriate ioctl for device; option "raw" needs a terminal/;
  await run.out(["-", `${run.path("f")},raw`], { code: 1, stderr });
});

for (const create of ["OPEN:", "GOPEN:"]) {
  acceptance("2.2", `a file that ${create} empties is written and read back at once, as tee does`, async (run) => {
    const file = run.path("f");
    const address = `${create}${file},${create === "OPEN:" ? "creat," : ""}trunc,ignoreeof!!${file}`;
    await atSomePace(async (lingerSeconds) => {
      if (create === "OPEN:") await Deno.writeTextFile(file, "old");
      assertEquals(await run.out(["-t", String(lingerSeconds), "-", address], { input: "a\nb\n" }), "a\nb\n");
      assertEquals(await Deno.readTextFile(file), "a\nb\n");
    });
  }, both);
}

acceptance("4.1", "standard output ends with the last that writes to it", async (run) => {
  const out = await run.out(["EXEC:echo a!!STDOUT", "-"], { input: "abc" });
  assert(["abca\n", "a\nabc"].includes(out), out);
}, both);

acceptance("4.1", "TEXT and STDIO write to the same standard output", async (run) => {
  const out = await run.out(["-", "TEXT:xyz"], { input: "abc" });
  assert(["abcxyz", "xyzabc"].includes(out), out);
});

acceptance("4.1", "a file opened with rdonly serves both directions as long as nothing is written", async (run) => {
  await Deno.writeTextFile(run.path("f"), "abc");
  assertEquals(await run.out([`OPEN:${run.path("f")},rdonly`, "-"], { input: "" }), "abc");
}, both);

acceptance("5.6", "an unknown owner is found before the file is created", async (run) => {
  const options = { input: "x", code: 1, stderr: / E .*no such user/ };
  await run.out(["-u", "-", `OPEN:${run.path("f")},creat,user=nosuchuser`], options);
  assertEquals([...Deno.readDirSync(run.dir)], []);
}, both);

for (const driver of ["native", "portable"]) {
  acceptance(
    "5.6",
    `an unknown owner of a socket is found before anything is bound or removed (${driver})`,
    async (run) => {
      const [path, other] = [run.path("s"), run.path("other")];
      await Deno.writeTextFile(path, "precious");
      for (const type of ["UNIX-LISTEN", "UNIX-RECV"]) {
        const stderr = new RegExp(` E ${type}:${path}: option "group": no such group "nosuch"`);
        await run.out([`--driver=${driver}`, "-u", `${type}:${path},unlink-early,group=nosuch`, `CREATE:${other}`], {
          code: 1,
          stderr,
        });
      }
      const stderr = new RegExp(` E UNIX-LISTEN:${other}: option "user": no such user "nosuch"`);
      await run.out([`--driver=${driver}`, `UNIX-LISTEN:${path},unlink-early`, `UNIX-LISTEN:${other},user=nosuch`], {
        code: 1,
        stderr,
      });
      assertEquals(await Deno.readTextFile(path), "precious");
      assertEquals([...Deno.readDirSync(run.dir)].map(({ name }) => name), ["s"]);
    },
  );
}
