/**
 * Deno answers SIGUSR1 by opening a debugger port on 127.0.0.1:9229, whoever else listens for the signal, and has no
 * switch against it. A proxy must not open ports that nobody asked for, so it is closed again at once. (Its two lines
 * on standard error cannot be helped; a compiled program has neither.)
 */

const tries = 1000;
const pauseMs = 10;

/** Waits up to ten seconds for the port to appear, for on a busy machine it comes late, and closes it. */
export async function closeDebuggerPort(): Promise<void> {
  if (Deno.build.standalone || Deno.build.os === "windows") return;
  const inspector = await import("node:inspector");
  for (let i = 0; i < tries && inspector.url() === undefined; i++) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  if (inspector.url() !== undefined) inspector.close();
}
