/**
 * Produce: appends each partition's batch and answers when it is written
 * (acks 1) or committed (acks −1). Owns the request's shape, not the append.
 * It must consume the records before it returns: their memory is reused.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { type ErrorName, ERRORS } from "../../../core/errors.ts";
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
import type {
  HostedPartition,
  ProduceWait,
  WaitEnd,
} from "../hosted_partition.ts";
import { findPartition, isInternalTopic, type Services } from "../services.ts";

type TopicAnswer = NonNullable<ProduceResponse["responses"]>[number];
type PartitionAnswer = NonNullable<TopicAnswer["partitionResponses"]>[number];
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type TopicData = ProduceRequest["topicData"][number];
type PartitionData = TopicData["partitionData"][number];

/** A client that may write internal topics: Kafka's own tools. */
const ADMIN_CLIENT_ID = "__admin_client";

const ERROR_OF: Readonly<Record<WaitEnd, ErrorName | undefined>> = {
  done: undefined,
  storage: "KAFKA_STORAGE_ERROR",
  gone: "UNKNOWN_TOPIC_OR_PARTITION",
};

/**
 * A request whose batches are appended and wait.
 *
 * Invariants:
 * 1. It is answered when the last of its batches has ended.
 */
class Waiting {
  readonly later = new Later<ProduceResponse>();
  readonly deadlines: Deadlines;
  readonly timeoutMs: number;
  readonly needsCommit: boolean;
  readonly #response: ProduceResponse;
  #left = 0;

  constructor(
    { acks, timeoutMs }: ProduceRequest,
    response: ProduceResponse,
    { deadlines }: Services,
  ) {
    this.deadlines = deadlines;
    this.timeoutMs = timeoutMs;
    this.needsCommit = acks === -1;
    this.#response = response;
  }

  begin(batches: readonly Appended[]): Later<ProduceResponse> {
    this.#left = batches.length;
    for (const batch of batches) batch.awaitIn(this);
    return this.later;
  }

  oneEnded(): void {
    if (--this.#left === 0) this.later.set(this.#response);
  }
}

/** An appended batch whose answer waits. */
class Appended implements ProduceWait {
  readonly offset: number;
  readonly #hosted: HostedPartition;
  readonly #answer: Mutable<PartitionAnswer>;
  #waiting: Waiting | undefined;
  #deadline: Deadline | undefined;

  constructor(
    hosted: HostedPartition,
    lastOffset: number,
    answer: Mutable<PartitionAnswer>,
  ) {
    this.offset = lastOffset;
    this.#hosted = hosted;
    this.#answer = answer;
  }

  get needsCommit(): boolean {
    return this.#waiting!.needsCommit;
  }

  awaitIn(waiting: Waiting): void {
    this.#waiting = waiting;
    this.#hosted.awaitProduced(this);
  }

  onEnd(how: WaitEnd): void {
    this.#end(ERROR_OF[how]);
  }

  onParked(): void {
    const { deadlines, timeoutMs } = this.#waiting!;
    this.#deadline = deadlines.add(timeoutMs, () => {
      this.#hosted.forgetProduce(this);
      this.#end("REQUEST_TIMED_OUT");
    });
  }

  #end(error: ErrorName | undefined): void {
    const { deadlines } = this.#waiting!;
    if (this.#deadline !== undefined) deadlines.cancel(this.#deadline);
    if (error !== undefined) {
      this.#hosted.traffic.lost();
      this.#answer.errorCode = ERRORS[error];
      this.#answer.baseOffset = -1;
    }
    this.#waiting!.oneEnded();
  }
}

function refused(
  index: number,
  error: ErrorName,
  errorMessage: string | null = null,
): Mutable<PartitionAnswer> {
  return { index, errorCode: ERRORS[error], baseOffset: -1, errorMessage };
}

/** A payload that is not one batch spoils its whole request, as in Kafka. */
function shapeFault({ topicData }: ProduceRequest): string | undefined {
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) {
      const fault = payloadFault(records);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

function refusalOf(
  request: ProduceRequest,
  { clientId }: RequestContext,
): (topic: string) => [ErrorName, string] | undefined {
  const { acks, transactionalId } = request;
  if (acks !== -1 && acks !== 0 && acks !== 1) {
    return () => ["INVALID_REQUIRED_ACKS", `acks is ${acks}: not -1, 0 or 1`];
  }
  if (transactionalId !== null) {
    return () => ["INVALID_TXN_STATE", "Transactions are not served"];
  }
  const fault = shapeFault(request);
  if (fault !== undefined) return () => ["INVALID_RECORD", fault];
  return (topic) =>
    isInternalTopic(topic) && clientId !== ADMIN_CLIENT_ID
      ? ["INVALID_TOPIC_EXCEPTION", `Clients may not write "${topic}"`]
      : undefined;
}

/** Appends one partition's batch; what was appended joins `appended`. */
function append(
  hosted: HostedPartition,
  { index, records }: PartitionData,
  { request, context, appended }: {
    readonly request: ProduceRequest;
    readonly context: RequestContext;
    readonly appended: Appended[];
  },
): Mutable<PartitionAnswer> {
  const produced = hosted.produce(records, {
    acks: request.acks,
    nowMs: context.nowMs,
    produceVersion: context.apiVersion,
  });
  if (!produced.ok) {
    return {
      ...refused(index, produced.error, produced.message),
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
  appended.push(new Appended(hosted, produced.lastOffset, answer));
  return answer;
}

/** The handler of Produce. */
export function produceHandler(services: Services): HandlerEntry {
  function handle(
    request: ProduceRequest,
    context: RequestContext,
  ): Answer<ProduceResponse> | Later<ProduceResponse> {
    const refusal = refusalOf(request, context);
    const appended: Appended[] = [];
    let problem: PartitionAnswer | undefined;
    const appendTo = (topic: TopicData, data: PartitionData) => {
      const found = findPartition(services, topic, data.index);
      const name = typeof found === "string" ? topic.name : found.topic;
      const refusedBy = refusal(name);
      const answer = refusedBy !== undefined
        ? refused(data.index, ...refusedBy)
        : typeof found === "string"
        ? refused(data.index, found)
        : append(found, data, { request, context, appended });
      if (answer.errorCode !== 0) {
        problem ??= answer;
        (typeof found === "string" ? services.stats : found).traffic.refused();
      }
      return answer;
    };
    const responses = request.topicData.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map((data) =>
        appendTo(topic, data)
      ),
    }));
    if (request.acks === 0) {
      // Without an answer, closing is the only way to tell of an error.
      if (problem !== undefined) {
        context.disconnect(
          `a produce with acks=0 failed: ${problem.errorCode}`,
        );
      }
      return NO_RESPONSE;
    }
    const response: ProduceResponse = { responses };
    if (appended.length === 0) return response;
    return new Waiting(request, response, services).begin(appended);
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
