/**
 * The cluster's metadata as of one offset: features, brokers, controllers,
 * topics, configs, quotas, credentials, access control entries, producer ids,
 * with the look-ups that handlers need. Owns what a record means; decides nothing. Replaying the same
 * records gives the same image.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { invariant } from "../invariant.ts";
import { type MetadataDelta, MutableDelta } from "./delta.ts";
import { PartitionIndex, type PartitionPlace } from "./partition_index.ts";
import { type QuotaEntity, quotaEntity, quotaKey } from "./quota_entity.ts";
import type { MetadataRecord, MetadataValue } from "./records.ts";

/** What configs can belong to; numbers as on the wire. */
export const RESOURCE_TYPE = { TOPIC: 2, BROKER: 4, GROUP: 32 } as const;

/** Where a broker can be reached. */
export interface BrokerEndpoint {
  /** Listener name. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** 0 is PLAINTEXT. */
  readonly securityProtocol: number;
}

/** One registered broker. */
export interface BrokerImage {
  readonly id: number;
  readonly epoch: number;
  readonly incarnationId: Uuid;
  readonly endPoints: readonly BrokerEndpoint[];
  readonly features: MetadataValue<"RegisterBroker">["features"];
  readonly rack: string | null;
  readonly isFenced: boolean;
  readonly isInControlledShutdown: boolean;
  readonly logDirs: readonly Uuid[];
  /** Those that take no new replicas. */
  readonly cordonedLogDirs: readonly Uuid[];
}

/** One registered controller. */
export type ControllerImage = MetadataValue<"RegisterController">;

/** An access control entry; it is kept, and nothing enforces it. */
export type AccessControlEntry = MetadataValue<"AccessControlEntry">;

/** A delegation token; it is kept, and nobody logs in with it. */
export type DelegationToken = MetadataValue<"DelegationToken">;

/** One partition. Replaced, never changed. */
export interface PartitionImage {
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly removingReplicas: readonly number[];
  readonly addingReplicas: readonly number[];
  /** −1: none. */
  readonly leader: number;
  readonly leaderRecoveryState: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly directories: readonly Uuid[];
  /** Out of sync, yet with all that is committed: they may lead (KIP-966). */
  readonly eligibleLeaderReplicas: readonly number[];
  readonly lastKnownElr: readonly number[];
}

/** One topic. */
export interface TopicImage {
  readonly name: string;
  readonly id: Uuid;
  /** By partition index, without gaps. */
  readonly partitions: readonly PartitionImage[];
}

/** What proves a user's password by SCRAM. */
export interface ScramCredential {
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
  readonly iterations: number;
}

/** Quotas of one entity, by key. */
export interface QuotaImage {
  readonly entity: QuotaEntity;
  readonly values: ReadonlyMap<string, number>;
}

interface MutableTopic extends TopicImage {
  readonly partitions: PartitionImage[];
}

const NO_CONFIGS: ReadonlyMap<string, string> = new Map();

/**
 * The image, and what changed in it since {@linkcode takeDelta}.
 *
 * Invariants:
 * 1. A topic is found by name and by id, or by neither.
 * 2. Partition indexes of a topic are 0, 1, 2, … without gaps.
 * 3. ISR ⊆ replicas; the leader is in the ISR, or −1.
 * 4. `nextProducerId` and the epochs of a partition only grow.
 */
export class MetadataImage {
  readonly #brokers = new Map<number, BrokerImage>();
  readonly #controllers = new Map<number, ControllerImage>();
  readonly #byName = new Map<string, MutableTopic>();
  readonly #byId = new Map<Uuid, MutableTopic>();
  #index = new PartitionIndex();
  readonly #configs = new Map<string, Map<string, string>>();
  readonly #features = new Map<string, number>();
  readonly #quotas = new Map<string, QuotaImage>();
  readonly #scram = new Map<string, Map<number, ScramCredential>>();
  readonly #acls = new Map<Uuid, AccessControlEntry>();
  readonly #tokens = new Map<string, DelegationToken>();
  #nextProducerId = 0;
  #delta = new MutableDelta();

  /** The id that the next block of producer ids begins with. */
  get nextProducerId(): number {
    return this.#nextProducerId;
  }

  /** Finalized feature levels above 0, by name. */
  get features(): ReadonlyMap<string, number> {
    return this.#features;
  }

  /** Quotas by the text of their entity. */
  get quotas(): ReadonlyMap<string, QuotaImage> {
    return this.#quotas;
  }

  /** SCRAM credentials by user and number of the mechanism. */
  get scramCredentials(): ReadonlyMap<
    string,
    ReadonlyMap<number, ScramCredential>
  > {
    return this.#scram;
  }

  /** Access control entries by id. */
  get acls(): ReadonlyMap<Uuid, AccessControlEntry> {
    return this.#acls;
  }

  /** Delegation tokens by id. */
  get delegationTokens(): ReadonlyMap<string, DelegationToken> {
    return this.#tokens;
  }

  /** Registered brokers by id. */
  get brokers(): ReadonlyMap<number, BrokerImage> {
    return this.#brokers;
  }

  /** Registered controllers by id. */
  get controllers(): ReadonlyMap<number, ControllerImage> {
    return this.#controllers;
  }

  /** Topics by name. */
  get topics(): ReadonlyMap<string, TopicImage> {
    return this.#byName;
  }

  /** The broker with `id`. */
  broker(id: number): BrokerImage | undefined {
    return this.#brokers.get(id);
  }

  /** The topic called `name`. */
  topic(name: string): TopicImage | undefined {
    return this.#byName.get(name);
  }

  /** The topic with `id`. */
  topicById(id: Uuid): TopicImage | undefined {
    return this.#byId.get(id);
  }

  /** The partition `index` of the topic called `name`. */
  partition(name: string, index: number): PartitionImage | undefined {
    return this.#byName.get(name)?.partitions[index];
  }

  /** The partitions that have `brokerId` among their replicas. */
  partitionsOf(brokerId: number): Iterable<PartitionPlace> {
    return this.#index.heldBy(brokerId);
  }

  /** The partitions that nobody leads. */
  leaderlessPartitions(): Iterable<PartitionPlace> {
    return this.#index.leaderless();
  }

  /** Config texts of a resource; the broker named "" is every broker. */
  configs(resourceType: number, name: string): ReadonlyMap<string, string> {
    return this.#configs.get(`${resourceType}:${name}`) ?? NO_CONFIGS;
  }

  /** Every resource that has configs. */
  *configResources(): Generator<{
    readonly type: number;
    readonly name: string;
    readonly configs: ReadonlyMap<string, string>;
  }> {
    for (const [key, configs] of this.#configs) {
      const colon = key.indexOf(":");
      const type = Number(key.slice(0, colon));
      yield { type, name: key.slice(colon + 1), configs };
    }
  }

  /** What changed since this was last called. */
  takeDelta(): MetadataDelta {
    const delta = this.#delta;
    this.#delta = new MutableDelta();
    return delta;
  }

  /**
   * Holds what `other`, which nobody uses then, holds; the delta tells the
   * difference.
   */
  replaceWith(other: MetadataImage): void {
    this.#noteDifferences(other);
    refill(this.#brokers, other.#brokers);
    refill(this.#controllers, other.#controllers);
    refill(this.#byName, other.#byName);
    refill(this.#byId, other.#byId);
    this.#index = other.#index;
    refill(this.#configs, other.#configs);
    refill(this.#features, other.#features);
    refill(this.#quotas, other.#quotas);
    refill(this.#scram, other.#scram);
    refill(this.#acls, other.#acls);
    refill(this.#tokens, other.#tokens);
    this.#nextProducerId = other.#nextProducerId;
  }

  #noteDifferences(other: MetadataImage): void {
    const delta = this.#delta;
    for (const topic of this.#byName.values()) {
      if (!other.#byId.has(topic.id)) delta.topicRemoved(topic);
    }
    for (const { id, name, partitions } of other.#byName.values()) {
      const before = this.#byId.get(id)?.partitions ?? [];
      if (before.length === 0) delta.createdTopics.add(name);
      partitions.forEach((partition, index) => {
        if (isEqual(partition, before[index])) return;
        delta.partitionChanged(name, index);
      });
    }
    const resources = [this, other].map((
      image,
    ) => [...image.configResources()]);
    for (const { type, name } of resources.flat()) {
      const configs = (image: MetadataImage) => [...image.configs(type, name)];
      if (!isEqual(configs(this), configs(other))) {
        delta.configChanged(type, name);
      }
    }
    const brokerIds = [...this.#brokers.keys(), ...other.#brokers.keys()];
    for (const id of brokerIds) {
      const isSame = isEqual(this.#brokers.get(id), other.#brokers.get(id));
      if (!isSame) delta.brokers.add(id);
    }
    delta.hasFeatureChanges ||= !isEqual([...this.#features], [
      ...other.#features,
    ]);
  }

  /** Changes the image by one record. */
  apply(record: MetadataRecord): void {
    switch (record.type) {
      case "Topic":
        return this.#addTopic(record.value);
      case "Partition":
        return this.#addPartition(record.value);
      case "PartitionChange":
        return this.#changePartition(record.value);
      case "RemoveTopic":
        return this.#removeTopic(record.value.topicId);
      case "Config":
        return this.#setConfig(record.value);
      case "FeatureLevel":
        return this.#setFeature(record.value);
      case "ClientQuota":
        return this.#setQuota(record.value);
      case "UserScramCredential":
        return this.#setScram(record.value);
      case "RemoveUserScramCredential":
        return this.#removeScram(record.value);
      case "ProducerIds":
        this.#nextProducerId = Math.max(
          this.#nextProducerId,
          record.value.nextProducerId,
        );
        return;
      case "RegisterBroker":
        return this.#registerBroker(record.value);
      case "UnregisterBroker":
        return this.#unregisterBroker(record.value);
      case "BrokerRegistrationChange":
        return this.#changeBroker(record.value);
      case "FenceBroker":
        return this.#fence(record.value.id, true);
      case "UnfenceBroker":
        return this.#fence(record.value.id, false);
      case "RegisterController":
        this.#controllers.set(record.value.controllerId, record.value);
        return;
      case "UnregisterController":
        this.#controllers.delete(record.value.controllerId);
        return;
      case "AccessControlEntry":
        this.#acls.set(record.value.id, record.value);
        return;
      case "RemoveAccessControlEntry":
        this.#acls.delete(record.value.id);
        return;
      case "DelegationToken":
        this.#tokens.set(record.value.tokenId, record.value);
        return;
      case "RemoveDelegationToken":
        this.#tokens.delete(record.value.tokenId);
        return;
      case "ClearElr":
        return this.#clearElr(record.value.topicName);
      case "ZkMigrationState":
      case "NoOp":
      case "BeginTransaction":
      case "EndTransaction":
      case "AbortTransaction":
        return;
    }
  }

  #addTopic({ name, topicId }: MetadataValue<"Topic">): void {
    invariant(!this.#byName.has(name), `topic "${name}" is created once`);
    const topic: MutableTopic = { name, id: topicId, partitions: [] };
    this.#byName.set(name, topic);
    this.#byId.set(topicId, topic);
    this.#delta.createdTopics.add(name);
  }

  #addPartition(value: MetadataValue<"Partition">): void {
    const topic = this.#byId.get(value.topicId);
    invariant(topic !== undefined, "a partition's topic exists");
    const { partitionId } = value;
    invariant(
      partitionId === topic.partitions.length,
      `partitions of "${topic.name}" are created in order`,
    );
    this.#setPartition(topic, partitionId, {
      replicas: value.replicas,
      isr: value.isr,
      removingReplicas: value.removingReplicas,
      addingReplicas: value.addingReplicas,
      leader: value.leader,
      leaderRecoveryState: value.leaderRecoveryState,
      leaderEpoch: value.leaderEpoch,
      partitionEpoch: value.partitionEpoch,
      directories: value.directories,
      eligibleLeaderReplicas: value.eligibleLeaderReplicas ?? [],
      lastKnownElr: value.lastKnownElr ?? [],
    });
  }

  #changePartition(change: MetadataValue<"PartitionChange">): void {
    const topic = this.#byId.get(change.topicId);
    const before = topic?.partitions[change.partitionId];
    invariant(topic && before, "a changed partition exists");
    this.#setPartition(
      topic,
      change.partitionId,
      partitionAfter(before, change),
    );
  }

  #setPartition(
    topic: MutableTopic,
    index: number,
    after: PartitionImage,
  ): void {
    const before = topic.partitions[index];
    topic.partitions[index] = checked(after);
    this.#index.change(topic, index, { before, after });
    this.#delta.partitionChanged(topic.name, index);
  }

  #clearElr(name: string): void {
    for (const topic of this.#byName.values()) {
      if (name !== "" && name !== topic.name) continue;
      for (const [index, before] of topic.partitions.entries()) {
        const { eligibleLeaderReplicas, lastKnownElr } = before;
        if (eligibleLeaderReplicas.length + lastKnownElr.length === 0) continue;
        this.#setPartition(topic, index, {
          ...before,
          eligibleLeaderReplicas: [],
          lastKnownElr: [],
        });
      }
    }
  }

  #removeTopic(id: Uuid): void {
    const topic = this.#byId.get(id);
    invariant(topic !== undefined, "a removed topic exists");
    this.#byId.delete(id);
    this.#byName.delete(topic.name);
    for (const [index, before] of topic.partitions.entries()) {
      this.#index.change(topic, index, { before, after: undefined });
    }
    this.#configs.delete(`${RESOURCE_TYPE.TOPIC}:${topic.name}`);
    this.#delta.topicRemoved(topic);
  }

  #setConfig(value: MetadataValue<"Config">): void {
    const { resourceType, resourceName, name } = value;
    const key = `${resourceType}:${resourceName}`;
    const configs = this.#configs.get(key) ?? new Map<string, string>();
    if (value.value === null) configs.delete(name);
    else configs.set(name, value.value);
    if (configs.size === 0) this.#configs.delete(key);
    else this.#configs.set(key, configs);
    this.#delta.configChanged(resourceType, resourceName);
  }

  #setFeature({ name, featureLevel }: MetadataValue<"FeatureLevel">): void {
    if (featureLevel === 0) this.#features.delete(name);
    else this.#features.set(name, featureLevel);
    this.#delta.hasFeatureChanges = true;
  }

  #setQuota(record: MetadataValue<"ClientQuota">): void {
    const { key, value, remove } = record;
    const entity = quotaEntity(record.entity);
    const of = quotaKey(entity);
    const values = new Map(this.#quotas.get(of)?.values);
    if (remove) values.delete(key);
    else values.set(key, value);
    if (values.size === 0) this.#quotas.delete(of);
    else this.#quotas.set(of, { entity, values });
  }

  #setScram(value: MetadataValue<"UserScramCredential">): void {
    const { name, mechanism, salt, storedKey, serverKey, iterations } = value;
    const credentials = this.#scram.get(name) ?? new Map();
    // Copies: the record's bytes are a view of what was read.
    credentials.set(mechanism, {
      salt: salt.slice(),
      storedKey: storedKey.slice(),
      serverKey: serverKey.slice(),
      iterations,
    });
    this.#scram.set(name, credentials);
  }

  #removeScram(value: MetadataValue<"RemoveUserScramCredential">): void {
    const credentials = this.#scram.get(value.name);
    invariant(credentials !== undefined, "a removed credential exists");
    credentials.delete(value.mechanism);
    if (credentials.size === 0) this.#scram.delete(value.name);
  }

  #registerBroker(value: MetadataValue<"RegisterBroker">): void {
    this.#setBroker({
      id: value.brokerId,
      epoch: value.brokerEpoch,
      incarnationId: value.incarnationId,
      endPoints: value.endPoints,
      features: value.features,
      rack: value.rack,
      isFenced: value.fenced,
      isInControlledShutdown: value.inControlledShutdown,
      logDirs: value.logDirs,
      cordonedLogDirs: value.cordonedLogDirs ?? [],
    });
  }

  #unregisterBroker(value: MetadataValue<"UnregisterBroker">): void {
    this.#brokers.delete(value.brokerId);
    this.#delta.brokers.add(value.brokerId);
  }

  #changeBroker(change: MetadataValue<"BrokerRegistrationChange">): void {
    const before = this.#brokers.get(change.brokerId);
    invariant(before !== undefined, "a changed broker is registered");
    invariant(before.epoch === change.brokerEpoch, "of the same epoch");
    this.#setBroker({
      ...before,
      isFenced: flag(change.fenced, before.isFenced),
      isInControlledShutdown: flag(
        change.inControlledShutdown,
        before.isInControlledShutdown,
      ),
      logDirs: change.logDirs.length > 0 ? change.logDirs : before.logDirs,
      cordonedLogDirs: change.cordonedLogDirs ?? before.cordonedLogDirs,
    });
  }

  #fence(id: number, isFenced: boolean): void {
    const before = this.#brokers.get(id);
    invariant(before !== undefined, "a fenced broker is registered");
    this.#setBroker({ ...before, isFenced });
  }

  #setBroker(broker: BrokerImage): void {
    this.#brokers.set(broker.id, broker);
    this.#delta.brokers.add(broker.id);
  }
}

/** What `change` makes of a partition. */
export function partitionAfter(
  before: PartitionImage,
  change: MetadataValue<"PartitionChange">,
): PartitionImage {
  const leader = change.leader === -2 ? before.leader : change.leader;
  const replicas = change.replicas ?? before.replicas;
  const isNewEpoch = change.leader !== -2 ||
    replicas.length < before.replicas.length;
  return {
    replicas,
    isr: change.isr ?? before.isr,
    removingReplicas: change.removingReplicas ?? before.removingReplicas,
    addingReplicas: change.addingReplicas ?? before.addingReplicas,
    leader,
    leaderRecoveryState: change.leaderRecoveryState === -1
      ? before.leaderRecoveryState
      : change.leaderRecoveryState,
    leaderEpoch: before.leaderEpoch + (isNewEpoch ? 1 : 0),
    partitionEpoch: before.partitionEpoch + 1,
    directories: change.directories ?? before.directories,
    eligibleLeaderReplicas: change.eligibleLeaderReplicas ??
      before.eligibleLeaderReplicas,
    lastKnownElr: change.lastKnownElr ?? before.lastKnownElr,
  };
}

function flag(change: number, before: boolean): boolean {
  return change === 0 ? before : change > 0;
}

function checked(partition: PartitionImage): PartitionImage {
  const { replicas, isr, leader } = partition;
  invariant(isr.every((id) => replicas.includes(id)), "ISR ⊆ replicas");
  invariant(leader === -1 || isr.includes(leader), "the leader is in the ISR");
  return partition;
}

function refill<K, V>(map: Map<K, V>, from: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of from) map.set(key, value);
}

/** Both are made of plain values in the same order. */
function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
