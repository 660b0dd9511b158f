/**
 * The internal topics that coordinators keep their state in: how they are
 * created, who coordinates what, and what a coordinator reads from and appends
 * to. Owns nothing of what the records mean.
 *
 * @module
 */
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { CoordinatorLog } from "../../core/coordinator/host.ts";
import { type ErrorName, KafkaError } from "../../core/errors.ts";
import { coordinatorPartition } from "../../core/ids.ts";
import type { VerificationGuard } from "../../core/log/producer_state.ts";
import type { NewTopic } from "../../core/metadata/controller.ts";
import { batchesOf, type BatchView } from "../../core/record/batch.ts";
import type { HostedPartition } from "./hosted_partition.ts";
import type { Services } from "./services.ts";

/** The topic that groups and offsets live in. */
export const OFFSETS_TOPIC = "__consumer_offsets";

/** The topic that transactional ids live in. */
export const TRANSACTIONS_TOPIC = "__transaction_state";

const LOAD_BYTES = 1024 * 1024;

/** How the internal topic is to be created; undefined for any other topic. */
export function internalTopic(
  name: string,
  config: BrokerConfig,
): NewTopic | undefined {
  if (name === OFFSETS_TOPIC) {
    return compacted(name, {
      numPartitions: config["offsets.topic.num.partitions"],
      replicationFactor: config["offsets.topic.replication.factor"],
      configs: {
        "compression.type": "producer",
        "segment.bytes": config["offsets.topic.segment.bytes"],
      },
    });
  }
  if (name !== TRANSACTIONS_TOPIC) return undefined;
  return compacted(name, {
    numPartitions: config["transaction.state.log.num.partitions"],
    replicationFactor: config["transaction.state.log.replication.factor"],
    configs: {
      "compression.type": "uncompressed",
      "min.insync.replicas": config["transaction.state.log.min.isr"],
      "segment.bytes": config["transaction.state.log.segment.bytes"],
    },
  });
}

function compacted(
  name: string,
  { configs, ...counts }: {
    readonly numPartitions: number;
    readonly replicationFactor: number;
    readonly configs: Readonly<Record<string, string | number>>;
  },
): NewTopic {
  return {
    name,
    ...counts,
    assignments: [],
    configs: Object.entries({ "cleanup.policy": "compact", ...configs })
      .map(([key, value]) => ({ name: key, value: String(value) })),
  };
}

type Needs = Pick<
  Services,
  "config" | "createTopics" | "env" | "image" | "partitions"
>;

/**
 * One of these topics.
 *
 * Invariants:
 * 1. It is being created at most once at a time.
 */
export class CoordinatorTopic {
  readonly #services: Needs;
  readonly name: string;
  #creating: Promise<void> | undefined;
  /** Why operators were told that it could not be created. */
  #toldWhy: string | null | undefined;

  constructor(services: Needs, name: string) {
    this.#services = services;
    this.name = name;
  }

  /** The broker that coordinates `id`; creates the topic when needed. */
  async coordinatorOf(id: string): Promise<number | undefined> {
    const { image } = this.#services;
    if (image.topic(this.name) === undefined) {
      this.#creating ??= this.#create().finally(() => {
        this.#creating = undefined;
      });
      await this.#creating;
    }
    const partitions = image.topic(this.name)?.partitions;
    if (partitions === undefined) return undefined;
    const { leader } = partitions[coordinatorPartition(id, partitions.length)]!;
    return leader === -1 ? undefined : leader;
  }

  /** The broker that coordinates `id` as far as is known; −1: nobody. */
  leaderOf(id: string): number {
    const { image } = this.#services;
    const partitions = image.topic(this.name)?.partitions ?? [];
    if (partitions.length === 0) return -1;
    return partitions[coordinatorPartition(id, partitions.length)]!.leader;
  }

  /** The partition that `id` is coordinated in, if it is led here. */
  partitionOf(id: string): HostedPartition {
    const topic = this.#services.image.topic(this.name);
    if (topic === undefined) {
      throw new KafkaError(
        "COORDINATOR_NOT_AVAILABLE",
        `Cannot coordinate "${id}": ${this.name} does not exist yet`,
      );
    }
    const index = coordinatorPartition(id, topic.partitions.length);
    const hosted = this.#services.partitions.get(this.name, index);
    if (hosted?.partition.isLeader) return hosted;
    throw notCoordinator(`partition ${index} is not led here`);
  }

  async #create(): Promise<void> {
    const { config, createTopics, env } = this.#services;
    const topic = internalTopic(this.name, config)!;
    const [created] = await createTopics([topic]);
    const { error, message } = created!;
    const isRefused = error !== "NONE" && error !== "TOPIC_ALREADY_EXISTS";
    // Clients ask again and again: one line says it.
    if (isRefused && message !== this.#toldWhy) {
      this.#toldWhy = message;
      env.trace("warn", `${this.name} could not be created`, {
        error,
        message,
      });
    }
  }
}

/** The partition's log, as a coordinator appends to it. */
export function coordinatorLog(
  hosted: HostedPartition,
  { env }: Pick<Services, "env">,
): CoordinatorLog {
  const { partition } = hosted;
  return {
    get logEndOffset() {
      return partition.log.logEndOffset;
    },
    get highWatermark() {
      return partition.highWatermark;
    },
    append: (batch, ownBatch) =>
      hosted.appendOwn(batch, {
        nowMs: env.clock.wallMs(),
        guard: ownBatch?.guard as VerificationGuard | undefined,
        transactionVersion: ownBatch?.transactionVersion,
      }),
  };
}

/** Every batch of the partition, oldest first. */
export function* batchesIn(
  { partition }: HostedPartition,
): Generator<BatchView> {
  const { log } = partition;
  let offset = log.logStartOffset;
  while (offset < log.logEndOffset) {
    log.writeStaged();
    const bytes = partition.read(offset, {
      maxBytes: LOAD_BYTES,
      isolation: "log_end",
      minOneBatch: true,
    });
    const before = offset;
    for (const view of batchesOf(bytes)) {
      if (!view.isCrcValid()) throw damaged(partition.name, view.baseOffset);
      offset = view.nextOffset;
      yield view;
    }
    if (offset === before) return;
  }
}

function damaged(name: string, offset: number): KafkaError {
  return new KafkaError(
    "COORDINATOR_NOT_AVAILABLE",
    `Cannot load ${name}: the batch at offset ${offset} fails its CRC`,
  );
}

/** Somebody else coordinates, or nobody any more. */
export function notCoordinator(why: string): KafkaError {
  return new KafkaError("NOT_COORDINATOR", `Cannot coordinate: ${why}`);
}

/** What a client is told of a failure to store its state. */
export function errorNameOf(error: unknown): ErrorName {
  if (!(error instanceof Error)) return "UNKNOWN_SERVER_ERROR";
  if (error.name === "DiskError") return "NOT_COORDINATOR";
  if (!(error instanceof KafkaError)) return "UNKNOWN_SERVER_ERROR";
  switch (error.error) {
    case "UNKNOWN_TOPIC_OR_PARTITION":
    case "NOT_ENOUGH_REPLICAS":
    case "REQUEST_TIMED_OUT":
      return "COORDINATOR_NOT_AVAILABLE";
    case "NOT_LEADER_OR_FOLLOWER":
    case "KAFKA_STORAGE_ERROR":
      return "NOT_COORDINATOR";
    case "MESSAGE_TOO_LARGE":
    case "RECORD_LIST_TOO_LARGE":
      return "UNKNOWN_SERVER_ERROR";
    default:
      return error.error;
  }
}
