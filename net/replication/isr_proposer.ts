/**
 * Asks the controller for other sets of in-sync replicas, for all partitions
 * that are led here: one AlterPartition in flight at a time, what comes
 * meanwhile goes together in the next one. Owns the queue; who is in sync is
 * the partition's to say, and what an answer means for it.
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import type { Env } from "../../core/env/env.ts";
import { errorName, ERRORS } from "../../core/errors.ts";
import type {
  IsrOutcome,
  IsrProposal,
  IsrResult,
} from "../../core/partition/in_sync_replicas.ts";
import type { Decoded, Input } from "../../core/schema/schema.ts";
import type { ALTER_PARTITION } from "../wire/56_alter_partition.ts";

/** How long to wait before a refused request is sent again. */
const RETRY_MS = 50;

/** A partition that is led here. */
export interface Led {
  readonly topicId: Uuid;
  readonly index: number;
  /** What is to be asked for; undefined: nothing any more. */
  readonly isrProposal: IsrProposal | undefined;
  isrAnswered(proposal: IsrProposal, result: IsrResult): IsrOutcome;
}

/** What an {@linkcode IsrProposer} is made of. */
export interface ProposerOptions {
  readonly env: Pick<Env, "clock" | "tasks" | "trace">;
  readonly nodeId: number;
  readonly brokerEpoch: () => number;
  /** Asks the active controller, wherever it is. */
  readonly request: (
    body: Input<typeof ALTER_PARTITION.request>,
  ) => Promise<Decoded<typeof ALTER_PARTITION.response>>;
}

/** One partition of a request. */
interface Asked {
  readonly led: Led;
  readonly proposal: IsrProposal;
}

/**
 * The proposals of one broker.
 *
 * Invariants:
 * 1. One request is in flight at most.
 * 2. A partition waits as long as its proposal is neither settled nor known to
 *    be overtaken by metadata that are on their way.
 */
export class IsrProposer {
  readonly #options: ProposerOptions;
  readonly #waiting = new Set<Led>();
  readonly #closed = new AbortController();
  #isRunning = false;
  /** Whether operators know that it doesn't get through. */
  #isRefused = false;

  constructor(options: ProposerOptions) {
    this.#options = options;
  }

  /** `led` has a proposal. */
  propose(led: Led): void {
    this.#waiting.add(led);
    if (this.#isRunning || this.#closed.signal.aborted) return;
    this.#isRunning = true;
    this.#options.env.tasks.spawn("propose ISRs", () => this.#run());
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#closed.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    while (this.#waiting.size > 0 && !signal.aborted) {
      const asked = this.#take();
      if (asked.length === 0) break;
      const retried = await this.#ask(asked);
      if (retried.length === 0) continue;
      for (const { led } of retried) this.#waiting.add(led);
      await this.#options.env.clock.sleep(RETRY_MS, signal).catch(() => {});
    }
    this.#isRunning = false;
  }

  #take(): Asked[] {
    const asked: Asked[] = [];
    for (const led of this.#waiting) {
      const proposal = led.isrProposal;
      if (proposal !== undefined) asked.push({ led, proposal });
    }
    this.#waiting.clear();
    return asked;
  }

  /** Gives those that are to be asked for again. */
  async #ask(asked: readonly Asked[]): Promise<readonly Asked[]> {
    try {
      const answer = await this.#options.request(this.#request(asked));
      if (answer.errorCode !== ERRORS.NONE) {
        throw new Error(`it answers ${errorName(answer.errorCode)}`);
      }
      this.#isRefused = false;
      const results = resultsOf(answer);
      return asked.filter(({ led, proposal }) => {
        const result = results.get(placeOf(led));
        return result === undefined ||
          led.isrAnswered(proposal, result) === "retry";
      });
    } catch (error) {
      if (!this.#closed.signal.aborted) this.#refused(error, asked);
      return asked;
    }
  }

  #refused(error: unknown, asked: readonly Asked[]): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    const { trace } = this.#options.env;
    trace("warn", "The controller takes no proposals of in-sync replicas", {
      partitions: asked.length,
      error,
    });
  }

  #request(asked: readonly Asked[]): Input<typeof ALTER_PARTITION.request> {
    const topics = new Map<Uuid, ReturnType<typeof partitionOf>[]>();
    for (const { led, proposal } of asked) {
      const known = topics.get(led.topicId);
      const partition = partitionOf(led, proposal);
      if (known === undefined) topics.set(led.topicId, [partition]);
      else known.push(partition);
    }
    return {
      brokerId: this.#options.nodeId,
      brokerEpoch: this.#options.brokerEpoch(),
      topics: [...topics].map(([topicId, partitions]) => ({
        topicId,
        partitions,
      })),
    };
  }
}

function partitionOf({ index }: Led, proposal: IsrProposal) {
  return {
    partitionIndex: index,
    leaderEpoch: proposal.leaderEpoch,
    newIsrWithEpochs: proposal.newIsr,
    // Whoever leads has done what recovery there was to do.
    leaderRecoveryState: 0,
    partitionEpoch: proposal.partitionEpoch,
  };
}

function resultsOf(
  { topics }: Decoded<typeof ALTER_PARTITION.response>,
): Map<string, IsrResult> {
  const results = new Map<string, IsrResult>();
  for (const { topicId, partitions } of topics) {
    for (const each of partitions) {
      const place = placeOf({ topicId, index: each.partitionIndex });
      const error = errorName(each.errorCode);
      if (error !== "NONE") results.set(place, { error });
      else {
        const { leaderEpoch, partitionEpoch, isr } = each;
        results.set(place, { error, leaderEpoch, partitionEpoch, isr });
      }
    }
  }
  return results;
}

function placeOf(
  { topicId, index }: { readonly topicId: Uuid; readonly index: number },
): string {
  return `${topicId}:${index}`;
}
