/** What the signals of the system mean to the program. */

import { closeDebuggerPort } from "./debugger_port.ts";

/** The signals that end the program, with their numbers: the exit status is 128 plus it. */
const endings = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
export type EndingSignal = keyof typeof endings;

export interface SignalActions {
  /** Whether somebody takes the signal, who then has been told: it does not end the program. */
  pass(name: EndingSignal): boolean;
  /**
   * Called for each signal that ends the program. `patient` is true for the first SIGINT or SIGTERM: sessions may get
   * time to finish; false means at once.
   */
  end(signal: { readonly name: EndingSignal; readonly number: number; readonly patient: boolean }): void;
  statistics(): void;
  reopen(): void;
  /** SIGHUP does this instead of ending the program. */
  reload?(): void;
}

/** Listens until the returned function is called; after it signals do what the system does by default. */
export function handleSignals(actions: SignalActions): () => void {
  let asked = false;
  const listeners: [Deno.Signal, () => void][] = [];
  for (const [name, number] of Object.entries(endings) as [EndingSignal, number][]) {
    if (name === "SIGHUP" && actions.reload) {
      listeners.push([name, actions.reload]);
      continue;
    }
    listeners.push([name, () => {
      if (actions.pass(name)) return;
      const patient = !asked && (name === "SIGINT" || name === "SIGTERM");
      asked = true;
      actions.end({ name, number, patient });
    }]);
  }
  const statistics = () => {
    actions.statistics();
    closeDebuggerPort();
  };
  listeners.push(["SIGUSR1", statistics], ["SIGUSR2", actions.reopen]);
  const installed = listeners.filter(([name, listener]) => {
    if (Deno.build.os === "windows" && name !== "SIGINT") return false;
    Deno.addSignalListener(name, listener);
    return true;
  });
  return () => {
    for (const [name, listener] of installed) Deno.removeSignalListener(name, listener);
  };
}
