/**
 * The batches of the metadata log as the quorum sees them: the control batch
 * that begins an epoch, and the record values of what is stored. Owns no
 * offsets; a log gives and keeps those.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { batchesOf, type BatchView } from "../record/batch.ts";
import { controlBatch, decodeControlRecords } from "../record/control.ts";
import type { ReplicaKey } from "./messages.ts";
import { encodeControlValue } from "./records.ts";
import { valuesOf } from "./snapshot.ts";
import type { QuorumEntry } from "./voter_history.ts";
import {
  type ControlInput,
  decodeQuorumRecord,
  isSameNode,
  isSameVoter,
  quorumRecords,
  type QuorumVoters,
  type VoterNode,
  type VoterSet,
  votersRecord,
  withVoter,
} from "./voter_set.ts";

/** One stored batch: where it lies and what it holds. */
export interface StoredBatch {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeInBytes: number;
  readonly epoch: number;
  /** Values of its records; none of a control batch. */
  readonly values: Iterable<Uint8Array>;
}

/** The whole batches in `bytes`; a damaged one throws `CORRUPT_MESSAGE`. */
export function* storedBatches(bytes: Uint8Array): Generator<StoredBatch> {
  for (const view of soundBatches(bytes)) {
    const { baseOffset, nextOffset, sizeInBytes } = view;
    const { partitionLeaderEpoch: epoch } = view;
    yield {
      baseOffset,
      nextOffset,
      sizeInBytes,
      epoch,
      values: valuesOf(view),
    };
  }
}

/** The same as bytes, without a partial tail. */
export function wholeBatches(bytes: Uint8Array): Uint8Array {
  let length = 0;
  for (const { sizeInBytes } of soundBatches(bytes)) length += sizeInBytes;
  return bytes.subarray(0, length);
}

/** Where the last whole batch in `bytes` ends; undefined: there is none. */
export function endOffsetOf(bytes: Uint8Array): number | undefined {
  let end: number | undefined;
  for (const { nextOffset } of batchesOf(bytes)) end = nextOffset;
  return end;
}

/** The batch of control records that changes the quorum. */
export function changeBatch(
  records: readonly ControlInput[],
  timestamp: number,
): Uint8Array {
  return controlBatch(records, { timestamp });
}

/** What control records in `bytes` say of the quorum, and where. */
export function* quorumChanges(
  bytes: Uint8Array,
): Generator<
  { readonly offset: number; readonly change: Partial<QuorumVoters> }
> {
  for (const view of batchesOf(bytes)) {
    if (!view.isControl) continue;
    checkSound(view);
    for (const record of decodeControlRecords(view)) {
      const change = decodeQuorumRecord(record);
      if (change !== undefined) yield { offset: record.offset, change };
    }
  }
}

function* soundBatches(bytes: Uint8Array): Generator<BatchView> {
  for (const view of batchesOf(bytes)) {
    checkSound(view);
    yield view;
  }
}

function checkSound(view: BatchView): void {
  if (view.isCrcValid()) return;
  throw new KafkaError(
    "CORRUPT_MESSAGE",
    `Cannot read the metadata log at offset ${view.baseOffset}: the batch fails its CRC`,
  );
}

/** What the log doesn't say yet: who votes, or where the leader `own` is now. */
export function firstRecords(
  { offset, kraftVersion, voters }: QuorumEntry,
  own: VoterNode,
): readonly ControlInput[] {
  const known = voters.find((voter) => isSameVoter(voter, own));
  const isKnown = known === undefined || own.endpoints.length === 0 ||
    isSameNode(known, own);
  const now = isKnown ? voters : withVoter(voters, own);
  if (offset < 0) return quorumRecords({ kraftVersion, voters: now });
  return isKnown || kraftVersion === 0 ? [] : [votersRecord(now)];
}

/** The first batch of an epoch that `nodeId` leads, with what follows in it. */
export function leaderChangeBatch(
  nodeId: number,
  { voters, grantingVoters, more, timestamp }: {
    readonly voters: VoterSet;
    readonly grantingVoters: readonly number[];
    readonly more: readonly ControlInput[];
    readonly timestamp: number;
  },
): Uint8Array {
  const keyOf = ({ id: voterId }: ReplicaKey) => ({ voterId });
  // Apache Kafka 4.4 reads no other version than 0, whatever kraft.version is.
  const value = encodeControlValue("LEADER_CHANGE", {
    leaderId: nodeId,
    voters: voters.map(keyOf),
    grantingVoters: voters.filter(({ id }) => grantingVoters.includes(id))
      .map(keyOf),
  });
  return controlBatch([{ type: "LEADER_CHANGE", value }, ...more], {
    timestamp,
  });
}
