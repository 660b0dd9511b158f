/**
 * One run: a world from a seed, clients and faults in it, then peace, in which
 * everything must settle, and the judgement. Owns the order of these; the same
 * seed gives the same run.
 *
 * @module
 */
import { Admin } from "../../net/client/admin.ts";
import { Consumer } from "../../net/client/consumer.ts";
import type { TopicPartition } from "../../core/ids.ts";
import type { ClientConfig, ClientSeams } from "../../net/client/types.ts";
import { beset, drawAddedPlan } from "./added_plan.ts";
import { Chance } from "./chance.ts";
import { drawClusterPlan } from "./cluster_plan.ts";
import { type Anomaly, check, lastingRecords, wasUnclean } from "./checker.ts";
import { drawHarshPlan, drawIdlePlan } from "./harsh_plan.ts";
import { differences } from "./copies.ts";
import type { FinalLog, History, Seen } from "./history.ts";
import { lateOwners } from "./log_rules.ts";
import { MoverActor } from "./mover.ts";
import { Nemesis } from "./nemesis.ts";
import { drawLatePlan } from "./late_plan.ts";
import type { Plan } from "./plan.ts";
import { isDeath } from "./process.ts";
import {
  type Actor,
  AdminActor,
  ConsumerActor,
  ProducerActor,
  seenName,
  type Stage,
} from "./workload.ts";
import { StragglerActor } from "./straggler.ts";
import { VoterActor } from "./voter_operator.ts";
import { unwatch, watch } from "./watched.ts";
import { drawWidePlan } from "./wide_plan.ts";
import { World } from "./world.ts";
import { groupOf, WriterActor } from "./writer.ts";

/** How long everything may take to settle when nothing is broken any more. */
const SETTLE_MS = 90_000;

/** Who appended nothing for so long has nothing left to append. */
const QUIET_MS = 1_500;

/** The stream of what was added to plans: seeds kept from before draw none. */
const MORE = 942_143;
/** The stream of what only the newer plans of clusters draw. */
const OWN = 300_007;
/** The same for one node: seeds that were kept until then draw none of it. */
const ADDED = 642_889;
/** And for what was added after that. */
const BESET = 737_190;

/** What came of a run. */
export interface Outcome {
  readonly seed: number;
  readonly anomalies: readonly Anomaly[];
  readonly hash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly sends: number;
  readonly acknowledged: number;
  readonly reads: number;
}

/** Of the runs, the one that is under way. */
let current: World | undefined;

/** Nothing that fails may go unheard, but what a dead process leaves behind. */
function onRejection(event: PromiseRejectionEvent): void {
  event.preventDefault();
  const { reason } = event;
  if (isDeath(reason)) return;
  current?.defect(`unhandled rejection: ${reason?.stack ?? reason}`);
}

/** The plans of clusters: kept seeds keep theirs. */
export const CLUSTER_PLANS = {
  1: drawClusterPlan,
  2: drawHarshPlan,
  3: drawWidePlan,
  4: drawLatePlan,
  5: drawIdlePlan,
} as const;

/** The number of a plan of clusters. */
export type ClusterPlan = keyof typeof CLUSTER_PLANS;

/** The plan that a seed is drawn by if none is named. */
export const NEWEST: ClusterPlan = 5;

/** How a seed is run. */
export interface SimulateOptions {
  /** Several nodes, not one. */
  readonly isCluster?: boolean;
  /** Which plan of a cluster a seed is drawn by; the newest one if absent. */
  readonly plan?: ClusterPlan | undefined;
  /** Reads along. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/** Runs `seed`. */
export async function simulate(
  seed: number,
  options: SimulateOptions = {},
): Promise<Outcome> {
  watch({ seed });
  const stage = planned(seed, options);
  current = stage.world;
  // Adding it again does nothing; it stays, for what comes late.
  globalThis.addEventListener("unhandledrejection", onRejection);
  const outcome = await new Run(seed, stage).outcome();
  await stage.world.scheduler.settle();
  unwatch();
  return outcome;
}

function planned(
  seed: number,
  { isCluster = false, plan: number = NEWEST, onNote }: SimulateOptions,
): Stage {
  const draw = isCluster ? CLUSTER_PLANS[number] : drawAddedPlan;
  const drawn = draw(
    new Chance(seed, 1),
    new Chance(seed, MORE),
    new Chance(seed, isCluster ? OWN : ADDED),
  );
  const plan = isCluster ? drawn : beset(drawn, new Chance(seed, BESET));
  const world = new World({
    seed,
    brokerCount: plan.nodes,
    quorum: plan.quorum,
    brokerConfig: plan.brokerConfig,
    isAllKept: isCluster && plan.isAllDurable,
    uncleanTopics: new Set(
      plan.topics.filter(({ isUnclean }) => isUnclean).map(({ name }) => name),
    ),
    onNote,
    onDefect: (defect) => watch({ seed, defect }),
  });
  onNote?.(JSON.stringify(plan));
  return {
    world,
    plan,
    history: {
      ...emptyHistory(plan, { isCluster }),
      uncleanMs: world.watcher.uncleanMs,
    },
    partitions: new Map(),
    isPeace: false,
  };
}

function emptyHistory(
  { topics, groups, isAllDurable }: Plan,
  { isCluster }: { readonly isCluster: boolean },
): History {
  return {
    topics,
    groups: new Map(
      groups.map((group) => [group.id, group.topics.map(({ name }) => name)]),
    ),
    committedReaders: new Set(
      groups.filter(({ configs }) =>
        configs["isolation.level"] === "read_committed"
      ).map(({ id }) => id),
    ),
    isAllDurable,
    isCluster,
    transactions: [],
    sends: [],
    polls: [],
    commits: [],
    changes: [],
    endsMs: [],
    powerLossesMs: [],
    logs: new Map(),
    committed: new Map(),
  };
}

class Run {
  readonly #seed: number;
  readonly #stage: Stage;
  readonly #producers: readonly ProducerActor[];
  readonly #consumers: readonly ConsumerActor[];
  readonly #writers: readonly WriterActor[];
  readonly #admin: AdminActor;
  readonly #operators: readonly Actor[];
  /** Polls that were there when it was last looked at what groups have read. */
  #pollsLooked = -1;
  #lastingRecords: ReadonlyMap<string, readonly Seen[]> | undefined;

  constructor(seed: number, stage: Stage) {
    this.#seed = seed;
    this.#stage = stage;
    const { plan } = stage;
    this.#producers = plan.producers.map((each) =>
      new ProducerActor(each, stage)
    );
    this.#writers = plan.writers.flatMap((writer) =>
      Array.from(
        { length: writer.size },
        (_, i) => new WriterActor(`${writer.id}r${i}`, writer, stage),
      )
    );
    this.#consumers = plan.groups.flatMap((group) =>
      Array.from(
        { length: group.size },
        (_, i) => new ConsumerActor(`${group.id}c${i}`, group, stage),
      )
    );
    this.#admin = new AdminActor("admin", stage);
    this.#operators = [
      ...plan.movesMs > 0 ? [new MoverActor(stage)] : [],
      ...plan.quorum.changesMs > 0 ? [new VoterActor("voters", stage)] : [],
      ...plan.hasStragglers
        ? plan.groups.map((group) => new StragglerActor(group, stage))
        : [],
    ];
  }

  async outcome(): Promise<Outcome> {
    const { world, history } = this.#stage;
    let anomalies: readonly Anomaly[];
    try {
      anomalies = await this.#anomalies();
    } catch (error) {
      // This seed's failure, and no reason to leave out the next ones.
      const what = `the run broke off: ${(error as Error).stack ?? error}`;
      anomalies = [{ name: "defect", what }];
    }
    const { hash, eventCount, nowMs } = world.scheduler;
    return {
      seed: this.#seed,
      anomalies,
      hash,
      events: eventCount,
      virtualMs: nowMs,
      sends: history.sends.length,
      acknowledged: history.sends
        .filter(({ ending }) => ending === "ok").length,
      reads: history.polls.reduce(
        (sum, { records }) => sum + records.length,
        0,
      ),
    };
  }

  async #anomalies(): Promise<readonly Anomaly[]> {
    const { world, history } = this.#stage;
    await this.#live();
    history.endsMs = world.machines.flatMap(({ endsMs }) => endsMs);
    history.powerLossesMs = world.machines
      .flatMap(({ powerLossesMs }) => powerLossesMs);
    history.damagesMs = new Map(
      world.machines.flatMap(({ damagesMs }) => [...damagesMs]),
    );
    return world.defects.length > 0
      ? world.defects.map((what) => ({ name: "defect", what }))
      : check(history);
  }

  /** Trouble, then peace; ends early at a defect. */
  async #live(): Promise<void> {
    const { world, plan } = this.#stage;
    const nemesis = new Nemesis(world, {
      plan: plan.faults,
      topics: plan.topics.filter(({ isUnclean }) => !isUnclean)
        .map(({ name }) => name),
      clients: [...this.#senders, ...this.#consumers],
    });
    nemesis.start();
    for (const actor of this.#actors) actor.start();
    await world.pass(plan.faultPhaseMs);
    nemesis.heal();
    this.#stage.isPeace = true;
    for (const each of [this.#admin, ...this.#operators]) each.end();
    for (const sender of this.#senders) sender.end();
    if (!await this.#settles("the admin has ended", () => this.#admin.isOver)) {
      return;
    }
    const areSent = () => this.#senders.every(({ isOver }) => isOver);
    if (!await this.#settles("producers have ended", areSent)) return;
    if (this.#stage.history.isCluster && !await this.#areInSync()) return;
    const reader = new FinalReader(this.#stage);
    if (!await this.#settles("the logs are read", () => reader.isDone)) return;
    const areRead = () => this.#haveGroupsRead();
    if (!await this.#settles("groups have read all", areRead)) return;
    await world.pass(2_500);
    for (const consumer of this.#consumers) consumer.end();
    const areOver = () => this.#consumers.every(({ isOver }) => isOver);
    if (!await this.#settles("consumers have ended", areOver)) return;
    const offsets = new OffsetsReader(this.#stage);
    if (!await this.#settles("commits are read", () => offsets.isDone)) return;
    this.#lookAtOwners();
    if (this.#stage.history.isCluster) this.#compareCopies();
  }

  /** Who was fenced wrote nothing behind who came after. */
  #lookAtOwners(): void {
    const { world } = this.#stage;
    for (const { host, disk: { root } } of world.machines) {
      const [late] = lateOwners(root);
      if (late !== undefined) world.defect(`${host}: ${late}`);
    }
  }

  /** In the end all replicas hold the same bytes. */
  #compareCopies(): void {
    const { world, plan: { topics } } = this.#stage;
    const { image } = world.watcher;
    if (image === undefined) return;
    const disks = world.machines
      .map(({ nodeId, disk: { root } }) => ({ nodeId, root }));
    for (const what of differences(disks, { image, topics }).slice(0, 3)) {
      world.defect(what);
    }
  }

  async #areInSync(): Promise<boolean> {
    const { machines, watcher } = this.#stage.world;
    const isSound = () => machines.every(({ rotten }) => rotten.size === 0);
    if (!await this.#settles("what rotted is replaced", isSound)) return false;
    const replicas = new ReplicasReader(this.#stage);
    const areInSync = () => replicas.isDone;
    if (!await this.#settles("all replicas are in sync", areInSync)) {
      return false;
    }
    // Brokers may yet come to what producers have given up.
    const areQuiet = () => watcher.quietMs > QUIET_MS;
    return await this.#settles("nothing is appended any more", areQuiet);
  }

  get #actors() {
    return [
      this.#admin,
      ...this.#operators,
      ...this.#senders,
      ...this.#consumers,
    ];
  }

  get #senders() {
    return [...this.#producers, ...this.#writers];
  }

  /** Waits for it as long as it may take; a defect when it doesn't come. */
  async #settles(what: string, isSettled: () => boolean): Promise<boolean> {
    const { world } = this.#stage;
    const isOver = await world.pass(SETTLE_MS, isSettled);
    world.scheduler.note(`settled: ${what}`);
    if (!isOver) world.defect(`not settled after ${SETTLE_MS} ms: ${what}`);
    return world.defects.length === 0;
  }

  /** Of topics that stay, each group has seen each value. */
  #haveGroupsRead(): boolean {
    const { history } = this.#stage;
    if (this.#pollsLooked === history.polls.length) return false;
    this.#pollsLooked = history.polls.length;
    for (const [group, topics] of history.groups) {
      const seen = new Set<string>();
      for (const poll of history.polls) {
        if (poll.group !== group) continue;
        for (const { value } of poll.records) seen.add(value);
      }
      for (const [name, records] of this.#lasting) {
        const topic = this.#stage.plan.topics.find((each) =>
          each.name === name.replace(/-\d+$/, "")
        );
        if (topic === undefined || !topics.includes(topic.name)) continue;
        if (topic.isChurned || topic.isRetained) continue;
        if (this.#isDamaged(topic.name)) continue;
        if (wasUnclean(history, topic.name)) continue;
        if (!topic.isDurable && this.#hasLostPower) continue;
        if (!records.every(({ value }) => seen.has(value))) return false;
      }
    }
    return true;
  }

  /** The logs are read once: it stays as it is. */
  get #lasting(): ReadonlyMap<string, readonly Seen[]> {
    return this.#lastingRecords ??= lastingRecords(this.#stage.history);
  }

  #isDamaged(topic: string): boolean {
    return this.#stage.world.machines
      .some(({ damagesMs }) => damagesMs.has(topic));
  }

  get #hasLostPower(): boolean {
    return this.#stage.world.machines
      .some(({ powerLossesMs }) => powerLossesMs.length > 0);
  }
}

const FINAL: ClientConfig = {
  "request.timeout.ms": "5000",
  "retry.backoff.ms": "50",
  "default.api.timeout.ms": "20000",
};

/** Reads every log from its start to its end. */
class FinalReader {
  readonly #stage: Stage;
  #isDone = false;

  constructor(stage: Stage) {
    this.#stage = stage;
    const { process, seams } = stage.world.spawnClient("reader");
    this.#read(seams).then(
      () => this.#isDone = true,
      (error) =>
        stage.world.defect(`${process.name} failed: ${error?.stack ?? error}`),
    );
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  async #read(seams: ClientSeams): Promise<void> {
    const { world, history } = this.#stage;
    const config = { ...FINAL, "bootstrap.servers": world.addresses };
    const admin = new Admin(config, seams);
    const partitions = (await admin.listTopics())
      .filter(({ isInternal }) => !isInternal)
      .flatMap(({ name: topic, partitions: count }) =>
        Array.from({ length: count }, (_, partition) => ({ topic, partition }))
      );
    await admin.close();
    const ends = await this.#stableEnds(partitions, { config, seams });
    const consumer = new Consumer({
      ...config,
      "auto.offset.reset": "earliest",
      "isolation.level": "read_committed",
    }, seams);
    consumer.assign(partitions);
    const records = new Map<string, Seen[]>();
    const isRead = async () => {
      for (const { topic, partition, offset } of ends) {
        const position = await consumer.position({ topic, partition });
        if (position < offset) return false;
      }
      return true;
    };
    while (!await isRead()) {
      for (const batch of await consumer.poll(500)) {
        const name = `${batch.topic}-${batch.partition}`;
        const seen = records.get(name) ?? [];
        for (const record of batch.records) {
          seen.push({ offset: record.offset, value: seenName(record) });
        }
        records.set(name, seen);
      }
    }
    // Retention may have gone on meanwhile, between two reads of one log.
    const starts = await consumer.beginningOffsets(partitions);
    for (const [i, { topic, partition, offset: end }] of ends.entries()) {
      const name = `${topic}-${partition}`;
      const first = starts[i]!.offset;
      const seen = (records.get(name) ?? [])
        .filter(({ offset }) => offset >= first);
      const start = seen[0]?.offset ?? end;
      const log: FinalLog = { start, end, records: seen };
      history.logs.set(name, log);
    }
    await consumer.close();
  }

  /** Where the logs end when no transaction is open any more. */
  async #stableEnds(
    partitions: readonly TopicPartition[],
    { config, seams }: {
      readonly config: ClientConfig;
      readonly seams: ClientSeams;
    },
  ) {
    const level = { "isolation.level": "read_committed" };
    const committed = new Consumer({ ...config, ...level }, seams);
    const all = new Consumer(config, seams);
    for (;;) {
      const stable = await committed.endOffsets(partitions);
      const ends = await all.endOffsets(partitions);
      if (ends.every(({ offset }, i) => offset === stable[i]!.offset)) {
        await committed.close();
        await all.close();
        return ends;
      }
      const text = (all: typeof ends) =>
        all.map(({ offset }) => offset).join(" ");
      this.#stage.world.scheduler.note(
        `logs end at ${text(ends)}, stable to ${text(stable)}`,
      );
      await seams.env.clock.sleep(500);
    }
  }
}

/** Waits until every replica of a cluster is in sync again. */
class ReplicasReader {
  readonly #stage: Stage;
  #isDone = false;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#read();
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  async #read(): Promise<void> {
    const { world } = this.#stage;
    const { process, seams } = world.spawnClient("operator");
    const config = { ...FINAL, "bootstrap.servers": world.addresses };
    const admin = new Admin(config, seams);
    const areInSync = async () => {
      const names = (await admin.listTopics()).map(({ name }) => name);
      const topics = await admin.describeTopics(names);
      return topics.every(({ partitions }) =>
        partitions.every(({ replicas, isr }) => isr.length === replicas.length)
      );
    };
    try {
      while (!await areInSync()) await process.sleep(200);
      await admin.close();
      this.#isDone = true;
    } catch (error) {
      world.defect(
        `${process.name} failed: ${
          error instanceof Error ? error.stack : error
        }`,
      );
    }
  }
}

/** Asks what the groups have committed, those of transactions, too. */
class OffsetsReader {
  readonly #stage: Stage;
  #isDone = false;

  constructor(stage: Stage) {
    this.#stage = stage;
    const { process, seams } = stage.world.spawnClient("auditor");
    this.#read(seams).then(
      () => this.#isDone = true,
      (error) =>
        stage.world.defect(`${process.name} failed: ${error?.stack ?? error}`),
    );
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  async #read(seams: ClientSeams): Promise<void> {
    const { world, history } = this.#stage;
    const config = { ...FINAL, "bootstrap.servers": world.addresses };
    const admin = new Admin(config, seams);
    for (const group of history.groups.keys()) {
      this.#note(group, await admin.listGroupOffsets(group));
    }
    for (const { id, topics } of this.#stage.plan.writers) {
      const group = groupOf(id);
      // A commit counts from its marker on, and a broker that is gone without a
      // word may keep it waiting: only a reader of stable offsets sees it.
      const reader = new Consumer({
        ...config,
        "group.id": group,
        "default.api.timeout.ms": String(SETTLE_MS),
      }, seams);
      const first = { topic: topics[0]!.name, partition: 0 };
      this.#note(group, await reader.committed([first]));
      await reader.close();
    }
    await admin.close();
  }

  #note(
    group: string,
    offsets: readonly (TopicPartition & { readonly offset: number })[],
  ): void {
    this.#stage.history.committed.set(
      group,
      new Map(
        offsets.map(({ topic, partition, offset }) => [
          `${topic}-${partition}`,
          offset,
        ]),
      ),
    );
  }
}
