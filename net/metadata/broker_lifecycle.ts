/**
 * A broker's standing with the controller, from registration to the last
 * heartbeat. Owns the broker's epoch and one heartbeat in flight at most; it
 * must never let a broker serve that the controller takes for dead, nor end
 * one because nobody can be reached.
 *
 *     registering   registered                   catching up, wants to be fenced
 *     catching up   has its own registration     recovering, still fenced
 *     recovering    its logs are open            wants to serve
 *     wants to serve  the controller agrees      serving
 *     serving       told to stop                 leaving: leads until others do
 *     leaving       nobody needs it, or in vain  ended
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import type { Cancel, Env } from "../../core/env/env.ts";
import {
  type ErrorName,
  errorName,
  ERRORS,
  KafkaError,
} from "../../core/errors.ts";
import type { Input } from "../../core/schema/schema.ts";
import { BROKER_REGISTRATION } from "../wire/62_broker_registration.ts";
import {
  BROKER_HEARTBEAT,
  type BrokerHeartbeatResponse,
} from "../wire/63_broker_heartbeat.ts";
import { ALLOCATE_PRODUCER_IDS } from "../wire/67_allocate_producer_ids.ts";
import type { ControllerChannel } from "./controller_channel.ts";

/** What a {@linkcode BrokerLifecycle} is made of. */
export interface BrokerLifecycleOptions {
  readonly env: Pick<Env, "clock" | "tasks" | "trace">;
  readonly channel: ControllerChannel;
  readonly brokerId: number;
  /** What the broker says of itself. */
  readonly registration: Input<typeof BROKER_REGISTRATION.request>;
  readonly heartbeatMs: () => number;
  /** The last offset that the broker's image holds. */
  readonly metadataOffset: () => number;
  /** Directories that take no new replicas; null where nobody asks. */
  readonly cordonedLogDirs: () => readonly Uuid[] | null;
  /** Whether the broker's own image says that it serves. */
  readonly isServing: () => boolean;
}

/** Refusals of a registration that no later attempt can change. */
const FINAL: ReadonlySet<ErrorName> = new Set<ErrorName>([
  "CLUSTER_AUTHORIZATION_FAILED",
  "INCONSISTENT_CLUSTER_ID",
  "INVALID_REGISTRATION",
  "UNSUPPORTED_VERSION",
]);

/** How often a refused registration is tried again. */
const REGISTER_MS = 500;
/** How soon a heartbeat follows one that did not say what is waited for. */
const EAGER_MS = 20;
/** How often operators are told that nothing comes of it. */
const TELL_MS = 5_000;
/** How long a controller may be silent before a broker leaves without it. */
const LEAVE_UNHEARD_MS = 2_000;
/** How long a broker that is heard of waits for others to take over. */
const LEAVE_MS = 30_000;
const LEAVE_CHECK_MS = 200;

type Heartbeat = BrokerHeartbeatResponse;

/** Who waits for a heartbeat's answer of some kind. */
interface Waiting {
  readonly isIt: (heartbeat: Heartbeat) => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One broker's standing.
 *
 * Invariants:
 * 1. One heartbeat is in flight at most; a timer runs exactly between two.
 * 2. `brokerEpoch` is −1 until the controller gave one, and never changes then.
 */
export class BrokerLifecycle {
  readonly #options: BrokerLifecycleOptions;
  #brokerEpoch = -1;
  #wantFence = true;
  #wantShutDown = false;
  #waiting: Waiting | undefined;
  #cancelTimer: Cancel | undefined;
  #isBeating = false;
  #isEnded = false;
  /** When the controller last answered a heartbeat. */
  #heardMs = -Infinity;
  #toldMs = -Infinity;

  constructor(options: BrokerLifecycleOptions) {
    this.#options = options;
  }

  /** The epoch that the controller gave this incarnation. */
  get brokerEpoch(): number {
    return this.#brokerEpoch;
  }

  /**
   * Registers this incarnation, and goes on until the broker's image holds
   * that. Rejects when the controller won't ever take it, or at `end()`.
   */
  async start(): Promise<void> {
    const { clock } = this.#options.env;
    for (;;) {
      const refusal = await this.#register();
      if (refusal === undefined) break;
      this.#tell("The controller doesn't register this broker yet", refusal);
      await clock.sleep(REGISTER_MS);
    }
    await this.#until(({ isCaughtUp }) => isCaughtUp === true);
  }

  /** The logs are open: resolves when the controller lets it serve. */
  async serve(): Promise<void> {
    const { isServing } = this.#options;
    this.#wantFence = false;
    await this.#until(({ isFenced }) => isFenced === false && isServing());
  }

  /**
   * Hands leaderships over before a stop; resolves when that is done, or in
   * vain. Heartbeats go on until `end()`.
   */
  async leave(): Promise<void> {
    const { clock, trace } = this.#options.env;
    const sinceMs = clock.monoMs();
    this.#wantShutDown = true;
    const left = this.#until(({ shouldShutDown }) => shouldShutDown === true);
    const check = () => {
      const nowMs = clock.monoMs();
      const silentMs = nowMs - Math.max(sinceMs, this.#heardMs);
      if (silentMs < LEAVE_UNHEARD_MS && nowMs - sinceMs < LEAVE_MS) {
        cancel = clock.timer(LEAVE_CHECK_MS, check);
        return;
      }
      trace("warn", "The broker stops, though nobody has taken over from it", {
        waitedMs: Math.round(nowMs - sinceMs),
      });
      this.#waiting?.resolve();
    };
    let cancel = clock.timer(LEAVE_CHECK_MS, check);
    await left;
    cancel();
  }

  /** No more heartbeats; whoever waits is refused. */
  end(): void {
    this.#isEnded = true;
    this.#cancelTimer?.();
    this.#waiting?.reject(new Error("The broker stops"));
  }

  /** A block of producer ids of its own (KIP-730). */
  async allocateProducerIds(): Promise<
    { readonly firstProducerId: number; readonly length: number }
  > {
    const { channel, brokerId } = this.#options;
    const { errorCode, producerIdStart, producerIdLen } = await channel.request(
      ALLOCATE_PRODUCER_IDS,
      { brokerId, brokerEpoch: this.#brokerEpoch },
    );
    if (errorCode !== ERRORS.NONE) {
      throw new KafkaError(
        "COORDINATOR_NOT_AVAILABLE",
        `Cannot get producer ids: ${errorName(errorCode)}`,
      );
    }
    return { firstProducerId: producerIdStart, length: producerIdLen };
  }

  /** Undefined when it is registered, else why not. */
  async #register(): Promise<string | undefined> {
    const { channel, registration, brokerId } = this.#options;
    let answer;
    try {
      answer = await channel.request(BROKER_REGISTRATION, registration);
    } catch (error) {
      const isLate = error instanceof KafkaError &&
        error.error === "REQUEST_TIMED_OUT" && !channel.isClosed;
      if (isLate) return error.message;
      throw error;
    }
    const error = errorName(answer.errorCode);
    if (FINAL.has(error)) {
      const why = error === "UNSUPPORTED_VERSION"
        ? "a feature of the cluster is at a level that this broker doesn't support: compare them by kf cluster features"
        : error;
      throw new KafkaError(
        error,
        `Cannot register broker ${brokerId} with the controller: ${why}`,
      );
    }
    if (error === "DUPLICATE_BROKER_REGISTRATION") {
      return `another broker ${brokerId} was heard of just now; it is waited for until it is silent`;
    }
    if (error !== "NONE") return error;
    this.#brokerEpoch = answer.brokerEpoch;
    return undefined;
  }

  #until(isIt: Waiting["isIt"]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isEnded) return reject(new Error("The broker stops"));
      this.#waiting = { isIt, resolve, reject };
      this.#schedule(0);
    });
  }

  #schedule(ms: number): void {
    this.#cancelTimer?.();
    if (this.#isEnded) return;
    const { clock, tasks } = this.#options.env;
    const beat = () => {
      if (!this.#isBeating) tasks.spawn("heartbeat", () => this.#beat());
    };
    // At once: a broker that is alone shouldn't wait for a timer.
    if (ms === 0) beat();
    else this.#cancelTimer = clock.timer(ms, beat);
  }

  async #beat(): Promise<void> {
    const { channel, brokerId, metadataOffset, heartbeatMs, cordonedLogDirs } =
      this.#options;
    this.#isBeating = true;
    const everyMs = heartbeatMs();
    try {
      const heartbeat = await channel.request(BROKER_HEARTBEAT, {
        brokerId,
        brokerEpoch: this.#brokerEpoch,
        currentMetadataOffset: metadataOffset(),
        wantFence: this.#wantFence,
        wantShutDown: this.#wantShutDown,
        cordonedLogDirs: cordonedLogDirs(),
      }, { timeoutMs: everyMs });
      this.#take(heartbeat);
    } catch (error) {
      // The channel says who can't be reached.
      if (!(error instanceof KafkaError)) throw error;
    } finally {
      this.#isBeating = false;
      const isAwaited = this.#waiting !== undefined;
      this.#schedule(isAwaited ? Math.min(EAGER_MS, everyMs) : everyMs);
    }
  }

  #take(heartbeat: Heartbeat): void {
    const { errorCode = ERRORS.NONE } = heartbeat;
    this.#heardMs = this.#options.env.clock.monoMs();
    if (errorCode !== ERRORS.NONE) {
      this.#tell(
        "The controller refuses this broker's heartbeats: is there another one with its id?",
        errorName(errorCode),
      );
      return;
    }
    if (!this.#waiting?.isIt(heartbeat)) return;
    this.#waiting.resolve();
    this.#waiting = undefined;
  }

  #tell(event: string, reason: string): void {
    const { clock, trace } = this.#options.env;
    if (clock.monoMs() - this.#toldMs < TELL_MS) return;
    this.#toldMs = clock.monoMs();
    trace("warn", event, { reason });
  }
}
