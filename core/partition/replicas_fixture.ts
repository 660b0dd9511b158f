/**
 * One partition on three brokers whose disks are in memory, with a controller
 * that is always right and messages that come late or never: what the product
 * decides runs, all around it is chance. Judges after every step: what a leader
 * told is committed stays so on every later leader, logs match, high watermarks
 * don't fall.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type Choose, CrashDisk } from "../../tests/faults/crash_disk.ts";
import { resolveBrokerConfig, resolveTopicConfig } from "../config/resolve.ts";
import type { Clock, Env } from "../env/env.ts";
import { LogFolder } from "../log/log_folder.ts";
import { batchesOf } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import type { FetchTarget, FollowerAnswer } from "./follower.ts";
import type { IsrProposal, IsrResult } from "./in_sync_replicas.ts";
import { Partition, type PartitionState } from "./partition.ts";

const IDS = [1, 2, 3] as const;
const LAG_MS = 30_000;
const NOTHING = new Uint8Array(0);
const TOPIC_ID = "Gmd94rMBRdCEC5P7ytJnvA";
const DECODER = new TextDecoder();

/** A step of a history, at one of the brokers, or (3) at the one that leads. */
export type Step =
  | { readonly type: "produce"; readonly at: number; readonly bytes: number }
  | { readonly type: "fetch" | "serve" | "take" | "lose"; readonly at: number }
  | { readonly type: "round"; readonly at: number }
  | { readonly type: "metadata" | "propose" | "decide" | "lag" | "flush" }
    & { readonly at: number }
  | { readonly type: "fence" | "return" | "prefer"; readonly at: number }
  | { readonly type: "kill" | "power"; readonly at: number }
  | { readonly type: "tick"; readonly ms: number };

/** A fetch on its way to the leader, or its answer on the way back. */
interface Exchange {
  readonly target: FetchTarget;
  readonly brokerEpoch: number;
  answer?: FollowerAnswer | { readonly outOfRange: [number, number] };
}

/** One machine. */
class Machine {
  disk = new CrashDisk();
  folder!: LogFolder;
  partition!: Partition;
  /** Its metadata come in order, and late. */
  metadata: PartitionState[] = [];
  exchange: Exchange | undefined;
  asked: { proposal: IsrProposal; result?: IsrResult } | undefined;
  /** Highest high watermark of a leader epoch while the process lives. */
  highWatermark = { epoch: -1, value: 0 };
  brokerEpoch: number;
  isUp = false;

  constructor(brokerEpoch: number) {
    this.brokerEpoch = brokerEpoch;
  }
}

/** The partition, and what it must hold. */
export class ReplicaWorld {
  readonly #machines = new Map<number, Machine>();
  readonly #choose: Choose;
  readonly #config;
  /** Committed records by offset: the epoch and the value. */
  readonly #committed: string[] = [];
  /** Offsets that a producer was told are safe, with their values. */
  readonly #acked = new Map<number, string>();
  readonly #waiting: { id: number; epoch: number; offset: number }[] = [];
  readonly #fenced = new Set<number>();
  #state: PartitionState = {
    leader: 1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    replicas: [...IDS],
    isr: [...IDS],
  };
  #nowMs = 1_000_000;
  #brokerEpoch = 10;
  #values = 0;
  /** What happened, to tell that a history meant something. */
  readonly seen = { truncated: 0, led: 0, acked: 0, expanded: 0, shrunk: 0 };

  constructor(
    { choose, minIsr, segmentBytes = 600 }: {
      readonly choose: Choose;
      readonly minIsr: number;
      readonly segmentBytes?: number;
    },
  ) {
    this.#choose = choose;
    this.#config = {
      ...resolveTopicConfig(new Map(), resolveBrokerConfig()),
      minInsyncReplicas: minIsr,
      segmentBytes,
    };
    for (const id of IDS) {
      const machine = new Machine(this.#brokerEpoch++);
      this.#machines.set(id, machine);
      this.#start(id, machine);
    }
  }

  #env(disk: CrashDisk): Env {
    const clock: Clock = {
      wallMs: () => this.#nowMs,
      monoMs: () => this.#nowMs,
      sleep: () => Promise.resolve(),
      timer: () => () => {},
      endOfTurn: () => {},
    };
    let random = 0;
    return {
      clock,
      disk,
      trace: () => {},
      random: {
        u32: () => random++,
        bytes: (n: number) => new Uint8Array(n).fill(random++),
      },
      tasks: { spawn: (_: string, task: () => Promise<void>) => void task() },
    } as unknown as Env;
  }

  #start(id: number, machine: Machine): void {
    const env = this.#env(machine.disk);
    machine.folder = LogFolder.open({ env, path: "/d", nodeId: id });
    const log = machine.folder.openLog({
      topic: "t",
      partition: 0,
      topicId: TOPIC_ID,
      config: this.#config,
    });
    const { brokerEpoch } = machine;
    machine.partition = new Partition({
      log,
      topicId: TOPIC_ID,
      config: this.#config,
      host: {
        nodeId: id,
        brokerEpoch,
        lagMaxMs: LAG_MS,
        nowMs: () => this.#nowMs,
        isEligible: (other, epoch) =>
          !this.#fenced.has(other) &&
          this.#machines.get(other)!.brokerEpoch === epoch,
      },
      state: this.#state,
      highWatermark: machine.folder.highWatermark("t", 0),
    });
    machine.metadata = [];
    machine.exchange = undefined;
    machine.asked = undefined;
    machine.highWatermark = { epoch: -1, value: 0 };
    machine.isUp = true;
  }

  /** Another state of the metadata, on its way to everybody. */
  #change(change: Partial<PartitionState>): void {
    const before = this.#state;
    const isNewLeader = change.leader !== undefined &&
      change.leader !== before.leader;
    this.#state = {
      ...before,
      ...change,
      leaderEpoch: before.leaderEpoch + (isNewLeader ? 1 : 0),
      partitionEpoch: before.partitionEpoch + 1,
    };
    for (const machine of this.#machines.values()) {
      if (machine.isUp) machine.metadata.push(this.#state);
    }
  }

  /** Takes a broker out of the ISR, unless it is the last one in it. */
  #leave(id: number): void {
    const { isr, leader } = this.#state;
    const left = isr.filter((each) => each !== id);
    const next = left.length === 0 ? isr : left;
    this.#change({
      isr: next,
      leader: leader === id ? this.#electable(next) : leader,
    });
  }

  #electable(isr: readonly number[]): number {
    return isr.find((id) => !this.#fenced.has(id)) ?? -1;
  }

  async run(step: Step): Promise<void> {
    const leader = Math.max(0, this.#state.leader - 1);
    const at = "at" in step ? step.at : 0;
    const id = IDS[at === 3 ? leader : at]!;
    const machine = this.#machines.get(id)!;
    if (step.type === "tick") this.#nowMs += step.ms;
    else if (step.type === "return") this.#return(id, machine);
    else if (step.type === "decide") this.#decide(machine);
    else if (machine.isUp) await this.#runAt(id, machine, step);
    this.#settle();
  }

  async #runAt(id: number, machine: Machine, step: Step): Promise<void> {
    const { partition } = machine;
    if (step.type === "produce") this.#produce(id, machine, step.bytes);
    const isRound = step.type === "round";
    if (isRound || step.type === "fetch") this.#fetch(machine);
    if (isRound || step.type === "serve") this.#serve(id, machine);
    if (isRound || step.type === "take") this.#take(machine);
    if (step.type === "lose") machine.exchange = undefined;
    if (step.type === "lag") partition.checkLag();
    if (step.type === "propose") this.#propose(machine);
    if (step.type === "prefer" && this.#state.isr.includes(id)) {
      if (!this.#fenced.has(id)) this.#change({ leader: id });
    }
    if (step.type === "fence" && !this.#fenced.has(id)) {
      this.#fenced.add(id);
      this.#leave(id);
    }
    if (step.type === "flush") {
      await partition.log.flush();
      const marks = new Map([["t-0", partition.highWatermark]]);
      machine.folder.checkpoint(marks);
    }
    if (step.type === "metadata") {
      const state = machine.metadata.shift();
      if (state !== undefined && partition.update(state) === "leader") {
        this.seen.led++;
        this.#checkLeader(partition);
      }
    }
    if (step.type === "kill" || step.type === "power") {
      this.#crash(id, machine, step.type === "power");
    }
  }

  #produce(id: number, { partition }: Machine, bytes: number): void {
    const count = 1 + bytes % 3;
    const batch = buildBatch(
      Array.from({ length: count }, () => ({
        timestamp: this.#nowMs,
        key: null,
        value: new TextEncoder().encode(
          `${this.#values++}:`.padEnd(bytes, "x"),
        ),
      })),
    );
    const made = partition.produce(batch, {
      acks: -1,
      nowMs: this.#nowMs,
      produceVersion: 12,
    });
    if (!made.ok) return;
    const { leaderEpoch: epoch } = partition;
    this.#waiting.push({ id, epoch, offset: made.lastOffset });
  }

  #fetch(machine: Machine): void {
    if (machine.exchange !== undefined) return;
    machine.partition.log.writeStaged();
    const target = machine.partition.fetchTarget();
    if (target === undefined) return;
    const { brokerEpoch } = machine;
    machine.exchange = { target, brokerEpoch };
  }

  /** The leader that the follower asked answers. */
  #serve(replicaId: number, { exchange }: Machine): void {
    if (exchange === undefined || exchange.answer !== undefined) return;
    const { target, brokerEpoch } = exchange;
    const leader = this.#machines.get(target.leader)!;
    const { partition } = leader;
    const refused = !leader.isUp || !partition.isLeader ||
      partition.epochError(target.leaderEpoch) !== undefined ||
      partition.followerError({ replicaId, brokerEpoch }) !== undefined;
    if (refused) return;
    exchange.answer = this.#answer(partition, { replicaId, ...exchange });
  }

  #answer(
    partition: Partition,
    { replicaId, brokerEpoch, target }: Exchange & {
      readonly replicaId: number;
    },
  ): NonNullable<Exchange["answer"]> {
    const { log } = partition;
    const { offset, lastFetchedEpoch } = target;
    const end = log.endOffsetForEpoch(lastFetchedEpoch);
    const isDiverging = lastFetchedEpoch >= 0 &&
      (end.epoch !== lastFetchedEpoch || end.endOffset < offset);
    if (!isDiverging && !partition.isInRange(offset)) {
      return { outOfRange: [log.logStartOffset, log.logEndOffset] };
    }
    const records = isDiverging ? NOTHING : partition.read(offset, {
      maxBytes: 400,
      isolation: "log_end",
      minOneBatch: true,
    });
    if (!isDiverging) {
      const { logStartOffset } = target;
      partition.followerFetched({
        replicaId,
        brokerEpoch,
        offset,
        logStartOffset,
      });
      partition.advance();
    }
    return {
      highWatermark: partition.highWatermark,
      logStartOffset: log.logStartOffset,
      divergingEpoch: isDiverging ? end : undefined,
      records: records.slice(),
    };
  }

  #take(machine: Machine): void {
    const { exchange, partition } = machine;
    if (exchange?.answer === undefined) return;
    machine.exchange = undefined;
    const { target, answer } = exchange;
    const step = "outOfRange" in answer
      ? partition.startOver(target, {
        startOffset: answer.outOfRange[0],
        endOffset: answer.outOfRange[1],
      })
      : partition.followerAnswer(target, answer);
    if (step === "truncated") this.seen.truncated++;
  }

  #propose(machine: Machine): void {
    const proposal = machine.partition.isrProposal;
    if (proposal === undefined || machine.asked !== undefined) return;
    machine.asked = { proposal };
  }

  /** The controller decides, or its answer arrives. */
  #decide(machine: Machine): void {
    const { asked, partition } = machine;
    if (asked === undefined || !machine.isUp) return;
    if (asked.result === undefined) {
      asked.result = this.#controller(asked.proposal);
      return;
    }
    machine.asked = undefined;
    const size = partition.isr.length;
    partition.isrAnswered(asked.proposal, asked.result);
    if (partition.isr.length > size) this.seen.expanded++;
    if (partition.isr.length < size) this.seen.shrunk++;
    partition.advance();
  }

  #controller({ newIsr, leaderEpoch, partitionEpoch }: IsrProposal): IsrResult {
    const state = this.#state;
    if (leaderEpoch < state.leaderEpoch) {
      return { error: "FENCED_LEADER_EPOCH" };
    }
    if (partitionEpoch < state.partitionEpoch) {
      return { error: "INVALID_UPDATE_VERSION" };
    }
    const isIneligible = newIsr.some(({ brokerId, brokerEpoch }) =>
      this.#fenced.has(brokerId) || brokerEpoch !== -1 &&
        brokerEpoch !== this.#machines.get(brokerId)!.brokerEpoch
    );
    if (isIneligible) return { error: "INELIGIBLE_REPLICA" };
    this.#change({ isr: newIsr.map(({ brokerId }) => brokerId) });
    return { error: "NONE", ...this.#state };
  }

  /** Stops without a word; without power what wasn't synced may go, too. */
  #crash(id: number, machine: Machine, isPower: boolean): void {
    // Who is all that is left in sync takes no records along: nobody could.
    const isLast = !this.#state.isr.some((each) =>
      each !== id && !this.#fenced.has(each)
    );
    const keeps = !isPower || isLast && this.#state.isr.includes(id);
    if (keeps) machine.partition.log.writeStaged();
    machine.disk = keeps ? machine.disk.copy() : machine.disk.crashed(
      this.#choose,
    );
    machine.isUp = false;
    this.#fenced.add(id);
    this.#leave(id);
  }

  /** Comes back: registered anew if it was down, and no longer fenced. */
  #return(id: number, machine: Machine): void {
    if (!this.#fenced.has(id)) return;
    this.#fenced.delete(id);
    if (!machine.isUp) {
      machine.brokerEpoch = this.#brokerEpoch++;
      this.#start(id, machine);
    }
    const { leader, isr } = this.#state;
    if (leader === -1) this.#change({ leader: this.#electable(isr) });
  }

  /** Who waits is told, as soon as the leader's high watermark says so. */
  #settle(): void {
    for (const [at, wait] of [...this.#waiting.entries()].reverse()) {
      const { isUp, partition } = this.#machines.get(wait.id)!;
      const isOver = !isUp || !partition.isLeader ||
        partition.leaderEpoch !== wait.epoch;
      if (isUp) partition.advance();
      if (!isOver && wait.offset >= partition.highWatermark) continue;
      this.#waiting.splice(at, 1);
      if (isOver || partition.hasTooFewInSync) continue;
      const value = recordsOf(partition)[wait.offset]!;
      this.#acked.set(wait.offset, value);
      this.seen.acked++;
    }
  }

  /** What must hold after every step. */
  check(): void {
    const logs = new Map<number, string[]>();
    for (const [id, machine] of this.#machines) {
      if (!machine.isUp) continue;
      const { partition, highWatermark: mark } = machine;
      const { highWatermark, leaderEpoch, log } = partition;
      assert(highWatermark <= log.logEndOffset, "it is within the log");
      if (mark.epoch === leaderEpoch) {
        assert(highWatermark >= mark.value, `high watermark of ${id} fell`);
      }
      machine.highWatermark = { epoch: leaderEpoch, value: highWatermark };
      const records = recordsOf(partition);
      logs.set(id, records);
      for (let at = 0; at < highWatermark; at++) {
        this.#committed[at] ??= records[at]!;
        assertEquals(records[at], this.#committed[at], `${id} at ${at}`);
      }
    }
    const all = [...logs.values()];
    for (const [i, one] of all.entries()) {
      for (const other of all.slice(i + 1)) checkMatching(one, other);
    }
  }

  /** A leader that was elected has all that was committed. */
  #checkLeader(partition: Partition): void {
    if (partition.leaderEpoch !== this.#state.leaderEpoch) return;
    const records = recordsOf(partition);
    for (const [at, record] of this.#committed.entries()) {
      assertEquals(records[at], record, `the new leader at ${at}`);
    }
  }

  #isHealed(): boolean {
    const all = [...this.#machines.values()];
    return this.#fenced.size === 0 && this.#state.isr.length === all.length &&
      all.every(({ partition: { log, highWatermark }, metadata, asked }) =>
        metadata.length === 0 && asked === undefined &&
        highWatermark === log.logEndOffset &&
        highWatermark === all[0]!.partition.highWatermark
      );
  }

  /** Everything works again: all replicas come to hold the same. */
  async heal(): Promise<void> {
    for (let round = 0; round < 200 && !this.#isHealed(); round++) {
      for (let at = 0; at < 3; at++) {
        const steps = ["return", "metadata", "metadata", "metadata"] as const;
        for (const type of steps) await this.run({ type, at });
      }
      for (let at = 0; at < 3; at++) {
        const steps = ["fetch", "serve", "take", "propose", "decide"] as const;
        for (const type of [...steps, "decide"] as const) {
          await this.run({ type, at });
        }
        const { exchange } = this.#machines.get(IDS[at]!)!;
        if (exchange !== undefined) await this.run({ type: "lose", at });
      }
      this.check();
    }
    const all = [...this.#machines.values()].map(({ partition }) => partition);
    const [first, ...others] = all.map(recordsOf);
    for (const other of others) assertEquals(other, first);
    for (const { highWatermark, log } of all) {
      assertEquals(highWatermark, log.logEndOffset, "all is committed");
    }
    assertEquals([...this.#state.isr].sort(), [...IDS]);
    for (const [offset, value] of this.#acked) {
      assertEquals(first![offset], value, `what was acked at ${offset}`);
    }
  }
}

/** Epoch and value of each record, by offset. */
function recordsOf({ log }: Partition): string[] {
  const records: string[] = [];
  let next = log.logStartOffset;
  while (next < log.logEndOffset) {
    const bytes = log.read(next, {
      maxBytes: 1e6,
      upperOffset: Infinity,
      minOneBatch: true,
    });
    for (const batch of batchesOf(bytes)) {
      assert(batch.isCrcValid(), "what is stored has its CRC");
      assertEquals(batch.baseOffset, next, "offsets have no gap");
      const { partitionLeaderEpoch: epoch } = batch;
      const name = DECODER.decode(batch.records).match(/\d+:/)![0];
      while (next < batch.nextOffset) records[next++] = `${epoch}/${name}`;
    }
  }
  return records;
}

/** The same epoch at the same offset: the same log up to there. */
function checkMatching(one: readonly string[], other: readonly string[]): void {
  const epochOf = (record: string) => record.split("/")[0];
  let at = Math.min(one.length, other.length) - 1;
  while (at >= 0 && epochOf(one[at]!) !== epochOf(other[at]!)) at--;
  assertEquals(one.slice(0, at + 1), other.slice(0, at + 1), "logs match");
}
