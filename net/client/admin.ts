/**
 * The admin client: one method per question or change. Owns the translation
 * between the wire's shapes and the public ones; the requests that concern
 * groups are `admin_groups.ts`, those about transactions
 * `admin_transactions.ts`, those about where partitions are
 * `admin_partitions.ts`, those about what lies beneath the topics
 * `admin_cluster.ts`. It must never lose one item's answer because another failed.
 *
 * @module
 */
import type { AdminValues } from "../../core/config/client_keys.ts";
import { clientConfig } from "../../core/config/resolve.ts";
import { ERRORS, type KafkaError } from "../../core/errors.ts";
import { partitionName, type TopicPartition } from "../../core/ids.ts";
import { LinkError } from "../link/link_error.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";
import { DESCRIBE_CONFIGS } from "../wire/32_describe_configs.ts";
import { CREATE_PARTITIONS } from "../wire/37_create_partitions.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../wire/44_incremental_alter_configs.ts";
import { DESCRIBE_CLUSTER } from "../wire/60_describe_cluster.ts";
import { APIS } from "../wire/api_keys.ts";
import { AdminCluster } from "./admin_cluster.ts";
import { AdminGroups } from "./admin_groups.ts";
import { AdminPartitions } from "./admin_partitions.ts";
import { AdminTransactions } from "./admin_transactions.ts";
import type {
  BrokerVersions,
  ClusterDescription,
  ConfigResource,
  CreatedTopic,
  DeletedRecords,
  ElectionType,
  EligibleLeaders,
  FeatureChange,
  FeatureDescription,
  GroupDescription,
  GroupListing,
  GroupOffset,
  HangingTransaction,
  ListedOffset,
  LogDirDescription,
  NewTopic,
  OffsetSpec,
  Outcome,
  PartitionMove,
  PartitionOutcome,
  PartitionReassignment,
  ProducerDescription,
  QuorumDescription,
  RaftVoterEndpoint,
  ResourceChange,
  ResourceConfig,
  ResourceType,
  TopicDescription,
  TopicListing,
  TransactionDescription,
  TransactionFilter,
  TransactionListing,
} from "./admin_types.ts";
import { Cluster, isTransient, kafkaError } from "./cluster.ts";
import {
  AT_EARLIEST,
  AT_LATEST,
  AT_MAX_TIMESTAMP,
  deleteRecords,
  listOffsets,
} from "./offsets.ts";
import type { ClientConfig, ClientSeams, CommittedOffset } from "./types.ts";

const RESOURCE_CODES = { topic: 2, broker: 4, group: 32 } as const;
const RESOURCE_TYPES = new Map<number, ResourceType>(
  Object.entries(RESOURCE_CODES).map(([name, code]) => [
    code,
    name as ResourceType,
  ]),
);
const OPERATION_CODES = { set: 0, delete: 1, append: 2, subtract: 3 } as const;
const CONFIG_SOURCES = new Map([
  [1, "DYNAMIC_TOPIC_CONFIG"],
  [2, "DYNAMIC_BROKER_CONFIG"],
  [3, "DYNAMIC_DEFAULT_BROKER_CONFIG"],
  [4, "STATIC_BROKER_CONFIG"],
  [5, "DEFAULT_CONFIG"],
  [6, "DYNAMIC_BROKER_LOGGER_CONFIG"],
  [7, "CLIENT_METRICS_CONFIG"],
  [8, "GROUP_CONFIG"],
]);
const DEFAULT_SOURCE = 5;

/**
 * Inspects and changes a Kafka cluster.
 *
 * Methods over several items answer per item, with `error` where one failed;
 * they reject only when the request as a whole failed.
 *
 * ```ts
 * import { startBroker, createAdmin } from "kf";
 *
 * const folder = await Deno.makeTempDir();
 * const broker = await startBroker({
 *   config: new Map([
 *     ["listeners", "PLAINTEXT://127.0.0.1:0"],
 *     ["log.dirs", folder],
 *   ]),
 *   traceLevel: "error",
 * });
 * const admin = createAdmin({ "bootstrap.servers": broker.address });
 * const [created] = await admin.createTopics([
 *   { name: "greetings", partitions: 3 },
 * ]);
 * if (created?.error) throw created.error;
 * await admin.close();
 * await broker.stop();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class Admin {
  readonly #values: AdminValues;
  readonly #cluster: Cluster;
  /** Whoever was asked last can't be: others may lead by now. */
  #hasLostNode = false;
  readonly #groups: AdminGroups;
  readonly #transactions: AdminTransactions;
  readonly #partitions: AdminPartitions;
  readonly #beneath: AdminCluster;

  /** Use `createAdmin()`. Throws `INVALID_CONFIG` on unknown or bad keys. */
  constructor(config: ClientConfig, seams: ClientSeams) {
    this.#values = clientConfig("admin", config);
    this.#cluster = new Cluster(seams, this.#values);
    const retrying = <T>(attempt: () => Promise<T>) => this.#retrying(attempt);
    this.#groups = new AdminGroups(this.#cluster, retrying);
    this.#transactions = new AdminTransactions(this.#cluster, retrying);
    const change = <T>(attempt: () => Promise<T>) => this.#change(attempt);
    this.#partitions = new AdminPartitions(this.#cluster, {
      change,
      timeoutMs: this.#values["request.timeout.ms"],
    });
    this.#beneath = new AdminCluster(this.#cluster, { retrying, change });
  }

  /**
   * Creates topics; `validateOnly` only checks whether it would work. Where an
   * answer is lost it is tried again, and one that was created then exists:
   * whoever did that can't be told, so the error says both.
   */
  async createTopics(
    topics: readonly NewTopic[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<CreatedTopic[]> {
    let isAnswerLost = false;
    const answer = await this.#change(() =>
      this.#cluster.ask("controller", CREATE_TOPICS, {
        topics: topics.map((topic) => ({
          name: topic.name,
          numPartitions: topic.assignments ? -1 : topic.partitions ?? -1,
          replicationFactor: topic.assignments
            ? -1
            : topic.replicationFactor ?? -1,
          assignments: (topic.assignments ?? []).map((brokerIds, index) => ({
            partitionIndex: index,
            brokerIds,
          })),
          configs: Object.entries(topic.configs ?? {}).map((
            [name, value],
          ) => ({ name, value })),
        })),
        timeoutMs: this.#values["request.timeout.ms"],
        validateOnly: options.validateOnly ?? false,
      }).catch((error) => {
        isAnswerLost ||= error instanceof LinkError &&
          (error.step === "closed" || error.step === "timeout");
        throw error;
      })
    );
    const made = answer.topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.numPartitions,
      replicationFactor: topic.replicationFactor,
      ...failure(
        topic.errorCode,
        `Cannot create topic "${topic.name}"`,
        topic.errorCode === ERRORS.TOPIC_ALREADY_EXISTS && isAnswerLost
          ? "it exists, maybe by this very request, whose first answer was lost"
          : topic.errorMessage,
      ),
    }));
    return inOrder(made, topics);
  }

  /** Deletes topics and everything in them. */
  async deleteTopics(names: readonly string[]): Promise<Outcome[]> {
    const answer = await this.#change(() =>
      this.#cluster.ask("controller", DELETE_TOPICS, {
        topics: names.map((name) => ({ name })),
        timeoutMs: this.#values["request.timeout.ms"],
      })
    );
    const deleted = answer.responses.map((
      { name, errorCode, errorMessage },
    ) => ({
      name: name ?? "",
      ...failure(errorCode, `Cannot delete topic "${name}"`, errorMessage),
    }));
    return inOrder(deleted, names.map((name) => ({ name })));
  }

  /** All topics, internal ones included. */
  async listTopics(): Promise<TopicListing[]> {
    await this.#retrying(() => this.#cluster.refresh(null));
    return [...this.#cluster.metadata.topics.values()]
      .sort((a, b) => a.name < b.name ? -1 : 1)
      .map((topic) => ({
        name: topic.name,
        topicId: topic.topicId ?? "",
        isInternal: topic.isInternal,
        partitions: topic.partitions.length,
        replicationFactor: topic.partitions[0]?.replicas.length ?? 0,
      }));
  }

  /** Topics with their partitions, in the order asked. */
  async describeTopics(names: readonly string[]): Promise<TopicDescription[]> {
    if (names.length > 0) {
      await this.#retrying(() => this.#cluster.refresh(names));
    }
    return names.map((name) => {
      const topic = this.#cluster.metadata.topics.get(name);
      const error = topic?.error ?? "UNKNOWN_TOPIC_OR_PARTITION";
      return {
        name,
        topicId: topic?.topicId ?? "",
        isInternal: topic?.isInternal ?? false,
        partitions: topic?.partitions ?? [],
        ...failure(
          ERRORS[error],
          `Cannot describe topic "${name}"`,
          error === "UNKNOWN_TOPIC_OR_PARTITION" ? "no such topic" : null,
        ),
      };
    });
  }

  /** Adds partitions; `count` is the new total. */
  async createPartitions(
    topics: readonly { readonly name: string; readonly count: number }[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<Outcome[]> {
    const answer = await this.#change(() =>
      this.#cluster.ask("controller", CREATE_PARTITIONS, {
        topics: topics.map(({ name, count }) => ({
          name,
          count,
          assignments: null,
        })),
        timeoutMs: this.#values["request.timeout.ms"],
        validateOnly: options.validateOnly ?? false,
      })
    );
    const grown = answer.results.map(({ name, errorCode, errorMessage }) => ({
      name,
      ...failure(
        errorCode,
        `Cannot add partitions to "${name}"`,
        errorMessage,
      ),
    }));
    return inOrder(grown, topics);
  }

  /** Configuration of resources, in the order of the brokers' answers. */
  async describeConfigs(
    resources: readonly ConfigResource[],
    options: { readonly withDocumentation?: boolean } = {},
  ): Promise<ResourceConfig[]> {
    const answers = await Promise.all(
      perBroker(resources).map(([target, group]) =>
        this.#retrying(() =>
          this.#cluster.ask(target, DESCRIBE_CONFIGS, {
            resources: group.map(({ type, name }) => ({
              resourceType: RESOURCE_CODES[type],
              resourceName: name,
              configurationKeys: null,
            })),
            includeDocumentation: options.withDocumentation ?? false,
          }), target)
      ),
    );
    return answers.flatMap(({ results }) => results).map((result) => ({
      type: RESOURCE_TYPES.get(result.resourceType) ?? "topic",
      name: result.resourceName,
      entries: result.configs.map((config) => ({
        name: config.name,
        value: config.value,
        source: CONFIG_SOURCES.get(config.configSource) ?? "UNKNOWN",
        isDefault: config.configSource === DEFAULT_SOURCE,
        isReadOnly: config.readOnly,
        isSensitive: config.isSensitive,
        documentation: config.documentation,
      })).sort((a, b) => a.name < b.name ? -1 : 1),
      ...failure(
        result.errorCode,
        `Cannot describe configs of ${
          RESOURCE_TYPES.get(result.resourceType)
        } "${result.resourceName}"`,
        result.errorMessage,
      ),
    }));
  }

  /** Changes single configuration keys (KIP-339). */
  async incrementalAlterConfigs(
    changes: readonly ResourceChange[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<Outcome[]> {
    const answers = await Promise.all(
      perBroker(changes).map(([target, group]) =>
        this.#change(
          () =>
            this.#cluster.ask(target, INCREMENTAL_ALTER_CONFIGS, {
              resources: group.map(({ type, name, changes }) => ({
                resourceType: RESOURCE_CODES[type],
                resourceName: name,
                configs: changes.map((change) => ({
                  name: change.name,
                  configOperation: OPERATION_CODES[change.operation],
                  value: change.operation === "delete"
                    ? null
                    : change.value ?? null,
                })),
              })),
              validateOnly: options.validateOnly ?? false,
            }),
          target,
        )
      ),
    );
    return answers.flatMap(({ responses }) => responses).map((item) => ({
      name: item.resourceName,
      ...failure(
        item.errorCode,
        `Cannot change configs of "${item.resourceName}"`,
        item.errorMessage,
      ),
    }));
  }

  /** Deletes records before `offset`; -1 deletes up to the high watermark. */
  async deleteRecords(
    before: readonly (TopicPartition & { readonly offset: number })[],
  ): Promise<DeletedRecords[]> {
    const outcomes = new Map<string, DeletedRecords>();
    const outcomeOf = ({ topic, partition }: TopicPartition) =>
      outcomes.get(partitionName(topic, partition));
    await this.#untilLed(before, async () => {
      // Up to the high watermark must not mean to a later one.
      const left = before.filter((tp) => {
        const outcome = outcomeOf(tp);
        return outcome === undefined || outcome.error !== undefined;
      });
      const answered = await deleteRecords(this.#cluster, left, {
        timeoutMs: this.#values["request.timeout.ms"],
      });
      for (const each of answered) {
        outcomes.set(partitionName(each.topic, each.partition), each);
      }
      return answered;
    });
    return before.flatMap((tp) => outcomeOf(tp) ?? []);
  }

  /** Offsets of partitions, by place or by time, in the order asked. */
  async listOffsets(
    partitions: readonly TopicPartition[],
    spec: OffsetSpec,
    options: { readonly isolationLevel?: "read_committed" } = {},
  ): Promise<ListedOffset[]> {
    const timestamp = spec === "earliest"
      ? AT_EARLIEST
      : spec === "latest"
      ? AT_LATEST
      : spec === "max-timestamp"
      ? AT_MAX_TIMESTAMP
      : spec.timestampMs;
    return await this.#untilLed(
      partitions,
      () =>
        listOffsets(this.#cluster, partitions, {
          timestamp,
          isCommitted: options.isolationLevel === "read_committed",
        }),
    );
  }

  /** All groups of all brokers. */
  listGroups(): Promise<GroupListing[]> {
    return this.#groups.list();
  }

  /** Groups with their members, in the order asked. */
  describeGroups(groupIds: readonly string[]): Promise<GroupDescription[]> {
    return this.#groups.describe(groupIds);
  }

  /** Deletes groups without members, with their offsets. */
  deleteGroups(groupIds: readonly string[]): Promise<Outcome[]> {
    return this.#groups.delete(groupIds);
  }

  /** Committed offsets of a group: of `partitions`, or all of them. */
  listGroupOffsets(
    groupId: string,
    partitions?: readonly TopicPartition[],
  ): Promise<GroupOffset[]> {
    return this.#groups.listOffsets(groupId, partitions);
  }

  /** Sets committed offsets of a group without members. */
  alterGroupOffsets(
    groupId: string,
    offsets: readonly CommittedOffset[],
  ): Promise<PartitionOutcome[]> {
    return this.#groups.alterOffsets(groupId, offsets);
  }

  /** Transactional ids of all coordinators. */
  listTransactions(
    filter: TransactionFilter = {},
  ): Promise<TransactionListing[]> {
    return this.#transactions.list(filter);
  }

  /** Transactional ids with their transactions, in the order asked. */
  describeTransactions(
    transactionalIds: readonly string[],
  ): Promise<TransactionDescription[]> {
    return this.#transactions.describe(transactionalIds);
  }

  /** Producers that the leader of a partition remembers. */
  describeProducers(at: TopicPartition): Promise<ProducerDescription[]> {
    return this.#transactions.producers(at);
  }

  /**
   * Fences the producers that use these transactional ids; their open
   * transactions are aborted.
   */
  fenceProducers(transactionalIds: readonly string[]): Promise<Outcome[]> {
    return this.#transactions.fence(transactionalIds);
  }

  /**
   * Writes an abort marker into one partition, for a transaction that its
   * coordinator has forgotten. Never do so while the coordinator knows it.
   */
  abortTransaction(hanging: HangingTransaction): Promise<void> {
    return this.#transactions.abortHanging(hanging);
  }

  /** Elects leaders of partitions. */
  electLeaders(
    type: ElectionType,
    partitions: readonly TopicPartition[],
  ): Promise<PartitionOutcome[]> {
    return this.#partitions.electLeaders(type, partitions);
  }

  /** Who may still lead partitions of `topics`; empty from brokers before 3.8. */
  describeEligibleLeaders(
    topics: readonly string[],
  ): Promise<EligibleLeaders[]> {
    return this.#partitions.eligible(topics);
  }

  /** Begins to move partitions to other replicas, or calls moves off. */
  alterPartitionReassignments(
    moves: readonly PartitionMove[],
  ): Promise<PartitionOutcome[]> {
    return this.#partitions.move(moves);
  }

  /** Those of `partitions`, or of all, that are being moved. */
  listPartitionReassignments(
    partitions?: readonly TopicPartition[],
  ): Promise<PartitionReassignment[]> {
    return this.#partitions.moving(partitions);
  }

  /** Brokers, controller and id of the cluster. */
  async describeCluster(): Promise<ClusterDescription> {
    const answer = await this.#retrying(() =>
      this.#cluster.ask("any", DESCRIBE_CLUSTER, {})
    );
    if (answer.errorCode !== ERRORS.NONE) {
      throw kafkaError(
        answer.errorCode,
        "Cannot describe the cluster",
        answer.errorMessage,
      );
    }
    return {
      clusterId: answer.clusterId,
      controllerId: answer.controllerId,
      nodes: answer.brokers.map(({ brokerId, host, port, rack }) => ({
        nodeId: brokerId,
        host,
        port,
        rack,
      })).sort((a, b) => a.nodeId - b.nodeId),
    };
  }

  /** What every broker of the cluster speaks. */
  async apiVersions(): Promise<BrokerVersions[]> {
    await this.#retrying(() => this.#cluster.refresh([]));
    const nodeIds = [...this.#cluster.metadata.brokers.keys()].sort((a, b) =>
      a - b
    );
    return await Promise.all(nodeIds.map(async (nodeId) => {
      const link = await this.#retrying(() => this.#cluster.link(nodeId));
      const { apiKeys, finalizedFeatures } = link.negotiated;
      return {
        nodeId,
        apis: apiKeys.map((range) => ({
          apiKey: range.apiKey,
          name: APIS.get(range.apiKey)?.name,
          minVersion: range.minVersion,
          maxVersion: range.maxVersion,
        })).sort((a, b) => a.apiKey - b.apiKey),
        features: Object.fromEntries(
          finalizedFeatures.map(({ name, maxVersionLevel }) => [
            name,
            maxVersionLevel,
          ]),
        ),
      };
    }));
  }

  /** The quorum that keeps the cluster's metadata (KIP-595). */
  describeMetadataQuorum(): Promise<QuorumDescription> {
    return this.#beneath.quorum();
  }

  /**
   * Has a controller vote on the metadata that follows them (KIP-853); resolves
   * when that is committed.
   */
  addRaftVoter(voter: {
    readonly nodeId: number;
    readonly directoryId: string;
    readonly endpoints: readonly RaftVoterEndpoint[];
  }): Promise<void> {
    const timeoutMs = this.#values["request.timeout.ms"];
    return this.#beneath.addVoter({ ...voter, timeoutMs });
  }

  /** Has a voter vote no more (KIP-853); resolves when that is committed. */
  removeRaftVoter(
    voter: { readonly nodeId: number; readonly directoryId: string },
  ): Promise<void> {
    return this.#beneath.removeVoter(voter.nodeId, voter.directoryId);
  }

  /** Every feature that a broker supports or that is finalized (KIP-584). */
  describeFeatures(): Promise<FeatureDescription[]> {
    return this.#beneath.features();
  }

  /** Finalizes other levels of features, all or none of them. */
  updateFeatures(
    changes: readonly FeatureChange[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    return this.#beneath.updateFeatures(changes, {
      validateOnly: options.validateOnly ?? false,
      timeoutMs: this.#values["request.timeout.ms"],
    });
  }

  /** Has the cluster forget a broker that won't come back. */
  unregisterBroker(nodeId: number): Promise<void> {
    return this.#beneath.unregister(nodeId);
  }

  /** The log folders of all brokers: of `topics`, or of all. */
  describeLogDirs(topics?: readonly string[]): Promise<LogDirDescription[]> {
    return this.#beneath.logDirs(topics);
  }

  /** Closes the connections. Idempotent. */
  close(): Promise<void> {
    this.#cluster.close();
    return Promise.resolve();
  }

  /** Asks again, and who leads, while a leader isn't one; gives the outcomes. */
  async #untilLed<T extends PartitionOutcome>(
    partitions: readonly TopicPartition[],
    ask: () => Promise<T[]>,
  ): Promise<T[]> {
    let outcomes: T[] = [];
    try {
      await this.#retrying(async () => {
        outcomes = await ask();
        const stale = outcomes.find((outcome) => this.#isPassing(outcome));
        if (stale === undefined) return;
        await this.#cluster.refresh(partitions.map(({ topic }) => topic));
        throw stale.error;
      });
    } catch (error) {
      // What didn't pass in time is the partition's outcome.
      if (!outcomes.some((outcome) => outcome.error === error)) throw error;
    }
    return outcomes;
  }

  /** Whether a leader that the metadata name, as on a new topic, isn't one yet. */
  #isPassing({ topic, partition, error }: PartitionOutcome): boolean {
    if (!error || !isTransient(error)) return false;
    return (this.#cluster.metadata.partition(topic, partition)?.leader ?? -1) >=
      0;
  }

  /** Retries what can be asked again without harm. */
  async #retrying<T>(
    attempt: (remainingMs: number) => Promise<T>,
    target: number | string = "any",
  ): Promise<T> {
    return await this.#cluster.retrying(
      this.#values["default.api.timeout.ms"],
      async (remainingMs) => {
        if (this.#hasLostNode) {
          await this.#cluster.refresh([
            ...this.#cluster.metadata.topics.keys(),
          ]);
          this.#hasLostNode = false;
        } else if (typeof target === "number" && this.#isUnknown(target)) {
          await this.#cluster.refresh([]);
        }
        try {
          return await attempt(remainingMs);
        } catch (error) {
          this.#hasLostNode = error instanceof LinkError;
          throw error;
        }
      },
    );
  }

  /** Changes go to the controller, which has to be known first. */
  async #change<T>(
    attempt: () => Promise<T>,
    target: number | string = "controller",
  ): Promise<T> {
    return await this.#retrying(async () => {
      if (this.#cluster.metadata.brokers.size === 0) {
        await this.#cluster.refresh([]);
      }
      return await attempt();
    }, target);
  }

  #isUnknown(nodeId: number): boolean {
    return !this.#cluster.metadata.brokers.has(nodeId);
  }
}

/** Outcomes in the order asked: brokers answer in one of their own. */
function inOrder<T extends { readonly name: string }>(
  outcomes: T[],
  asked: readonly { readonly name: string }[],
): T[] {
  const places = new Map(asked.map(({ name }, i) => [name, i]));
  const placeOf = ({ name }: T) => places.get(name) ?? Infinity;
  return outcomes.sort((a, b) => placeOf(a) - placeOf(b));
}

/** A named broker answers for itself; any broker for everything else. */
function perBroker<T extends ConfigResource>(
  resources: readonly T[],
): [number | "any", T[]][] {
  return [
    ...Map.groupBy(
      resources,
      ({ type, name }) =>
        type === "broker" && /^\d+$/.test(name) ? Number(name) : "any" as const,
    ),
  ];
}

function failure(
  code: number,
  what: string,
  detail?: string | null,
): { error?: KafkaError } {
  return code === ERRORS.NONE ? {} : { error: kafkaError(code, what, detail) };
}
