/**
 * The admin client's questions about the cluster beneath its topics: the
 * metadata quorum, features and log folders. Owns their translation;
 * `admin.ts` offers them.
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { ERRORS } from "../../core/errors.ts";
import { SOFTWARE } from "../link/link.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { DESCRIBE_LOG_DIRS } from "../wire/35_describe_log_dirs.ts";
import { DESCRIBE_QUORUM } from "../wire/55_describe_quorum.ts";
import { ADD_RAFT_VOTER } from "../wire/80_add_raft_voter.ts";
import { REMOVE_RAFT_VOTER } from "../wire/81_remove_raft_voter.ts";
import { UPDATE_FEATURES } from "../wire/57_update_features.ts";
import { UNREGISTER_BROKER } from "../wire/64_unregister_broker.ts";
import type {
  FeatureChange,
  FeatureDescription,
  LogDirDescription,
  QuorumDescription,
  QuorumReplica,
  RaftVoterEndpoint,
} from "./admin_types.ts";
import { type Cluster, kafkaError } from "./cluster.ts";

type Attempting = <T>(attempt: () => Promise<T>) => Promise<T>;

const METADATA_TOPIC = "__cluster_metadata";
const UPGRADE_TYPES = { upgrade: 1, downgrade: 2 } as const;

/** What lies beneath the topics of one cluster. */
export class AdminCluster {
  readonly #cluster: Cluster;
  readonly #retrying: Attempting;
  /** Retries what the controller is to do. */
  readonly #change: Attempting;

  constructor(
    cluster: Cluster,
    { retrying, change }: {
      readonly retrying: Attempting;
      readonly change: Attempting;
    },
  ) {
    this.#cluster = cluster;
    this.#retrying = retrying;
    this.#change = change;
  }

  async quorum(): Promise<QuorumDescription> {
    const what = "Cannot describe the metadata quorum";
    const answer = await this.#retrying(() =>
      this.#cluster.ask("any", DESCRIBE_QUORUM, {
        topics: [{
          topicName: METADATA_TOPIC,
          partitions: [{ partitionIndex: 0 }],
        }],
      })
    );
    check(answer, what);
    const partition = answer.topics[0]?.partitions[0];
    if (partition === undefined) {
      throw kafkaError(ERRORS.UNKNOWN_SERVER_ERROR, what, "nothing was told");
    }
    check(partition, what);
    const { leaderId, leaderEpoch, highWatermark } = partition;
    const leader = partition.currentVoters
      .find(({ replicaId }) => replicaId === leaderId);
    const end = leader?.logEndOffset ?? highWatermark;
    const replica = (each: typeof partition.observers[number]) => ({
      nodeId: each.replicaId,
      directoryId: each.replicaDirectoryId === ZERO_UUID
        ? null
        : each.replicaDirectoryId,
      logEndOffset: each.logEndOffset,
      lag: Math.max(0, end - each.logEndOffset),
      lastFetchTimestamp: each.lastFetchTimestamp,
      lastCaughtUpTimestamp: each.lastCaughtUpTimestamp,
    } satisfies QuorumReplica);
    return {
      leaderId,
      leaderEpoch,
      highWatermark,
      voters: partition.currentVoters.map(replica),
      observers: partition.observers.map(replica),
      endpoints: answer.nodes.flatMap(({ nodeId, listeners }) =>
        listeners.map((endpoint) => ({ nodeId, ...endpoint }))
      ),
    };
  }

  async addVoter(
    { nodeId, directoryId, endpoints, timeoutMs }: {
      readonly nodeId: number;
      readonly directoryId: string;
      readonly endpoints: readonly RaftVoterEndpoint[];
      readonly timeoutMs: number;
    },
  ): Promise<void> {
    await this.#changeVoters({
      what: `Cannot add voter ${nodeId}`,
      afterwards: ERRORS.DUPLICATE_VOTER,
      ask: () =>
        this.#cluster.ask("controller", ADD_RAFT_VOTER, {
          clusterId: null,
          timeoutMs,
          voterId: nodeId,
          voterDirectoryId: directoryId,
          listeners: [...endpoints],
        }),
    });
  }

  async removeVoter(nodeId: number, directoryId: string): Promise<void> {
    await this.#changeVoters({
      what: `Cannot remove voter ${nodeId}`,
      afterwards: ERRORS.VOTER_NOT_FOUND,
      ask: () =>
        this.#cluster.ask("controller", REMOVE_RAFT_VOTER, {
          clusterId: null,
          voterId: nodeId,
          voterDirectoryId: directoryId,
        }),
    });
  }

  /** A change that wasn't committed in time may be by the next attempt. */
  async #changeVoters({ what, afterwards, ask }: {
    readonly what: string;
    /** What is answered once the change is there. */
    readonly afterwards: number;
    readonly ask: () => Promise<
      { readonly errorCode: number; readonly errorMessage: string | null }
    >;
  }): Promise<void> {
    let mayBeDone = false;
    await this.#change(async () => {
      const answer = await ask();
      if (mayBeDone && answer.errorCode === afterwards) return;
      mayBeDone ||= answer.errorCode === ERRORS.REQUEST_TIMED_OUT;
      check(answer, what);
    });
  }

  async features(): Promise<FeatureDescription[]> {
    const answer = await this.#retrying(() =>
      this.#cluster.ask("any", API_VERSIONS, SOFTWARE)
    );
    check(answer, "Cannot describe features");
    const { supportedFeatures, finalizedFeatures } = answer;
    const levels = new Map(
      finalizedFeatures.map((each) => [each.name, each.maxVersionLevel]),
    );
    const supported = new Map(
      supportedFeatures.map((each) => [each.name, each]),
    );
    return [...new Set([...supported.keys(), ...levels.keys()])].sort()
      .map((name) => ({
        name,
        minSupported: supported.get(name)?.minVersion ?? 0,
        maxSupported: supported.get(name)?.maxVersion ?? 0,
        level: levels.get(name) ?? 0,
      }));
  }

  async updateFeatures(
    changes: readonly FeatureChange[],
    { validateOnly, timeoutMs }: {
      readonly validateOnly: boolean;
      readonly timeoutMs: number;
    },
  ): Promise<void> {
    const answer = await this.#change(() =>
      this.#cluster.ask("controller", UPDATE_FEATURES, {
        timeoutMs,
        featureUpdates: changes.map(({ name, level, kind }) => ({
          feature: name,
          maxVersionLevel: level,
          upgradeType: UPGRADE_TYPES[kind],
        })),
        validateOnly,
      })
    );
    const what = "Cannot update features";
    check(answer, what);
    for (const result of answer.results) check(result, what);
  }

  async unregister(brokerId: number): Promise<void> {
    await this.#change(async () =>
      check(
        await this.#cluster.ask("controller", UNREGISTER_BROKER, { brokerId }),
        `Cannot remove broker ${brokerId}`,
      )
    );
  }

  async logDirs(
    topics: readonly string[] | undefined,
  ): Promise<LogDirDescription[]> {
    await this.#retrying(() => this.#cluster.refresh(topics ?? []));
    const { brokers, topics: known } = this.#cluster.metadata;
    const asked = topics?.map((topic) => ({
      topic,
      partitions: [...known.get(topic)?.partitions.keys() ?? []],
    })) ?? null;
    const nodeIds = [...brokers.keys()].sort((a, b) => a - b);
    const answers = await Promise.all(
      nodeIds.map((nodeId) => this.#logDirsOf(nodeId, asked)),
    );
    return answers.flat();
  }

  async #logDirsOf(
    nodeId: number,
    topics: { topic: string; partitions: number[] }[] | null,
  ): Promise<LogDirDescription[]> {
    const answer = await this.#retrying(() =>
      this.#cluster.ask(nodeId, DESCRIBE_LOG_DIRS, { topics })
    );
    check(answer, `Cannot describe the log folders of node ${nodeId}`);
    return answer.results.map(({ logDir, errorCode, ...folder }) => ({
      nodeId,
      logDir,
      totalBytes: folder.totalBytes < 0 ? null : folder.totalBytes,
      usableBytes: folder.usableBytes < 0 ? null : folder.usableBytes,
      replicas: folder.topics.flatMap(({ name, partitions }) =>
        partitions.map((each) => ({
          topic: name,
          partition: each.partitionIndex,
          sizeInBytes: each.partitionSize,
          offsetLag: each.offsetLag,
          isFuture: each.isFutureKey,
        }))
      ),
      ...errorCode === ERRORS.NONE ? {} : {
        error: kafkaError(errorCode, `Log folder ${logDir} can't be read`),
      },
    }));
  }
}

function check(
  { errorCode, errorMessage = null }: {
    readonly errorCode: number;
    readonly errorMessage?: string | null;
  },
  what: string,
): void {
  if (errorCode !== ERRORS.NONE) {
    throw kafkaError(errorCode, what, errorMessage);
  }
}
