/** The steps of one direction of one session. */
import type { PlannedStep } from "../config/plan.ts";
import type { Step, StepContext } from "../protocol.ts";
import type { StreamKind } from "../stream/stream.ts";
import type { StepObserver } from "./environment.ts";

/**
 * Makes what is `planned` for data of the kind that comes from one end and goes to the other, and tells the kind that
 * comes out. Throws, with none left open.
 */
export function makeSteps(
  planned: readonly PlannedStep[],
  ends: { readonly from: StreamKind; readonly to: StreamKind },
  observer: StepObserver | undefined,
  own: Omit<StepContext, "input" | "counter">,
): { steps: Step[]; payload: StreamKind } {
  const steps: Step[] = [];
  let payload = ends.from;
  const add = ({ transform, spec, reverse, cluster }: PlannedStep) => {
    if (cluster !== undefined) observer?.began(cluster);
    const counter: StepContext["counter"] = observer &&
      ((names, label = cluster ?? transform.name) => observer.counter(own.session.name, label, names));
    const context = { ...own, input: payload, counter };
    const step = reverse ? transform.backward?.(spec, context) : transform.forward?.(spec, context);
    if (!step) return;
    steps.push(step);
    if (transform.gives === "other") payload = payload === "byte" ? "datagram" : "byte";
  };
  try {
    for (const step of planned) {
      if (step.beside && payload === "byte") add(step.beside);
      add(step);
    }
    const beside = planned.findLast((step) => step.beside)?.beside;
    if (beside && payload === "datagram" && ends.to === "byte") add(beside);
  } catch (error) {
    for (const step of steps) step.close?.();
    throw error;
  }
  return { steps, payload };
}
