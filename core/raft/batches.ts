/**
 * The batches of the metadata log as the quorum sees them: the control batch
 * that begins an epoch, and the record values of what is stored. Owns no
 * offsets; a log gives and keeps those.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { batchesOf, type BatchView } from "../record/batch.ts";
import { controlBatch } from "../record/control.ts";
import { encodeControlValue } from "./records.ts";
import { valuesOf } from "./snapshot.ts";

/** One stored batch: where it lies and what it holds. */
export interface StoredBatch {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeInBytes: number;
  /** Values of its records; none of a control batch. */
  readonly values: Iterable<Uint8Array>;
}

/** The whole batches in `bytes`; a damaged one throws `CORRUPT_MESSAGE`. */
export function* storedBatches(bytes: Uint8Array): Generator<StoredBatch> {
  for (const view of soundBatches(bytes)) {
    const { baseOffset, nextOffset, sizeInBytes } = view;
    yield { baseOffset, nextOffset, sizeInBytes, values: valuesOf(view) };
  }
}

/** The same as bytes, without a partial tail. */
export function wholeBatches(bytes: Uint8Array): Uint8Array {
  let length = 0;
  for (const { sizeInBytes } of soundBatches(bytes)) length += sizeInBytes;
  return bytes.subarray(0, length);
}

function* soundBatches(bytes: Uint8Array): Generator<BatchView> {
  for (const view of batchesOf(bytes)) {
    if (!view.isCrcValid()) {
      throw new KafkaError(
        "CORRUPT_MESSAGE",
        `Cannot read the metadata log at offset ${view.baseOffset}: the batch fails its CRC`,
      );
    }
    yield view;
  }
}

/** The first batch of an epoch that `nodeId` leads. */
export function leaderChangeBatch(
  nodeId: number,
  { voters, grantingVoters, timestamp }: {
    readonly voters: readonly number[];
    readonly grantingVoters: readonly number[];
    readonly timestamp: number;
  },
): Uint8Array {
  const value = encodeControlValue("LEADER_CHANGE", {
    leaderId: nodeId,
    voters: voters.map((voterId) => ({ voterId })),
    grantingVoters: grantingVoters.map((voterId) => ({ voterId })),
  });
  return controlBatch([{ type: "LEADER_CHANGE", value }], { timestamp });
}
