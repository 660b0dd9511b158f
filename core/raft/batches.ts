/**
 * The batches of the metadata log as the quorum sees them: the control batch
 * that begins an epoch, and the record values of what is stored. Owns no
 * offsets; a log gives and keeps those.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { batchesOf } from "../record/batch.ts";
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
  for (const view of batchesOf(bytes)) {
    const { baseOffset, nextOffset, sizeInBytes } = view;
    if (!view.isCrcValid()) {
      throw new KafkaError(
        "CORRUPT_MESSAGE",
        `Cannot read the metadata log at offset ${baseOffset}: the batch fails its CRC`,
      );
    }
    yield { baseOffset, nextOffset, sizeInBytes, values: valuesOf(view) };
  }
}

/** The first batch of an epoch that the only voter `nodeId` leads. */
export function leaderChangeBatch(
  nodeId: number,
  timestamp: number,
): Uint8Array {
  const voters = [{ voterId: nodeId }];
  const value = encodeControlValue("LEADER_CHANGE", {
    leaderId: nodeId,
    voters,
    grantingVoters: voters,
  });
  return controlBatch([{ type: "LEADER_CHANGE", value }], { timestamp });
}
