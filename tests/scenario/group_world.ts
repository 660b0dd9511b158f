/**
 * A group coordinator on virtual time over a log in memory, told what to do in
 * words. Owns the clock, the log and the words; what happens is the product's.
 *
 * @module
 */
import { CoordinatorHost } from "../../core/coordinator/host.ts";
import { KafkaError } from "../../core/errors.ts";
import type {
  GroupChange,
  GroupConfig,
  GroupEffect,
  GroupInput,
  GroupReply,
  GroupRequest,
  JoinReply,
  SyncReply,
} from "../../core/group/inputs.ts";
import { changesIn, GroupMachine, storedOf } from "../../core/group/machine.ts";
import type { GroupRecord } from "../../core/group/records.ts";
import { ScenarioTopics } from "./consumer_words.ts";
import { MemoryLog } from "./memory_log.ts";

const START_MS = 1_700_000_000_000;

/** Kafka's defaults. */
export const DEFAULTS: GroupConfig = {
  sessionTimeoutMinMs: 6000,
  sessionTimeoutMaxMs: 1_800_000,
  initialRebalanceDelayMs: 3000,
  groupSizeMax: 1000,
  offsetMetadataBytesMax: 4096,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  consumer: {
    groupSizeMax: 1000,
    assignors: ["uniform", "range"],
    migrationPolicy: "bidirectional",
    regexRefreshIntervalMs: 600_000,
    sessionTimeoutMs: () => 45_000,
    heartbeatIntervalMs: () => 5000,
  },
};

/** One coordinator and everything around it. */
export class GroupWorld {
  readonly log = new MemoryLog();
  readonly printed: string[] = [];
  readonly topics = new ScenarioTopics();
  machine: GroupMachine;
  nowMs = 0;
  readonly #config: GroupConfig;
  readonly #host: CoordinatorHost<
    GroupInput,
    GroupChange,
    GroupReply,
    GroupEffect
  >;
  readonly #timers = new Map<string, number>();
  readonly #parked = new Map<number, (reply: JoinReply | SyncReply) => void>();
  #turnJobs: (() => void)[] = [];
  #nextToken = 1;

  constructor(config: Partial<GroupConfig> = {}) {
    this.#config = { ...DEFAULTS, ...config };
    this.machine = new GroupMachine(this.#config, this.topics);
    this.#host = new CoordinatorHost({
      log: this.log,
      clock: {
        wallMs: () => START_MS + this.nowMs,
        endOfTurn: (fn) => this.#turnJobs.push(fn),
      },
      create: () => this.machine = new GroupMachine(this.#config, this.topics),
      encode: storedOf,
      onEffect: (effect) => this.#carryOut(effect),
      onDiscarded: () => {
        this.#timers.clear();
        this.#parked.clear();
      },
    });
    this.#host.load([]);
  }

  /** A number that names a parked request. */
  token(onReply: (reply: JoinReply | SyncReply) => void): number {
    const token = this.#nextToken++;
    this.#parked.set(token, onReply);
    return token;
  }

  /** Submits; `onReply` is told the reply (null: parked) or the failure. */
  submit(
    request: GroupRequest,
    onReply: (reply: GroupReply | KafkaError) => void,
  ): void {
    this.#host.submit({ request, monoMs: this.nowMs }).then(
      onReply,
      (error) => {
        if (!(error instanceof KafkaError)) throw error;
        onReply(error);
      },
    );
  }

  /** Ends turns until nothing is left to do. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      for (const job of this.#turnJobs.splice(0)) {
        job();
        idle = 0;
      }
      await Promise.resolve();
      await Promise.resolve();
    }
  }

  /** Lets time pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    while (true) {
      const due = [...this.#timers].sort((a, b) => a[1] - b[1])[0];
      if (due === undefined || due[1] > endMs) break;
      this.#timers.delete(due[0]);
      this.nowMs = Math.max(this.nowMs, due[1]);
      this.submit({ type: "Timer", groupId: due[0] }, () => {});
      await this.settle();
    }
    this.nowMs = endMs;
  }

  /** Every record of the log that is understood, oldest first. */
  *records(): Generator<GroupRecord> {
    for (const change of this.changes()) {
      if (change.type === "PendingOffset") yield change.record;
      else if (change.type !== "TransactionEnded") yield change;
    }
  }

  /** What the records changed, oldest first. */
  *changes(): ReturnType<typeof changesIn> {
    for (const view of this.log.views()) yield* changesIn(view);
  }

  /** Everything appended is committed from now on, or nothing more is. */
  hold(isHeld: boolean): void {
    this.log.isHeld = isHeld;
    if (isHeld) return;
    this.log.highWatermark = this.log.logEndOffset;
    this.#host.committed(this.log.highWatermark);
  }

  /** The state is lost and read back from the log. */
  restart(): void {
    this.#host.fail(
      new KafkaError("NOT_COORDINATOR", "The coordinator restarts"),
    );
    this.#host.load(this.changes());
    this.submit({ type: "Loaded" }, () => {});
  }

  #carryOut(effect: GroupEffect): void {
    if (effect.type === "SetTimer") {
      this.#timers.set(effect.groupId, effect.atMs);
      return;
    }
    this.#parked.get(effect.token)?.(effect.reply);
    this.#parked.delete(effect.token);
  }
}
