/**
 * What clients do in a run: producers, consumers in groups, an admin who makes,
 * grows and deletes topics. They are kf's own clients in processes that may
 * die. Owns what is written into the history; it must never judge it.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import { Admin } from "../../net/client/admin.ts";
import { Consumer } from "../../net/client/consumer.ts";
import { Producer } from "../../net/client/producer.ts";
import type {
  ClientSeams,
  ConsumerRecord,
  ProducerRecord,
} from "../../net/client/types.ts";
import type { Chance } from "./chance.ts";
import type { Commit, Ending, History, Send, TopicChange } from "./history.ts";
import type { GroupPlan, Plan, ProducerPlan, TopicPlan } from "./plan.ts";
import type { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

const DECODER = new TextDecoder();

/** What all clients of a run share. */
export interface Stage {
  readonly world: World;
  readonly plan: Plan;
  readonly history: History;
  /** Partitions of each topic, as far as producers may know. */
  readonly partitions: Map<string, number>;
  /** Whether faults are over: nobody dawdles then. */
  isPeace: boolean;
}

/** A client that runs in a process, and anew after that has died. */
export abstract class Actor {
  readonly name: string;
  protected readonly stage: Stage;
  #process: SimProcess | undefined;
  #isAsked = false;
  #isOver = false;

  constructor(name: string, stage: Stage) {
    this.name = name;
    this.stage = stage;
  }

  /** Whether it has ended in order. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether it is to come to an end. */
  protected get isAsked(): boolean {
    return this.#isAsked;
  }

  start(): void {
    const { world } = this.stage;
    const { process, seams } = world.spawnClient(this.name);
    this.#process = process;
    this.run(process, seams).then(() => {
      if (process.isAlive) this.#isOver = true;
    }, (error) => {
      if (process.isAlive) {
        world.defect(`${process.name} failed: ${error?.stack ?? error}`);
      }
    });
  }

  /** Kills it; another one comes after `ms`. */
  die(ms: number): void {
    if (this.#isOver || !this.#process?.isAlive) return;
    this.#process.die("killed");
    this.stage.world.scheduler.after(ms, () => this.start());
  }

  /** Lets it come to an end. */
  end(): void {
    this.#isAsked = true;
  }

  protected abstract run(
    process: SimProcess,
    seams: ClientSeams,
  ): Promise<void>;
}

/** Sends values that nobody else sends. */
export class ProducerActor extends Actor {
  readonly #plan: ProducerPlan;
  #count = 0;

  constructor(plan: ProducerPlan, stage: Stage) {
    super(plan.name, stage);
    this.#plan = plan;
  }

  protected override async run(process: SimProcess, seams: ClientSeams) {
    const plan = this.#plan;
    const { chance } = process;
    const producer = new Producer({
      ...plan.configs,
      "bootstrap.servers": this.stage.world.addresses,
    }, seams);
    while (!this.isAsked) {
      for (let i = chance.int(1, plan.burst); i > 0; i--) {
        await producer.ready();
        this.#send(producer, process);
      }
      await process.sleep(chance.delayMs(plan.pauseMs, 1_000));
    }
    await producer.close();
  }

  #send(producer: Producer, process: SimProcess): void {
    const { history, world, partitions } = this.stage;
    const { chance } = process;
    const { name: topic, isCompacted } = chance.pick(this.#plan.topics);
    const count = partitions.get(topic) ?? 1;
    const partition = chance.odds(0.8) || isCompacted
      ? chance.int(0, count - 1)
      : undefined;
    const value = `${this.name}.${this.#count++}`;
    const send: Send = {
      ...(isCompacted ? drawKey(chance) : {}),
      producer: process.name,
      isIdempotent: this.#plan.isIdempotent,
      inFlightMax: this.#plan.inFlightMax,
      topic,
      value,
      invokeMs: world.scheduler.nowMs,
      transaction: undefined,
      partition: partition ?? -1,
      ending: "info",
      endMs: Infinity,
      offset: -1,
    };
    history.sends.push(send);
    producer.append({
      topic,
      ...(partition === undefined ? {} : { partition }),
      ...contentOf(send, chance.int(0, this.#plan.valueBytesMax)),
    }, (error, metadata) => {
      if (!process.isAlive) return;
      send.endMs = world.scheduler.nowMs;
      if (metadata !== undefined) {
        send.ending = "ok";
        send.partition = metadata.partition;
        send.offset = metadata.offset;
        this.#checkHeld(send);
      }
      world.scheduler.note(
        `${process.name} sent ${value} to ${topic}-${send.partition}: ${
          error?.message ?? send.offset
        }`,
      );
    });
  }

  /**
   * Unless power took it meanwhile, its topic is another one now, or somebody was
   * elected who lacks it.
   */
  #checkHeld({ topic, partition, value, offset, invokeMs }: Send): void {
    const { world, plan, history } = this.stage;
    const { isChurned, configs } = plan.topics
      .find(({ name }) => name === topic)!;
    const isKnown = history.isCluster && !isChurned;
    const hasLostPower = world.machines.some(({ powerLossesMs }) =>
      powerLossesMs.some((ms) => ms >= invokeMs)
    );
    const uncleanMs = history.uncleanMs?.get(`${topic}-${partition}`) ?? -1;
    if (!isKnown || hasLostPower || uncleanMs >= invokeMs) return;
    const holders = world.watcher.holders({ topic, partition }, offset);
    const key = "min.insync.replicas";
    if (holders >= Number(configs[key] ?? plan.brokerConfig[key])) return;
    world.defect(
      `${value} at ${offset} of ${topic}-${partition} is acknowledged, and ${holders} has it`,
    );
  }
}

/** For a compacted topic: few keys, so that most records are superseded. */
export function drawKey(chance: Chance): Pick<Send, "key" | "isTombstone"> {
  return { key: `k${chance.int(0, 4)}`, isTombstone: chance.odds(0.2) };
}

const NAME = "name";

/** What the record of a send holds: its value's name, and `bytes` more. */
export function contentOf(
  { value, key, isTombstone }: Send,
  bytes: number,
): Omit<ProducerRecord, "topic"> {
  return isTombstone
    ? { key, value: null, headers: [[NAME, value]] }
    : { key, value: padded(value, bytes) };
}

/** The name of what was sent; a record that is not as it was names itself. */
export function seenName({ value, headers }: Read): string {
  const [header] = headers;
  return value === null && header?.key === NAME
    ? DECODER.decode(header.value ?? new Uint8Array(0))
    : unpadded(value);
}

type Read = Pick<ConsumerRecord, "value" | "headers">;

/** A value with something behind it that can be checked. */
function padded(value: string, bytes: number): string {
  return `${value}|${bytes}|${value[0]!.repeat(bytes)}`;
}

function unpadded(bytes: Uint8Array | null): string {
  const text = DECODER.decode(bytes ?? new Uint8Array(0));
  const [value = "", count] = text.split("|", 2);
  return value !== "" && padded(value, Number(count)) === text
    ? value
    : `damaged: ${text.slice(0, 40)}`;
}

/** Reads in a group. */
export class ConsumerActor extends Actor {
  readonly #plan: GroupPlan;
  #assignment = 0;

  constructor(name: string, plan: GroupPlan, stage: Stage) {
    super(name, stage);
    this.#plan = plan;
  }

  protected override async run(process: SimProcess, seams: ClientSeams) {
    const { world } = this.stage;
    const consumer = new Consumer({
      ...this.#plan.configs,
      "bootstrap.servers": world.addresses,
    }, seams);
    const assigned = new Map<string, number>();
    consumer.onRebalance({
      assigned: (partitions) => {
        for (const { topic, partition } of partitions) {
          assigned.set(`${topic}-${partition}`, ++this.#assignment);
        }
      },
    });
    consumer.subscribe(this.#plan.topics.map(({ name }) => name));
    while (!this.isAsked) {
      try {
        await this.#step(consumer, { process, assigned });
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        world.scheduler.note(`${process.name} caught ${error.message}`);
        await process.sleep(100);
      }
    }
    await consumer.close();
  }

  async #step(
    consumer: Consumer,
    { process, assigned }: {
      readonly process: SimProcess;
      readonly assigned: ReadonlyMap<string, number>;
    },
  ): Promise<void> {
    const { chance } = process;
    const { world, history } = this.stage;
    const batches = await consumer.poll(200);
    if (!process.isAlive) return;
    const next = new Map<string, number>();
    for (const { topic, partition, highWatermark, records } of batches) {
      const name = `${topic}-${partition}`;
      history.polls.push({
        consumer: process.name,
        group: this.#plan.id,
        topic,
        partition,
        atMs: world.scheduler.nowMs,
        assignment: assigned.get(name) ?? 0,
        highWatermark,
        records: records.map((record) => ({
          offset: record.offset,
          value: seenName(record),
        })),
      });
      next.set(name, records.at(-1)!.offset + 1);
      world.scheduler.note(
        `${process.name} read ${name} up to ${records.at(-1)!.offset}`,
      );
    }
    if (!this.stage.isPeace && chance.odds(0.05)) {
      await process.sleep(chance.int(0, 2_000));
    }
    if (this.#plan.commitsItself && next.size > 0 && chance.odds(0.6)) {
      await this.#commit(consumer, next);
    }
  }

  async #commit(
    consumer: Consumer,
    offsets: ReadonlyMap<string, number>,
  ): Promise<void> {
    const { world, history } = this.stage;
    const commit: Commit = {
      group: this.#plan.id,
      invokeMs: world.scheduler.nowMs,
      offsets,
      ending: "info",
    };
    history.commits.push(commit);
    await consumer.commit(
      Array.from(offsets, ([name, offset]) => {
        const at = name.lastIndexOf("-");
        return {
          topic: name.slice(0, at),
          partition: Number(name.slice(at + 1)),
          offset,
        };
      }),
    );
    commit.ending = "ok";
    world.scheduler.note(`committed ${[...offsets].join(" ")}`);
  }
}

/** Makes the topics, and then changes what may change. */
export class AdminActor extends Actor {
  protected override async run(process: SimProcess, seams: ClientSeams) {
    const { plan, world } = this.stage;
    const { chance } = process;
    const admin = new Admin({
      "bootstrap.servers": world.addresses,
      "request.timeout.ms": "3000",
      "default.api.timeout.ms": "6000",
      "retry.backoff.ms": "50",
    }, seams);
    const { transactionVersion } = plan;
    if (transactionVersion !== undefined) {
      while (!await this.#isSet(admin, transactionVersion)) {
        await process.sleep(100);
      }
    }
    for (const topic of plan.topics) {
      while (!await this.#create(admin, topic)) await process.sleep(100);
    }
    const churned = plan.topics.filter(({ isChurned }) => isChurned);
    while (!this.isAsked) {
      await process.sleep(chance.delayMs(800, 3_000));
      if (this.isAsked) break;
      if (plan.grows && chance.odds(0.5)) {
        await this.#grow(admin, chance.pick(plan.topics));
      } else if (churned.length > 0) {
        await this.#renew(admin, { topic: chance.pick(churned), process });
      }
    }
    await admin.close();
  }

  /** Whether transactions are of that version, at last. */
  async #isSet(admin: Admin, level: number): Promise<boolean> {
    const name = "transaction.version";
    try {
      await admin.updateFeatures([{ name, level, kind: "downgrade" }]);
      this.stage.world.scheduler.note(`${name} is ${level}`);
      return true;
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.stage.world.scheduler.note(`${name}: ${error.message}`);
      const features = await admin.describeFeatures().catch(() => []);
      return features.some((each) =>
        each.name === name && each.level === level
      );
    }
  }

  async #create(admin: Admin, topic: TopicPlan): Promise<boolean> {
    const { name, partitions, configs } = topic;
    const ending = await this.#change(
      { change: "create", topic: name, partitions },
      async () =>
        (await admin.createTopics([{ name, partitions, configs }]))[0]
          ?.error,
    );
    return ending === "ok";
  }

  async #renew(
    admin: Admin,
    { topic, process }: {
      readonly topic: TopicPlan;
      readonly process: SimProcess;
    },
  ): Promise<void> {
    const { name } = topic;
    while (
      await this.#change(
        { change: "delete", topic: name, partitions: 0 },
        async () => (await admin.deleteTopics([name]))[0]?.error,
      ) !== "ok"
    ) await process.sleep(100);
    if (process.chance.odds(0.5)) {
      await process.sleep(process.chance.delayMs(100, 1_000));
    }
    while (!await this.#create(admin, topic)) await process.sleep(100);
  }

  async #grow(admin: Admin, { name }: TopicPlan): Promise<void> {
    const count = (this.stage.partitions.get(name) ?? 1) + 1;
    if (count > 5) return;
    await this.#change(
      { change: "grow", topic: name, partitions: count },
      async () => (await admin.createPartitions([{ name, count }]))[0]?.error,
    );
  }

  /** Notes a change and how it ended. */
  async #change(
    wanted: Pick<TopicChange, "change" | "topic" | "partitions">,
    attempt: () => Promise<KafkaError | undefined>,
  ): Promise<Ending> {
    const { world, history, partitions } = this.stage;
    const noted: TopicChange = {
      ...wanted,
      invokeMs: world.scheduler.nowMs,
      ending: "info",
      endMs: Infinity,
    };
    history.changes.push(noted);
    try {
      const error = await attempt();
      noted.ending = endingOf(wanted.change, error);
      world.scheduler.note(
        `${wanted.change} ${wanted.topic}: ${error?.error ?? "done"}`,
      );
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      world.scheduler.note(`${wanted.change} ${wanted.topic}: ${error.error}`);
    }
    noted.endMs = world.scheduler.nowMs;
    const { ending } = noted;
    if (ending === "ok" && wanted.change !== "delete") {
      partitions.set(wanted.topic, wanted.partitions);
    }
    // A broker that got no answer forwards it again: perhaps too late.
    if (history.isCluster && wanted.change === "delete") noted.ending = "info";
    return ending;
  }
}

/** A retried change may meet what its own first attempt has done. */
function endingOf(
  change: TopicChange["change"],
  error: KafkaError | undefined,
): Ending {
  if (error === undefined) return "ok";
  if (change === "create" && error.error === "TOPIC_ALREADY_EXISTS") {
    return "ok";
  }
  if (change === "delete" && error.error === "UNKNOWN_TOPIC_OR_PARTITION") {
    return "ok";
  }
  return "info";
}
