/**
 * What comes before a batch that begins a transaction in a partition led here:
 * its coordinator is asked whether the partition is part of it (KIP-890). Owns
 * the order meanwhile, and copies of what waits, since requests' memory is
 * reused; what coordinators answer and what logs refuse is theirs to decide.
 *
 * @module
 */
import { type ErrorName, KafkaError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import {
  type SequencedBatch,
  UNVERIFIED,
  type VerificationGuard,
} from "../../core/log/producer_state.ts";
import { BATCH_OVERHEAD, BatchView } from "../../core/record/batch.ts";
import type { HostedPartition } from "./hosted_partition.ts";
import type { Services } from "./services.ts";
import type { Transactions } from "./transactions.ts";

type Needs = Pick<Services, "config" | "env"> & {
  readonly transactions: Pick<Transactions, "verify">;
};

/** Whose transaction it is. */
export interface TxnProducerRef {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Version 2: partitions are added unasked, epochs grow with each end. */
  readonly bumpsEpoch: boolean;
}

/** A batch of a transaction. */
export interface TxnBatch {
  readonly hosted: HostedPartition;
  readonly bytes: Uint8Array;
}

/** What the coordinator lets happen to a batch. */
export type Admission =
  | { readonly error: ErrorName }
  | { readonly guard: VerificationGuard | undefined };

/** Appends batch number `i`, whose bytes may be a copy by now. */
type Append = (i: number, bytes: Uint8Array, admission: Admission) => void;

/**
 * The verifications of one broker.
 *
 * Invariants:
 * 1. While batches of a producer wait to be appended to a partition, later
 *    ones of it wait behind them.
 * 2. Batches that wait have at most `LIMITS.unverifiedBytesMax` bytes; one
 *    that is too much is refused, to be sent again.
 */
export class Verification {
  readonly #services: Needs;
  /** The last of those that wait, by partition and producer. */
  readonly #waiting = new Map<HostedPartition, Map<number, Promise<void>>>();
  readonly #bytesMax: number;
  #waitingBytes = 0;

  constructor(
    services: Needs,
    { bytesMax = LIMITS.unverifiedBytesMax }: { readonly bytesMax?: number } =
      {},
  ) {
    this.#services = services;
    this.#bytesMax = bytesMax;
  }

  /**
   * Calls `append` for each batch once it may be; undefined when all was done
   * at once, as it is while the transaction is open in each partition.
   */
  admit(
    producer: TxnProducerRef,
    batches: readonly TxnBatch[],
    append: Append,
  ): Promise<unknown> | undefined {
    const waits: Promise<void>[] = [];
    const asked: (TxnBatch & { i: number; guard: VerificationGuard })[] = [];
    for (const [i, { hosted, bytes }] of batches.entries()) {
      const before = this.#waiting.get(hosted)?.get(producer.producerId);
      const guard = before === undefined
        ? this.#begin(producer, hosted, new BatchView(bytes))
        : undefined;
      const isFree = before === undefined && guard === undefined;
      if (isFree || guard === UNVERIFIED) append(i, bytes, { guard });
      else if (this.#waitingBytes + bytes.length > this.#bytesMax) {
        append(i, bytes, { error: "NOT_ENOUGH_REPLICAS" });
      } else if (before === undefined) {
        asked.push({ i, hosted, bytes: this.#copied(bytes), guard: guard! });
      } else {
        const copy = this.#copied(bytes);
        const work = before.then(async () => {
          const batch = new BatchView(copy);
          const admission = await this.#admitOne(producer, { hosted, batch });
          append(i, copy, admission);
        });
        waits.push(this.#wait(work, { ...producer, hosted, bytes: copy }));
      }
    }
    if (asked.length > 0) {
      const errors = this.#ask(producer, asked);
      for (const [k, { i, hosted, bytes, guard }] of asked.entries()) {
        const work = errors.then((all) =>
          append(i, bytes, admissionOf(all[k], guard))
        );
        waits.push(this.#wait(work, { ...producer, hosted, bytes }));
      }
    }
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  /** The same for offsets, which a coordinator appends to its partition. */
  admitOffsets(
    producer: TxnProducerRef,
    hosted: HostedPartition,
  ): Promise<Admission> {
    const batch = { ...producer, baseSequence: -1 };
    return this.#admitOne(producer, { hosted, batch });
  }

  async #admitOne(
    producer: TxnProducerRef,
    { hosted, batch }: {
      readonly hosted: HostedPartition;
      readonly batch: SequencedBatch;
    },
  ): Promise<Admission> {
    const guard = this.#begin(producer, hosted, batch);
    if (guard === undefined || guard === UNVERIFIED) return { guard };
    const [error] = await this.#ask(producer, [{ hosted }]);
    return admissionOf(error, guard);
  }

  #begin(
    { bumpsEpoch }: TxnProducerRef,
    { partition }: HostedPartition,
    batch: SequencedBatch,
  ): VerificationGuard | undefined {
    const { config, env } = this.#services;
    const isOn = config["transaction.partition.verification.enable"];
    if (!isOn && !bumpsEpoch) return UNVERIFIED;
    const nowMs = env.clock.wallMs();
    return partition.beginVerification(batch, { bumpsEpoch, nowMs });
  }

  /** Asks the coordinator for all partitions; never rejects for its sake. */
  async #ask(
    { bumpsEpoch, ...producer }: TxnProducerRef,
    batches: readonly Pick<TxnBatch, "hosted">[],
  ): Promise<readonly ErrorName[]> {
    const partitions = batches.map(({ hosted }) => ({
      topic: hosted.topic,
      partition: hosted.index,
    }));
    try {
      return await this.#services.transactions.verify({
        ...producer,
        partitions,
        verifyOnly: !bumpsEpoch,
      });
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return partitions.map(() => error.error);
    }
  }

  #copied(bytes: Uint8Array): Uint8Array {
    this.#waitingBytes += bytes.length;
    return bytes.slice();
  }

  /** Later batches of the producer wait behind `work`. */
  #wait(
    work: Promise<void>,
    { producerId, hosted, bytes }:
      & TxnBatch
      & Pick<TxnProducerRef, "producerId">,
  ): Promise<void> {
    let producers = this.#waiting.get(hosted);
    if (producers === undefined) {
      this.#waiting.set(hosted, producers = new Map());
    }
    const ended = work.catch(() => {}).then(() => {
      this.#waitingBytes -= bytes.length;
      if (producers.get(producerId) === ended) producers.delete(producerId);
      const isLast = producers.size === 0 &&
        this.#waiting.get(hosted) === producers;
      if (isLast) this.#waiting.delete(hosted);
    });
    producers.set(producerId, ended);
    return work;
  }
}

function admissionOf(
  error: ErrorName | undefined,
  guard: VerificationGuard,
): Admission {
  if (error === "NONE") return { guard };
  return { error: error ?? "UNKNOWN_SERVER_ERROR" };
}

/** Whether a payload is, as far as its header tells, a batch of a transaction. */
export function isOfTransaction(bytes: Uint8Array | null): bytes is Uint8Array {
  if (bytes === null || bytes.length < BATCH_OVERHEAD) return false;
  const view = new BatchView(bytes);
  return view.isTransactional && view.producerId >= 0 && view.magic === 2;
}
