/**
 * The records of the metadata log (KRaft): their schemas and their framing.
 * Owns the bytes of one record's value; what a record means is `image.ts`.
 * An unknown record must stop whoever reads the log: skipping it would leave
 * a state that no other node has.
 *
 * @module
 */
import { Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { complete } from "../schema/complete.ts";
import { DecodeError, decodeExact, encodeInto } from "../schema/codec.ts";
import {
  array,
  bool,
  bytes,
  type Decoded,
  float64,
  type Input,
  int16,
  int32,
  int64,
  int8,
  type Message,
  message,
  string,
  uint16,
  uuid,
} from "../schema/schema.ts";

/** Version of the frame around apiKey, version and body. */
const FRAME_VERSION = 1;

/** Where a broker or a controller can be reached. */
const END_POINTS = array("0+", {
  name: string("0+", { mapKey: true }),
  host: string("0+"),
  port: uint16("0+"),
  securityProtocol: int16("0+"),
});

/** Features that a broker or a controller supports. */
const FEATURES = array("0+", {
  name: string("0+", { mapKey: true }),
  minSupportedVersion: int16("0+"),
  maxSupportedVersion: int16("0+"),
});

/** A broker came up, or came back as another incarnation. */
const REGISTER_BROKER_RECORD = message({
  name: "RegisterBrokerRecord",
  versions: "0-4",
  flexible: "0+",
}, {
  brokerId: int32("0+"),
  isMigratingZkBroker: bool("2+"),
  incarnationId: uuid("0+"),
  brokerEpoch: int64("0+"),
  endPoints: END_POINTS,
  features: FEATURES,
  rack: string("0+", { nullable: "0+" }),
  fenced: bool("0+", { default: true }),
  inControlledShutdown: bool("1+"),
  logDirs: array("3+", uuid(), { tag: 0 }),
  cordonedLogDirs: array("4+", uuid(), {
    nullable: "4+",
    default: null,
    tag: 1,
  }),
});

/** A broker was removed for good. */
const UNREGISTER_BROKER_RECORD = message({
  name: "UnregisterBrokerRecord",
  versions: "0",
  flexible: "0+",
}, {
  brokerId: int32("0+"),
  brokerEpoch: int64("0+"),
});

/** A topic exists; its partitions follow. */
const TOPIC_RECORD = message({
  name: "TopicRecord",
  versions: "0",
  flexible: "0+",
}, {
  name: string("0+"),
  topicId: uuid("0+"),
});

/** A partition exists, with its replicas. */
const PARTITION_RECORD = message({
  name: "PartitionRecord",
  versions: "0-2",
  flexible: "0+",
}, {
  partitionId: int32("0+", { default: -1 }),
  topicId: uuid("0+"),
  replicas: array("0+", int32()),
  isr: array("0+", int32()),
  removingReplicas: array("0+", int32()),
  addingReplicas: array("0+", int32()),
  leader: int32("0+", { default: -1 }),
  leaderRecoveryState: int8("0+", { tag: 0 }),
  leaderEpoch: int32("0+", { default: -1 }),
  partitionEpoch: int32("0+", { default: -1 }),
  directories: array("1+", uuid()),
  eligibleLeaderReplicas: array("2+", int32(), {
    nullable: "2+",
    default: null,
    tag: 1,
  }),
  lastKnownElr: array("2+", int32(), { nullable: "2+", default: null, tag: 2 }),
});

/** A config was set; a null value deletes it. */
const CONFIG_RECORD = message({
  name: "ConfigRecord",
  versions: "0",
  flexible: "0+",
}, {
  resourceType: int8("0+"),
  resourceName: string("0+"),
  name: string("0+"),
  value: string("0+", { nullable: "0+" }),
});

/** Leader, ISR or replicas of a partition changed; what is left out stays. */
const PARTITION_CHANGE_RECORD = message({
  name: "PartitionChangeRecord",
  versions: "0-2",
  flexible: "0+",
}, {
  partitionId: int32("0+", { default: -1 }),
  topicId: uuid("0+"),
  isr: array("0+", int32(), { nullable: "0+", default: null, tag: 0 }),
  leader: int32("0+", { default: -2, tag: 1 }),
  replicas: array("0+", int32(), { nullable: "0+", default: null, tag: 2 }),
  removingReplicas: array("0+", int32(), {
    nullable: "0+",
    default: null,
    tag: 3,
  }),
  addingReplicas: array("0+", int32(), {
    nullable: "0+",
    default: null,
    tag: 4,
  }),
  leaderRecoveryState: int8("0+", { default: -1, tag: 5 }),
  directories: array("1+", uuid(), { nullable: "1+", default: null, tag: 8 }),
  eligibleLeaderReplicas: array("2+", int32(), {
    nullable: "2+",
    default: null,
    tag: 6,
  }),
  lastKnownElr: array("2+", int32(), { nullable: "2+", default: null, tag: 7 }),
});

/** Written by old versions for a broker that must not lead. */
const FENCE_BROKER_RECORD = message({
  name: "FenceBrokerRecord",
  versions: "0",
  flexible: "0+",
}, {
  id: int32("0+"),
  epoch: int64("0+"),
});

/** Written by old versions for a broker that may lead again. */
const UNFENCE_BROKER_RECORD = message({
  name: "UnfenceBrokerRecord",
  versions: "0",
  flexible: "0+",
}, {
  id: int32("0+"),
  epoch: int64("0+"),
});

/** A topic and its partitions are gone. */
const REMOVE_TOPIC_RECORD = message({
  name: "RemoveTopicRecord",
  versions: "0",
  flexible: "0+",
}, {
  topicId: uuid("0+"),
});

/** A token stands for a login; the record holds no secret (KIP-48). */
const DELEGATION_TOKEN_RECORD = message({
  name: "DelegationTokenRecord",
  versions: "0",
  flexible: "0+",
}, {
  owner: string("0+"),
  requester: string("0+"),
  renewers: array("0+", string()),
  issueTimestamp: int64("0+"),
  maxTimestamp: int64("0+"),
  expirationTimestamp: int64("0+"),
  tokenId: string("0+"),
});

/** A token stands for nobody any more. */
const REMOVE_DELEGATION_TOKEN_RECORD = message({
  name: "RemoveDelegationTokenRecord",
  versions: "0",
  flexible: "0+",
}, {
  tokenId: string("0+"),
});

/** A principal may, or may not, do something with some resources. */
const ACCESS_CONTROL_ENTRY_RECORD = message({
  name: "AccessControlEntryRecord",
  versions: "0",
  flexible: "0+",
}, {
  id: uuid("0+"),
  resourceType: int8("0+"),
  resourceName: string("0+"),
  patternType: int8("0+"),
  principal: string("0+"),
  host: string("0+"),
  operation: int8("0+"),
  permissionType: int8("0+"),
});

/** An access control entry counts no more. */
const REMOVE_ACCESS_CONTROL_ENTRY_RECORD = message({
  name: "RemoveAccessControlEntryRecord",
  versions: "0",
  flexible: "0+",
}, {
  id: uuid("0+"),
});

/** How far the move away from ZooKeeper was, in clusters that were moved. */
const ZK_MIGRATION_STATE_RECORD = message({
  name: "ZkMigrationStateRecord",
  versions: "0",
  flexible: "0+",
}, {
  zkMigrationState: int8("0+"),
});

/** A user can prove a password by SCRAM; the record holds no password. */
const USER_SCRAM_CREDENTIAL_RECORD = message({
  name: "UserScramCredentialRecord",
  versions: "0",
  flexible: "0+",
}, {
  name: string("0+"),
  mechanism: int8("0+"),
  salt: bytes("0+"),
  storedKey: bytes("0+"),
  serverKey: bytes("0+"),
  iterations: int32("0+"),
});

/** A user's SCRAM credential is gone. */
const REMOVE_USER_SCRAM_CREDENTIAL_RECORD = message({
  name: "RemoveUserScramCredentialRecord",
  versions: "0",
  flexible: "0+",
}, {
  name: string("0+"),
  mechanism: int8("0+"),
});

/** The finalized level of a feature; 0 removes it. */
const FEATURE_LEVEL_RECORD = message({
  name: "FeatureLevelRecord",
  versions: "0",
  flexible: "0+",
}, {
  name: string("0+"),
  featureLevel: int16("0+"),
});

/** A quota was set on, or removed from, a user, a client or an address. */
const CLIENT_QUOTA_RECORD = message({
  name: "ClientQuotaRecord",
  versions: "0",
  flexible: "0+",
}, {
  entity: array("0+", {
    entityType: string("0+"),
    entityName: string("0+", { nullable: "0+" }),
  }),
  key: string("0+"),
  value: float64("0+"),
  remove: bool("0+"),
});

/** A block of producer ids was given away; the next one starts here. */
const PRODUCER_IDS_RECORD = message({
  name: "ProducerIdsRecord",
  versions: "0",
  flexible: "0+",
}, {
  brokerId: int32("0+"),
  brokerEpoch: int64("0+", { default: -1 }),
  nextProducerId: int64("0+"),
});

/** A registered broker changed state: 1 sets the flag, -1 clears it, 0 leaves it. */
const BROKER_REGISTRATION_CHANGE_RECORD = message({
  name: "BrokerRegistrationChangeRecord",
  versions: "0-3",
  flexible: "0+",
}, {
  brokerId: int32("0+"),
  brokerEpoch: int64("0+"),
  fenced: int8("0+", { tag: 0 }),
  inControlledShutdown: int8("1+", { tag: 1 }),
  logDirs: array("2+", uuid(), { tag: 2 }),
  cordonedLogDirs: array("3+", uuid(), {
    nullable: "3+",
    default: null,
    tag: 3,
  }),
});

/** Moves the log on, so that its end proves that the leader lives. */
const NO_OP_RECORD = message({
  name: "NoOpRecord",
  versions: "0",
  flexible: "0+",
}, {});

/** What follows counts only once it ends (KIP-866). */
const BEGIN_TRANSACTION_RECORD = message({
  name: "BeginTransactionRecord",
  versions: "0",
  flexible: "0+",
}, {
  name: string("0+", { nullable: "0+", default: null, tag: 0 }),
});

/** Everything since the beginning counts. */
const END_TRANSACTION_RECORD = message({
  name: "EndTransactionRecord",
  versions: "0",
  flexible: "0+",
}, {});

/** Everything since the beginning is void. */
const ABORT_TRANSACTION_RECORD = message({
  name: "AbortTransactionRecord",
  versions: "0",
  flexible: "0+",
}, {
  reason: string("0+", { nullable: "0+", default: null, tag: 0 }),
});

/** A controller came up, or came back as another incarnation. */
const REGISTER_CONTROLLER_RECORD = message({
  name: "RegisterControllerRecord",
  versions: "0",
  flexible: "0+",
}, {
  controllerId: int32("0+"),
  incarnationId: uuid("0+"),
  zkMigrationReady: bool("0+"),
  endPoints: END_POINTS,
  features: FEATURES,
});

/** No replica is eligible for being in sync before; "": of any topic (KIP-966). */
const CLEAR_ELR_RECORD = message({
  name: "ClearElrRecord",
  versions: "0",
  flexible: "0+",
}, {
  topicName: string("0+"),
});

/** A controller was removed for good. */
const UNREGISTER_CONTROLLER_RECORD = message({
  name: "UnregisterControllerRecord",
  versions: "0",
  flexible: "0+",
}, {
  controllerId: int32("0+"),
});

/**
 * Every record by its name. `version` is the one that is written: the newest
 * that says all we have to say and that every Kafka 4.x reads.
 */
export const METADATA_RECORDS = {
  RegisterBroker: { apiKey: 0, version: 3, schema: REGISTER_BROKER_RECORD },
  UnregisterBroker: { apiKey: 1, version: 0, schema: UNREGISTER_BROKER_RECORD },
  Topic: { apiKey: 2, version: 0, schema: TOPIC_RECORD },
  Partition: { apiKey: 3, version: 2, schema: PARTITION_RECORD },
  Config: { apiKey: 4, version: 0, schema: CONFIG_RECORD },
  PartitionChange: { apiKey: 5, version: 2, schema: PARTITION_CHANGE_RECORD },
  FenceBroker: { apiKey: 7, version: 0, schema: FENCE_BROKER_RECORD },
  UnfenceBroker: { apiKey: 8, version: 0, schema: UNFENCE_BROKER_RECORD },
  RemoveTopic: { apiKey: 9, version: 0, schema: REMOVE_TOPIC_RECORD },
  DelegationToken: { apiKey: 10, version: 0, schema: DELEGATION_TOKEN_RECORD },
  UserScramCredential: {
    apiKey: 11,
    version: 0,
    schema: USER_SCRAM_CREDENTIAL_RECORD,
  },
  FeatureLevel: { apiKey: 12, version: 0, schema: FEATURE_LEVEL_RECORD },
  ClientQuota: { apiKey: 14, version: 0, schema: CLIENT_QUOTA_RECORD },
  ProducerIds: { apiKey: 15, version: 0, schema: PRODUCER_IDS_RECORD },
  BrokerRegistrationChange: {
    apiKey: 17,
    version: 2,
    schema: BROKER_REGISTRATION_CHANGE_RECORD,
  },
  AccessControlEntry: {
    apiKey: 18,
    version: 0,
    schema: ACCESS_CONTROL_ENTRY_RECORD,
  },
  RemoveAccessControlEntry: {
    apiKey: 19,
    version: 0,
    schema: REMOVE_ACCESS_CONTROL_ENTRY_RECORD,
  },
  NoOp: { apiKey: 20, version: 0, schema: NO_OP_RECORD },
  ZkMigrationState: {
    apiKey: 21,
    version: 0,
    schema: ZK_MIGRATION_STATE_RECORD,
  },
  RemoveUserScramCredential: {
    apiKey: 22,
    version: 0,
    schema: REMOVE_USER_SCRAM_CREDENTIAL_RECORD,
  },
  BeginTransaction: {
    apiKey: 23,
    version: 0,
    schema: BEGIN_TRANSACTION_RECORD,
  },
  EndTransaction: { apiKey: 24, version: 0, schema: END_TRANSACTION_RECORD },
  AbortTransaction: {
    apiKey: 25,
    version: 0,
    schema: ABORT_TRANSACTION_RECORD,
  },
  RemoveDelegationToken: {
    apiKey: 26,
    version: 0,
    schema: REMOVE_DELEGATION_TOKEN_RECORD,
  },
  RegisterController: {
    apiKey: 27,
    version: 0,
    schema: REGISTER_CONTROLLER_RECORD,
  },
  ClearElr: { apiKey: 28, version: 0, schema: CLEAR_ELR_RECORD },
  UnregisterController: {
    apiKey: 29,
    version: 0,
    schema: UNREGISTER_CONTROLLER_RECORD,
  },
} as const satisfies Record<string, MetadataRecordKind>;

interface MetadataRecordKind {
  readonly apiKey: number;
  readonly version: number;
  readonly schema: Message;
}

type Kinds = typeof METADATA_RECORDS;

/** Names of metadata records, without Kafka's "Record" at the end. */
export type MetadataRecordType = keyof Kinds;

/** The value of a record of type `T`, every field present. */
export type MetadataValue<T extends MetadataRecordType> = Decoded<
  Kinds[T]["schema"]
>;

/** One record of the metadata log. */
export type MetadataRecord = {
  [T in MetadataRecordType]: {
    readonly type: T;
    readonly value: MetadataValue<T>;
  };
}[MetadataRecordType];

const TYPES: ReadonlyMap<number, MetadataRecordType> = new Map(
  (Object.keys(METADATA_RECORDS) as MetadataRecordType[])
    .map((type) => [METADATA_RECORDS[type].apiKey, type]),
);

/** Makes a whole record from what is not default. */
export function metadataRecord<T extends MetadataRecordType>(
  type: T,
  value: Input<Kinds[T]["schema"]>,
): Extract<MetadataRecord, { type: T }> {
  const schema: Message = METADATA_RECORDS[type].schema;
  return { type, value: complete(schema, value) } as unknown as Extract<
    MetadataRecord,
    { type: T }
  >;
}

/** The value of a log record that holds `record`. */
export function encodeMetadataRecord(
  record: MetadataRecord,
): Uint8Array<ArrayBuffer> {
  const { apiKey, schema }: MetadataRecordKind = METADATA_RECORDS[record.type];
  const version = versionOf(record);
  const writer = new Writer();
  writer.uvarint(FRAME_VERSION);
  writer.uvarint(apiKey);
  writer.uvarint(version);
  encodeInto(writer, schema, version, record.value);
  return writer.view();
}

/** Cordoned directories are of a later version, which older nodes can't read. */
function versionOf({ type, value }: MetadataRecord): number {
  const { version } = METADATA_RECORDS[type];
  const isOfBroker = type === "RegisterBroker" ||
    type === "BrokerRegistrationChange";
  return isOfBroker && value.cordonedLogDirs !== null ? version + 1 : version;
}

/** Reads the value of a log record. */
export function decodeMetadataRecord(input: Uint8Array): MetadataRecord {
  const reader = new Reader(input);
  const frame = reader.uvarint();
  if (frame !== FRAME_VERSION) {
    throw new DecodeError(
      `Cannot decode metadata record: frame version ${frame} is not ${FRAME_VERSION}`,
    );
  }
  const apiKey = reader.uvarint();
  const version = reader.uvarint();
  const type = TYPES.get(apiKey);
  if (type === undefined) {
    throw new DecodeError(
      `Cannot decode metadata record: type ${apiKey} is not known`,
    );
  }
  const schema: Message = METADATA_RECORDS[type].schema;
  return {
    type,
    value: decodeExact(schema, version, reader),
  } as unknown as MetadataRecord;
}
