/**
 * The admin client's requests that concern consumer groups; each goes to the
 * coordinator of its group. Owns their translation; `admin.ts` offers them.
 *
 * @module
 */
import { assignedPartitions } from "../../core/client/assignment.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import type { TopicPartition } from "../../core/ids.ts";
import { DESCRIBE_GROUPS } from "../wire/15_describe_groups.ts";
import { LIST_GROUPS } from "../wire/16_list_groups.ts";
import { CONSUMER_GROUP_DESCRIBE } from "../wire/69_consumer_group_describe.ts";
import { DELETE_GROUPS } from "../wire/42_delete_groups.ts";
import type {
  GroupDescription,
  GroupListing,
  GroupOffset,
  Outcome,
  PartitionOutcome,
} from "./admin_types.ts";
import { type Cluster, isTransient, kafkaError } from "./cluster.ts";
import { commitOffsets, fetchCommitted, findCoordinator } from "./offsets.ts";
import type { CommittedOffset } from "./types.ts";

type Retrying = <T>(attempt: () => Promise<T>) => Promise<T>;

/** Groups of one cluster. */
export class AdminGroups {
  readonly #cluster: Cluster;
  readonly #retrying: Retrying;

  constructor(cluster: Cluster, retrying: Retrying) {
    this.#cluster = cluster;
    this.#retrying = retrying;
  }

  async list(): Promise<GroupListing[]> {
    await this.#retrying(() => this.#cluster.refresh([]));
    const nodeIds = [...this.#cluster.metadata.brokers.keys()];
    const answers = await Promise.all(
      nodeIds.map((nodeId) => this.#retrying(() => this.#listAt(nodeId))),
    );
    return answers.flat().sort((a, b) => a.groupId < b.groupId ? -1 : 1);
  }

  describe(groupIds: readonly string[]): Promise<GroupDescription[]> {
    return Promise.all(
      groupIds.map((groupId) =>
        this.#retrying(() => this.#describeOne(groupId))
      ),
    );
  }

  delete(groupIds: readonly string[]): Promise<Outcome[]> {
    return Promise.all(groupIds.map(async (name) => {
      try {
        await this.#retrying(() => this.#deleteOne(name));
        return { name };
      } catch (error) {
        if (error instanceof KafkaError && !isTransient(error)) {
          return { name, error };
        }
        throw error;
      }
    }));
  }

  async listOffsets(
    groupId: string,
    partitions: readonly TopicPartition[] | undefined,
  ): Promise<GroupOffset[]> {
    const found = await this.#retrying(async () =>
      await fetchCommitted(
        this.#cluster,
        await findCoordinator(this.#cluster, groupId),
        { groupId, partitions: partitions ?? null, isStable: false },
      )
    );
    return found.map(({ leaderEpoch = -1, metadata = "", ...rest }) => ({
      ...rest,
      leaderEpoch,
      metadata,
    }));
  }

  alterOffsets(
    groupId: string,
    offsets: readonly CommittedOffset[],
  ): Promise<PartitionOutcome[]> {
    const committer = {
      groupId,
      generationId: -1,
      memberId: "",
      groupInstanceId: null,
    };
    return this.#retrying(async () => {
      const outcomes = await commitOffsets(
        this.#cluster,
        await findCoordinator(this.#cluster, groupId),
        { committer, offsets },
      );
      // A coordinator that loads or moved says so in every partition.
      const again = outcomes.find(({ error }) => error && isTransient(error));
      if (again?.error) throw again.error;
      return outcomes;
    });
  }

  async #listAt(nodeId: number): Promise<GroupListing[]> {
    const answer = await this.#cluster.ask(nodeId, LIST_GROUPS, {});
    if (answer.errorCode !== ERRORS.NONE) {
      throw kafkaError(answer.errorCode, "Cannot list groups");
    }
    return answer.groups.map((group) => ({
      groupId: group.groupId,
      protocolType: group.protocolType,
      state: group.groupState,
      type: group.groupType,
    }));
  }

  async #describeOne(groupId: string): Promise<GroupDescription> {
    const coordinator = await findCoordinator(this.#cluster, groupId);
    const classic = await this.#describeClassic(groupId, coordinator);
    // A group of the other type is none to DescribeGroups.
    const isNone = classic.error?.error === "GROUP_ID_NOT_FOUND" ||
      classic.state === "Dead";
    const link = await this.#cluster.link(coordinator);
    if (!isNone || link.version(CONSUMER_GROUP_DESCRIBE) === undefined) {
      return classic;
    }
    return await this.#describeConsumer(groupId, coordinator) ?? classic;
  }

  async #describeClassic(
    groupId: string,
    coordinator: number,
  ): Promise<GroupDescription> {
    const answer = await this.#cluster.ask(coordinator, DESCRIBE_GROUPS, {
      groups: [groupId],
    });
    const group = answer.groups[0];
    const what = `Cannot describe group "${groupId}"`;
    if (!group) throw new KafkaError("UNKNOWN_SERVER_ERROR", what);
    const error = group.errorCode === ERRORS.NONE
      ? undefined
      : kafkaError(group.errorCode, what, group.errorMessage);
    if (error && isTransient(error)) throw error;
    return {
      name: groupId,
      type: "classic",
      state: group.groupState,
      protocolType: group.protocolType,
      protocol: group.protocolData,
      coordinator,
      members: group.members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        assignment: assignmentOf(group.protocolType, member.memberAssignment),
      })),
      ...(error ? { error } : {}),
    };
  }

  /** A KIP-848 group; undefined when there is none of that name. */
  async #describeConsumer(
    groupId: string,
    coordinator: number,
  ): Promise<GroupDescription | undefined> {
    const answer = await this.#cluster.ask(
      coordinator,
      CONSUMER_GROUP_DESCRIBE,
      { groupIds: [groupId] },
    );
    const group = answer.groups[0];
    const what = `Cannot describe group "${groupId}"`;
    if (!group) throw new KafkaError("UNKNOWN_SERVER_ERROR", what);
    if (group.errorCode === ERRORS.GROUP_ID_NOT_FOUND) return undefined;
    const error = group.errorCode === ERRORS.NONE
      ? undefined
      : kafkaError(group.errorCode, what, group.errorMessage);
    if (error && isTransient(error)) throw error;
    return {
      name: groupId,
      type: "consumer",
      state: group.groupState,
      protocolType: "consumer",
      protocol: group.assignorName,
      coordinator,
      members: group.members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        assignment: member.assignment.topicPartitions.flatMap((
          { topicName, partitions },
        ) => partitions.map((partition) => ({ topic: topicName, partition }))),
      })),
      ...(error ? { error } : {}),
    };
  }

  async #deleteOne(groupId: string): Promise<void> {
    const coordinator = await findCoordinator(this.#cluster, groupId);
    const answer = await this.#cluster.ask(coordinator, DELETE_GROUPS, {
      groupsNames: [groupId],
    });
    const { errorCode = ERRORS.UNKNOWN_SERVER_ERROR, errorMessage = null } =
      answer.results[0] ?? {};
    if (errorCode !== ERRORS.NONE) {
      throw kafkaError(
        errorCode,
        `Cannot delete group "${groupId}"`,
        errorMessage,
      );
    }
  }
}

/** Other protocols' assignments (Connect) are opaque. */
function assignmentOf(
  protocolType: string,
  bytes: Uint8Array,
): TopicPartition[] {
  return protocolType === "consumer" ? assignedPartitions(bytes) : [];
}
