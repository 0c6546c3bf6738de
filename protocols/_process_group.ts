/** The process group of a program of ours: the program, and what it has started. */

/** Sends `signal` to every process of group `group` that is ours; none being left is well. */
export function signalGroup(group: number, signal: Deno.Signal): void {
  kill(group, signal);
}

/** Whether a process of the group still runs that is ours. What has exited and only waits for its parent to look does not. */
export function groupRuns(group: number): boolean {
  if (!kill(group, probe)) return false;
  return Deno.build.os !== "linux" || [...Deno.readDirSync("/proc")].some(({ name }) => runsIn(group, name));
}

/** kill(2): signal 0 only asks whether there is somebody. */
const probe = 0;

function kill(group: number, signal: Deno.Signal | number): boolean {
  try {
    Deno.kill(-group, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    // All of them run as another user by now, as `sudo` does.
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

function runsIn(group: number, pid: string): boolean {
  if (!/^\d+$/.test(pid)) return false;
  try {
    // proc_pid_stat(5): after the name in parentheses come state, parent and process group.
    const [state, , itsGroup] = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
    return Number(itsGroup) === group && state !== "Z" && state !== "X";
  } catch {
    // Gone meanwhile.
    return false;
  }
}
