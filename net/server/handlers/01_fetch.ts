/**
 * Fetch: reads partitions up to what the reader may see, waiting for
 * `minBytes`. Owns reading in order under the limits and the parking; the
 * session decides what is asked and what is said again.
 *
 * @module
 */
import { type ErrorName, ERRORS, KafkaError } from "../../../core/errors.ts";
import { LIMITS } from "../../../core/limits.ts";
import type { Isolation } from "../../../core/partition/partition.ts";
import {
  FETCH,
  type FetchRequest,
  type FetchResponse,
} from "../../wire/01_fetch.ts";
import type { Deadline } from "../deadlines.ts";
import {
  type FetchContext,
  type FetchResult,
  type FetchTarget,
  knowsLess,
  type PartitionAnswer,
} from "../fetch_sessions.ts";
import {
  type HandlerEntry,
  handles,
  Later,
  type RequestContext,
} from "../handler.ts";
import type {
  FetchWait,
  HostedPartition,
  Progress,
} from "../hosted_partition.ts";
import { hintLeaders } from "../leader_hints.ts";
import { findPartition, type Services } from "../services.ts";
import type { Traffic } from "../stats.ts";

const EMPTY = new Uint8Array(0);
/** First version whose readers are told of other leaders (KIP-951). */
const HINTS_VERSION = 16;
/** First version whose followers say what they know is committed. */
const HIGH_WATERMARK_VERSION = 18;
/** First version whose consumers may read from a follower (KIP-392). */
const ANY_REPLICA_VERSION = 11;
/** First version whose readers understand zstd. */
const ZSTD_VERSION = 10;
const ZSTD = 4;
const CODEC_AT = 22;
const CODEC_MASK = 7;

/** What all partitions of one request were read to. */
interface Reading {
  readonly results: FetchResult[];
  /** Where each result is counted, once it is answered. */
  readonly traffic: Traffic[];
  /** What followers are given of throttled partitions. */
  readonly copies: readonly Copy[];
  readonly bytes: number;
  /** Whether the answer may not wait: an error, a divergence, what is committed. */
  readonly isUrgent: boolean;
}

/** Records of a throttled partition for a follower. */
interface Copy {
  readonly hosted: HostedPartition;
  readonly bytes: number;
}

/** One request on its way. */
interface Asked {
  readonly request: FetchRequest;
  readonly context: RequestContext;
  readonly session: FetchContext;
  readonly isolation: Isolation;
  readonly maxBytes: number;
  /** The broker that replicates; undefined: a consumer reads. */
  readonly replica: Replica | undefined;
}

/** A broker that asks, as it says. */
interface Replica {
  readonly replicaId: number;
  readonly brokerEpoch: number;
}

function replicaOf(
  { replicaId, replicaState }: FetchRequest,
): Replica | undefined {
  if (replicaId >= 0) return { replicaId, brokerEpoch: -1 };
  if (replicaState.replicaId < 0) return undefined;
  const { replicaId: id, replicaEpoch } = replicaState;
  return { replicaId: id, brokerEpoch: replicaEpoch };
}

function refused(target: FetchTarget, error: ErrorName): PartitionAnswer {
  return {
    partitionIndex: target.partition,
    errorCode: ERRORS[error],
    highWatermark: -1,
    records: EMPTY,
  };
}

/** A reader's last epoch that our log left earlier: where it must cut. */
function divergence(
  { partition }: HostedPartition,
  { lastFetchedEpoch, fetchOffset }: FetchTarget,
): { epoch: number; endOffset: number } | undefined {
  if (lastFetchedEpoch < 0) return undefined;
  const found = partition.log.endOffsetForEpoch(lastFetchedEpoch);
  const isShared = found.epoch === lastFetchedEpoch &&
    found.endOffset >= fetchOffset;
  return isShared ? undefined : found;
}

/** How one partition is read. */
interface ReadLimits {
  readonly asked: Asked;
  readonly bytesLeft: number;
  readonly minOneBatch: boolean;
  /** Whether what a follower has by now is noted: once for each request. */
  readonly isFirst: boolean;
  readonly services: Services;
}

/** The follower in the consumer's rack that has what is asked for; −1: none. */
function nearestReplica(
  { partition }: HostedPartition,
  { fetchOffset }: FetchTarget,
  { asked: { request: { rackId } }, services }: ReadLimits,
): number {
  const { config, image, nodeId } = services;
  const isOff = rackId === "" || config["replica.selector.class"] === null;
  if (isOff || !partition.isLeader) return -1;
  const isNear = (id: number) => image.broker(id)?.rack === rackId;
  if (isNear(nodeId)) return -1;
  return partition.replicas.find((id) =>
    isNear(id) && partition.canReadAt(id, fetchOffset)
  ) ?? -1;
}

/** Why whoever asks may not read here. */
function refusal(
  { partition }: HostedPartition,
  { currentLeaderEpoch }: FetchTarget,
  { replica, context }: Asked,
): ErrorName | undefined {
  const epochError = partition.epochError(currentLeaderEpoch);
  if (epochError !== undefined) return epochError;
  const needsLeader = replica !== undefined ||
    context.apiVersion < ANY_REPLICA_VERSION;
  if (needsLeader && !partition.isLeader) return "NOT_LEADER_OR_FOLLOWER";
  return replica && partition.followerError(replica);
}

/** A partition that the disk fails is refused; the others are read. */
function tryToRead(
  hosted: HostedPartition,
  target: FetchTarget,
  limits: ReadLimits,
): PartitionAnswer {
  try {
    return readOne(hosted, target, limits);
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    hosted.readFailed(error);
    return refused(target, error.error);
  }
}

function readOne(
  hosted: HostedPartition,
  target: FetchTarget,
  limits: ReadLimits,
): PartitionAnswer {
  const { asked, bytesLeft, minOneBatch, isFirst, services } = limits;
  const { partition } = hosted;
  const { replica } = asked;
  const error = refusal(hosted, target, asked);
  if (error !== undefined) return refused(target, error);
  const base = {
    partitionIndex: target.partition,
    errorCode: 0,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.lastStableOffset,
    logStartOffset: partition.log.logStartOffset,
    abortedTransactions: null,
  };
  const diverging = divergence(hosted, target);
  if (diverging !== undefined) {
    if (diverging.endOffset < 0) return refused(target, "OFFSET_OUT_OF_RANGE");
    return { ...base, divergingEpoch: diverging, records: EMPTY };
  }
  if (!partition.isInRange(target.fetchOffset)) {
    return refused(target, "OFFSET_OUT_OF_RANGE");
  }
  const preferredReadReplica = replica === undefined
    ? nearestReplica(hosted, target, limits)
    : -1;
  if (preferredReadReplica !== -1) {
    return { ...base, preferredReadReplica, records: EMPTY };
  }
  const maxBytes = Math.min(target.partitionMaxBytes, bytesLeft);
  const isPastBound = target.fetchOffset >= partition.bound(asked.isolation);
  const isHeld = replica !== undefined && hosted.holdsBack(replica.replicaId);
  const records = isPastBound || isHeld || (maxBytes <= 0 && !minOneBatch)
    ? EMPTY
    : partition.read(target.fetchOffset, {
      maxBytes: Math.max(0, maxBytes),
      isolation: asked.isolation,
      minOneBatch,
      buffers: services.readBuffers,
    });
  if (replica !== undefined) {
    const { fetchOffset: offset, logStartOffset } = target;
    if (isFirst) hosted.followerFetched({ ...replica, offset, logStartOffset });
    return { ...base, records };
  }
  if (asked.context.apiVersion < ZSTD_VERSION && holdsZstd(records)) {
    return refused(target, "UNSUPPORTED_COMPRESSION_TYPE");
  }
  if (asked.isolation !== "read_committed") return { ...base, records };
  const abortedTransactions = partition.abortedIn(records, target.fetchOffset);
  return { ...base, abortedTransactions, records };
}

function holdsZstd(records: Uint8Array): boolean {
  return records.length > CODEC_AT &&
    (records[CODEC_AT]! & CODEC_MASK) === ZSTD;
}

function readAll(
  asked: Asked,
  services: Services,
  isFirst: boolean,
): Reading {
  const results: FetchResult[] = [];
  const traffic: Traffic[] = [];
  const copies: Copy[] = [];
  let bytes = 0;
  let isUrgent = false;
  for (const target of asked.session.targets) {
    const { topic: name, topicId, partition } = target;
    const found = findPartition(services, { name, topicId }, partition);
    const answer = typeof found === "string"
      ? refused(target, found)
      : tryToRead(found, target, {
        asked,
        bytesLeft: asked.maxBytes - bytes,
        minOneBatch: bytes === 0,
        isFirst,
        services,
      });
    const length = answer.records?.length ?? 0;
    bytes += length;
    const isCopy = asked.replica !== undefined && typeof found !== "string" &&
      found.partition.isThrottled;
    if (isCopy) copies.push({ hosted: found, bytes: length });
    isUrgent ||= answer.errorCode !== 0 ||
      answer.divergingEpoch !== undefined ||
      (answer.preferredReadReplica ?? -1) !== -1 ||
      knowsLess(target, answer);
    results.push({ target, answer });
    traffic.push((typeof found === "string" ? services.stats : found).traffic);
  }
  return { results, traffic, copies, bytes, isUrgent };
}

/** What was read for nothing, before a fetch was parked, is never counted. */
function count({ results, traffic }: Reading): void {
  for (let i = 0; i < results.length; i++) {
    const { records, errorCode } = results[i]!.answer;
    traffic[i]!.read(records?.length ?? 0, errorCode !== 0);
  }
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

type MutableTopic = {
  topic: string;
  topicId: string;
  partitions: PartitionAnswer[];
};

function responseOf(
  asked: Asked,
  reading: Reading,
  services: Services,
): FetchResponse {
  if (asked.replica === undefined) count(reading);
  else {
    services.stats.replication.bytesOut += reading.bytes;
    for (const { hosted, bytes } of reading.copies) hosted.copied(bytes);
  }
  const { sessionId, error, results } = asked.session.finish(reading.results);
  if (error !== undefined) return { errorCode: ERRORS[error], sessionId: 0 };
  const responses: MutableTopic[] = [];
  for (const { target: { topic, topicId }, answer } of results) {
    const last = responses.at(-1);
    if (last?.topic === topic && last.topicId === topicId) {
      last.partitions.push(answer);
    } else responses.push({ topic, topicId, partitions: [answer] });
  }
  const isHinted = reading.isUrgent && asked.replica === undefined &&
    asked.context.apiVersion >= HINTS_VERSION;
  if (!isHinted) return { errorCode: 0, sessionId, responses };
  const answers = results.map(({ target, answer }) => ({
    topic: { name: target.topic, topicId: target.topicId },
    index: target.partition,
    answer: answer as Mutable<PartitionAnswer>,
  }));
  const nodeEndpoints = hintLeaders(answers, services, asked.context);
  return { errorCode: 0, sessionId, responses, nodeEndpoints };
}

/**
 * A fetch that waits.
 *
 * Invariants:
 * 1. It answers once, and then waits nowhere.
 */
class ParkedFetch implements FetchWait {
  readonly isReplica: boolean;
  readonly later = new Later<FetchResponse>();
  readonly #asked: Asked;
  readonly #services: Services;
  readonly #hosted: HostedPartition[] = [];
  readonly #deadline: Deadline;
  /** Whether a follower says what it knows is committed (KIP-1166). */
  readonly #knowsHighWatermark: boolean;
  #missingBytes: number;
  #isOver = false;

  constructor(asked: Asked, services: Services, bytes: number) {
    this.isReplica = asked.replica !== undefined;
    this.#knowsHighWatermark = this.isReplica &&
      asked.context.apiVersion >= HIGH_WATERMARK_VERSION;
    this.#asked = asked;
    this.#services = services;
    this.#missingBytes = asked.request.minBytes - bytes;
    for (const { topic: name, topicId, partition } of asked.session.targets) {
      const found = findPartition(services, { name, topicId }, partition);
      if (typeof found === "string") continue;
      // One that is throttled brings nothing before the time is over.
      const { replica } = asked;
      if (replica && found.holdsBack(replica.replicaId)) continue;
      this.#hosted.push(found);
    }
    for (const hosted of this.#hosted) hosted.addFetch(this);
    const { maxWaitMs } = asked.request;
    this.#deadline = services.deadlines.add(maxWaitMs, () => this.#answer());
  }

  onProgress({ committed, uncommitted }: Progress): void {
    const { isolation } = this.#asked;
    if (isolation === "read_committed") this.#missingBytes -= committed;
    else this.#missingBytes -= uncommitted;
    if (this.#knowsHighWatermark) this.#missingBytes -= committed;
    if (this.#missingBytes <= 0 || this.#asked.context.isClosed()) {
      this.#answer();
    }
  }

  onFailure(): void {
    this.#answer();
  }

  #answer(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#services.deadlines.cancel(this.#deadline);
    for (const hosted of this.#hosted) hosted.removeFetch(this);
    if (this.#asked.context.isClosed()) return;
    const reading = readAll(this.#asked, this.#services, false);
    this.later.set(responseOf(this.#asked, reading, this.#services));
  }
}

function isolationOf(request: FetchRequest): Isolation {
  if (replicaOf(request) !== undefined) return "log_end";
  return request.isolationLevel === 1 ? "read_committed" : "read_uncommitted";
}

/** The handler of Fetch. */
export function fetchHandler(services: Services): HandlerEntry {
  function handle(
    request: FetchRequest,
    context: RequestContext,
  ): FetchResponse | Later<FetchResponse> {
    const { apiVersion: version, nowMs } = context;
    const session = services.sessions.open(request, { version, nowMs });
    if (session.error !== undefined) {
      return { errorCode: ERRORS[session.error], sessionId: 0 };
    }
    const asked: Asked = {
      request,
      context,
      session,
      replica: replicaOf(request),
      isolation: isolationOf(request),
      maxBytes: Math.min(request.maxBytes, services.config["fetch.max.bytes"]),
    };
    const reading = readAll(asked, services, true);
    const isDue = reading.isUrgent || request.maxWaitMs <= 0 ||
      session.targets.length === 0 || reading.bytes >= request.minBytes ||
      services.deadlines.count >= LIMITS.parkedRequestsMax;
    if (isDue) return responseOf(asked, reading, services);
    return new ParkedFetch(asked, services, reading.bytes).later;
  }

  return handles(FETCH, handle);
}
