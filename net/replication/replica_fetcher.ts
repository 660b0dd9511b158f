/**
 * Fetches from one other broker for all partitions that it leads and that are
 * followed here: one request at a time in a session (KIP-227), so that it names
 * what changed only; each partition backs off by itself. Owns the link, the
 * session and the loop; what to ask for and what an answer means is the
 * partition's to decide. It must never hand over an answer twice.
 *
 * | a partition's answer   | what happens                                        |
 * | ---------------------- | --------------------------------------------------- |
 * | none                   | handed over: it appends, or cuts where the logs part|
 * | OFFSET_OUT_OF_RANGE    | the leader's ends are asked for: cut, or start over |
 * | FENCED_LEADER_EPOCH    | it rests until newer metadata                       |
 * | anything else          | it rests for `backoffMs`                            |
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import { FetchSession } from "../link/fetch_session.ts";
import type { Env } from "../../core/env/env.ts";
import { type ErrorName, errorName, ERRORS } from "../../core/errors.ts";
import type {
  FetchTarget,
  FollowerAnswer,
  FollowerStep,
} from "../../core/partition/follower.ts";
import type { Decoded } from "../../core/schema/schema.ts";
import type { Link } from "../link/link.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";

/** A partition that follows. */
export interface Replica {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly index: number;
  /** Whether the disk still owes it what it took in, which is told when it ends. */
  readonly isSettling: boolean;
  /** Whether it is throttled just now. */
  readonly isHeldBack: boolean;
  /** What to ask its leader for; undefined: nothing now. */
  fetchTarget(): FetchTarget | undefined;
  followerAnswer(target: FetchTarget, answer: FollowerAnswer): FollowerStep;
  startOver(
    target: FetchTarget,
    leader: { readonly startOffset: number; readonly endOffset: number },
  ): FollowerStep;
}

/** How much is asked for, and how long it is waited for. */
export interface FetcherLimits {
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly partitionBytesMax: number;
  readonly responseBytesMax: number;
  readonly backoffMs: number;
  readonly requestTimeoutMs: number;
}

/** What a {@linkcode ReplicaFetcher} is made of. */
export interface FetcherOptions {
  readonly env: Pick<Env, "clock" | "tasks" | "trace">;
  /** The broker that is fetched from. */
  readonly leaderId: number;
  readonly nodeId: number;
  readonly brokerEpoch: () => number;
  readonly limits: () => FetcherLimits;
  /** Dials wherever the broker is now. */
  readonly connect: () => Promise<Link>;
  /** The highest version of Fetch that the cluster's metadata.version allows. */
  readonly fetchVersionMax: () => number;
}

type FetchAnswer = Decoded<typeof FETCH.response>;
type PartitionAnswer = FetchAnswer["responses"][number]["partitions"][number];

/** A replica, and why it rests. */
interface Followed {
  readonly replica: Replica;
  /** What tells it from all others of its leader. */
  readonly place: string;
  /** Not asked for before. */
  restsUntilMs: number;
  /** Leader epoch that the leader knows to be over. */
  fencedEpoch: number;
}

/** One partition of a request. */
interface Asked {
  readonly followed: Followed;
  readonly target: FetchTarget;
}

/** What a leader's answer says of a session that it doesn't go on with. */
const SESSION_LOST: ReadonlySet<ErrorName> = new Set<ErrorName>([
  "FETCH_SESSION_ID_NOT_FOUND",
  "INVALID_FETCH_SESSION_EPOCH",
  "FETCH_SESSION_TOPIC_ID_ERROR",
]);

function isSameTarget({ target: a }: Asked, { target: b }: Asked): boolean {
  return a.offset === b.offset && a.leaderEpoch === b.leaderEpoch &&
    a.lastFetchedEpoch === b.lastFetchedEpoch &&
    a.logStartOffset === b.logStartOffset &&
    a.highWatermark === b.highWatermark;
}

/**
 * The fetcher of one leader.
 *
 * Invariants:
 * 1. One request is in flight at most.
 * 2. Answers go to replicas that are still followed.
 */
export class ReplicaFetcher {
  readonly #options: FetcherOptions;
  /** In the order in which they are asked for: those that got most are last. */
  readonly #followed = new Map<Replica, Followed>();
  readonly #closed = new AbortController();
  readonly #session = new FetchSession<Asked>({
    keyOf: ({ followed }) => followed.place,
    isSame: isSameTarget,
  });
  #link: Link | undefined;
  #wake = Promise.withResolvers<void>();
  #isRunning = false;
  #isUnreached = false;

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  /** How many partitions are followed. */
  get size(): number {
    return this.#followed.size;
  }

  /** Follows `replica`, whose leader, epoch or log may have changed. */
  follow(replica: Replica): void {
    const known = this.#followed.get(replica);
    if (known !== undefined) known.restsUntilMs = 0;
    else {
      const place = placeOf(replica);
      const followed = { replica, place, restsUntilMs: 0, fencedEpoch: -1 };
      this.#followed.set(replica, followed);
    }
    this.wake();
  }

  /** Another broker is to be asked, or none. */
  unfollow(replica: Replica): void {
    this.#followed.delete(replica);
  }

  /** There may be something to ask for. */
  wake(): void {
    this.#wake.resolve();
    if (this.#isRunning || this.#closed.signal.aborted) return;
    this.#isRunning = true;
    const { env: { tasks }, leaderId } = this.#options;
    tasks.spawn(`fetch from broker ${leaderId}`, () => this.#run());
  }

  /** The leader is another process by now: the one before answers no more. */
  hangUp(): void {
    this.#link?.close();
    this.#link = undefined;
  }

  /** Ends the link and the loop. */
  close(): void {
    this.#closed.abort();
    this.#wake.resolve();
    this.#link?.close();
  }

  async #run(): Promise<void> {
    const { clock } = this.#options.env;
    const { signal } = this.#closed;
    while (!signal.aborted && this.#followed.size > 0) {
      this.#wake = Promise.withResolvers();
      const asked = this.#due();
      // A fetch may wait long at the leader, which waits for what is settling.
      if (asked.length === 0 || this.#isSettling()) {
        await this.#rest(clock.monoMs());
        continue;
      }
      try {
        await this.#fetch(asked);
      } catch (error) {
        if (!signal.aborted) this.#unreached(error, asked);
      }
    }
    this.#isRunning = false;
    this.#link?.close();
    this.#link = undefined;
  }

  /** The partitions of which something can be asked. */
  #due(): Asked[] {
    const nowMs = this.#options.env.clock.monoMs();
    const due: Asked[] = [];
    for (const followed of this.#followed.values()) {
      if (followed.restsUntilMs > nowMs) continue;
      if (followed.replica.isHeldBack) {
        this.#restOne(followed);
        continue;
      }
      const target = followed.replica.fetchTarget();
      if (target?.leader !== this.#options.leaderId) continue;
      if (target.leaderEpoch > followed.fencedEpoch) {
        due.push({ followed, target });
      }
    }
    return due;
  }

  #isSettling(): boolean {
    for (const { replica } of this.#followed.values()) {
      if (replica.isSettling) return true;
    }
    return false;
  }

  /** Until the first of them has rested, or something changes. */
  async #rest(nowMs: number): Promise<void> {
    let untilMs = Infinity;
    for (const { restsUntilMs } of this.#followed.values()) {
      if (restsUntilMs > nowMs) untilMs = Math.min(untilMs, restsUntilMs);
    }
    const { promise, resolve } = this.#wake;
    if (untilMs === Infinity) return await promise;
    const cancel = this.#options.env.clock.timer(untilMs - nowMs, resolve);
    await promise;
    cancel();
  }

  async #fetch(asked: readonly Asked[]): Promise<void> {
    const limits = this.#options.limits();
    const link = await this.#linked();
    const answer = await link.request(FETCH, this.#request(asked, limits), {
      versionMax: this.#options.fetchVersionMax(),
      timeoutMs: limits.requestTimeoutMs + limits.maxWaitMs,
    });
    this.#reached();
    const error = errorName(answer.errorCode);
    // The next request begins another one, at once.
    if (SESSION_LOST.has(error)) return this.#session.reset();
    if (error !== "NONE") throw new Error(`it answers ${error}`);
    this.#session.answered(answer.sessionId);
    if (answer.responses.length === 0) return;
    const byPlace = new Map(asked.map((each) => [each.followed.place, each]));
    for (const { topicId, partitions } of answer.responses) {
      for (const each of partitions) {
        const index = each.partitionIndex;
        const found = byPlace.get(placeOf({ topicId, index }));
        if (found !== undefined) await this.#takeIn(found, each, link);
      }
    }
  }

  #request(asked: readonly Asked[], limits: FetcherLimits) {
    const { nodeId, brokerEpoch } = this.#options;
    const { sessionId, sessionEpoch, changed, forgotten } = this.#session
      .next(asked);
    const topics = new Map<Uuid, ReturnType<typeof partitionOf>[]>();
    for (const { followed: { replica }, target } of changed) {
      const known = topics.get(replica.topicId);
      const partition = partitionOf(replica, target, limits.partitionBytesMax);
      if (known === undefined) topics.set(replica.topicId, [partition]);
      else known.push(partition);
    }
    return {
      replicaState: { replicaId: nodeId, replicaEpoch: brokerEpoch() },
      maxWaitMs: limits.maxWaitMs,
      minBytes: limits.minBytes,
      maxBytes: limits.responseBytesMax,
      isolationLevel: 0,
      sessionId,
      sessionEpoch,
      topics: [...topics].map(([topicId, partitions]) => ({
        topicId,
        partitions,
      })),
      forgottenTopicsData: forgotten.map(({ followed: { replica } }) => ({
        topicId: replica.topicId,
        partitions: [replica.index],
      })),
      rackId: "",
    };
  }

  async #takeIn(
    asked: Asked,
    answer: PartitionAnswer,
    link: Link,
  ): Promise<void> {
    const { followed, target } = asked;
    const { replica } = followed;
    if (this.#followed.get(replica) !== followed) return;
    const error = errorName(answer.errorCode);
    try {
      if (error === "OFFSET_OUT_OF_RANGE") {
        const leader = await this.#endsOf(asked, link);
        if (leader === undefined) return this.#restOne(followed);
        if (this.#followed.get(replica) !== followed) return;
        const step = replica.startOver(target, leader);
        if (step === "nothing") this.#restOne(followed);
      } else if (error === "FENCED_LEADER_EPOCH") {
        followed.fencedEpoch = target.leaderEpoch;
      } else if (error !== "NONE") this.#restOne(followed);
      else this.#handOver(asked, answer);
    } catch (failure) {
      const { trace } = this.#options.env;
      trace("error", "A partition can't follow its leader", {
        partition: `${replica.topic}-${replica.index}`,
        leader: this.#options.leaderId,
        error: failure,
      });
      this.#restOne(followed);
    }
  }

  #handOver({ followed, target }: Asked, answer: PartitionAnswer): void {
    const { divergingEpoch: { epoch, endOffset } } = answer;
    const isDiverging = epoch !== -1 || endOffset !== -1;
    const { replica } = followed;
    const step = replica.followerAnswer(target, {
      highWatermark: answer.highWatermark,
      logStartOffset: answer.logStartOffset,
      divergingEpoch: isDiverging ? { epoch, endOffset } : undefined,
      records: answer.records ?? NOTHING,
    });
    if (step === "nothing" && isDiverging) this.#restOne(followed);
    if (step !== "appended") return;
    // Others shall have their turn when an answer has no room for all.
    this.#followed.delete(replica);
    this.#followed.set(replica, followed);
  }

  /** Where the leader's log begins and ends; undefined when it won't say. */
  async #endsOf(
    { followed: { replica }, target }: Asked,
    link: Link,
  ): Promise<{ startOffset: number; endOffset: number } | undefined> {
    const ask = async (timestamp: number) => {
      const { topics: [topic] } = await link.request(LIST_OFFSETS, {
        replicaId: this.#options.nodeId,
        isolationLevel: 0,
        topics: [{
          name: replica.topic,
          partitions: [{
            partitionIndex: replica.index,
            currentLeaderEpoch: target.leaderEpoch,
            timestamp,
          }],
        }],
      });
      const answer = topic?.partitions[0];
      return answer?.errorCode === ERRORS.NONE ? answer.offset : undefined;
    };
    const endOffset = await ask(LATEST);
    const startOffset = await ask(EARLIEST);
    if (startOffset === undefined || endOffset === undefined) return undefined;
    return { startOffset, endOffset };
  }

  async #linked(): Promise<Link> {
    if (this.#link !== undefined && this.#link.error === undefined) {
      return this.#link;
    }
    const link = await this.#options.connect();
    if (this.#closed.signal.aborted) link.close();
    return this.#link = link;
  }

  #restOne(followed: Followed): void {
    const { clock } = this.#options.env;
    followed.restsUntilMs = clock.monoMs() + this.#options.limits().backoffMs;
  }

  #unreached(error: unknown, asked: readonly Asked[]): void {
    this.#session.reset();
    for (const { followed } of asked) this.#restOne(followed);
    if (this.#isUnreached) return;
    this.#isUnreached = true;
    const { env: { trace }, leaderId } = this.#options;
    trace("warn", "A leader can't be fetched from", {
      broker: leaderId,
      partitions: asked.length,
      error,
    });
  }

  #reached(): void {
    if (!this.#isUnreached) return;
    this.#isUnreached = false;
    const { env: { trace }, leaderId } = this.#options;
    trace("info", "A leader is fetched from again", { broker: leaderId });
  }
}

const NOTHING = new Uint8Array(0);
const LATEST = -1;
const EARLIEST = -2;

function placeOf(
  { topicId, index }: { readonly topicId: Uuid; readonly index: number },
): string {
  return `${topicId}:${index}`;
}

function partitionOf(
  { index }: Replica,
  target: FetchTarget,
  partitionMaxBytes: number,
) {
  return {
    partition: index,
    currentLeaderEpoch: target.leaderEpoch,
    fetchOffset: target.offset,
    lastFetchedEpoch: target.lastFetchedEpoch,
    logStartOffset: target.logStartOffset,
    partitionMaxBytes,
    highWatermark: target.highWatermark,
  };
}
