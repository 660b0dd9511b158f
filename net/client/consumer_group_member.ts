/**
 * One member of a group whose partitions the broker divides (KIP-848): sends
 * the heartbeats that `core/client/consumer_membership.ts` words. Owns the
 * coordinator, the timer and the pace. It must never change the partitions
 * itself: the consumer takes the steps within `poll()` and says so here.
 *
 * @module
 */
import { uuidFromRandom } from "../../core/bytes/uuid.ts";
import {
  ConsumerMembership,
  type Reconciliation,
  type Subscription,
} from "../../core/client/consumer_membership.ts";
import type { ConsumerValues } from "../../core/config/client_keys.ts";
import type { Cancel } from "../../core/env/env.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "../wire/68_consumer_group_heartbeat.ts";
import { CONSUMER_GROUP_DESCRIBE } from "../wire/69_consumer_group_describe.ts";
import { type Cluster, isTransient, kafkaError } from "./cluster.ts";
import { Coordinator } from "./coordinator.ts";
import type { ConsumerGroupMetadata } from "./types.ts";

/** How long leaving may take. */
const LEAVE_MS_MAX = 3000;

/** What the holder provides. */
export interface ConsumerGroupMemberOptions {
  readonly groupId: string;
  readonly values: ConsumerValues;
  /** What this member wants. */
  readonly subscription: () => Subscription;
  /** Something changed that the next poll should look at. */
  readonly onChange: () => void;
}

/**
 * A member.
 *
 * 1. At most one heartbeat is under way.
 * 2. A timer is set exactly while the member is in and no heartbeat is.
 */
export class ConsumerGroupMember {
  /** An error that ends membership, for the next poll. */
  failure: KafkaError | undefined;
  /** Monotonic time of the last poll. */
  polledMs = 0;
  readonly #cluster: Cluster;
  readonly #options: ConsumerGroupMemberOptions;
  readonly #coordinator: Coordinator;
  readonly #membership: ConsumerMembership;
  readonly #memberId: string;
  #timer: Cancel | undefined;
  #isBeating = false;
  #failures = 0;

  constructor(cluster: Cluster, options: ConsumerGroupMemberOptions) {
    const { groupId, values } = options;
    this.#cluster = cluster;
    this.#options = options;
    this.#coordinator = new Coordinator(cluster, groupId);
    this.#memberId = uuidFromRandom(cluster.env.random);
    this.#membership = new ConsumerMembership({
      groupId,
      memberId: this.#memberId,
      instanceId: values["group.instance.id"],
      rackId: values["client.rack"] || null,
      rebalanceTimeoutMs: values["max.poll.interval.ms"],
      serverAssignor: values["group.remote.assignor"],
    });
  }

  /** Whether the partitions were lost without notice. */
  get hasLost(): boolean {
    return this.#membership.state === "lost";
  }

  /** Who commits now; a plain group name before the first join. */
  get committer(): ConsumerGroupMetadata {
    const { committedEpoch } = this.#membership;
    const isKnown = committedEpoch >= 0;
    return {
      groupId: this.#options.groupId,
      generationId: committedEpoch,
      memberId: isKnown ? this.#memberId : "",
      groupInstanceId: isKnown
        ? this.#options.values["group.instance.id"]
        : null,
    };
  }

  /** As whom to read committed offsets; only a member is checked. */
  get reader(): { memberId: string; memberEpoch: number } | undefined {
    return this.#membership.state === "member"
      ? {
        memberId: this.#memberId,
        memberEpoch: this.#membership.committedEpoch,
      }
      : undefined;
  }

  /** Whether it is in, and its target is to have nothing. */
  async isSurplus(): Promise<boolean> {
    if (this.#membership.state !== "member") return false;
    const { groupId } = this.#options;
    try {
      const { groups } = await this.#cluster.ask(
        await this.coordinator(),
        CONSUMER_GROUP_DESCRIBE,
        { groupIds: [groupId], includeAuthorizedOperations: false },
        { lane: "group" },
      );
      const [group] = groups;
      const own = group?.members.find(({ memberId }) =>
        memberId === this.#memberId
      );
      // Until then the target is of another group than this one is by now.
      return group?.assignmentEpoch === group?.groupEpoch &&
        own?.targetAssignment.topicPartitions.length === 0;
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.noteError(error);
      if (isTransient(error)) return false;
      throw error;
    }
  }

  /** The coordinator's node id, looked up when unknown. */
  coordinator(): Promise<number> {
    return this.#coordinator.nodeId();
  }

  /** Takes note of an error of a request to the coordinator. */
  noteError(error: KafkaError): void {
    this.#coordinator.noteError(error);
  }

  /** The coordinator assigns, by what it knows. */
  get isOutgrown(): boolean {
    return false;
  }

  /** What this member wants, or which topics there are, may have changed. */
  topicsChanged(): void {
    this.#membership.subscribe(this.#options.subscription());
    if (this.#membership.isDue) this.#beatSoon();
  }

  /** Joins, unless it is in or has partitions to abandon first. */
  join(): void {
    if (this.#membership.state !== "out") return;
    this.#membership.subscribe(this.#options.subscription());
    this.#membership.join();
    this.#beatSoon();
  }

  /** The consumer let go of everything that was lost. */
  abandoned(): void {
    this.#membership.abandoned();
  }

  /** The step to take now; undefined when there is none. */
  reconciliation(): Reconciliation | undefined {
    const { metadata } = this.#cluster;
    return this.#membership.reconciliation((id) => metadata.nameOf(id));
  }

  /** The consumer took a step. */
  acknowledge(step: Reconciliation): void {
    this.#membership.acknowledge(step);
    if (this.#membership.isDue) this.#beatSoon();
  }

  /** Leaves the group (static members for a while) and stops heartbeats. */
  async leave(): Promise<void> {
    this.#timer?.();
    this.#timer = undefined;
    const body = this.#membership.leave();
    if (!body) return;
    await this.#cluster.ask(
      await this.coordinator(),
      CONSUMER_GROUP_HEARTBEAT,
      body,
      { lane: "group", timeoutMs: LEAVE_MS_MAX },
    );
  }

  /** Sends a heartbeat now; after failures, when their pause is over. */
  #beatSoon(): void {
    if (this.#isBeating || (this.#failures > 0 && this.#timer)) return;
    this.#schedule();
  }

  #schedule(): void {
    this.#timer?.();
    this.#timer = undefined;
    if (!this.#membership.isIn || this.#cluster.isClosed) return;
    const waitMs = this.#failures > 0
      ? this.#cluster.retryMs(this.#failures - 1)
      : this.#membership.isDue
      ? 0
      : this.#membership.heartbeatIntervalMs;
    this.#timer = this.#cluster.env.clock.timer(waitMs, () => {
      this.#timer = undefined;
      this.#cluster.env.tasks.spawn("heartbeat", () => this.#beat());
    });
  }

  async #beat(): Promise<void> {
    const silentMs = this.#cluster.env.clock.monoMs() - this.polledMs;
    if (!this.#membership.isIn || this.#isBeating) return;
    if (silentMs > this.#options.values["max.poll.interval.ms"]) {
      return await this.#leaveLate();
    }
    this.#isBeating = true;
    try {
      await this.#exchange();
      this.#failures = 0;
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      if (!this.#cluster.isClosed) this.#judge(error);
    } finally {
      this.#isBeating = false;
    }
    this.#schedule();
    this.#options.onChange();
  }

  async #exchange(): Promise<void> {
    const answer = await this.#cluster.ask(
      await this.coordinator(),
      CONSUMER_GROUP_HEARTBEAT,
      this.#membership.heartbeat(),
      { lane: "group" },
    );
    const { errorCode, errorMessage } = answer;
    if (errorCode !== ERRORS.NONE) {
      const what = `Cannot be a member of group "${this.#options.groupId}"`;
      throw kafkaError(errorCode, what, errorMessage);
    }
    this.#membership.answered(answer);
  }

  #judge(error: KafkaError): void {
    this.#failures++;
    this.noteError(error);
    const verdict = this.#membership.refused(error.error, isTransient(error));
    const { groupId } = this.#options;
    this.#cluster.env.trace(
      verdict === "lost" ? "warn" : "debug",
      verdict === "lost"
        ? "No longer a member of the group, joining again"
        : "Heartbeat failed",
      { groupId, error: error.message },
    );
    if (verdict !== "failed") return;
    this.failure = error.error === "UNSUPPORTED_VERSION"
      ? new KafkaError(
        error.error,
        `Cannot be a member of group "${groupId}" with group.protocol=consumer: the broker does not offer it; use classic`,
        { cause: error },
      )
      : error;
  }

  /** The application stopped polling: others shall have the partitions. */
  async #leaveLate(): Promise<void> {
    const { values, groupId } = this.#options;
    this.#cluster.env.trace("warn", "No poll in time, leaving the group", {
      groupId,
      maxPollIntervalMs: values["max.poll.interval.ms"],
    });
    const body = this.#membership.retire();
    this.#options.onChange();
    try {
      await this.#cluster.ask(
        await this.coordinator(),
        CONSUMER_GROUP_HEARTBEAT,
        body,
        { lane: "group", timeoutMs: LEAVE_MS_MAX },
      );
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.noteError(error);
      this.#cluster.env.trace("debug", "Cannot leave the group", {
        groupId,
        error: error.message,
      });
    }
  }
}
