/** For `--preload`: the program says on standard error which of the runtime's timers it uses, at the first use of each. */
for (const name of ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] as const) {
  const found = Object.getOwnPropertyDescriptor(globalThis, name)!;
  Object.defineProperty(globalThis, name, {
    configurable: true,
    get() {
      Deno.stderr.writeSync(new TextEncoder().encode(`${name} is used\n`));
      Object.defineProperty(globalThis, name, found);
      return globalThis[name];
    },
  });
}
