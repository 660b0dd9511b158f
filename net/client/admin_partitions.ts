/**
 * The admin client's requests about where partitions are and who leads them:
 * elections and moves (KIP-455, KIP-460). Owns their translation; `admin.ts`
 * offers them.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { partitionName, type TopicPartition } from "../../core/ids.ts";
import type { Decoded } from "../../core/schema/schema.ts";
import { ELECT_LEADERS } from "../wire/43_elect_leaders.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../wire/45_alter_partition_reassignments.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "../wire/46_list_partition_reassignments.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "../wire/75_describe_topic_partitions.ts";
import type {
  ElectionType,
  EligibleLeaders,
  PartitionMove,
  PartitionOutcome,
  PartitionReassignment,
} from "./admin_types.ts";
import { type Cluster, kafkaError } from "./cluster.ts";
import { grouped } from "./offsets.ts";

type Attempting = <T>(attempt: () => Promise<T>) => Promise<T>;

const ELECTION_TYPES = { preferred: 0, unclean: 1 } as const;

/** Partitions of one cluster, as its controller places them. */
export class AdminPartitions {
  readonly #cluster: Cluster;
  /** Retries what the controller is to do. */
  readonly #change: Attempting;
  readonly #timeoutMs: number;

  constructor(
    cluster: Cluster,
    { change, timeoutMs }: {
      readonly change: Attempting;
      readonly timeoutMs: number;
    },
  ) {
    this.#cluster = cluster;
    this.#change = change;
    this.#timeoutMs = timeoutMs;
  }

  async electLeaders(
    type: ElectionType,
    partitions: readonly TopicPartition[],
  ): Promise<PartitionOutcome[]> {
    const what = "Cannot elect leaders";
    const answer = await this.#change(async () =>
      checked(
        await this.#cluster.ask("controller", ELECT_LEADERS, {
          electionType: ELECTION_TYPES[type],
          topicPartitions: grouped(partitions).map(({ topic, items }) => ({
            topic,
            partitions: items.map(({ partition }) => partition),
          })),
          timeoutMs: this.#timeoutMs,
        }),
        what,
      )
    );
    return answer.replicaElectionResults.flatMap(({ topic, partitionResult }) =>
      partitionResult.map(({ partitionId, errorCode, errorMessage }) =>
        outcome({ topic, partition: partitionId }, {
          errorCode,
          errorMessage,
          what: "Cannot elect a leader of",
        })
      )
    );
  }

  async move(moves: readonly PartitionMove[]): Promise<PartitionOutcome[]> {
    const answer = await this.#change(async () =>
      checked(
        await this.#cluster.ask("controller", ALTER_PARTITION_REASSIGNMENTS, {
          timeoutMs: this.#timeoutMs,
          topics: grouped(moves).map(({ topic, items }) => ({
            name: topic,
            partitions: items.map(({ partition, replicas }) => ({
              partitionIndex: partition,
              replicas,
            })),
          })),
        }),
        "Cannot move partitions",
      )
    );
    const cancelled = new Set(
      moves.filter(({ replicas }) => replicas === null).map(nameOf),
    );
    return answer.responses.flatMap(({ name: topic, partitions }) =>
      partitions.map(({ partitionIndex, errorCode, errorMessage }) => {
        const at = { topic, partition: partitionIndex };
        return outcome(at, {
          errorCode,
          errorMessage,
          what: cancelled.has(nameOf(at))
            ? "Cannot call off the move of"
            : "Cannot move",
        });
      })
    );
  }

  async moving(
    partitions: readonly TopicPartition[] | undefined,
  ): Promise<PartitionReassignment[]> {
    const answer = await this.#change(async () =>
      checked(
        await this.#cluster.ask("controller", LIST_PARTITION_REASSIGNMENTS, {
          timeoutMs: this.#timeoutMs,
          topics: partitions === undefined
            ? null
            : grouped(partitions).map(({ topic, items }) => ({
              name: topic,
              partitionIndexes: items.map(({ partition }) => partition),
            })),
        }),
        "Cannot list moves of partitions",
      )
    );
    return answer.topics.flatMap(({ name: topic, partitions }) =>
      partitions.map(({ partitionIndex, ...rest }) => ({
        topic,
        partition: partitionIndex,
        replicas: rest.replicas,
        addingReplicas: rest.addingReplicas,
        removingReplicas: rest.removingReplicas,
      }))
    );
  }

  /** Of whole topics, page by page; nothing where brokers don't know it. */
  async eligible(topics: readonly string[]): Promise<EligibleLeaders[]> {
    const found: EligibleLeaders[] = [];
    let cursor: { topicName: string; partitionIndex: number } | null = null;
    do {
      const answer: Page | undefined = await this.#page(topics, cursor);
      if (answer === undefined) return [];
      for (const { name, partitions } of answer.topics) {
        for (const each of partitions) {
          found.push({
            topic: name ?? "",
            partition: each.partitionIndex,
            eligible: each.eligibleLeaderReplicas ?? [],
            lastKnown: each.lastKnownElr ?? [],
          });
        }
      }
      cursor = answer.nextCursor;
    } while (cursor !== null);
    return found;
  }

  async #page(
    topics: readonly string[],
    cursor: Page["nextCursor"],
  ): Promise<Page | undefined> {
    const body = { topics: topics.map((name) => ({ name })), cursor };
    try {
      return await this.#change(() =>
        this.#cluster.ask("any", DESCRIBE_TOPIC_PARTITIONS, body)
      );
    } catch (error) {
      // Brokers before 3.8.
      const isUnknown = error instanceof KafkaError &&
        error.error === "UNSUPPORTED_VERSION";
      if (isUnknown) return undefined;
      throw error;
    }
  }
}

type Page = Decoded<typeof DESCRIBE_TOPIC_PARTITIONS.response>;

function nameOf({ topic, partition }: TopicPartition): string {
  return partitionName(topic, partition);
}

/** The answer, unless all of it failed. */
function checked<
  T extends {
    readonly errorCode: number;
    readonly errorMessage?: string | null;
  },
>(answer: T, what: string): T {
  if (answer.errorCode === ERRORS.NONE) return answer;
  throw kafkaError(answer.errorCode, what, answer.errorMessage);
}

function outcome(
  at: TopicPartition,
  { errorCode, errorMessage, what }: {
    readonly errorCode: number;
    readonly errorMessage: string | null;
    readonly what: string;
  },
): PartitionOutcome {
  return errorCode === ERRORS.NONE ? at : {
    ...at,
    error: kafkaError(errorCode, `${what} ${nameOf(at)}`, errorMessage),
  };
}
