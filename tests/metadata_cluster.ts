/**
 * A controller with brokers that live in the test: their time, their
 * registrations, their heartbeats. Owns no product code.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type BrokerConfig,
  resolveBrokerConfig,
} from "../core/config/resolve.ts";
import type {
  AlteredPartition,
  ProposedIsr,
} from "../core/metadata/alter_partition.ts";
import {
  type BrokerHeartbeat,
  type BrokerRegistration,
  Controller,
  type ControllerInput,
  type ControllerReply,
  type NewTopic,
} from "../core/metadata/controller.ts";
import { supportedFeatures } from "../core/metadata/features.ts";
import {
  MetadataImage,
  type PartitionImage,
  RESOURCE_TYPE,
} from "../core/metadata/image.ts";
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
  metadataRecord,
} from "../core/metadata/records.ts";
import { snapshotRecords } from "../core/metadata/snapshot.ts";

/** The reply to an input of type `T`. */
type ReplyTo<T extends ControllerInput["type"]> = ControllerReply & {
  readonly type: T;
};

/** Chance that is the same each time. */
export function seededRandom(seed = 42) {
  let state = seed;
  const u32 = () => state = Math.imul(state, 1664525) + 1013904223 >>> 0;
  const bytes = (n: number) =>
    Uint8Array.from({ length: n }, () => u32() >>> 24);
  return { u32, bytes };
}

/** Broker 1 serves from the beginning; others join. */
export class MetadataCluster {
  readonly #config: BrokerConfig;
  controller: Controller;
  readonly #clock = { monoMs: () => this.nowMs };
  nowMs = 0;
  offset = 0;
  /** What the last input recorded. */
  records: MetadataRecord[] = [];
  /** All that was ever recorded. */
  readonly history: MetadataRecord[] = [];

  constructor(properties: Record<string, string> = {}) {
    this.#config = resolveBrokerConfig(new Map(Object.entries(properties)));
    this.controller = this.#newController();
    this.run({ type: "bootstrap" });
    this.join(incarnation(1, 0));
  }

  get image(): MetadataImage {
    return this.controller.image;
  }

  #newController(): Controller {
    return new Controller({
      config: () => this.#config,
      random: seededRandom(),
      clock: this.#clock,
    });
  }

  /** Another controller becomes active: it knows the records and no more. */
  takeOver(): void {
    const records = [...snapshotRecords(this.image)];
    this.controller = this.#newController();
    for (const record of records) this.controller.apply(record);
  }

  run<T extends ControllerInput["type"]>(
    input: ControllerInput & { readonly type: T },
  ): ReplyTo<T> {
    const before = shown(this.image);
    const { records, reply } = this.controller.decide(input, {
      nextOffset: this.offset,
    });
    assertEquals(shown(this.image), before, "decide() changes nothing");
    this.records = [];
    for (const record of records) {
      if (record.type === "BrokerContact") {
        this.controller.apply(record);
        continue;
      }
      this.records.push(record);
      this.controller.apply(decodeMetadataRecord(encodeMetadataRecord(record)));
    }
    this.offset += this.records.length;
    this.history.push(...this.records);
    assert(reply.type === input.type);
    return reply as ReplyTo<T>;
  }

  /** Registers broker `brokerId`; it stays fenced. */
  register(
    brokerId: number,
    registration: Partial<BrokerRegistration> = {},
  ): number {
    const { brokerEpoch } = this.run({
      type: "registerBroker",
      brokerId,
      incarnationId: incarnation(brokerId, 0),
      endPoints: [],
      features: supportedFeatures(),
      rack: null,
      logDirs: [directory(brokerId)],
      previousBrokerEpoch: -1,
      ...registration,
    });
    return brokerEpoch;
  }

  /** A heartbeat of a broker that knows all there is. */
  heartbeat(
    brokerId: number,
    heartbeat: Partial<BrokerHeartbeat> = {},
  ): ReplyTo<"brokerHeartbeat"> {
    return this.run({
      type: "brokerHeartbeat",
      brokerId,
      brokerEpoch: this.image.broker(brokerId)?.epoch ?? -1,
      currentMetadataOffset: this.offset - 1,
      wantFence: false,
      wantShutDown: false,
      offlineLogDirs: [],
      cordonedLogDirs: null,
      ...heartbeat,
    });
  }

  /** Registers and unfences; whoever was there is silent for long. */
  join(incarnationId: string, brokerId = 1): number {
    this.nowMs += 10_000;
    const brokerEpoch = this.register(brokerId, { incarnationId });
    this.heartbeat(brokerId);
    return brokerEpoch;
  }

  /** Lets time pass in which only `alive` are heard of, and fences the rest. */
  silence(ms: number, alive: readonly number[] = []): void {
    this.nowMs += ms;
    for (const id of alive) this.heartbeat(id);
    while (this.run({ type: "fenceStale" }).brokerId !== -1) { /* the next */ }
  }

  /** What the leader of partition 0 of "t" proposes, and what came of it. */
  propose(
    isr: readonly number[],
    options: Partial<Omit<ProposedIsr, "newIsrWithEpochs">> & {
      readonly from?: number;
      readonly brokerEpoch?: number;
      readonly index?: number;
      readonly topicId?: string;
      readonly epochs?: Readonly<Record<number, number>>;
    } = {},
  ): AlteredPartition {
    const { from = 1, index = 0, epochs = {}, ...rest } = options;
    const { leaderEpoch, partitionEpoch } = this.partition();
    const epochOf = (id: number) => this.image.broker(id)?.epoch ?? -1;
    const { topics } = this.run({
      type: "alterPartition",
      brokerId: from,
      brokerEpoch: options.brokerEpoch ?? epochOf(from),
      topics: [{
        topicId: options.topicId ?? this.image.topic("t")!.id,
        partitions: [{
          leaderEpoch,
          partitionEpoch,
          leaderRecoveryState: 0,
          ...rest,
          partitionIndex: index,
          newIsrWithEpochs: isr.map((brokerId) => ({
            brokerId,
            brokerEpoch: epochs[brokerId] ?? epochOf(brokerId),
          })),
        }],
      }],
    });
    return topics[0]!.partitions[0]!;
  }

  /** Moves partition 0 of "t"; null: calls the move off. */
  move(replicas: readonly number[] | null): string {
    const { topics } = this.run({
      type: "alterPartitionReassignments",
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, replicas }] }],
      allowReplicationFactorChange: true,
    });
    return topics[0]!.partitions[0]!.error;
  }

  /** As if nobody had ever been eligible. */
  clearElr(): void {
    const record = metadataRecord("ClearElr", { topicName: "" });
    this.controller.apply(record);
    this.offset++;
  }

  partition(topic = "t", index = 0): PartitionImage {
    return this.image.partition(topic, index)!;
  }

  create(
    topics: readonly (Partial<NewTopic> & { name: string })[],
    validateOnly = false,
  ): string[] {
    const reply = this.run({
      type: "createTopics",
      topics: topics.map((topic) => ({
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [],
        ...topic,
      })),
      validateOnly,
    });
    return reply.topics.map(({ error }) => error);
  }

  alter(
    configs: readonly [name: string, operation: number, value: string | null][],
    [resourceType, resourceName]: [number, string] = [RESOURCE_TYPE.TOPIC, "t"],
  ): string {
    const reply = this.run({
      type: "incrementalAlterConfigs",
      validateOnly: false,
      resources: [{
        resourceType,
        resourceName,
        configs: configs.map(([name, configOperation, value]) => ({
          name,
          configOperation,
          value,
        })),
      }],
    });
    return reply.resources[0]!.error;
  }
}

/** Brokers 1 to 3 that serve, and "t" on all of them, led by 1. */
export function replicated(
  configs: Record<string, string> = {},
): MetadataCluster {
  const cluster = new MetadataCluster();
  for (const id of [2, 3]) cluster.join(incarnation(id, 0), id);
  cluster.create([{
    name: "t",
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: [1, 2, 3] }],
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  }]);
  for (const id of [1, 2, 3]) cluster.heartbeat(id);
  return cluster;
}

/** All of the image, as plain values. */
export function shown(image: MetadataImage): unknown {
  return structuredClone({
    brokers: [...image.brokers.values()],
    topics: [...image.topics.values()],
    byId: [...image.topics.values()].map(({ id }) => image.topicById(id)),
    configs: [...image.configResources()]
      .map(({ type, name, configs }) => `${type}:${name}:${[...configs]}`)
      .sort(),
    controllers: [...image.controllers],
    features: [...image.features],
    quotas: [...image.quotas.values()],
    scram: [...image.scramCredentials],
    acls: [...image.acls],
    tokens: [...image.delegationTokens],
    nextProducerId: image.nextProducerId,
  });
}

/** The records of a snapshot make the same image. */
export function assertSnapshotEqual(image: MetadataImage): void {
  const copy = new MetadataImage();
  for (const record of snapshotRecords(image)) {
    copy.apply(decodeMetadataRecord(encodeMetadataRecord(record)));
  }
  assertEquals(shown(copy), shown(image));
}

/** The `n`th incarnation of a broker. */
export function incarnation(brokerId: number, n: number): string {
  return `AAAAAAAAAAAAAAA${letter(brokerId)}AA${letter(n)}AAg`;
}

/** The log directory of a broker. */
export function directory(brokerId: number): string {
  return `AAAAAAAAAAAAAAA${letter(brokerId)}AAAAAw`;
}

function letter(n: number): string {
  return String.fromCharCode(65 + n % 26);
}
