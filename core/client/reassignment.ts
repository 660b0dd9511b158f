/**
 * Which replicas to move so that brokers hold alike much and lead alike much,
 * moving as little as that takes. Pure: owns the choice, and knows neither
 * requests nor how moves are carried out.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { partitionName, type TopicPartition } from "../ids.ts";
import { shortestShift } from "./shifts.ts";

/** A broker that may hold replicas. */
export interface PlannedBroker {
  readonly id: number;
  /** Used only where every broker has one. */
  readonly rack: string | null;
}

/** A partition as it is. */
export interface PlannedPartition extends TopicPartition {
  /** Node ids, preferred leader first. */
  readonly replicas: readonly number[];
  /** What one more replica of it costs to copy. */
  readonly bytes: number;
}

/** How {@linkcode planReassignment} plans. */
export interface ReassignmentOptions {
  /** Who may hold replicas; whoever else does loses them. */
  readonly brokers: readonly PlannedBroker[];
  /** Replicas of each partition; as many as each has when absent. */
  readonly replicationFactor?: number | undefined;
  /** Without, only what has to move does. */
  readonly isBalanced: boolean;
}

/** What balancing works on. */
interface Draft extends PlannedPartition {
  /** As planned so far. */
  target: number[];
}

/** Replicas that move from one broker to another one, as counted so far. */
interface Loads {
  readonly all: Map<number, number>;
  /** By topic, then by broker. */
  readonly ofTopic: Map<string, Map<number, number>>;
}

/**
 * Where the replicas of each partition are to be, for those that change, in
 * the order given. Each partition keeps its number of replicas or gets the one
 * asked for, never two on one broker, on as many racks as there can be. Throws
 * `INVALID_REPLICATION_FACTOR` when there are too few brokers.
 */
export function planReassignment(
  partitions: readonly PlannedPartition[],
  options: ReassignmentOptions,
): (PlannedPartition & { readonly target: readonly number[] })[] {
  const plan = new ReassignmentPlan(partitions, options);
  plan.settle();
  if (options.isBalanced) plan.balance();
  plan.spreadLeaders();
  return plan.changes();
}

/**
 * A plan in the making.
 *
 * Invariants:
 * 1. `target` never names a broker twice, and after `settle()` none that may
 *    hold no replicas.
 * 2. No step puts replicas of a partition closer together in racks.
 */
class ReassignmentPlan {
  readonly #options: ReassignmentOptions;
  readonly #drafts: readonly Draft[];
  readonly #racks = new Map<number, string>();
  readonly #rackSizes = new Map<string, number>();
  readonly #loads: Loads = { all: new Map(), ofTopic: new Map() };
  /** Partitions with a replica on each broker. */
  readonly #held = new Map<number, Set<Draft>>();

  constructor(
    partitions: readonly PlannedPartition[],
    options: ReassignmentOptions,
  ) {
    this.#options = options;
    const isRacked = options.brokers.every(({ rack }) => rack !== null);
    for (const { id, rack } of options.brokers) {
      const name = isRacked ? rack! : "";
      this.#racks.set(id, name);
      this.#rackSizes.set(name, (this.#rackSizes.get(name) ?? 0) + 1);
      this.#loads.all.set(id, 0);
      this.#held.set(id, new Set());
    }
    this.#drafts = partitions.map((each) => ({
      ...each,
      target: [...new Set(each.replicas)],
    }));
    for (const draft of this.#drafts) {
      for (const id of draft.target) this.#count(draft, id, 1);
    }
  }

  /** Does what must be done: right counts, allowed brokers, racks apart. */
  settle(): void {
    for (const draft of this.#drafts) {
      const factor = this.#options.replicationFactor ?? draft.target.length;
      if (factor > this.#racks.size) throw tooFew(draft, factor, this.#racks);
      for (const id of [...draft.target]) {
        if (this.#racks.has(id)) continue;
        const heir = this.#bestFor(draft);
        // Its place may be one that is given up anyway.
        if (heir !== undefined && draft.target.length <= factor) {
          this.#replace(draft, draft.target.indexOf(id), heir);
        } else this.#drop(draft, id);
      }
      while (draft.target.length > factor) {
        this.#drop(draft, this.#worstOf(draft));
      }
      while (draft.target.length < factor) {
        const id = this.#bestFor(draft)!;
        draft.target.push(id);
        this.#count(draft, id, 1);
      }
      if (this.#options.isBalanced || isChanged(draft)) {
        this.#spreadRacks(draft);
      }
    }
  }

  /** Moves replicas until no broker has two more than one that could take one. */
  balance(): void {
    const stuck = new Set<number>();
    let hasMoved = false;
    for (;;) {
      const byLoad = this.#byLoad();
      const from = byLoad.findLast((id) => !stuck.has(id));
      const least = this.#load(byLoad[0]!);
      if (from === undefined || this.#load(from) < least + 2) {
        // A move may have opened a way for those that had none.
        if (!hasMoved || stuck.size === 0) return;
        stuck.clear();
        hasMoved = false;
        continue;
      }
      const shift = shortestShift(from, {
        nodes: byLoad,
        isGoal: (id) => this.#load(id) <= this.#load(from) - 2,
        between: (a, b) => this.#movable(a, b),
      });
      if (shift === undefined) {
        stuck.add(from);
        continue;
      }
      hasMoved = true;
      for (const { item, from, to } of shift) {
        this.#replace(item, item.target.indexOf(from), to);
      }
    }
  }

  /** Has others be preferred leaders until no broker is so two times more often. */
  spreadLeaders(): void {
    const isOpen = (draft: Draft) =>
      this.#options.isBalanced || isChanged(draft);
    const led = new Map<number, Set<Draft>>();
    for (const id of this.#racks.keys()) led.set(id, new Set());
    for (const draft of this.#drafts) led.get(draft.target[0]!)?.add(draft);
    const load = (id: number) => led.get(id)!.size;
    const between = (a: number, b: number) => {
      const able = [...led.get(a)!].filter((draft) =>
        isOpen(draft) && draft.target.includes(b)
      );
      // What changes anyway costs no election of its own.
      return able.find(isChanged) ?? able[0];
    };
    const stuck = new Set<number>();
    for (;;) {
      const byLoad = [...led.keys()].sort((a, b) => load(a) - load(b));
      const from = byLoad.findLast((id) => !stuck.has(id));
      if (from === undefined || load(from) < load(byLoad[0]!) + 2) return;
      const isGoal = (id: number) => load(id) <= load(from) - 2;
      const shift = shortestShift(from, { nodes: byLoad, isGoal, between });
      if (shift === undefined) stuck.add(from);
      else stuck.clear();
      for (const { item, from, to } of shift ?? []) {
        led.get(from)!.delete(item);
        led.get(to)!.add(item);
        item.target = [to, ...item.target.filter((id) => id !== to)];
      }
    }
  }

  /** The partitions that are to change. */
  changes(): Draft[] {
    return this.#drafts.filter(isChanged);
  }

  /** The partition whose replica on `from` had best be on `to` instead. */
  #movable(from: number, to: number): Draft | undefined {
    let best: Draft | undefined;
    let bestCost: readonly number[] = [];
    for (const draft of this.#held.get(from)!) {
      if (draft.target.includes(to)) continue;
      if (!this.#keepsRacks(draft, from, to)) continue;
      const cost = this.#costOf(draft, from, to);
      if (best === undefined || isLess(cost, bestCost)) {
        best = draft;
        bestCost = cost;
      }
    }
    return best;
  }

  /** First whether it is copied at all, then how its topic is spread, then bytes. */
  #costOf(draft: Draft, from: number, to: number): readonly number[] {
    const { replicas, bytes, topic } = draft;
    const more = Number(!replicas.includes(to)) -
      Number(!replicas.includes(from));
    const ofTopic = this.#loads.ofTopic.get(topic)!;
    const spread = (ofTopic.get(from) ?? 0) - (ofTopic.get(to) ?? 0);
    return [more, -spread, more * bytes];
  }

  #keepsRacks(draft: Draft, from: number, to: number): boolean {
    const [left, entered] = [this.#racks.get(from)!, this.#racks.get(to)!];
    return left === entered ||
      this.#inRack(draft, entered) < this.#inRack(draft, left);
  }

  /** Moves replicas out of racks that have two more than one with room. */
  #spreadRacks(draft: Draft): void {
    for (;;) {
      const fullest = this.#worstOf(draft);
      const to = this.#bestFor(draft);
      if (to === undefined) return;
      const rack = this.#racks.get(to)!;
      const excess = this.#inRack(draft, this.#racks.get(fullest)!) -
        this.#inRack(draft, rack);
      if (excess < 2) return;
      this.#replace(draft, draft.target.indexOf(fullest), to);
    }
  }

  /** The broker that had best get one more replica. */
  #bestFor(draft: Draft): number | undefined {
    return least(
      [...this.#racks.keys()].filter((id) => !draft.target.includes(id)),
      (id) => [
        this.#inRack(draft, this.#racks.get(id)!),
        // Whoever has it already copies nothing.
        draft.replicas.includes(id) ? 0 : 1,
        this.#load(id),
        this.#loads.ofTopic.get(draft.topic)?.get(id) ?? 0,
      ],
    );
  }

  /** The broker whose replica had best go; the preferred leader's last of all. */
  #worstOf(draft: Draft): number {
    return least(draft.target, (id) => [
      -this.#inRack(draft, this.#racks.get(id)!),
      draft.replicas.includes(id) ? 1 : 0,
      id === draft.target[0] ? 1 : 0,
      -this.#load(id),
    ])!;
  }

  #inRack({ target }: Draft, rack: string): number {
    return target.filter((id) => this.#racks.get(id) === rack).length;
  }

  #load(id: number): number {
    return this.#loads.all.get(id)!;
  }

  #byLoad(): number[] {
    return [...this.#racks.keys()].sort((a, b) =>
      this.#load(a) - this.#load(b)
    );
  }

  #replace(draft: Draft, at: number, to: number): void {
    this.#count(draft, draft.target[at]!, -1);
    draft.target[at] = to;
    this.#count(draft, to, 1);
  }

  #drop(draft: Draft, id: number): void {
    draft.target.splice(draft.target.indexOf(id), 1);
    this.#count(draft, id, -1);
  }

  #count(draft: Draft, id: number, by: 1 | -1): void {
    const { all, ofTopic } = this.#loads;
    // Of those that may hold nothing, nothing need be known.
    if (!this.#racks.has(id)) return;
    all.set(id, all.get(id)! + by);
    const own = ofTopic.get(draft.topic) ?? new Map<number, number>();
    ofTopic.set(draft.topic, own.set(id, (own.get(id) ?? 0) + by));
    if (by === 1) this.#held.get(id)!.add(draft);
    else this.#held.get(id)!.delete(draft);
  }
}

function isChanged({ replicas, target }: Draft): boolean {
  return replicas.length !== target.length ||
    replicas.some((id, i) => id !== target[i]);
}

function tooFew(
  { topic, partition }: TopicPartition,
  factor: number,
  brokers: ReadonlyMap<number, unknown>,
): KafkaError {
  return new KafkaError(
    "INVALID_REPLICATION_FACTOR",
    `Cannot place ${factor} replicas of ${
      partitionName(topic, partition)
    } on ${brokers.size} brokers: none may hold two`,
  );
}

/** The first item with the least keys, compared one by one. */
function least(
  ids: readonly number[],
  keysOf: (id: number) => readonly number[],
): number | undefined {
  let best: { id: number; keys: readonly number[] } | undefined;
  for (const id of ids) {
    const keys = keysOf(id);
    if (best === undefined || isLess(keys, best.keys)) best = { id, keys };
  }
  return best?.id;
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((key, i) => key !== b[i]);
  return at >= 0 && a[at]! < b[at]!;
}
