/**
 * One member of a classic consumer group: joins, syncs, heartbeats, leaves.
 * Owns the member id and generation. It must never change the partitions
 * itself: it tells the consumer what the leader decided.
 *
 * @module
 */
import {
  assignAll,
  assignedPartitions,
  type EncodedAssignment,
  subscriptionFor,
} from "../../core/client/assignment.ts";
import type { ConsumerValues } from "../../core/config/client_keys.ts";
import type { Cancel } from "../../core/env/env.ts";
import { errorName, ERRORS, KafkaError } from "../../core/errors.ts";
import type { TopicPartition } from "../../core/ids.ts";
import type { Decoded } from "../../core/schema/schema.ts";
import { JOIN_GROUP } from "../wire/11_join_group.ts";
import { HEARTBEAT } from "../wire/12_heartbeat.ts";
import { LEAVE_GROUP } from "../wire/13_leave_group.ts";
import { SYNC_GROUP } from "../wire/14_sync_group.ts";
import { type Cluster, isTransient, kafkaError } from "./cluster.ts";
import { Coordinator } from "./coordinator.ts";
import type { ConsumerGroupMetadata } from "./types.ts";

const PROTOCOL_TYPE = "consumer";
const JOIN_GRACE_MS = 5000;
/** What is traced when a membership ends that the member wanted. */
export const LOST_EVENT = "Lost the membership";

/** What the holder provides. */
export interface GroupMemberOptions {
  readonly groupId: string;
  readonly values: ConsumerValues;
  /** Topics that this member wants. */
  readonly topics: () => readonly string[];
  /** Partitions held now. */
  readonly owned: () => readonly TopicPartition[];
  /** Something changed that the next poll should look at. */
  readonly onChange: () => void;
}

/** The result of a join. */
export interface Joined {
  /** Name of the assignor in use. */
  readonly protocol: string;
  readonly assigned: readonly TopicPartition[];
  /** Partitions held when the leader was told of them. */
  readonly claimed: readonly TopicPartition[];
}

type JoinAnswer = Decoded<typeof JOIN_GROUP.response>;

/**
 * A member.
 *
 * 1. `generationId >= 0` only between a finished join and its end.
 * 2. Heartbeats run exactly while `generationId >= 0`.
 */
export class GroupMember {
  /** Whether the next poll has to (re)join. */
  needsJoin = true;
  /** Whether the partitions were lost without notice. */
  hasLost = false;
  /** An error that ends membership, for the next poll. */
  failure: KafkaError | undefined;
  /** Monotonic time of the last poll. */
  polledMs = 0;
  readonly #cluster: Cluster;
  /** Partitions of the topics that it assigned as the group's leader. */
  #counts: ReadonlyMap<string, number> = new Map();
  readonly #options: GroupMemberOptions;
  #memberId = "";
  #generationId = -1;
  /** Who it is now, the same object as long as it is that. */
  #committer: ConsumerGroupMetadata | undefined;
  /** Generation of the last assignment, which a lost member still tells. */
  #ownedGeneration = -1;
  readonly #coordinator: Coordinator;
  #heartbeat: Cancel | undefined;
  #answeredMs = 0;
  /** Since when it is a member of this generation. */
  #joinedMs = 0;
  #isClosed = false;

  constructor(cluster: Cluster, options: GroupMemberOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#coordinator = new Coordinator(cluster, options.groupId);
  }

  /** Who commits now; a plain group name before the first join. */
  get committer(): ConsumerGroupMetadata {
    return this.#committer ??= {
      groupId: this.#options.groupId,
      generationId: this.#generationId,
      memberId: this.#generationId < 0 ? "" : this.#memberId,
      groupInstanceId: this.#generationId < 0
        ? null
        : this.#options.values["group.instance.id"],
    };
  }

  /** The coordinator's node id, looked up when unknown. */
  coordinator(): Promise<number> {
    return this.#coordinator.nodeId();
  }

  /**
   * Takes note of an error of a request to the coordinator; of a commit, by
   * `committer`, only as long as that is who this member is: one that waited
   * behind a join must not end what the join has brought.
   */
  noteError(error: KafkaError, committer?: ConsumerGroupMetadata): void {
    if (this.#coordinator.noteError(error)) return;
    if (committer !== undefined && !this.#is(committer)) return;
    switch (error.error) {
      case "REBALANCE_IN_PROGRESS":
        this.needsJoin = true;
        break;
      case "UNKNOWN_MEMBER_ID":
        this.#lose(error);
        this.#memberId = "";
        break;
      case "ILLEGAL_GENERATION":
        this.#lose(error);
        break;
      default:
        return;
    }
    this.#options.onChange();
  }

  /** Which topics there are, or which are wanted, changed. */
  topicsChanged(): void {
    this.needsJoin = true;
  }

  /** Whether the topics have other counts now than this leader assigned by. */
  get isOutgrown(): boolean {
    const { topics } = this.#cluster.metadata;
    return [...this.#counts].some(([name, count]) =>
      topics.has(name) && topics.get(name)!.partitions.length !== count
    );
  }

  /** The consumer let go of everything that was lost. */
  abandoned(): void {
    this.hasLost = false;
  }

  /** Joins and syncs until it has an assignment; throws what can't be mended. */
  async join(): Promise<Joined> {
    this.#counts = new Map();
    for (let failures = 0;; failures++) {
      try {
        return await this.#joinOnce();
      } catch (error) {
        if (!(error instanceof KafkaError) || this.#cluster.isClosed) {
          throw error;
        }
        this.noteError(error);
        const isMended = isTransient(error) ||
          error.error === "UNKNOWN_MEMBER_ID" ||
          error.error === "ILLEGAL_GENERATION" ||
          error.error === "MEMBER_ID_REQUIRED";
        if (!isMended) throw error;
        if (error.error === "MEMBER_ID_REQUIRED") continue;
        await this.#cluster.pause(this.#cluster.retryMs(failures));
      }
    }
  }

  /** Leaves the group (static members stay) and stops heartbeats. */
  async leave(): Promise<void> {
    this.#isClosed = true;
    const memberId = this.#memberId;
    this.#stopHeartbeat();
    this.#be({ generationId: -1 });
    if (memberId === "" || this.#options.values["group.instance.id"] !== null) {
      return;
    }
    await this.#sendLeave(memberId, "the consumer is being closed");
  }

  async #sendLeave(memberId: string, reason: string): Promise<void> {
    const { groupId } = this.#options;
    this.#memberId = "";
    await this.#cluster.ask(await this.coordinator(), LEAVE_GROUP, {
      groupId,
      members: [{ memberId, groupInstanceId: null, reason }],
    }, { lane: "group", timeoutMs: 3000 });
  }

  async #joinOnce(): Promise<Joined> {
    const { groupId, values } = this.#options;
    const coordinator = await this.coordinator();
    this.#stopHeartbeat();
    this.needsJoin = false;
    const wish = {
      topics: this.#options.topics(),
      owned: this.#options.owned(),
      generationId: this.#ownedGeneration,
      rackId: values["client.rack"] || null,
    };
    const answer = await this.#cluster.ask(coordinator, JOIN_GROUP, {
      groupId,
      sessionTimeoutMs: values["session.timeout.ms"],
      rebalanceTimeoutMs: values["max.poll.interval.ms"],
      memberId: this.#memberId,
      groupInstanceId: values["group.instance.id"],
      protocolType: PROTOCOL_TYPE,
      protocols: values["partition.assignment.strategy"].map((name) => ({
        name,
        metadata: subscriptionFor(name, wish),
      })),
    }, {
      lane: "group",
      timeoutMs: values["max.poll.interval.ms"] + JOIN_GRACE_MS,
    });
    if (answer.errorCode === ERRORS.MEMBER_ID_REQUIRED) {
      this.#memberId = answer.memberId;
    }
    this.#refuse(answer.errorCode, "join");
    this.#be(answer);
    this.#startHeartbeat();
    return { ...await this.#sync(coordinator, answer), claimed: wish.owned };
  }

  async #sync(
    coordinator: number,
    join: JoinAnswer,
  ): Promise<Omit<Joined, "claimed">> {
    const { groupId, values } = this.#options;
    const protocol = join.protocolName ?? "";
    const isLeader = join.leader === join.memberId && !join.skipAssignment;
    const assignments = isLeader ? await this.#assign(protocol, join) : [];
    const answer = await this.#cluster.ask(coordinator, SYNC_GROUP, {
      groupId,
      generationId: this.#generationId,
      memberId: this.#memberId,
      groupInstanceId: values["group.instance.id"],
      protocolType: PROTOCOL_TYPE,
      protocolName: protocol,
      assignments,
    }, {
      lane: "group",
      timeoutMs: values["max.poll.interval.ms"] + JOIN_GRACE_MS,
    });
    this.#refuse(answer.errorCode, "sync with");
    this.#ownedGeneration = this.#generationId;
    return { protocol, assigned: assignedPartitions(answer.assignment) };
  }

  /** The leader's part: who gets what. */
  async #assign(
    protocol: string,
    join: JoinAnswer,
  ): Promise<EncodedAssignment[]> {
    const { metadata } = this.#cluster;
    return await assignAll(protocol, join.members, async (topics) => {
      await this.#cluster.refresh(topics);
      const counts = new Map(
        topics.map((topic) => [
          topic,
          metadata.topics.get(topic)?.partitions.length ?? 0,
        ]),
      );
      this.#counts = counts;
      return counts;
    });
  }

  /**
   * Whether it is a member still, and the same one. Numbers don't tell: a
   * coordinator that lost a generation gives its number to another one.
   */
  #is(committer: ConsumerGroupMetadata): boolean {
    return this.#generationId >= 0 && committer === this.#committer;
  }

  /** It is somebody else from now on. */
  #be({ generationId, memberId = this.#memberId }: {
    readonly generationId: number;
    readonly memberId?: string;
  }): void {
    this.#generationId = generationId;
    this.#memberId = memberId;
    this.#committer = undefined;
  }

  #refuse(code: number, verb: string): void {
    if (code === ERRORS.NONE) return;
    throw kafkaError(code, `Cannot ${verb} group "${this.#options.groupId}"`);
  }

  #lose(cause?: KafkaError): void {
    if (this.#generationId >= 0) {
      this.hasLost = true;
      const { env } = this.#cluster;
      env.trace("info", LOST_EVENT, {
        groupId: this.#options.groupId,
        memberId: this.#memberId,
        generationId: this.#generationId,
        heldMs: Math.round(env.clock.monoMs() - this.#joinedMs),
        error: cause?.error ?? "",
      });
    }
    this.#be({ generationId: -1 });
    this.#stopHeartbeat();
    this.needsJoin = true;
  }

  #stopHeartbeat(): void {
    this.#heartbeat?.();
    this.#heartbeat = undefined;
  }

  #startHeartbeat(): void {
    this.#stopHeartbeat();
    this.#joinedMs = this.#answeredMs = this.#cluster.env.clock.monoMs();
    this.#scheduleHeartbeat();
  }

  #scheduleHeartbeat(): void {
    if (this.#isClosed) return;
    this.#heartbeat = this.#cluster.env.clock.timer(
      this.#options.values["heartbeat.interval.ms"],
      () => this.#cluster.env.tasks.spawn("heartbeat", () => this.#beat()),
    );
  }

  async #beat(): Promise<void> {
    const { groupId, values } = this.#options;
    const generationId = this.#generationId;
    const { committer } = this;
    const { clock } = this.#cluster.env;
    if (this.#isClosed || generationId < 0) return;
    if (clock.monoMs() - this.polledMs > values["max.poll.interval.ms"]) {
      return await this.#leaveLate();
    }
    try {
      const { errorCode } = await this.#cluster.ask(
        await this.coordinator(),
        HEARTBEAT,
        {
          groupId,
          generationId,
          memberId: this.#memberId,
          groupInstanceId: values["group.instance.id"],
        },
        { lane: "group", timeoutMs: values["session.timeout.ms"] },
      );
      this.#answeredMs = clock.monoMs();
      if (errorCode !== ERRORS.NONE && this.#is(committer)) {
        this.#judgeBeat(kafkaError(errorCode, `Lost group "${groupId}"`));
      }
    } catch (error) {
      if (!(error instanceof KafkaError) || this.#cluster.isClosed) return;
      this.noteError(error);
      const silentMs = clock.monoMs() - this.#answeredMs;
      if (silentMs > values["session.timeout.ms"]) this.#lose();
    }
    if (this.#is(committer)) {
      this.#stopHeartbeat();
      this.#scheduleHeartbeat();
    }
  }

  #judgeBeat(error: KafkaError): void {
    this.noteError(error);
    if (isTransient(error) || this.hasLost || this.needsJoin) return;
    this.failure = error;
    this.#lose();
    this.#options.onChange();
  }

  /** The application stopped polling: others shall have the partitions. */
  async #leaveLate(): Promise<void> {
    const { values, groupId } = this.#options;
    this.#cluster.env.trace("warn", "No poll in time, leaving the group", {
      groupId,
      maxPollIntervalMs: values["max.poll.interval.ms"],
    });
    const memberId = this.#memberId;
    this.#lose();
    this.#options.onChange();
    if (values["group.instance.id"] !== null) return;
    try {
      await this.#sendLeave(memberId, "no poll within max.poll.interval.ms");
    } catch (error) {
      this.#cluster.env.trace("debug", "Cannot leave the group", {
        groupId,
        error: error instanceof KafkaError ? errorName(error.code) : `${error}`,
      });
    }
  }
}
