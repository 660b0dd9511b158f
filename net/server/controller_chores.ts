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
  services: Pick<Services, "config" | "control" | "quorum">,
  { clock, trace, isActive }: {
    readonly clock: Pick<Clock, "monoMs">;
    readonly trace: Trace;
    readonly isActive: () => boolean;
  },
): Chore[] {
  const { control } = services;
  /** Goes on while there is more to do and the controller is here. */
  const whileAnyIs = async (one: () => Promise<boolean>) => {
    try {
      while (isActive() && await one());
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      // The controller has moved: that one looks.
    }
  };
  const fence = async () => {
    const reply = await control({ type: "fenceStale" });
    if (reply.type !== "fenceStale" || reply.brokerId === -1) return false;
    trace("warn", "A broker was silent for too long and is fenced", {
      broker: reply.brokerId,
    });
    return true;
  };
  const balance = async () => {
    const reply = await control({ type: "balanceLeaders" });
    if (reply.type !== "balanceLeaders" || reply.elections === 0) return false;
    const partitions = reply.elections;
    trace("info", "Preferred replicas lead again", { partitions });
    return true;
  };
  const electUnclean = async () => {
    const reply = await control({ type: "electUncleanLeaders" });
    const isSome = reply.type === "electUncleanLeaders" && reply.elections > 0;
    if (!isSome) return false;
    trace("warn", "Replicas that may lack records lead now", {
      partitions: reply.elections,
    });
    return true;
  };
  return [
    silentBrokers(services, { clock, fence: () => whileAnyIs(fence) }),
    {
      name: "preferred leaders",
      everyMs: () =>
        services.config["leader.imbalance.check.interval.seconds"] * 1000,
      round: () =>
        services.config["auto.leader.rebalance.enable"]
          ? whileAnyIs(balance)
          : undefined,
    },
    {
      name: "unclean leaders",
      everyMs: () => services.config["unclean.leader.election.interval.ms"],
      round: () => whileAnyIs(electUnclean),
    },
    noOpRecords(services, { whileAnyIs }),
  ];
}

/** Nobody who runs alone needs them: an idle machine's disk can rest. */
function noOpRecords(
  { config, control, quorum }: Pick<Services, "config" | "control" | "quorum">,
  { whileAnyIs }: {
    readonly whileAnyIs: (one: () => Promise<boolean>) => Promise<void>;
  },
): Chore {
  const write = async () => {
    const { voters = [], observers = [] } = quorum.describe() ?? {};
    const isFollowed = voters.length + observers.length > 1;
    if (isFollowed) await control({ type: "writeNoOp" });
    return false;
  };
  return {
    name: "no-op records",
    everyMs: () => config["metadata.max.idle.interval.ms"] || Infinity,
    round: () => whileAnyIs(write),
  };
}

function silentBrokers(
  services: Pick<Services, "config">,
  { clock, fence }: {
    readonly clock: Pick<Clock, "monoMs">;
    readonly fence: () => Promise<void>;
  },
): Chore {
  const everyMs = () =>
    services.config["broker.session.timeout.ms"] / LOOKS_PER_SESSION;
  let lastMs = clock.monoMs();
  return {
    name: "silent brokers",
    everyMs,
    round: () => {
      const nowMs = clock.monoMs();
      // After a sleep of this process it's its own silence that it would see.
      const hasSlept = nowMs - lastMs > everyMs() * 2;
      lastMs = nowMs;
      return hasSlept ? undefined : fence();
    },
  };
}
