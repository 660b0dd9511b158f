/**
 * Produce: appends each partition's batch and answers when it is written
 * (acks 1) or committed (acks −1). Owns the request's shape, not the append.
 * It must consume the records before it returns: their memory is reused.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { type ErrorName, ERRORS, KafkaError } from "../../../core/errors.ts";
import { AT, ATTRIBUTE, BatchView } from "../../../core/record/batch.ts";
import { payloadFault } from "../../../core/record/validate.ts";
import {
  PRODUCE,
  type ProduceRequest,
  type ProduceResponse,
} from "../../wire/00_produce.ts";
import type { Deadline, Deadlines } from "../deadlines.ts";
import {
  type Answer,
  type HandlerEntry,
  handles,
  Later,
  NO_RESPONSE,
  type RequestContext,
} from "../handler.ts";
import {
  ERROR_OF_END,
  type HostedPartition,
  type ProduceWait,
  type WaitEnd,
} from "../hosted_partition.ts";
import { hintLeaders } from "../leader_hints.ts";
import { findLeader, isInternalTopic, type Services } from "../services.ts";
import {
  type Admission,
  isOfTransaction,
  type TxnBatch,
  type TxnProducerRef,
  type Verification,
} from "../verification.ts";

type TopicAnswer = NonNullable<ProduceResponse["responses"]>[number];
type PartitionAnswer = NonNullable<TopicAnswer["partitionResponses"]>[number];
type ProduceAnswer = Answer<ProduceResponse> | Later<ProduceResponse>;
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type TopicData = ProduceRequest["topicData"][number];
type PartitionData = TopicData["partitionData"][number];

/** A client that may write internal topics: Kafka's own tools. */
const ADMIN_CLIENT_ID = "__admin_client";

/** First version whose clients are told of other leaders (KIP-951). */
const HINTS_VERSION = 10;
/** First version whose clients know TRANSACTION_ABORTABLE. */
const ABORTABLE_VERSION = 11;
/** First version whose clients leave it to us to add partitions (KIP-890). */
const IMPLICIT_ADD_VERSION = 12;

/**
 * A request whose batches are appended and wait.
 *
 * Invariants:
 * 1. It is answered when all was appended and the last of its batches ended.
 * 2. A batch waits from its append on: a write that fails before another
 *    batch of the request was let in takes it back, and must find it.
 */
class Waiting {
  readonly deadlines: Deadlines;
  readonly timeoutMs: number;
  readonly needsCommit: boolean;
  /** Whether another broker came to lead one of them. */
  hasMoved = false;
  readonly #later = new Later<ProduceResponse>();
  readonly #hinted: (response: ProduceResponse) => ProduceResponse;
  #response: ProduceResponse | undefined;
  #left = 0;

  constructor(
    { acks, timeoutMs }: ProduceRequest,
    { deadlines, hinted }: {
      readonly deadlines: Deadlines;
      readonly hinted: (response: ProduceResponse) => ProduceResponse;
    },
  ) {
    this.deadlines = deadlines;
    this.#hinted = hinted;
    this.timeoutMs = timeoutMs;
    this.needsCommit = acks === -1;
  }

  oneBegan(): void {
    this.#left++;
  }

  oneEnded(): void {
    this.#left--;
    this.#answerIfDone();
  }

  /** Nothing more is appended; the answer comes when all has ended. */
  finish(response: ProduceResponse): Later<ProduceResponse> {
    this.#response = response;
    this.#answerIfDone();
    return this.#later;
  }

  #answerIfDone(): void {
    const response = this.#response;
    if (this.#left > 0 || response === undefined) return;
    this.#later.set(this.hasMoved ? this.#hinted(response) : response);
  }
}

/** An appended batch whose answer waits. */
class Appended implements ProduceWait {
  readonly offset: number;
  readonly #hosted: HostedPartition;
  readonly #answer: Mutable<PartitionAnswer>;
  readonly #waiting: Waiting;
  #deadline: Deadline | undefined;

  constructor(
    { hosted, lastOffset, answer }: {
      readonly hosted: HostedPartition;
      readonly lastOffset: number;
      readonly answer: Mutable<PartitionAnswer>;
    },
    waiting: Waiting,
  ) {
    this.offset = lastOffset;
    this.#hosted = hosted;
    this.#answer = answer;
    this.#waiting = waiting;
    waiting.oneBegan();
    hosted.awaitProduced(this);
  }

  get needsCommit(): boolean {
    return this.#waiting.needsCommit;
  }

  onEnd(how: WaitEnd): void {
    if (how === "moved") this.#waiting.hasMoved = true;
    this.#end(ERROR_OF_END[how]);
  }

  onParked(): void {
    const { deadlines, timeoutMs } = this.#waiting;
    this.#deadline = deadlines.add(timeoutMs, () => {
      this.#hosted.forgetProduce(this);
      this.#end("REQUEST_TIMED_OUT");
    });
  }

  #end(error: ErrorName): void {
    const { deadlines } = this.#waiting;
    if (this.#deadline !== undefined) deadlines.cancel(this.#deadline);
    if (error !== "NONE") {
      this.#hosted.traffic.lost();
      this.#answer.errorCode = ERRORS[error];
      this.#answer.baseOffset = -1;
    }
    this.#waiting.oneEnded();
  }
}

function refused(
  index: number,
  error: ErrorName,
  errorMessage: string | null = null,
): Mutable<PartitionAnswer> {
  return { index, errorCode: ERRORS[error], baseOffset: -1, errorMessage };
}

/** What spoils a whole request, as in Kafka. */
function faultOf(
  { topicData, transactionalId }: ProduceRequest,
): [ErrorName, string] | undefined {
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) {
      const fault = payloadFault(records);
      if (fault !== undefined) return ["INVALID_RECORD", fault];
      if (transactionalId === null && isTransactional(records)) {
        return [
          "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
          "a batch is transactional, and the request has no transactional id",
        ];
      }
    }
  }
  return undefined;
}

function isTransactional(records: Uint8Array | null): boolean {
  const attributes = records?.[AT.attributes + 1] ?? 0;
  return (attributes & ATTRIBUTE.transactional) !== 0;
}

function refusalOf(
  request: ProduceRequest,
  { clientId }: RequestContext,
): (topic: string) => [ErrorName, string] | undefined {
  const { acks } = request;
  if (acks !== -1 && acks !== 0 && acks !== 1) {
    return () => ["INVALID_REQUIRED_ACKS", `acks is ${acks}: not -1, 0 or 1`];
  }
  const fault = faultOf(request);
  if (fault !== undefined) return () => fault;
  return (topic) =>
    isInternalTopic(topic) && clientId !== ADMIN_CLIENT_ID
      ? ["INVALID_TOPIC_EXCEPTION", `Clients may not write "${topic}"`]
      : undefined;
}

/** The one producer of a request's transactional batches, if there are any. */
function txnProducerOf(
  { topicData, transactionalId }: ProduceRequest,
  version: number,
): TxnProducerRef | undefined {
  if (transactionalId === null) return undefined;
  let found: TxnProducerRef | undefined;
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) {
      if (!isOfTransaction(records)) continue;
      const { producerId, producerEpoch } = new BatchView(records);
      found ??= {
        transactionalId,
        producerId,
        producerEpoch,
        bumpsEpoch: version >= IMPLICIT_ADD_VERSION,
      };
      const isSame = found.producerId === producerId &&
        found.producerEpoch === producerEpoch;
      if (isSame) continue;
      throw new KafkaError(
        "INVALID_PRODUCER_ID_MAPPING",
        `Cannot produce: producers ${found.producerId} and ${producerId} share a request`,
      );
    }
  }
  return found;
}

/** What clients of `version` do the right thing with. */
function txnErrorOf(error: ErrorName, version: number): ErrorName {
  switch (error) {
    case "PRODUCER_FENCED":
      return "INVALID_PRODUCER_EPOCH";
    case "INVALID_TXN_STATE":
    case "TRANSACTION_ABORTABLE":
      return version >= ABORTABLE_VERSION
        ? "TRANSACTION_ABORTABLE"
        : "INVALID_TXN_STATE";
    case "CONCURRENT_TRANSACTIONS":
      return version >= IMPLICIT_ADD_VERSION ? error : "NOT_ENOUGH_REPLICAS";
    case "COORDINATOR_LOAD_IN_PROGRESS":
    case "COORDINATOR_NOT_AVAILABLE":
    case "NOT_COORDINATOR":
      // Retried by all; the error itself would send some to a coordinator.
      return "NOT_ENOUGH_REPLICAS";
    default:
      return error;
  }
}

/** One request while its batches are appended. */
class Producing {
  readonly #services: Services;
  readonly #request: ProduceRequest;
  readonly #context: RequestContext;
  readonly #refusal: (topic: string) => [ErrorName, string] | undefined;
  /** Of those that were appended; absent while none was. */
  #waiting: Waiting | undefined;
  #problem: PartitionAnswer | undefined;

  constructor(
    services: Services,
    request: ProduceRequest,
    context: RequestContext,
  ) {
    this.#services = services;
    this.#request = request;
    this.#context = context;
    this.#refusal = refusalOf(request, context);
  }

  /** Where the partition's batch may go, or why it goes nowhere. */
  target(
    topic: TopicData,
    { index }: PartitionData,
  ): HostedPartition | [ErrorName, string | null] {
    const found = findLeader(this.#services, topic, { index });
    const isFound = typeof found !== "string";
    return this.#refusal(isFound ? found.topic : topic.name) ??
      (isFound ? found : [found, null]);
  }

  /** Appends one partition's batch, unless it may not be. */
  append(
    topic: TopicData,
    data: PartitionData,
    admission?: Admission,
  ): Mutable<PartitionAnswer> {
    const target = this.target(topic, data);
    const answer = Array.isArray(target)
      ? refused(data.index, ...target)
      : this.#appendTo(target, data, admission);
    if (answer.errorCode !== 0) {
      this.#problem ??= answer;
      (Array.isArray(target) ? this.#services.stats : target).traffic.refused();
    }
    return answer;
  }

  #appendTo(
    hosted: HostedPartition,
    { index, records }: PartitionData,
    admission: Admission | undefined,
  ): Mutable<PartitionAnswer> {
    const { apiVersion, nowMs } = this.#context;
    if (admission !== undefined && "error" in admission) {
      const message = `The transaction's coordinator says ${admission.error}`;
      return refused(index, txnErrorOf(admission.error, apiVersion), message);
    }
    const produced = hosted.produce(records, {
      acks: this.#request.acks,
      nowMs,
      produceVersion: apiVersion,
      guard: admission?.guard,
    });
    if (!produced.ok) {
      const error = admission === undefined
        ? produced.error
        : txnErrorOf(produced.error, apiVersion);
      return {
        ...refused(index, error, produced.message),
        recordErrors: (produced.recordErrors ?? []).map((
          { batchIndex, message },
        ) => ({ batchIndex, batchIndexErrorMessage: message })),
      };
    }
    const answer: Mutable<PartitionAnswer> = {
      index,
      errorCode: 0,
      baseOffset: produced.baseOffset,
      logAppendTimeMs: produced.logAppendTimeMs,
      logStartOffset: hosted.partition.log.logStartOffset,
    };
    if (this.#request.acks !== 0) {
      this.#waiting ??= new Waiting(this.#request, {
        deadlines: this.#services.deadlines,
        hinted: (response) => this.#hinted(response),
      });
      const { lastOffset } = produced;
      new Appended({ hosted, lastOffset, answer }, this.#waiting);
    }
    return answer;
  }

  /** Answers once the batches have ended that were appended. */
  finish(
    responses: TopicAnswer[],
  ): ProduceAnswer {
    if (this.#request.acks === 0) {
      // Without an answer, closing is the only way to tell of an error.
      if (this.#problem !== undefined) {
        this.#context.disconnect(
          `a produce with acks=0 failed: ${this.#problem.errorCode}`,
        );
      }
      return NO_RESPONSE;
    }
    const response: ProduceResponse = this.#problem === undefined
      ? { responses }
      : this.#hinted({ responses });
    return this.#waiting?.finish(response) ?? response;
  }

  /** With the leaders of what is led elsewhere. */
  #hinted(response: ProduceResponse): ProduceResponse {
    if (this.#context.apiVersion < HINTS_VERSION) return response;
    const answers = response.responses!.flatMap((
      { name = "", topicId = ZERO_UUID, partitionResponses = [] },
    ) =>
      partitionResponses.map((answer) => ({
        topic: { name, topicId },
        index: answer.index!,
        answer: answer as Mutable<PartitionAnswer>,
      }))
    );
    const nodeEndpoints = hintLeaders(answers, this.#services, this.#context);
    return nodeEndpoints.length > 0 ? { ...response, nodeEndpoints } : response;
  }
}

function settled<T, L>(answer: T | Later<L>): T | Promise<L> {
  if (!(answer instanceof Later)) return answer;
  return new Promise((resolve) => answer.onSet(resolve));
}

/** Appends what is of a transaction once its coordinator confirms it. */
function produceVerified(
  producing: Producing,
  { request, producer, verification }: {
    readonly request: ProduceRequest;
    readonly producer: TxnProducerRef;
    readonly verification: Verification;
  },
): ProduceAnswer | Promise<Answer<ProduceResponse>> {
  const batches: TxnBatch[] = [];
  const appends: ((bytes: Uint8Array, admission: Admission) => void)[] = [];
  const responses = request.topicData.map((topic) => {
    const partitionResponses: PartitionAnswer[] = [];
    for (const [at, data] of topic.partitionData.entries()) {
      const hosted = producing.target(topic, data);
      const { index, records: bytes } = data;
      if (Array.isArray(hosted) || !isOfTransaction(bytes)) {
        partitionResponses[at] = producing.append(topic, data);
        continue;
      }
      partitionResponses[at] = refused(index, "NONE");
      batches.push({ hosted, bytes });
      appends.push((records, admission) => {
        const known = { ...data, records };
        partitionResponses[at] = producing.append(topic, known, admission);
      });
    }
    return { name: topic.name, topicId: topic.topicId, partitionResponses };
  });
  const pending = verification.admit(
    producer,
    batches,
    (i, bytes, admission) => appends[i]!(bytes, admission),
  );
  return pending === undefined
    ? producing.finish(responses)
    : pending.then(() => settled(producing.finish(responses)));
}

/** The handler of Produce. */
export function produceHandler(
  services: Services,
  verification: Verification,
): HandlerEntry {
  function handle(
    request: ProduceRequest,
    context: RequestContext,
  ): ProduceAnswer | Promise<Answer<ProduceResponse>> {
    const producer = txnProducerOf(request, context.apiVersion);
    const producing = new Producing(services, request, context);
    if (producer !== undefined) {
      return produceVerified(producing, { request, producer, verification });
    }
    return producing.finish(request.topicData.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map((data) =>
        producing.append(topic, data)
      ),
    })));
  }

  return handles(PRODUCE, handle, (request, errorCode) => ({
    responses: request.topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId: topicId ?? ZERO_UUID,
      partitionResponses: partitionData.map(({ index }) => ({
        index,
        errorCode,
        baseOffset: -1,
      })),
    })),
  }));
}
