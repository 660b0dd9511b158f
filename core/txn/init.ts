/**
 * How producers start: the next epoch of their transactional id, or a new
 * producer id when there is none. Owns who is fenced and which request is a
 * retry of one that was answered before (KIP-360).
 *
 * @module
 */
import type { ErrorName } from "../errors.ts";
import type {
  InitProducerIdInput,
  NeedsProducerId,
  ProducerIdAndEpoch,
} from "./inputs.ts";
import {
  fresh,
  isExhausted,
  isPrepared,
  PRODUCER_EPOCH_MAX,
  started,
  type Transaction,
} from "./transaction.ts";

/** The started state, the same one for a retry, or why there is none. */
export function initStep(
  before: Transaction | undefined,
  { expected, timeoutMs, freshProducerId }: InitProducerIdInput,
  nowMs: number,
): Transaction | NeedsProducerId | ErrorName {
  if (before === undefined) {
    if (freshProducerId === undefined) return { needsProducerId: true };
    const producerId = freshProducerId;
    return started(fresh({ producerId, timeoutMs, nowMs }), {
      producerId,
      producerEpoch: 0,
      lastProducerEpoch: -1,
      timeoutMs,
      nowMs,
    });
  }
  if (isPrepared(before)) return "CONCURRENT_TRANSACTIONS";
  if (expected !== undefined && !isKnown(expected, before)) {
    return "PRODUCER_FENCED";
  }
  const { producerId, producerEpoch } = before;
  const isOwn = expected?.producerEpoch === producerEpoch;
  if (expected !== undefined && !isOwn) {
    // Nobody else came in between, or the last epoch would be unknown.
    const isRetry = expected.producerEpoch === before.lastProducerEpoch;
    return isRetry ? before : "PRODUCER_FENCED";
  }
  const lastProducerEpoch = isOwn ? producerEpoch : -1;
  if (!isExhausted(before)) {
    return started(before, {
      producerId,
      producerEpoch: producerEpoch + 1,
      lastProducerEpoch,
      timeoutMs,
      nowMs,
    });
  }
  if (freshProducerId === undefined) return { needsProducerId: true };
  return started(before, {
    producerId: freshProducerId,
    producerEpoch: 0,
    lastProducerEpoch,
    timeoutMs,
    nowMs,
  });
}

/** Whether who has `expected` was fenced: the transaction is another's. */
export function isStale(
  { producerId, producerEpoch }: Transaction,
  expected: ProducerIdAndEpoch | undefined,
): boolean {
  return expected !== undefined &&
    (expected.producerId !== producerId ||
      expected.producerEpoch !== producerEpoch);
}

/** The current id, or the one before when its epochs were used up. */
function isKnown(
  { producerId, producerEpoch }: ProducerIdAndEpoch,
  before: Transaction,
): boolean {
  if (producerId === before.producerId) return true;
  return producerId === before.previousProducerId &&
    producerEpoch >= PRODUCER_EPOCH_MAX;
}
