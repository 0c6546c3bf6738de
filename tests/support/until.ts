/** Waiting for what can be observed, in tests of one process. */

/** Only tells a hang: what is slow is not wrong. */
const deadlineMs = 60_000;

/** Waits until `what()` is true, which is looked at about once a millisecond; fails after a minute, and shows `what`. */
export async function until(what: () => boolean): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!what()) {
    if (Date.now() > end) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
