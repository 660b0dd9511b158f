/**
 * The consumer protocol: what members of a classic group and their leader
 * tell each other through JoinGroup and SyncGroup. Owns the bytes, an int16
 * version and a body; brokers must not need it to run a group.
 *
 * @module
 */
import { Reader } from "../bytes/reader.ts";
import { DecodeError } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { decode, encodeInto } from "../schema/codec.ts";
import {
  array,
  bytes,
  type Decoded,
  type Input,
  int32,
  type Message,
  message,
  string,
} from "../schema/schema.ts";

/** What a member wants, and what it owns (from version 1 on). */
export const CONSUMER_PROTOCOL_SUBSCRIPTION = message({
  name: "ConsumerProtocolSubscription",
  versions: "0-3",
  flexible: "none",
}, {
  topics: array("0+", string()),
  userData: bytes("0+", { nullable: "0+", default: null }),
  ownedPartitions: array("1+", {
    topic: string("1+", { mapKey: true }),
    partitions: array("1+", int32()),
  }, { ignorable: true }),
  generationId: int32("2+", { default: -1, ignorable: true }),
  rackId: string("3+", { nullable: "3+", default: null, ignorable: true }),
});

/** What a member was given. */
export const CONSUMER_PROTOCOL_ASSIGNMENT = message({
  name: "ConsumerProtocolAssignment",
  versions: "0-3",
  flexible: "none",
}, {
  assignedPartitions: array("0+", {
    topic: string("0+", { mapKey: true }),
    partitions: array("0+", int32()),
  }),
  userData: bytes("0+", { nullable: "0+", default: null }),
});

/** A member's subscription. */
export type Subscription = Decoded<typeof CONSUMER_PROTOCOL_SUBSCRIPTION>;
/** A member's assignment. */
export type Assignment = Decoded<typeof CONSUMER_PROTOCOL_ASSIGNMENT>;

/** The `metadata` of one protocol in JoinGroup. */
export function encodeSubscription(
  value: Input<typeof CONSUMER_PROTOCOL_SUBSCRIPTION>,
): Uint8Array<ArrayBuffer> {
  return prefixed(CONSUMER_PROTOCOL_SUBSCRIPTION, value);
}

/** Reads the `metadata` of one protocol in JoinGroup. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  return unprefixed(CONSUMER_PROTOCOL_SUBSCRIPTION, bytes);
}

/** The `assignment` of one member in SyncGroup; in `version` at most. */
export function encodeAssignment(
  value: Input<typeof CONSUMER_PROTOCOL_ASSIGNMENT>,
  version?: number,
): Uint8Array<ArrayBuffer> {
  return prefixed(CONSUMER_PROTOCOL_ASSIGNMENT, value, version);
}

/** Reads the `assignment` of one member in SyncGroup. */
export function decodeAssignment(bytes: Uint8Array): Assignment {
  return unprefixed(CONSUMER_PROTOCOL_ASSIGNMENT, bytes);
}

function prefixed<M extends Message>(
  schema: M,
  value: Input<M>,
  versionMax: number = schema.versions.max,
): Uint8Array<ArrayBuffer> {
  const version = Math.max(0, Math.min(versionMax, schema.versions.max));
  const writer = new Writer();
  writer.int16(version);
  encodeInto(writer, schema, version, value);
  return writer.view();
}

/** Newer versions only append: they are read as the newest that is known. */
function unprefixed<M extends Message>(
  schema: M,
  bytes: Uint8Array,
): Decoded<M> {
  const reader = new Reader(bytes);
  const version = reader.int16();
  if (version < 0) {
    throw new DecodeError(
      `Cannot decode ${schema.name}: version ${version} is negative`,
    );
  }
  return decode(schema, Math.min(version, schema.versions.max), reader);
}
