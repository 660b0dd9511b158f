/**
 * Incremental fetch sessions (KIP-227): what a client fetches, remembered so
 * that requests and answers carry changes only. Owns the cache of sessions and
 * who is evicted; reads no log. A session never outlives a request of its
 * client with another epoch.
 *
 * | request (id, epoch) | what happens |
 * |---|---|
 * | (any, −1) | the session `id` ends; answered in full, no session |
 * | (any, 0) | the session `id` ends; answered in full, a new session if there is room |
 * | (id, n) with n expected | changes are merged, only changes are answered |
 * | (id, n) otherwise | INVALID_FETCH_SESSION_EPOCH |
 * | (unknown id, n > 0) | FETCH_SESSION_ID_NOT_FOUND |
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import type { Random } from "../../core/env/env.ts";
import type { ErrorName } from "../../core/errors.ts";
import type { FetchRequest, FetchResponse } from "../wire/01_fetch.ts";

/** First version that names topics by id. */
const TOPIC_IDS_VERSION = 13;
/** An unused session this old may be evicted by anyone. */
const EVICTION_MS = 120_000;
const EPOCH_MAX = 0x7fffffff;

/** One partition that a client fetches. */
export interface FetchTarget {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
  readonly partitionMaxBytes: number;
  /** Where a follower's log begins. */
  readonly logStartOffset: number;
  /** What a follower knows is committed; Infinity when it doesn't say. */
  readonly highWatermark: number;
}

type FetchTopicAnswer = NonNullable<FetchResponse["responses"]>[number];

/** The answer for one partition. */
export type PartitionAnswer = NonNullable<
  NonNullable<FetchTopicAnswer["partitions"]>[number]
>;

/** The answer for one partition with whom it answers. */
export interface FetchResult {
  readonly target: FetchTarget;
  readonly answer: PartitionAnswer;
}

/** How one request is to be answered. */
export interface FetchContext {
  /** What to read, in order. */
  readonly targets: readonly FetchTarget[];
  /** A refusal of the whole request. */
  readonly error: ErrorName | undefined;
  /** Chooses what is sent, and remembers it. */
  finish(results: readonly FetchResult[]): {
    readonly sessionId: number;
    readonly error: ErrorName | undefined;
    readonly results: readonly FetchResult[];
  };
}

/** A partition of a session, with what was last said about it. */
interface Cached {
  target: FetchTarget;
  highWatermark: number;
  logStartOffset: number;
}

interface Session {
  readonly id: number;
  readonly usesTopicIds: boolean;
  readonly cached: Map<string, Cached>;
  readonly createdMs: number;
  epoch: number;
  lastUsedMs: number;
  /** Partitions when it entered the cache: what its place is worth. */
  size: number;
}

function keyOf({ topic, topicId, partition }: FetchTarget): string {
  return `${topicId === ZERO_UUID ? topic : topicId}:${partition}`;
}

function nextEpoch(epoch: number): number {
  return epoch === EPOCH_MAX ? 1 : epoch + 1;
}

function targetsOf(request: FetchRequest): FetchTarget[] {
  const targets: FetchTarget[] = [];
  for (const { topic, topicId, partitions } of request.topics) {
    for (const asked of partitions) {
      targets.push({
        topic,
        topicId,
        partition: asked.partition,
        fetchOffset: asked.fetchOffset,
        currentLeaderEpoch: asked.currentLeaderEpoch,
        lastFetchedEpoch: asked.lastFetchedEpoch,
        partitionMaxBytes: asked.partitionMaxBytes,
        logStartOffset: asked.logStartOffset,
        highWatermark: asked.highWatermark,
      });
    }
  }
  return targets;
}

/** What the cache is told of a request besides its body. */
interface Moment {
  readonly version: number;
  readonly nowMs: number;
}

/**
 * All sessions of a broker.
 *
 * Invariants:
 * 1. There are at most `slots` sessions; ids are unique and not 0.
 * 2. A session's epoch is the one that its next request must carry.
 */
export class FetchSessions {
  readonly #sessions = new Map<number, Session>();
  readonly #random: Random;
  readonly #slots: number;

  constructor({ random, slots }: { random: Random; slots: number }) {
    this.#random = random;
    this.#slots = slots;
  }

  /** How many there are. */
  get count(): number {
    return this.#sessions.size;
  }

  /** Merges a request into its session and tells what to read. */
  open(request: FetchRequest, moment: Moment): FetchContext {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === -1 || sessionEpoch === 0) {
      if (sessionId !== 0) this.#sessions.delete(sessionId);
      const targets = targetsOf(request);
      return sessionEpoch === 0
        ? this.#fullContext(targets, moment)
        : sessionless(targets);
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return refused("FETCH_SESSION_ID_NOT_FOUND");
    if (session.epoch !== sessionEpoch) {
      return refused("INVALID_FETCH_SESSION_EPOCH");
    }
    if (session.usesTopicIds !== (moment.version >= TOPIC_IDS_VERSION)) {
      return refused("FETCH_SESSION_TOPIC_ID_ERROR");
    }
    return this.#incremental(session, { request, nowMs: moment.nowMs });
  }

  #fullContext(targets: FetchTarget[], moment: Moment): FetchContext {
    return {
      targets,
      error: undefined,
      finish: (results) => ({
        sessionId: this.#create(results, moment),
        error: undefined,
        results,
      }),
    };
  }

  #incremental(
    session: Session,
    { request, nowMs }: { request: FetchRequest; nowMs: number },
  ): FetchContext {
    merge(session, request);
    if (session.cached.size === 0) {
      this.#sessions.delete(session.id);
      return sessionless(targetsOf(request));
    }
    session.lastUsedMs = nowMs;
    session.size = session.cached.size;
    session.epoch = nextEpoch(session.epoch);
    const expected = session.epoch;
    return {
      targets: Array.from(session.cached.values(), ({ target }) => target),
      error: undefined,
      finish: (results) => {
        if (session.epoch !== expected) {
          const error = "INVALID_FETCH_SESSION_EPOCH";
          return { sessionId: 0, error, results: [] };
        }
        const changed = results.filter((result) => isNews(session, result));
        return { sessionId: session.id, error: undefined, results: changed };
      },
    };
  }

  /** Makes a session of what was just answered; 0 when there is no room. */
  #create(results: readonly FetchResult[], moment: Moment): number {
    const { nowMs, version } = moment;
    if (results.length === 0 || !this.#makeRoom(results.length, nowMs)) {
      return 0;
    }
    const cached = new Map<string, Cached>();
    for (const { target, answer } of results) {
      const entry = { target, highWatermark: -1, logStartOffset: -1 };
      remember(entry, answer);
      cached.set(keyOf(target), entry);
    }
    const id = this.#freshId();
    this.#sessions.set(id, {
      id,
      usesTopicIds: version >= TOPIC_IDS_VERSION,
      cached,
      createdMs: nowMs,
      epoch: 1,
      lastUsedMs: nowMs,
      size: cached.size,
    });
    return id;
  }

  #freshId(): number {
    for (;;) {
      const id = this.#random.u32() & 0x7fffffff;
      if (id !== 0 && !this.#sessions.has(id)) return id;
    }
  }

  /** A session gives way when it is stale, or smaller than the new one. */
  #makeRoom(size: number, nowMs: number): boolean {
    if (this.#sessions.size < this.#slots) return true;
    let victim: Session | undefined;
    for (const session of this.#sessions.values()) {
      if (session.lastUsedMs + EVICTION_MS < nowMs) {
        victim = session;
        break;
      }
      const isOldEnough = session.createdMs + EVICTION_MS < nowMs;
      if (!isOldEnough || session.size >= size) continue;
      if (victim === undefined || session.size < victim.size) victim = session;
    }
    return victim !== undefined && this.#sessions.delete(victim.id);
  }
}

function sessionless(targets: FetchTarget[]): FetchContext {
  return {
    targets,
    error: undefined,
    finish: (results) => ({ sessionId: 0, error: undefined, results }),
  };
}

function refused(error: ErrorName): FetchContext {
  return {
    targets: [],
    error,
    finish: () => ({ sessionId: 0, error, results: [] }),
  };
}

function merge({ cached }: Session, request: FetchRequest): void {
  for (const target of targetsOf(request)) {
    const known = cached.get(keyOf(target));
    if (known !== undefined) known.target = target;
    else {
      cached.set(keyOf(target), {
        target,
        highWatermark: -1,
        logStartOffset: -1,
      });
    }
  }
  for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
    const name = topicId === ZERO_UUID ? topic : topicId;
    for (const partition of partitions) cached.delete(`${name}:${partition}`);
  }
}

/** Keeps what is being said; an error is said again until it is over. */
function remember(entry: Cached, answer: PartitionAnswer): void {
  const isError = (answer.errorCode ?? 0) !== 0;
  entry.highWatermark = isError ? -1 : answer.highWatermark ?? -1;
  entry.logStartOffset = answer.logStartOffset ?? -1;
}

/**
 * Whether a follower can learn that more is committed (KIP-1166), of what it has:
 * an answer that tells where it must cut doesn't tell that for good.
 */
export function knowsLess(
  { highWatermark, fetchOffset }: FetchTarget,
  answer: PartitionAnswer,
): boolean {
  return highWatermark < Math.min(answer.highWatermark ?? -1, fetchOffset);
}

/** Whether an incremental answer must hold `result`; remembers it if so. */
function isNews(session: Session, { target, answer }: FetchResult): boolean {
  const key = keyOf(target);
  const entry = session.cached.get(key);
  if (entry === undefined) return false;
  const hasRecords = (answer.records?.length ?? 0) > 0;
  const isChanged = (answer.errorCode ?? 0) !== 0 ||
    answer.divergingEpoch !== undefined ||
    (answer.preferredReadReplica ?? -1) !== -1 ||
    answer.highWatermark !== entry.highWatermark ||
    answer.logStartOffset !== entry.logStartOffset ||
    knowsLess(target, answer);
  if (!hasRecords && !isChanged) return false;
  remember(entry, answer);
  if (hasRecords) {
    // Who gave data goes to the end, so that the others get their turn.
    session.cached.delete(key);
    session.cached.set(key, entry);
  }
  return true;
}
