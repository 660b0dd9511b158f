/**
 * The records of `__consumer_offsets`: their schemas, and their keys and
 * values as bytes. Owns the format only. A record type that is not known is
 * told as such and never an error: newer coordinators share the topic.
 *
 * @module
 */
import { DecodeError, Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import {
  CONSUMER_GROUP_RECORDS,
  type ConsumerGroupRecord,
  type ConsumerGroupRecordType,
} from "./consumer_records.ts";
import { decode, encodeInto } from "../schema/codec.ts";
import { complete } from "../schema/complete.ts";
import {
  array,
  bytes,
  type Decoded,
  type Input,
  int32,
  int64,
  type Message,
  message,
  string,
  uuid,
} from "../schema/schema.ts";

/** Key of a committed offset, after its type. */
export const OFFSET_COMMIT_KEY = message({
  name: "OffsetCommitKey",
  versions: "0",
  flexible: "none",
}, {
  group: string("0"),
  topic: string("0"),
  partition: int32("0"),
});

/** A committed offset, after its version. */
export const OFFSET_COMMIT_VALUE = message({
  name: "OffsetCommitValue",
  versions: "0-4",
  flexible: "4+",
}, {
  offset: int64("0+"),
  leaderEpoch: int32("3+", { default: -1, ignorable: true }),
  metadata: string("0+"),
  commitTimestamp: int64("0+"),
  expireTimestamp: int64("1", { default: -1, ignorable: true }),
  topicId: uuid("4+", { tag: 0, ignorable: true }),
});

/** Key of a classic group, after its type. */
export const GROUP_METADATA_KEY = message({
  name: "GroupMetadataKey",
  versions: "0",
  flexible: "none",
}, {
  group: string("0"),
});

/** One member of a classic group. */
const MEMBER_METADATA = {
  memberId: string("0+"),
  groupInstanceId: string("3+", {
    nullable: "3+",
    default: null,
    ignorable: true,
  }),
  clientId: string("0+"),
  clientHost: string("0+"),
  rebalanceTimeout: int32("1+", { default: -1, ignorable: true }),
  sessionTimeout: int32("0+"),
  subscription: bytes("0+"),
  assignment: bytes("0+"),
};

/** A classic group, after its version. */
export const GROUP_METADATA_VALUE = message({
  name: "GroupMetadataValue",
  versions: "0-4",
  flexible: "4+",
}, {
  protocolType: string("0+"),
  generation: int32("0+"),
  protocol: string("0+", { nullable: "0+" }),
  leader: string("0+", { nullable: "0+" }),
  currentStateTimestamp: int64("2+", { default: -1, ignorable: true }),
  members: array("0+", MEMBER_METADATA),
});

/** Type 0 held offsets before Kafka 0.9 and reads like type 1. */
const OFFSET_COMMIT_OLD_TYPE = 0;
const OFFSET_COMMIT_TYPE = 1;
const GROUP_METADATA_TYPE = 2;

/** Written in both: version 4 only adds what old tools cannot read. */
const VALUE_VERSION = 3;
/** The one version of an offset that says when it expires. */
const EXPIRING_VERSION = 1;
const KEY_VERSION = 0;
const CONSUMER_VALUE_VERSION = 0;

const CONSUMER_TYPES: ReadonlyMap<number, ConsumerGroupRecordType> = new Map(
  Object.entries(CONSUMER_GROUP_RECORDS)
    .map(([name, { type }]) => [type, name as ConsumerGroupRecordType]),
);

/** Which group committed for which partition. */
export type OffsetCommitKey = Decoded<typeof OFFSET_COMMIT_KEY>;
/** What was committed. */
export type OffsetCommitValue = Decoded<typeof OFFSET_COMMIT_VALUE>;
/** Which classic group. */
export type GroupMetadataKey = Decoded<typeof GROUP_METADATA_KEY>;
/** A classic group as it stands between two rebalances. */
export type GroupMetadataValue = Decoded<typeof GROUP_METADATA_VALUE>;

/** A committed offset; a null value deletes it. */
export interface OffsetCommitRecord {
  readonly type: "OffsetCommit";
  readonly key: OffsetCommitKey;
  readonly value: OffsetCommitValue | null;
}

/** A classic group; a null value deletes it. */
export interface GroupMetadataRecord {
  readonly type: "GroupMetadata";
  readonly key: GroupMetadataKey;
  readonly value: GroupMetadataValue | null;
}

/** A record that this version of kf writes. */
export type GroupRecord =
  | OffsetCommitRecord
  | GroupMetadataRecord
  | ConsumerGroupRecord;

/** A record as a log holds it. */
export interface KeyedBytes {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** A whole {@linkcode OffsetCommitValue} from what is not default. */
export function offsetCommitValue(
  value: Input<typeof OFFSET_COMMIT_VALUE>,
): OffsetCommitValue {
  return complete(OFFSET_COMMIT_VALUE, value);
}

/** A whole {@linkcode GroupMetadataValue} from what is not default. */
export function groupMetadataValue(
  value: Input<typeof GROUP_METADATA_VALUE>,
): GroupMetadataValue {
  return complete(GROUP_METADATA_VALUE, value);
}

/** Key and value of a log record that holds `record`. */
export function encodeGroupRecord(
  record: GroupRecord,
): { key: Uint8Array<ArrayBuffer>; value: Uint8Array<ArrayBuffer> | null } {
  if (record.type === "OffsetCommit") {
    const expires = (record.value?.expireTimestamp ?? -1) !== -1;
    return {
      key: keyBytes(OFFSET_COMMIT_TYPE, OFFSET_COMMIT_KEY, record.key),
      value: valueBytes(OFFSET_COMMIT_VALUE, {
        value: record.value,
        version: expires ? EXPIRING_VERSION : VALUE_VERSION,
      }),
    };
  }
  if (record.type === "GroupMetadata") {
    return {
      key: keyBytes(GROUP_METADATA_TYPE, GROUP_METADATA_KEY, record.key),
      value: valueBytes(GROUP_METADATA_VALUE, {
        value: record.value,
        version: VALUE_VERSION,
      }),
    };
  }
  const { type, key, value } = CONSUMER_GROUP_RECORDS[record.type];
  return {
    key: keyBytes(type, key as Message, record.key),
    value: valueBytes(value as Message, {
      value: record.value,
      version: CONSUMER_VALUE_VERSION,
    }),
  };
}

/** Reads a log record of `__consumer_offsets`. */
export function decodeGroupRecord(
  { key, value }: KeyedBytes,
): GroupRecord | { readonly type: "Unknown" } {
  if (key === null) {
    throw new DecodeError("Cannot decode group record: it has no key");
  }
  const reader = new Reader(key);
  switch (reader.int16()) {
    case OFFSET_COMMIT_OLD_TYPE:
    case OFFSET_COMMIT_TYPE:
      return {
        type: "OffsetCommit",
        key: decode(OFFSET_COMMIT_KEY, KEY_VERSION, reader),
        value: valueOf(OFFSET_COMMIT_VALUE, value),
      };
    case GROUP_METADATA_TYPE:
      return {
        type: "GroupMetadata",
        key: decode(GROUP_METADATA_KEY, KEY_VERSION, reader),
        value: valueOf(GROUP_METADATA_VALUE, value),
      };
    default:
      return consumerRecordOf(reader, value);
  }
}

function consumerRecordOf(
  reader: Reader,
  value: Uint8Array | null,
): GroupRecord | { readonly type: "Unknown" } {
  const found = CONSUMER_TYPES.get(new Reader(reader.bytes).int16());
  if (found === undefined) return { type: "Unknown" };
  const schemas = CONSUMER_GROUP_RECORDS[found];
  return {
    type: found,
    key: decode(schemas.key as Message, KEY_VERSION, reader),
    value: valueOf(schemas.value as Message, value),
  } as ConsumerGroupRecord;
}

function keyBytes<M extends Message>(
  type: number,
  schema: M,
  key: Input<M>,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.int16(type);
  encodeInto(writer, schema, KEY_VERSION, key);
  return writer.view();
}

function valueBytes<M extends Message>(
  schema: M,
  { value, version }: {
    readonly value: Input<M> | null;
    readonly version: number;
  },
): Uint8Array<ArrayBuffer> | null {
  if (value === null) return null;
  const writer = new Writer();
  writer.int16(version);
  encodeInto(writer, schema, version, value);
  return writer.view();
}

function valueOf<M extends Message>(
  schema: M,
  value: Uint8Array | null,
): Decoded<M> | null {
  if (value === null) return null;
  const reader = new Reader(value);
  return decode(schema, reader.int16(), reader);
}
