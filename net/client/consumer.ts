/**
 * The consumer: what is subscribed, which partitions are held, where each
 * stands, when to commit. Fetching is `fetcher.ts`; membership is
 * `group_member.ts` or, where the broker divides, `consumer_group_member.ts`. It must never hand out a record twice within one
 * assignment unless asked to seek.
 *
 * @module
 */
import { isCooperative } from "../../core/client/assignment.ts";
import { brokerPattern } from "../../core/client/consumer_membership.ts";
import { type HeldPartition, Positions } from "../../core/client/positions.ts";
import type { ConsumerValues } from "../../core/config/client_keys.ts";
import { clientConfig } from "../../core/config/resolve.ts";
import type { Cancel, Env } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import { outside, partitionName, type TopicPartition } from "../../core/ids.ts";
import { Cluster, isTransient } from "./cluster.ts";
import { ConsumerGroupMember } from "./consumer_group_member.ts";
import { Fetcher } from "./fetcher.ts";
import { GroupMember, type Joined } from "./group_member.ts";
import {
  AT_EARLIEST,
  AT_LATEST,
  commitOffsets,
  knowTopics,
  throwFirst,
} from "./offsets.ts";
import { LOOKUP_EVENT, PositionFinder } from "./position_finder.ts";
import type {
  ClientConfig,
  ClientSeams,
  CommittedOffset,
  ConsumedBatch,
  ConsumerGroupMetadata,
  OffsetAtTime,
  PartitionInfo,
  RebalanceListener,
  SeekTarget,
} from "./types.ts";

/** Background commits with an epoch that has passed, before one is given up. */
const STALE_COMMITS_MAX = 10;

/**
 * Reads records from a Kafka cluster, alone or sharing topics with the other
 * members of a group.
 *
 * ```ts
 * import { startBroker, createConsumer, createProducer } from "kf";
 *
 * const folder = await Deno.makeTempDir();
 * const broker = await startBroker({
 *   config: new Map([
 *     ["listeners", "PLAINTEXT://127.0.0.1:0"],
 *     ["log.dirs", folder],
 *   ]),
 *   traceLevel: "error",
 * });
 * const cluster = { "bootstrap.servers": broker.address };
 * const producer = createProducer(cluster);
 * await producer.send({ topic: "greetings", value: "hello" });
 * await producer.close();
 *
 * const consumer = createConsumer({
 *   ...cluster,
 *   "group.id": "readers",
 *   "auto.offset.reset": "earliest",
 * });
 * consumer.subscribe(["greetings"]);
 * const texts: string[] = [];
 * while (texts.length === 0) {
 *   for (const { records } of await consumer.poll(1000)) {
 *     for (const { value } of records) {
 *       texts.push(new TextDecoder().decode(value!));
 *     }
 *   }
 * }
 * if (texts[0] !== "hello") throw new Error(texts[0]);
 * await consumer.close();
 * await broker.stop();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class Consumer {
  readonly #env: Env;
  readonly #values: ConsumerValues;
  readonly #cluster: Cluster;
  readonly #positions: Positions = new Positions();
  readonly #fetcher: Fetcher;
  readonly #finder: PositionFinder;
  readonly #member: GroupMember | ConsumerGroupMember | undefined;
  #topics: readonly string[] | RegExp | undefined;
  #listener: RebalanceListener = {};
  #joining: Promise<Joined> | undefined;
  #protocol = "";
  #wake: (() => void) | undefined;
  #isStale = false;
  #isRefreshing = false;
  #lookup: Promise<void> | undefined;
  #lookupError: KafkaError | undefined;
  #committedMs: number;
  #isClosed = false;

  /** Use `createConsumer()`. Throws `INVALID_CONFIG` on unknown or bad keys. */
  constructor(config: ClientConfig, seams: ClientSeams) {
    this.#values = clientConfig("consumer", config);
    this.#env = seams.env;
    this.#committedMs = this.#env.clock.monoMs();
    this.#cluster = new Cluster(seams, this.#values);
    this.#fetcher = new Fetcher(this.#cluster, this.#positions, {
      values: this.#values,
      refresh: () => this.#isStale = true,
      onProgress: () => this.#wake?.(),
    });
    this.#finder = new PositionFinder(this.#cluster, {
      values: this.#values,
      positions: this.#positions,
      onFound: () => this.#readOn(),
    });
    this.#member = this.#makeMember();
  }

  #makeMember(): GroupMember | ConsumerGroupMember | undefined {
    const values = this.#values;
    const groupId = values["group.id"];
    if (groupId === null) return undefined;
    const onChange = () => this.#wake?.();
    if (values["group.protocol"] === "classic") {
      return new GroupMember(this.#cluster, {
        groupId,
        values,
        topics: () => this.#wantedTopics(),
        owned: () => this.assignment(),
        onChange,
      });
    }
    return new ConsumerGroupMember(this.#cluster, {
      groupId,
      values,
      subscription: () =>
        this.#topics instanceof RegExp
          ? { topics: [], pattern: brokerPattern(this.#topics) }
          : { topics: this.#topics ?? [], pattern: null },
      onChange,
    });
  }

  /** Subscribes to topics by name or pattern; the group divides them. */
  subscribe(topics: readonly string[] | RegExp): void {
    if (!this.#member) {
      throw new KafkaError(
        "INVALID_GROUP_ID",
        "Cannot subscribe without group.id: set it, or use assign()",
      );
    }
    this.#topics = topics;
    this.#isStale = true;
    this.#member.topicsChanged();
  }

  /** Takes exactly these partitions, outside of any group balancing. */
  assign(partitions: readonly TopicPartition[]): void {
    if (this.#topics) {
      throw new KafkaError("INVALID_REQUEST", "Cannot assign: subscribed");
    }
    this.#positions.set(partitions);
    this.#isStale = true;
  }

  /** The partitions held now. */
  assignment(): TopicPartition[] {
    return this.#positions.all().map(({ topic, partition }) => ({
      topic,
      partition,
    }));
  }

  /** Moves the next read of a held partition. */
  seek(partition: TopicPartition, target: SeekTarget): void {
    const held = this.#held(partition);
    if (typeof target === "number") held.seek(target);
    else held.seekTo(target);
  }

  /**
   * Waits up to `timeoutMs` for records; `[]` when there were none or `signal`
   * was aborted. Rebalance callbacks run in here. Throws a `KafkaError` on
   * what retrying won't mend.
   */
  async poll(
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<ConsumedBatch[]> {
    if (this.#isClosed) {
      throw new KafkaError("NETWORK_EXCEPTION", "The consumer is closed");
    }
    const deadlineMs = this.#env.clock.monoMs() + timeoutMs;
    for (;;) {
      if (this.#member) this.#member.polledMs = this.#env.clock.monoMs();
      await this.#maintain();
      const batches = this.#fetcher.take(this.#values["max.poll.records"]);
      this.#fetcher.fetchAhead();
      const leftMs = deadlineMs - this.#env.clock.monoMs();
      if (batches.length > 0 || leftMs <= 0 || signal?.aborted) return batches;
      await this.#woken(Math.min(leftMs, 100), signal);
    }
  }

  /** Commits `offsets`, or the positions after what `poll()` has returned. */
  async commit(offsets?: readonly CommittedOffset[]): Promise<void> {
    const member = this.#requireGroup();
    const wanted = offsets ?? this.#consumed();
    this.#committedMs = this.#env.clock.monoMs();
    if (wanted.length === 0) return;
    await this.#cluster.retrying(
      this.#values["default.api.timeout.ms"],
      async () => {
        try {
          await this.#commitAs(member, wanted);
        } catch (error) {
          if (error instanceof KafkaError) {
            // Only the next poll can finish the rebalance, or join again.
            const isForPoll = error.error === "REBALANCE_IN_PROGRESS" ||
              (error.error === "STALE_MEMBER_EPOCH" && member.hasLost);
            if (isForPoll) {
              throw new CommitRefused(error);
            }
          }
          throw error;
        }
      },
    ).catch((error) => {
      throw error instanceof CommitRefused ? error.error : error;
    });
  }

  /**
   * As whom this consumer commits now: what a transactional producer takes to
   * commit its offsets. Ask for it right after the poll whose records are
   * handled. Throws `ILLEGAL_GENERATION` when membership was lost, since then
   * another member may have the partitions.
   */
  groupMetadata(): ConsumerGroupMetadata {
    return this.#committerOf(this.#requireGroup());
  }

  /** A member that lost its partitions may be one again, as another one. */
  #committerOf(
    { committer, hasLost }: GroupMember | ConsumerGroupMember,
  ): ConsumerGroupMetadata {
    const isMember = committer.generationId >= 0 && !hasLost;
    if (!this.#topics || isMember) return committer;
    throw new KafkaError(
      "ILLEGAL_GENERATION",
      `Cannot commit for group "${committer.groupId}": not a member of it now. Poll again`,
    );
  }

  /**
   * Whether the group, as it is divided now, has nothing for this member. False
   * while it joins, and while others have yet to give up what it shall have.
   */
  async isSurplus(): Promise<boolean> {
    const member = this.#requireGroup();
    if (!this.#topics || this.#positions.all().length > 0) return false;
    if (member instanceof ConsumerGroupMember) return await member.isSurplus();
    const isPattern = this.#topics instanceof RegExp;
    if (isPattern && this.#wantedTopics().length === 0) return !this.#isStale;
    return !this.#joining && !member.needsJoin;
  }

  /** Committed offsets; partitions without one are left out. */
  async committed(
    partitions: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    const member = this.#requireGroup();
    const found = await this.#cluster.retrying(
      this.#values["default.api.timeout.ms"],
      () => this.#finder.committed(member, partitions),
    );
    return found.filter(({ offset }) => offset >= 0);
  }

  /** The next offset to read; looked up when not yet known. */
  async position(partition: TopicPartition): Promise<number> {
    const held = this.#held(partition);
    await this.#cluster.retrying(
      this.#values["default.api.timeout.ms"],
      async () => {
        await this.#finder.find(this.#member).catch((error) => {
          if (held.position === undefined) throw error;
        });
        if (held.position === undefined) {
          throw new KafkaError(
            "LEADER_NOT_AVAILABLE",
            `Cannot find the position of ${
              partitionName(held.topic, held.partition)
            }`,
          );
        }
      },
    );
    return held.position!;
  }

  /** First offsets, in the order asked. */
  beginningOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<OffsetAtTime[]> {
    return this.#finder.list(partitions, AT_EARLIEST);
  }

  /**
   * End offsets, in the order asked: the last stable ones with
   * `isolation.level=read_committed`.
   */
  endOffsets(partitions: readonly TopicPartition[]): Promise<OffsetAtTime[]> {
    return this.#finder.list(partitions, AT_LATEST);
  }

  /** First offsets at or after a time, in milliseconds since the Unix epoch. */
  offsetsForTimes(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<OffsetAtTime[]> {
    return this.#finder.list(partitions, timestampMs);
  }

  /** The partitions of a topic; waits up to `default.api.timeout.ms` for them. */
  async partitionsFor(
    topic: string,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<PartitionInfo[]> {
    return await this.#cluster.retrying(
      options.timeoutMs ?? this.#values["default.api.timeout.ms"],
      async () => {
        await this.#cluster.refresh([topic], {
          allowCreate: this.#values["allow.auto.create.topics"],
        });
        const known = this.#cluster.metadata.topics.get(topic);
        if (known && known.partitions.length > 0) return [...known.partitions];
        throw new KafkaError(
          known && known.error !== "NONE"
            ? known.error
            : "UNKNOWN_TOPIC_OR_PARTITION",
          `Cannot find topic "${topic}"`,
        );
      },
    );
  }

  /** Stops handing out records of `partitions`. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#held(partition).isPaused = true;
  }

  /** Hands out records of `partitions` again. */
  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#held(partition).isPaused = false;
  }

  /** Is told of partitions that come and go, within `poll()` and `close()`. */
  onRebalance(listener: RebalanceListener): void {
    this.#listener = listener;
  }

  /** Commits (with `enable.auto.commit`), leaves the group, closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      if (this.#topics && this.#member) {
        await this.#giveUp(this.assignment());
        await this.#member.leave();
      } else {
        await this.#autoCommit();
      }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.#env.trace("warn", "Cannot leave the group in order", {
        error: error.message,
      });
    } finally {
      this.#cluster.close();
      await this.#joining?.catch(() => {});
      await this.#lookup?.catch(() => {});
    }
  }

  /** Everything that has to be up to date before records are handed out. */
  async #maintain(): Promise<void> {
    this.#refreshSoon();
    if (this.#topics && this.#member) await this.#keepMembership(this.#member);
    const isDue = this.#env.clock.monoMs() - this.#committedMs >=
      this.#values["auto.commit.interval.ms"];
    if (isDue) await this.#autoCommit();
    if (this.#lookupError) {
      const error = this.#lookupError;
      this.#lookupError = undefined;
      throw error;
    }
    if (this.#positions.lacking().length > 0 && !this.#lookup) {
      this.#lookup = this.#lookUp();
    }
  }

  async #lookUp(): Promise<void> {
    try {
      await this.#finder.find(this.#member);
      this.#cluster.recovered(LOOKUP_EVENT);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.#member?.noteError(error);
      // A member that was removed learns it from its next heartbeat.
      if (isTransient(error) || error.error === "UNKNOWN_MEMBER_ID") {
        this.#cluster.failing(LOOKUP_EVENT, error);
        this.#isStale = true;
        await this.#cluster.pause(this.#cluster.retryMs(0)).catch(() => {});
      } else if (!this.#isClosed) this.#lookupError = error;
    } finally {
      this.#lookup = undefined;
      this.#readOn();
    }
  }

  #readOn(): void {
    if (this.#isClosed) return;
    this.#fetcher.fetchAhead();
    this.#wake?.();
  }

  async #keepMembership(
    member: GroupMember | ConsumerGroupMember,
  ): Promise<void> {
    if (member.failure) {
      const error = member.failure;
      member.failure = undefined;
      throw error;
    }
    await this.#abandon(member);
    if (member instanceof GroupMember) await this.#keepJoined(member);
    else await this.#reconcile(member);
  }

  /** Lets go of what was lost without notice: others may be at work on it. */
  async #abandon(member: GroupMember | ConsumerGroupMember): Promise<void> {
    if (!member.hasLost) return;
    member.abandoned();
    const lost = this.assignment();
    this.#positions.set([]);
    if (lost.length === 0) return;
    await (this.#listener.lost ?? this.#listener.revoked)?.(lost);
  }

  /** One step towards what the broker assigned (KIP-848). */
  async #reconcile(member: ConsumerGroupMember): Promise<void> {
    member.join();
    const step = member.reconciliation();
    if (!step) return;
    if (step.lacksNames) this.#isStale = true;
    const { revoked, added, owned } = step;
    if (revoked.length + added.length === 0) return;
    if (revoked.length > 0) await this.#giveUp(revoked.map(nameOnly));
    // Lost while it was giving up: the next poll abandons the rest.
    if (member.hasLost) return;
    this.#positions.set(owned);
    if (added.length > 0) await this.#listener.assigned?.(added.map(nameOnly));
    member.acknowledge(step);
  }

  async #keepJoined(member: GroupMember): Promise<void> {
    const wanted = this.#wantedTopics();
    if (wanted.length === 0 && this.#topics instanceof RegExp) return;
    if (!this.#joining) {
      if (!member.needsJoin) return;
      if (!isCooperative(this.#protocol)) await this.#giveUp(this.assignment());
      else await this.#autoCommit();
      this.#joining = member.join();
      this.#joining.then(() => this.#wake?.(), () => this.#wake?.());
    }
    const over = new AbortController();
    const settled = await Promise.race([
      this.#joining.then((joined) => ({ joined }), (error) => ({ error })),
      this.#woken(50, over.signal).then(() => undefined),
    ]);
    over.abort();
    if (!settled) return;
    this.#joining = undefined;
    if ("error" in settled) {
      member.needsJoin = true;
      throw settled.error;
    }
    // Lost and joined again since this poll began, it holds what others had.
    await this.#abandon(member);
    await this.#adopt(member, settled.joined);
  }

  /** Takes over what the leader decided; with cooperation in two steps. */
  async #adopt(member: GroupMember, joined: Joined): Promise<void> {
    this.#protocol = joined.protocol;
    try {
      await knowTopics(this.#cluster, joined.assigned.map((tp) => tp.topic));
    } catch (error) {
      // Only another round brings what was decided once more.
      member.needsJoin = true;
      if (error instanceof KafkaError && isTransient(error)) return;
      throw error;
    }
    const isGone = outside(joined.assigned);
    const revoked = this.assignment().filter(isGone);
    if (revoked.length > 0) await this.#giveUp(revoked);
    // The next round gives them to their new owners, and what was lost since
    // this one was told of it, too: it was kept for this member all the same.
    const isKept = isCooperative(joined.protocol) &&
      joined.claimed.some(isGone);
    if (isKept) member.needsJoin = true;
    const { added } = this.#positions.set(joined.assigned);
    await this.#listener.assigned?.(added);
  }

  /** Commits, tells the listener, lets go. */
  async #giveUp(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#autoCommit();
    if (partitions.length === 0) return;
    await this.#listener.revoked?.([...partitions]);
    this.#positions.set(this.assignment().filter(outside(partitions)));
  }

  async #autoCommit(): Promise<void> {
    const { "enable.auto.commit": isOn } = this.#values;
    if (!isOn || !this.#member || this.#consumed().length === 0) return;
    this.#committedMs = this.#env.clock.monoMs();
    for (let failures = 0;; failures++) {
      try {
        return await this.#commitAs(this.#member, this.#consumed());
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        // A heartbeat under way brings the epoch that was missed.
        const isMended = error.error === "STALE_MEMBER_EPOCH" &&
          !this.#member.hasLost && failures < STALE_COMMITS_MAX;
        if (!isMended) {
          return this.#env.trace("warn", "Cannot commit in the background", {
            error: error.message,
          });
        }
        await this.#cluster.pause(this.#cluster.retryMs(failures));
      }
    }
  }

  /** Commits as who `member` is now, which takes note of an error. */
  async #commitAs(
    member: GroupMember | ConsumerGroupMember,
    offsets: readonly CommittedOffset[],
  ): Promise<void> {
    let { committer } = member;
    try {
      const coordinator = await member.coordinator();
      committer = this.#committerOf(member);
      throwFirst(
        await commitOffsets(this.#cluster, coordinator, { committer, offsets }),
      );
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      if (member instanceof GroupMember) member.noteError(error, committer);
      else member.noteError(error);
      throw error;
    }
  }

  /** Positions of partitions that have one. */
  #consumed(): CommittedOffset[] {
    return this.#positions.all().flatMap((held) =>
      held.position === undefined ? [] : [{
        topic: held.topic,
        partition: held.partition,
        offset: held.position,
        leaderEpoch: held.leaderEpoch,
      }]
    );
  }

  #wantedTopics(): readonly string[] {
    if (!(this.#topics instanceof RegExp)) return this.#topics ?? [];
    const pattern = this.#topics;
    const hidesInternal = this.#values["exclude.internal.topics"];
    return [...this.#cluster.metadata.topics.values()].filter((topic) =>
      topic.error === "NONE" && !(hidesInternal && topic.isInternal) &&
      new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).test(
        topic.name,
      )
    ).map(({ name }) => name);
  }

  /** Renews metadata in the background when it is old or known to be stale. */
  #refreshSoon(): void {
    const ageMs = this.#env.clock.monoMs() - this.#cluster.refreshedMs;
    const isOld = ageMs >= this.#values["metadata.max.age.ms"];
    const isSoon = ageMs < this.#values["retry.backoff.ms"];
    if (this.#isRefreshing || (!isOld && (!this.#isStale || isSoon))) return;
    this.#isRefreshing = true;
    this.#isStale = false;
    this.#env.tasks.spawn("consumer metadata", () => this.#refresh());
  }

  async #refresh(): Promise<void> {
    const before = this.#shape();
    try {
      const isPattern = this.#topics instanceof RegExp;
      const topics = isPattern ? null : [
        ...new Set([
          ...this.#wantedTopics(),
          ...this.#positions.all().map(({ topic }) => topic),
        ]),
      ];
      await this.#cluster.refresh(topics, {
        allowCreate: this.#values["allow.auto.create.topics"],
      });
      this.#cluster.recovered("Cannot get metadata");
      this.#noteTopicErrors();
      const isChanged = before !== undefined && before !== this.#shape();
      if (isChanged || this.#member?.isOutgrown) this.#member?.topicsChanged();
    } catch (error) {
      if (!(error instanceof KafkaError) || this.#isClosed) return;
      this.#cluster.failing("Cannot get metadata", error);
      if (!isTransient(error)) this.#lookupError = error;
      this.#isStale = true;
      await this.#cluster.pause(this.#cluster.retryMs(1)).catch(() => {});
    } finally {
      this.#isRefreshing = false;
      this.#wake?.();
    }
  }

  /** Topics and partition counts as text: when it changes, rejoin. */
  #shape(): string | undefined {
    if (!this.#topics || this.#cluster.refreshedMs === -Infinity) {
      return undefined;
    }
    return this.#wantedTopics().map((name) =>
      `${name}:${
        this.#cluster.metadata.topics.get(name)?.partitions.length ?? 0
      }`
    ).sort().join();
  }

  #noteTopicErrors(): void {
    for (const name of this.#wantedTopics()) {
      const error = this.#cluster.metadata.topics.get(name)?.error;
      if (
        error === "TOPIC_AUTHORIZATION_FAILED" ||
        error === "INVALID_TOPIC_EXCEPTION"
      ) {
        this.#lookupError = new KafkaError(
          error,
          `Cannot read topic "${name}": ${error}`,
        );
      } else if (error !== "NONE") this.#isStale = true;
    }
  }

  #held(partition: TopicPartition): HeldPartition {
    const held = this.#positions.get(partition);
    if (held) return held;
    throw new KafkaError(
      "UNKNOWN_TOPIC_OR_PARTITION",
      `${
        partitionName(partition.topic, partition.partition)
      } is not assigned to this consumer`,
    );
  }

  #requireGroup(): GroupMember | ConsumerGroupMember {
    if (this.#member) return this.#member;
    throw new KafkaError("INVALID_GROUP_ID", "Committing needs group.id");
  }

  /** Resolves when something happened, at the latest after `ms`. */
  #woken(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        signal?.removeEventListener("abort", end);
        if (this.#wake === end) this.#wake = undefined;
        resolve();
      };
      const cancel: Cancel = this.#env.clock.timer(ms, end);
      signal?.addEventListener("abort", end);
      this.#wake = end;
    });
  }
}

function nameOnly({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

/** Carries a refusal through the retry loop, which would try it again. */
class CommitRefused extends Error {
  constructor(readonly error: KafkaError) {
    super(error.message);
  }
}
