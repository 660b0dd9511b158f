/**
 * Decoders of what is stored: records of Kafka's own topics, snapshots,
 * checkpoints, indexes, quorum-state, and the members' metadata. Each gives a
 * value or the error that it documents.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../../../core/assign/protocol.ts";
import { crc32c } from "../../../core/bytes/crc32c.ts";
import { setInt32At } from "../../../core/bytes/big_endian.ts";
import { Writer } from "../../../core/bytes/writer.ts";
import { KafkaError } from "../../../core/errors.ts";
import {
  decodeGroupRecord,
  encodeGroupRecord,
} from "../../../core/group/records.ts";
import { decodeBatches } from "../../../core/log/dump_batches.ts";
import {
  decodeOffsetIndex,
  decodeTimeIndex,
  decodeTxnIndex,
} from "../../../core/log/dump_indexes.ts";
import {
  decodeEpochCheckpoint,
  decodeOffsetCheckpoint,
  decodePartitionMetadata,
  decodeProducerSnapshot,
} from "../../../core/log/dump_state.ts";
import { ProducerStates } from "../../../core/log/producer_state.ts";
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  METADATA_RECORDS,
  type MetadataRecord,
} from "../../../core/metadata/records.ts";
import {
  decodeQuorumState,
  encodeQuorumState,
} from "../../../core/raft/records.ts";
import { decodeSnapshot, encodeSnapshot } from "../../../core/raft/snapshot.ts";
import { BATCH_OVERHEAD, batchesOf } from "../../../core/record/batch.ts";
import {
  decodeControlRecords,
  endTransactionMarker,
} from "../../../core/record/control.ts";
import {
  DecodeError,
  EncodeError,
  encodeInto,
} from "../../../core/schema/codec.ts";
import type { Message } from "../../../core/schema/schema.ts";
import {
  decodeTransactionRecord,
  TRANSACTION_LOG_KEY,
  TRANSACTION_LOG_VALUE,
} from "../../../core/txn/records.ts";
import { randomBatch, someBatch } from "../batches.ts";
import type { Chance } from "../../sim/chance.ts";
import { mutate } from "../mutate.ts";
import {
  expecting,
  type FuzzTarget,
  headed,
  headOf,
  joined,
  varyBody,
} from "../target.ts";
import { valueOf } from "../values.ts";
import { groupRecord } from "./group_record.ts";

/** A decoder, and bytes that it takes. */
interface Stored {
  make(chance: Chance): Uint8Array;
  read(body: Uint8Array): void;
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Key and value of a record in one input: the key's length stands first. */
function keyed(key: Uint8Array, value: Uint8Array): Uint8Array {
  return joined([Uint8Array.of(key.length >> 8, key.length), key, value]);
}

/** Key and value of a {@linkcode keyed} input; no value is a tombstone. */
function unkeyed(body: Uint8Array) {
  const length = ((body[0] ?? 0) << 8 | (body[1] ?? 0)) % (body.length + 1);
  const value = body.subarray(2 + length);
  return {
    key: body.subarray(2, 2 + length),
    value: value.length === 0 ? null : value,
  };
}

function readGroupRecord(body: Uint8Array): void {
  const record = decodeGroupRecord(unkeyed(body));
  if (record.type === "Unknown") return;
  // Tags of a newer version have no place in the one that is written.
  const again = expecting([EncodeError], () => encodeGroupRecord(record));
  if (again === undefined) return;
  const second = decodeGroupRecord(again);
  if (second.type === "Unknown") throw new Error("it was known before");
  assertEquals(encodeGroupRecord(second), again);
}

function makeMetadataRecord(chance: Chance): Uint8Array {
  const type = chance.pick(
    Object.keys(METADATA_RECORDS) as (keyof typeof METADATA_RECORDS)[],
  );
  const { schema, version }: { schema: Message; version: number } =
    METADATA_RECORDS[type];
  const value = valueOf(schema, { version, chance });
  return encodeMetadataRecord({ type, value } as unknown as MetadataRecord);
}

function makeRaftSnapshot(chance: Chance): Uint8Array {
  const values = Array.from(
    { length: chance.below(5) },
    () => makeMetadataRecord(chance),
  );
  const id = { endOffset: chance.below(100), epoch: chance.below(9) };
  return joined([...encodeSnapshot(values, { id, nowMs: 1 })]);
}

function makeProducerSnapshot(chance: Chance): Uint8Array {
  const states = new ProducerStates();
  for (let i = chance.below(6); i > 0; i--) {
    for (const view of batchesOf(randomBatch(chance))) {
      states.update(view, undefined);
    }
  }
  const bytes = mutate(states.encode(), chance).slice();
  if (bytes.length > 6) setInt32At(bytes, 2, crc32c(bytes, 6));
  return bytes;
}

function makeLines(chance: Chance): Uint8Array {
  const lines = Array.from({ length: chance.below(5) }, () => {
    const numbers = Array.from(
      { length: 1 + chance.below(3) },
      () => chance.pick(["0", "7", "-1", "9007199254740993", "1e3", "x"]),
    );
    return chance.oneIn(2) ? `t ${numbers.join(" ")}` : numbers.join(" ");
  });
  const count = chance.oneIn(5) ? chance.below(9) : lines.length;
  return ENCODER.encode(["0", count, ...lines, ""].join("\n"));
}

function makeQuorumState(chance: Chance): Uint8Array {
  const value = () =>
    chance.pick([0, -1, 1, 2 ** 31, 1.5, "1", null, [], [{ voterId: 0 }], {}]);
  const fields: Record<string, unknown> = {
    leaderId: value(),
    leaderEpoch: value(),
    votedId: value(),
    votedDirectoryId: chance.pick(["AAAAAAAAAAAAAAAAAAAAAA", "x", 1]),
    currentVoters: value(),
    appliedOffset: value(),
    data_version: chance.pick([0, 1, 2, "1"]),
  };
  for (const name of Object.keys(fields)) {
    if (chance.oneIn(3)) delete fields[name];
  }
  return ENCODER.encode(JSON.stringify(fields));
}

function readQuorumState(body: Uint8Array): void {
  const state = decodeQuorumState(DECODER.decode(body));
  const again = encodeQuorumState(state);
  const { leaderEpoch } = decodeQuorumState(again);
  assertEquals(leaderEpoch, state.leaderEpoch);
}

function makeEntries(entryBytes: number): (chance: Chance) => Uint8Array {
  return (chance) => {
    const entries = Array.from({ length: chance.below(9) }, (_, i) => {
      const entry = new Uint8Array(entryBytes);
      setInt32At(entry, 0, i * 10);
      setInt32At(entry, entryBytes - 4, i * chance.below(100));
      return entry;
    });
    return mutate(joined(entries), chance);
  };
}

/** Bytes as a file. */
function sourceOf(bytes: Uint8Array) {
  return {
    pread(into: Uint8Array, position: number): number {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
}

function drain(rows: Iterable<unknown>): void {
  for (const _ of rows);
}

function readControl(body: Uint8Array): void {
  for (const view of batchesOf(body)) {
    decodeControlRecords(view);
    endTransactionMarker(view);
  }
}

function readRows(
  decode: (bytes: Uint8Array) => Iterable<unknown>,
): (body: Uint8Array) => void {
  return (body) => drain(decode(body));
}

const STORED: Readonly<Record<string, Stored>> = {
  groupRecord: {
    make(chance) {
      const { key, value } = groupRecord(chance);
      return keyed(key, value);
    },
    read: readGroupRecord,
  },
  transactionRecord: {
    make(chance) {
      const [key, value] = [TRANSACTION_LOG_KEY, TRANSACTION_LOG_VALUE]
        .map((schema) => {
          const version = chance.below(schema.versions.max + 1);
          const writer = new Writer();
          writer.int16(version);
          const fields = valueOf(schema, { version, chance });
          encodeInto(writer, schema, version, fields);
          return writer.view();
        });
      return keyed(key!, chance.oneIn(6) ? new Uint8Array(0) : value!);
    },
    read: (body) => void decodeTransactionRecord(unkeyed(body)),
  },
  metadataRecord: {
    make: makeMetadataRecord,
    read(body) {
      const record = decodeMetadataRecord(body);
      const again = expecting(
        [EncodeError],
        () => encodeMetadataRecord(record),
      );
      if (again === undefined) return;
      assertEquals(encodeMetadataRecord(decodeMetadataRecord(again)), again);
    },
  },
  subscription: {
    make: (chance) =>
      encodeSubscription({
        topics: ["t", "é"],
        userData: chance.bytes(chance.size(20)),
        ownedPartitions: [{ topic: "t", partitions: [0, chance.below(9)] }],
      }),
    read: (body) => void encodeSubscription(decodeSubscription(body)),
  },
  assignment: {
    make: (chance) =>
      encodeAssignment({
        assignedPartitions: [{ topic: "t", partitions: [chance.below(9)] }],
      }),
    read: (body) => void encodeAssignment(decodeAssignment(body)),
  },
  raftSnapshot: {
    make: makeRaftSnapshot,
    read: (body) => void decodeSnapshot(body).length,
  },
  control: { make: (chance) => someBatch(chance), read: readControl },
  producerSnapshot: {
    make: makeProducerSnapshot,
    read(body) {
      drain(decodeProducerSnapshot(body));
      const states = new ProducerStates();
      if (states.load(body)) states.encode();
    },
  },
  epochs: { make: makeLines, read: readRows(decodeEpochCheckpoint) },
  offsets: { make: makeLines, read: readRows(decodeOffsetCheckpoint) },
  partition: {
    make: () => ENCODER.encode("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"),
    read: readRows(decodePartitionMetadata),
  },
  quorumState: { make: makeQuorumState, read: readQuorumState },
  index: {
    make: makeEntries(8),
    read: (body) =>
      drain(decodeOffsetIndex(sourceOf(body), {
        size: body.length,
        baseOffset: 0,
        log: { source: sourceOf(body), size: body.length },
      })),
  },
  timeindex: {
    make: makeEntries(12),
    read: (body) =>
      drain(
        decodeTimeIndex(sourceOf(body), {
          size: body.length,
          baseOffset: 2 ** 40,
          log: { source: sourceOf(body), size: body.length },
        }),
      ),
  },
  txnindex: {
    make: makeEntries(34),
    read: (body) =>
      drain(decodeTxnIndex(sourceOf(body), { size: body.length })),
  },
  log: {
    make(chance) {
      const length = 1 + chance.below(4);
      return joined(Array.from({ length }, () => someBatch(chance)));
    },
    read: (body) =>
      drain(
        decodeBatches(sourceOf(body), {
          size: body.length,
          records: true,
          startOffset: 0,
        }),
      ),
  },
};

export const stored: FuzzTarget = {
  name: "stored",
  // A batch may inflate to 64 MB, and grows in a buffer that doubles.
  extraBytesMax: 256 * 1024 * 1024,
  generate(chance) {
    const kind = chance.pick(Object.keys(STORED));
    const body = STORED[kind]!.make(chance);
    return headed(
      kind,
      chance.oneIn(6) ? body : refitted(mutate(body, chance), chance),
    );
  },
  vary: varyBody,
  run(input) {
    const { head, body } = headOf(input);
    const kind = Object.hasOwn(STORED, head) ? STORED[head] : undefined;
    if (kind === undefined) return;
    expecting([DecodeError, KafkaError], () => kind.read(body));
  },
};

/** What has a CRC gets the right one in half of the cases. */
function refitted(bytes: Uint8Array, chance: Chance): Uint8Array {
  if (bytes.length < BATCH_OVERHEAD || chance.oneIn(2)) return bytes;
  const copy = bytes.slice();
  setInt32At(copy, 17, crc32c(copy, 21));
  return copy;
}
