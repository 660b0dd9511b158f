/**
 * What this client knows of the cluster: brokers, topics by name and id,
 * leaders. Pure bookkeeping over Metadata answers; it must never step back to
 * an older leader epoch of the same topic.
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { type ErrorName, errorName, ERRORS } from "../../core/errors.ts";
import type { Address } from "../tcp/transport.ts";
import type { Decoded } from "../../core/schema/schema.ts";
import type { METADATA } from "../wire/03_metadata.ts";
import type { PartitionInfo } from "./types.ts";

/** A broker's address. */
export interface BrokerNode extends Address {
  readonly nodeId: number;
  readonly rack: string | null;
}

/** A topic as last heard of. */
export interface TopicMetadata {
  readonly name: string;
  /** `undefined` from brokers that know no ids. */
  readonly topicId: string | undefined;
  readonly isInternal: boolean;
  /** `NONE` when usable. */
  readonly error: ErrorName;
  /** By partition index. */
  readonly partitions: readonly PartitionInfo[];
}

/** A decoded Metadata answer. */
export type MetadataAnswer = Decoded<typeof METADATA.response>;

/** The cache. */
export class Metadata {
  /** Cluster id, once known. */
  clusterId: string | null = null;
  /** Node id of the controller, -1 when unknown. */
  controllerId = -1;
  readonly #brokers = new Map<number, BrokerNode>();
  readonly #topics = new Map<string, TopicMetadata>();
  readonly #namesById = new Map<string, string>();

  /** Brokers by node id. */
  get brokers(): ReadonlyMap<number, BrokerNode> {
    return this.#brokers;
  }

  /** Topics heard of, by name. */
  get topics(): ReadonlyMap<string, TopicMetadata> {
    return this.#topics;
  }

  /** A topic's name by its id. */
  nameOf(topicId: string): string | undefined {
    return this.#namesById.get(topicId);
  }

  /** One partition, when its topic is usable. */
  partition(topic: string, partition: number): PartitionInfo | undefined {
    return this.#topics.get(topic)?.partitions[partition];
  }

  /** Takes in an answer; `isFull` when it lists every topic. */
  update(answer: MetadataAnswer, isFull = false): void {
    this.clusterId = answer.clusterId;
    this.controllerId = answer.controllerId;
    if (answer.brokers.length > 0) this.#brokers.clear();
    for (const { nodeId, host, port, rack } of answer.brokers) {
      this.#brokers.set(nodeId, { nodeId, host, port, rack });
    }
    const before = new Map(this.#topics);
    if (isFull) {
      this.#topics.clear();
      this.#namesById.clear();
    }
    for (const topic of answer.topics) this.#updateTopic(topic, before);
  }

  /** A broker told of a newer leader (KIP-951); false when it is no news. */
  learnLeader(
    topic: string,
    partition: number,
    { leaderId, leaderEpoch }: { leaderId: number; leaderEpoch: number },
  ): boolean {
    const known = this.#topics.get(topic);
    const info = known?.partitions[partition];
    if (!known || !info || leaderId < 0 || leaderEpoch <= info.leaderEpoch) {
      return false;
    }
    const partitions = known.partitions.slice();
    partitions[partition] = { ...info, leader: leaderId, leaderEpoch };
    this.#topics.set(topic, { ...known, partitions });
    return true;
  }

  #updateTopic(
    topic: MetadataAnswer["topics"][number],
    before: ReadonlyMap<string, TopicMetadata>,
  ): void {
    if (topic.name === null) return;
    const name = topic.name;
    const topicId = topic.topicId === ZERO_UUID ? undefined : topic.topicId;
    const old = before.get(name);
    const partitions: PartitionInfo[] = [];
    for (const part of topic.partitions) {
      // All of a topic's are listed: no list grows for the sake of a number.
      const { partitionIndex } = part;
      if (partitionIndex < 0 || partitionIndex >= topic.partitions.length) {
        continue;
      }
      const info: PartitionInfo = {
        topic: name,
        partition: partitionIndex,
        leader: part.leaderId,
        leaderEpoch: part.leaderEpoch,
        replicas: part.replicaNodes,
        isr: part.isrNodes,
      };
      const known = old?.topicId === topicId
        ? old?.partitions[partitionIndex]
        : undefined;
      partitions[partitionIndex] = known && info.leaderEpoch < known.leaderEpoch
        ? known
        : info;
    }
    if (topicId) this.#namesById.set(topicId, name);
    // A passing failure must not make a usable topic forgotten.
    const keepsOld = topic.errorCode !== ERRORS.NONE &&
      topic.errorCode !== ERRORS.UNKNOWN_TOPIC_OR_PARTITION &&
      old?.error === "NONE" && partitions.length === 0;
    this.#topics.set(name, {
      name,
      topicId,
      isInternal: topic.isInternal,
      error: errorName(topic.errorCode),
      partitions: keepsOld ? old.partitions : partitions,
    });
  }
}
