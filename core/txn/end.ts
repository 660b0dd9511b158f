/**
 * How transactions are ended: by their producer, in the way of its transaction
 * version, or by fencing it. Owns who may end what, and which request is a
 * retry of one that was answered before.
 *
 * @module
 */
import type { ErrorName } from "../errors.ts";
import type { EndTxnInput, NeedsProducerId } from "./inputs.ts";
import {
  isExhausted,
  isPrepared,
  prepared,
  PRODUCER_EPOCH_MAX,
  raisesEpochs,
  toldOf,
  type Transaction,
} from "./transaction.ts";

/** The prepared transaction, the error, or NONE for a retry of what is done. */
export function endStep(
  before: Transaction,
  request: EndTxnInput,
  nowMs: number,
): Transaction | NeedsProducerId | ErrorName {
  const error = raisesEpochs(request.clientVersion)
    ? refusalV2(before, request)
    : refusalV1(before, request);
  if (error !== undefined) return error;
  const { committed, clientVersion, freshProducerId } = request;
  const isFence = false;
  return preparedStep(before, {
    committed,
    isFence,
    clientVersion,
    freshProducerId,
    nowMs,
  });
}

/** Aborts an ongoing transaction in such a way that its producer is fenced. */
export function fenceStep(
  before: Transaction,
  { transactionVersion, freshProducerId, nowMs }: {
    readonly transactionVersion: number;
    readonly freshProducerId: number | undefined;
    readonly nowMs: number;
  },
): Transaction | NeedsProducerId {
  return preparedStep(before, {
    committed: false,
    isFence: true,
    clientVersion: transactionVersion,
    freshProducerId,
    nowMs,
  });
}

/** Version 2 gives the producer its next epoch, or a new id when there is none. */
function preparedStep(
  before: Transaction,
  { committed, isFence, clientVersion, freshProducerId, nowMs }: {
    readonly committed: boolean;
    readonly isFence: boolean;
    readonly clientVersion: number;
    readonly freshProducerId: number | undefined;
    readonly nowMs: number;
  },
): Transaction | NeedsProducerId {
  const needsId = raisesEpochs(clientVersion) && isExhausted(before);
  if (needsId && freshProducerId === undefined) {
    return { needsProducerId: true };
  }
  const nextProducerId = needsId ? freshProducerId! : -1;
  return prepared(before, {
    committed,
    isFence,
    clientVersion,
    nextProducerId,
    nowMs,
  });
}

/** Transaction version 1: what was ended with the same result is a retry. */
function refusalV1(
  before: Transaction,
  { producerId, producerEpoch, committed }: EndTxnInput,
): ErrorName | undefined {
  if (before.producerId !== producerId) return "INVALID_PRODUCER_ID_MAPPING";
  if (before.producerEpoch !== producerEpoch) return "PRODUCER_FENCED";
  switch (before.state) {
    case "Ongoing":
      return undefined;
    case "CompleteCommit":
      return committed ? "NONE" : "INVALID_TXN_STATE";
    case "CompleteAbort":
      return committed ? "INVALID_TXN_STATE" : "NONE";
    default:
      return unfinished(before, committed);
  }
}

/**
 * Transaction version 2 (KIP-890): the epoch tells a retry, which has the one
 * before, from the end of the next transaction. An abort is always allowed:
 * the producer cannot know whether its first batch arrived.
 */
function refusalV2(
  before: Transaction,
  request: EndTxnInput,
): ErrorName | undefined {
  const { producerEpoch, committed } = request;
  // An end of version 1 raised no epoch: the next one is another producer's.
  const hasRaised = raisesEpochs(before.clientVersion);
  const isOverflowRetry = hasRaised &&
    before.previousProducerId === request.producerId &&
    producerEpoch === PRODUCER_EPOCH_MAX && before.producerEpoch === 0;
  const isRetry = isOverflowRetry ||
    (hasRaised && before.producerEpoch === producerEpoch + 1);
  const isCurrent = before.producerEpoch === producerEpoch;
  const told = toldOf(before);
  if (
    isPrepared(before) && told.producerId === request.producerId &&
    told.producerEpoch === producerEpoch
  ) {
    // Its next transaction already: one after the other.
    return "CONCURRENT_TRANSACTIONS";
  }
  if (before.producerId !== request.producerId && !isOverflowRetry) {
    return "INVALID_PRODUCER_ID_MAPPING";
  }
  switch (before.state) {
    case "Ongoing":
      return isCurrent ? undefined : "PRODUCER_FENCED";
    case "Empty":
      if (!isCurrent) return "PRODUCER_FENCED";
      return committed ? "INVALID_TXN_STATE" : undefined;
    case "CompleteCommit":
    case "CompleteAbort": {
      const isSame = committed === (before.state === "CompleteCommit");
      if (isRetry) return isSame ? "NONE" : "INVALID_TXN_STATE";
      if (!isCurrent) return "PRODUCER_FENCED";
      return committed ? "INVALID_TXN_STATE" : undefined;
    }
    default:
      return isRetry ? unfinished(before, committed) : "PRODUCER_FENCED";
  }
}

/** While the markers are written, the same end is to be asked again later. */
function unfinished({ state }: Transaction, committed: boolean): ErrorName {
  const isSame = state === (committed ? "PrepareCommit" : "PrepareAbort");
  return isSame ? "CONCURRENT_TRANSACTIONS" : "INVALID_TXN_STATE";
}
