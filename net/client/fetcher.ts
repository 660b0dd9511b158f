/**
 * Fetches ahead of the user, one request in flight per broker, and hands out
 * what came. A partition is read from its leader, or from the follower that the
 * leader names (KIP-392), as long as that one serves. Bounded: a partition is
 * only fetched while nothing of it waits. It must never hand out records of a
 * position that was left by a seek.
 *
 * @module
 */
import {
  FetchedPartition,
  type FetchedRecord,
} from "../../core/client/fetched.ts";
import {
  FetchSession,
  type FetchSessionOptions,
} from "../link/fetch_session.ts";
import type { HeldPartition, Positions } from "../../core/client/positions.ts";
import type { ConsumerValues } from "../../core/config/client_keys.ts";
import {
  errorName,
  ERRORS,
  KafkaError,
  needsRefresh,
} from "../../core/errors.ts";
import { partitionName, type TopicPartition } from "../../core/ids.ts";
import type { Decoded } from "../../core/schema/schema.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { type Cluster, isTransient, kafkaError } from "./cluster.ts";
import { grouped } from "./offsets.ts";
import type { ConsumedBatch } from "./types.ts";

interface Completed {
  readonly held: HeldPartition;
  readonly version: number;
  readonly data: FetchedPartition;
}

/** What to fetch of one partition. */
interface WantedPartition extends TopicPartition {
  readonly topicId: string | undefined;
  readonly fetchOffset: number;
  readonly currentLeaderEpoch: number;
  readonly partitionMaxBytes: number;
}

/** What a broker remembers of a {@linkcode WantedPartition}. */
const SESSION: FetchSessionOptions<WantedPartition> = {
  keyOf: ({ topic, partition, topicId = "" }) =>
    `${topicId} ${partitionName(topic, partition)}`,
  isSame: (a, b) =>
    a.fetchOffset === b.fetchOffset &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.partitionMaxBytes === b.partitionMaxBytes,
};

interface Node {
  readonly session: FetchSession<WantedPartition>;
  isBusy: boolean;
  notBeforeMs: number;
  failures: number;
}

/** A broker that was asked. */
interface Source {
  readonly nodeId: number;
  readonly node: Node;
}

/** Back to the leader, if `nodeId` is the follower that is read from. */
function leave(held: HeldPartition, nodeId: number): boolean {
  if (held.readReplica?.nodeId !== nodeId) return false;
  held.readReplica = undefined;
  return true;
}

type FetchAnswer = Decoded<typeof FETCH.response>;
type PartitionAnswer = FetchAnswer["responses"][number]["partitions"][number];

/** What the holder provides. */
export interface FetcherOptions {
  /** Ask for metadata again, soon. */
  readonly refresh: () => void;
  /** Something can be handed out, or a lookup is due. */
  readonly onProgress: () => void;
}

/** The fetching half of a consumer. */
export class Fetcher {
  readonly #cluster: Cluster;
  readonly #positions: Positions;
  readonly #values: ConsumerValues;
  readonly #options: FetcherOptions;
  readonly #nodes = new Map<number, Node>();
  #completed: Completed[] = [];
  #error: KafkaError | undefined;

  constructor(
    cluster: Cluster,
    positions: Positions,
    { values, ...options }: FetcherOptions & { values: ConsumerValues },
  ) {
    this.#cluster = cluster;
    this.#positions = positions;
    this.#values = values;
    this.#options = options;
  }

  /**
   * Sends fetches for every partition that has a position and nothing waiting.
   * A node takes one fetch at a time, and where nothing new has come it answers
   * late: as long as records of one partition wait to be taken, only others
   * that are known to have some are asked for. Otherwise an idle partition
   * would slow down its neighbours.
   */
  fetchAhead(): void {
    const waiting = new Set(this.#completed.map(({ held }) => held));
    const feeding = new Set(
      [...waiting].filter((held) => !held.isPaused)
        .map((held) => this.#sourceOf(held)),
    );
    const bySource = new Map<number, HeldPartition[]>();
    for (const held of this.#positions.all()) {
      if (held.position === undefined || held.isPaused || waiting.has(held)) {
        continue;
      }
      const source = this.#sourceOf(held);
      if (source < 0) {
        this.#options.refresh();
        continue;
      }
      if (feeding.has(source) && held.position >= held.readableEnd) continue;
      const group = bySource.get(source);
      if (group) group.push(held);
      else bySource.set(source, [held]);
    }
    const nowMs = this.#cluster.env.clock.monoMs();
    for (const [nodeId, group] of bySource) {
      const node = this.#node(nodeId);
      if (node.isBusy || node.notBeforeMs > nowMs) continue;
      node.isBusy = true;
      this.#cluster.env.tasks.spawn(
        `fetch from ${nodeId}`,
        () => this.#fetch(nodeId, node, group),
      );
    }
  }

  /** The broker to read from; -1: there is none now. */
  #sourceOf(held: HeldPartition): number {
    const { metadata, env } = this.#cluster;
    const { readReplica, topic, partition } = held;
    if (readReplica !== undefined) {
      const { nodeId, untilMs } = readReplica;
      const isGood = env.clock.monoMs() < untilMs &&
        metadata.brokers.has(nodeId);
      if (isGood) return nodeId;
      held.readReplica = undefined;
    }
    return metadata.partition(topic, partition)?.leader ?? -1;
  }

  /** Reads from `nodeId` from now on; the leader is asked again in a while. */
  #prefer(node: Node, held: HeldPartition, nodeId: number): void {
    if (!this.#cluster.metadata.brokers.has(nodeId)) {
      this.#rest(node);
      this.#options.refresh();
      return;
    }
    const untilMs = this.#cluster.env.clock.monoMs() +
      this.#values["metadata.max.age.ms"];
    held.readReplica = { nodeId, untilMs };
  }

  /** Records for the user, at most `max`; throws what a fetch could not mend. */
  take(max: number): ConsumedBatch[] {
    const batches: ConsumedBatch[] = [];
    let left = max;
    const kept: Completed[] = [];
    const completed = this.#completed;
    this.#completed = [];
    for (const entry of completed) {
      const { held, version, data } = entry;
      if (this.#positions.get(held) !== held || held.version !== version) {
        continue;
      }
      // Two leaders answered, the old one late, and this is the second answer.
      if (data.position !== held.position) continue;
      if (held.isPaused || left === 0) {
        kept.push(entry);
        continue;
      }
      const records = this.#records(entry, left, batches.length > 0);
      left -= records.length;
      if (!data.isDrained) kept.push(entry);
      if (records.length > 0) {
        const { topic, partition, highWatermark } = data;
        batches.push({ topic, partition, highWatermark, records });
      }
    }
    this.#completed = kept;
    if (batches.length === 0 && this.#error) {
      const error = this.#error;
      this.#error = undefined;
      throw error;
    }
    return batches;
  }

  #records(
    { held, data }: Completed,
    max: number,
    hasOthers: boolean,
  ): FetchedRecord[] {
    try {
      const records = data.take(max);
      held.position = data.position;
      held.leaderEpoch = data.leaderEpoch;
      return records;
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      data.isDrained = true;
      if (!hasOthers) throw error;
      this.#error = error;
      return [];
    }
  }

  #node(nodeId: number): Node {
    let node = this.#nodes.get(nodeId);
    if (!node) {
      node = {
        session: new FetchSession(SESSION),
        isBusy: false,
        notBeforeMs: 0,
        failures: 0,
      };
      this.#nodes.set(nodeId, node);
    }
    return node;
  }

  async #fetch(
    nodeId: number,
    node: Node,
    group: readonly HeldPartition[],
  ): Promise<void> {
    const event = `Cannot fetch from broker ${nodeId}`;
    try {
      await this.#exchange(nodeId, node, group);
      node.failures = 0;
      this.#cluster.recovered(event);
    } catch (error) {
      node.session.reset();
      for (const held of group) leave(held, nodeId);
      if (this.#cluster.isClosed) return;
      const isKafka = error instanceof KafkaError;
      this.#cluster.failing(event, error);
      if (isKafka && !isTransient(error)) this.#error = error;
      this.#rest(node);
      this.#options.refresh();
    } finally {
      node.isBusy = false;
      if (!this.#cluster.isClosed) {
        this.#options.onProgress();
        if (node.notBeforeMs <= this.#cluster.env.clock.monoMs()) {
          this.fetchAhead();
        }
      }
    }
  }

  #rest(node: Node): void {
    node.notBeforeMs = this.#cluster.env.clock.monoMs() +
      this.#cluster.retryMs(node.failures++);
  }

  async #exchange(
    nodeId: number,
    node: Node,
    group: readonly HeldPartition[],
  ): Promise<void> {
    const { metadata } = this.#cluster;
    const values = this.#values;
    const versions = new Map(group.map((held) => [held, held.version]));
    const wanted = group.map((held): WantedPartition => ({
      topic: held.topic,
      partition: held.partition,
      topicId: metadata.topics.get(held.topic)?.topicId,
      fetchOffset: held.position!,
      currentLeaderEpoch:
        metadata.partition(held.topic, held.partition)?.leaderEpoch ?? -1,
      partitionMaxBytes: values["max.partition.fetch.bytes"],
    }));
    const hasIds = wanted.every(({ topicId }) => topicId !== undefined);
    const session = node.session.next(wanted);
    const answer = await this.#cluster.ask(nodeId, FETCH, {
      maxWaitMs: values["fetch.max.wait.ms"],
      minBytes: values["fetch.min.bytes"],
      maxBytes: values["fetch.max.bytes"],
      isolationLevel: values["isolation.level"] === "read_committed" ? 1 : 0,
      sessionId: session.sessionId,
      sessionEpoch: session.sessionEpoch,
      topics: grouped(session.changed).map(({ topic, items }) => ({
        topic,
        ...(items[0]?.topicId ? { topicId: items[0].topicId } : {}),
        partitions: items,
      })),
      forgottenTopicsData: grouped(session.forgotten).map((
        { topic, items },
      ) => ({
        topic,
        ...(items[0]?.topicId ? { topicId: items[0].topicId } : {}),
        partitions: items.map(({ partition }) => partition),
      })),
      rackId: values["client.rack"],
    }, {
      lane: "fetch",
      ...(hasIds ? {} : { versionMax: 12 }),
      timeoutMs: values["request.timeout.ms"] + values["fetch.max.wait.ms"],
    });
    if (answer.errorCode !== ERRORS.NONE) {
      throw kafkaError(answer.errorCode, "Cannot fetch");
    }
    node.session.answered(answer.sessionId);
    this.#settle({ nodeId, node }, answer, versions);
  }

  #settle(
    source: Source,
    answer: FetchAnswer,
    versions: ReadonlyMap<HeldPartition, number>,
  ): void {
    for (const { topic, topicId, partitions } of answer.responses) {
      const name = topic || this.#cluster.metadata.nameOf(topicId) || "";
      for (const part of partitions) {
        const held = this.#positions.get({
          topic: name,
          partition: part.partitionIndex,
        });
        const version = held && versions.get(held);
        if (!held || version === undefined || held.version !== version) {
          continue;
        }
        if (part.errorCode !== ERRORS.NONE) {
          this.#failed(source, held, part);
          continue;
        }
        if (part.preferredReadReplica >= 0) {
          this.#prefer(source.node, held, part.preferredReadReplica);
          continue;
        }
        held.readableEnd = this.#values["isolation.level"] === "read_committed"
          ? part.lastStableOffset
          : part.highWatermark;
        if (part.records && part.records.length > 0) {
          this.#completed.push({
            held,
            version,
            data: new FetchedPartition({
              topic: name,
              partition: held.partition,
              highWatermark: part.highWatermark,
              records: part.records,
              abortedTransactions: part.abortedTransactions,
            }, {
              position: held.position!,
              checksCrc: this.#values["check.crcs"],
            }),
          });
        }
      }
    }
  }

  #failed(
    { nodeId, node }: Source,
    held: HeldPartition,
    part: PartitionAnswer,
  ): void {
    const { topic, partition, position } = held;
    const name = errorName(part.errorCode);
    const what = `Cannot fetch ${partitionName(topic, partition)}`;
    const isFollower = leave(held, nodeId);
    if (name === "OFFSET_OUT_OF_RANGE") {
      // Only the leader knows what there is.
      if (isFollower) return;
      const policy = this.#values["auto.offset.reset"];
      if (policy === "none") {
        this.#error = new KafkaError(
          name,
          `${what}: offset ${position} is out of range and auto.offset.reset is none`,
        );
        this.#rest(node);
        return;
      }
      this.#cluster.env.trace("info", "Offset out of range, resetting", {
        topic,
        partition,
        position,
        policy,
      });
      held.refuse(policy);
      return;
    }
    const { currentLeader } = part;
    this.#cluster.metadata.learnLeader(topic, partition, currentLeader);
    this.#rest(node);
    const error = kafkaError(part.errorCode, what);
    if (needsRefresh(part.errorCode) || isTransient(error)) {
      this.#options.refresh();
    } else {
      this.#error = error;
    }
  }
}
