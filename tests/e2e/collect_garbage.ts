/**
 * Preloaded into l7mp where a test measures what memory is really held: at SIGIO it collects all garbage and writes
 * what is left to the file that `L7MP_E2E_MEMORY` names, followed by a dot and the process id.
 */

declare function gc(): void;

Deno.addSignalListener("SIGIO", () => {
  gc();
  const path = `${Deno.env.get("L7MP_E2E_MEMORY")}.${Deno.pid}`;
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(Deno.memoryUsage()));
  Deno.renameSync(`${path}.new`, path);
});
