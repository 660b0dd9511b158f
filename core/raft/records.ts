/**
 * What raft itself writes: control records of the metadata log and of its
 * snapshots, and the election state beside them. Owns the formats only; it
 * decides nothing and touches no file.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import { Reader } from "../bytes/reader.ts";
import { DecodeError, decodeExact, encode } from "../schema/codec.ts";
import { complete } from "../schema/complete.ts";
import {
  array,
  type Decoded,
  type Field,
  type Fields,
  includes,
  type Input,
  int16,
  int32,
  int64,
  type Message,
  message,
  string,
  struct,
  uint16,
  uuid,
} from "../schema/schema.ts";

/** One voter of the quorum. */
const VOTER = {
  voterId: int32("0+"),
  voterDirectoryId: uuid("1+"),
};

/** First record of an epoch: who leads, who votes. */
const LEADER_CHANGE_MESSAGE = message({
  name: "LeaderChangeMessage",
  versions: "0-1",
  flexible: "0+",
}, {
  version: int16("0+"),
  leaderId: int32("0+"),
  voters: array("0+", VOTER),
  grantingVoters: array("0+", VOTER),
});

/** First record of a snapshot. */
const SNAPSHOT_HEADER_RECORD = message({
  name: "SnapshotHeaderRecord",
  versions: "0",
  flexible: "0+",
}, {
  version: int16("0+"),
  lastContainedLogTimestamp: int64("0+"),
});

/** Last record of a snapshot: without it the file is half written. */
const SNAPSHOT_FOOTER_RECORD = message({
  name: "SnapshotFooterRecord",
  versions: "0",
  flexible: "0+",
}, {
  version: int16("0+"),
});

/** The finalized kraft.version. */
const KRAFT_VERSION_RECORD = message({
  name: "KRaftVersionRecord",
  versions: "0",
  flexible: "0+",
}, {
  version: int16("0+"),
  kRaftVersion: int16("0+"),
});

/** The voters with their endpoints (kraft.version 1). */
const VOTERS_RECORD = message({
  name: "VotersRecord",
  versions: "0",
  flexible: "0+",
}, {
  version: int16("0+"),
  voters: array("0+", {
    voterId: int32("0+"),
    voterDirectoryId: uuid("0+"),
    endpoints: array("0+", {
      name: string("0+", { mapKey: true }),
      host: string("0+"),
      port: uint16("0+"),
    }),
    kRaftVersionFeature: struct("0+", {
      minSupportedVersion: int16("0+"),
      maxSupportedVersion: int16("0+"),
    }),
  }),
});

/** What the file `quorum-state` holds, as JSON. */
export const QUORUM_STATE_DATA = message({
  name: "QuorumStateData",
  versions: "0-1",
  flexible: "0+",
}, {
  clusterId: string("0"),
  leaderId: int32("0+", { default: -1 }),
  leaderEpoch: int32("0+", { default: -1 }),
  votedId: int32("0+", { default: -1 }),
  votedDirectoryId: uuid("1+"),
  appliedOffset: int64("0"),
  currentVoters: array("0", {
    voterId: int32("0"),
  }, { nullable: "0" }),
});

/** Control records by Kafka's name, with their number in the record's key. */
export const RAFT_CONTROL_RECORDS = {
  LEADER_CHANGE: { code: 2, schema: LEADER_CHANGE_MESSAGE },
  SNAPSHOT_HEADER: { code: 3, schema: SNAPSHOT_HEADER_RECORD },
  SNAPSHOT_FOOTER: { code: 4, schema: SNAPSHOT_FOOTER_RECORD },
  KRAFT_VERSION: { code: 5, schema: KRAFT_VERSION_RECORD },
  KRAFT_VOTERS: { code: 6, schema: VOTERS_RECORD },
} as const;

type ControlRecords = typeof RAFT_CONTROL_RECORDS;

/** Names of raft's control records. */
export type RaftControlType = keyof ControlRecords;

/** The value of a control record. */
export type RaftControlValue<T extends RaftControlType> = Decoded<
  ControlRecords[T]["schema"]
>;

/** Encodes a control record's value; its field `version` says in which version. */
export function encodeControlValue<T extends RaftControlType>(
  type: T,
  value: Input<ControlRecords[T]["schema"]>,
): Uint8Array<ArrayBuffer> {
  const schema: Message = RAFT_CONTROL_RECORDS[type].schema;
  const { version = 0 } = value as { version?: number };
  return encode(schema, version, value);
}

/** Reads a control record's value; it opens with its own version. */
export function decodeControlValue<T extends RaftControlType>(
  type: T,
  bytes: Uint8Array,
): RaftControlValue<T> {
  const schema: Message = RAFT_CONTROL_RECORDS[type].schema;
  const version = new Reader(bytes).int16();
  return decodeExact(schema, version, bytes) as unknown as RaftControlValue<T>;
}

/** Who leads and whom this node voted for, as it survives a restart. */
export type QuorumState = Decoded<typeof QUORUM_STATE_DATA>;

const QUORUM_FIELDS: Fields = QUORUM_STATE_DATA.fields;
const NO_VOTE: QuorumState = complete(QUORUM_STATE_DATA, {});

/** The text of the file `quorum-state` (version 1: kraft.version 1). */
export function encodeQuorumState(
  state: Input<typeof QUORUM_STATE_DATA>,
  version: 0 | 1 = 1,
): string {
  const whole = complete(QUORUM_STATE_DATA, state);
  const { leaderId, leaderEpoch, votedId, votedDirectoryId } = whole;
  const { clusterId, appliedOffset, currentVoters } = whole;
  return JSON.stringify(
    version === 1
      ? { leaderId, leaderEpoch, votedId, votedDirectoryId, data_version: 1 }
      : {
        clusterId,
        leaderId,
        leaderEpoch,
        votedId,
        appliedOffset,
        currentVoters,
        data_version: 0,
      },
  );
}

/** Reads the file `quorum-state`; throws `DecodeError` when it is damaged. */
export function decodeQuorumState(text: string): QuorumState {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new DecodeError("Cannot decode quorum-state: not JSON", { cause });
  }
  if (typeof json !== "object" || json === null) {
    throw new DecodeError("Cannot decode quorum-state: not an object");
  }
  const { data_version: version, ...fields } = json as Record<string, unknown>;
  if (version !== 0 && version !== 1) {
    throw new DecodeError(
      `Cannot decode quorum-state: data_version ${version} is not known`,
    );
  }
  const result: Record<string, unknown> = { ...NO_VOTE };
  for (const [name, before] of Object.entries(NO_VOTE)) {
    const value = fields[name];
    const { versions }: Field = QUORUM_FIELDS[name]!;
    if (!includes(versions, version)) continue;
    if (value === undefined || value === null) continue;
    const isAlike = typeof value === typeof before &&
      Array.isArray(value) === Array.isArray(before);
    if (!isAlike) {
      throw new DecodeError(
        `Cannot decode quorum-state: "${name}" is ${JSON.stringify(value)}`,
      );
    }
    result[name] = value;
  }
  try {
    encode(QUORUM_STATE_DATA, version, result);
  } catch (cause) {
    const why = messageOf(cause);
    throw new DecodeError(`Cannot decode quorum-state: ${why}`, { cause });
  }
  return result as unknown as QuorumState;
}
