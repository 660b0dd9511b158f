/**
 * What the active controller does by the clock, on whichever node it is. Owns
 * the rounds; what comes of them is the controller's to decide.
 *
 * @module
 */
import type { Clock, Trace } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import type { Chore } from "./background.ts";
import type { Services } from "./services.ts";

/** Looks for silent brokers in one session's time. */
const LOOKS_PER_SESSION = 8;

/** Chores that do nothing where the active controller isn't. */
export function controllerChores(
  services: Pick<Services, "config" | "control">,
  { clock, trace, isActive }: {
    readonly clock: Clock;
    readonly trace: Trace;
    readonly isActive: () => boolean;
  },
): Chore[] {
  const everyMs = () =>
    services.config["broker.session.timeout.ms"] / LOOKS_PER_SESSION;
  let lastMs = clock.monoMs();
  const fence = async () => {
    try {
      const reply = await services.control({ type: "fenceStale" });
      if (reply.type !== "fenceStale" || reply.brokerId === -1) return;
      trace("warn", "A broker was silent for too long and is fenced", {
        broker: reply.brokerId,
      });
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      // The controller has moved: that one looks.
    }
  };
  return [{
    name: "silent brokers",
    everyMs,
    round: () => {
      const nowMs = clock.monoMs();
      // After a sleep of this process it's its own silence that it would see.
      const hasSlept = nowMs - lastMs > everyMs() * 2;
      lastMs = nowMs;
      if (isActive() && !hasSlept) return fence();
    },
  }];
}
