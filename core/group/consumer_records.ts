/**
 * The records of consumer groups (KIP-848) in `__consumer_offsets`: the
 * schemas of types 3 to 8 and 16. Owns the format only; `records.ts` turns
 * them into bytes.
 *
 * @module
 */
import {
  array,
  bits64,
  bytes,
  type Decoded,
  int32,
  int64,
  int8,
  type Message,
  message,
  string,
  struct,
  uuid,
} from "../schema/schema.ts";

const GROUP_KEY = { groupId: string("0") };
const MEMBER_KEY = { groupId: string("0"), memberId: string("0") };

function keySchema<const F extends Message["fields"]>(
  name: string,
  fields: F,
): Message<F> {
  return message({ name, versions: "0", flexible: "none" }, fields);
}

function valueSchema<const F extends Message["fields"]>(
  name: string,
  fields: F,
): Message<F> {
  return message({ name, versions: "0", flexible: "0+" }, fields);
}

const TOPIC_PARTITIONS = {
  topicId: uuid("0+"),
  partitions: array("0+", int32()),
};

const OWNED_PARTITIONS = {
  ...TOPIC_PARTITIONS,
  assignmentEpochs: array("0+", int32(), { nullable: "0+", tag: 0 }),
};

/** Key and value of each record type, by Kafka's name of it. */
export const CONSUMER_GROUP_RECORDS = {
  ConsumerGroupMetadata: {
    type: 3,
    key: keySchema("ConsumerGroupMetadataKey", GROUP_KEY),
    value: valueSchema("ConsumerGroupMetadataValue", {
      epoch: int32("0+"),
      metadataHash: bits64("0+", { tag: 0 }),
    }),
  },
  /** Not written since 4.1: the hash above took its place. */
  ConsumerGroupPartitionMetadata: {
    type: 4,
    key: keySchema("ConsumerGroupPartitionMetadataKey", GROUP_KEY),
    value: valueSchema("ConsumerGroupPartitionMetadataValue", {
      topics: array("0+", {
        topicId: uuid("0+"),
        topicName: string("0+"),
        numPartitions: int32("0+"),
        partitionMetadata: array("0+", {
          partition: int32("0+"),
          racks: array("0+", string()),
        }),
      }),
    }),
  },
  ConsumerGroupMemberMetadata: {
    type: 5,
    key: keySchema("ConsumerGroupMemberMetadataKey", MEMBER_KEY),
    value: valueSchema("ConsumerGroupMemberMetadataValue", {
      instanceId: string("0+", { nullable: "0+" }),
      rackId: string("0+", { nullable: "0+" }),
      clientId: string("0+"),
      clientHost: string("0+"),
      subscribedTopicNames: array("0+", string()),
      subscribedTopicRegex: string("0+", { nullable: "0+" }),
      rebalanceTimeoutMs: int32("0+", { default: -1 }),
      serverAssignor: string("0+", { nullable: "0+" }),
      classicMemberMetadata: struct("0+", {
        sessionTimeoutMs: int32("0+"),
        supportedProtocols: array("0+", {
          name: string("0+"),
          metadata: bytes("0+"),
        }),
      }, { nullable: "0+", tag: 0 }),
    }),
  },
  ConsumerGroupTargetAssignmentMetadata: {
    type: 6,
    key: keySchema("ConsumerGroupTargetAssignmentMetadataKey", GROUP_KEY),
    value: valueSchema("ConsumerGroupTargetAssignmentMetadataValue", {
      assignmentEpoch: int32("0+"),
      assignmentTimestamp: int64("0+", { tag: 0, ignorable: true }),
    }),
  },
  ConsumerGroupTargetAssignmentMember: {
    type: 7,
    key: keySchema("ConsumerGroupTargetAssignmentMemberKey", MEMBER_KEY),
    value: valueSchema("ConsumerGroupTargetAssignmentMemberValue", {
      topicPartitions: array("0+", TOPIC_PARTITIONS),
    }),
  },
  ConsumerGroupCurrentMemberAssignment: {
    type: 8,
    key: keySchema("ConsumerGroupCurrentMemberAssignmentKey", MEMBER_KEY),
    value: valueSchema("ConsumerGroupCurrentMemberAssignmentValue", {
      memberEpoch: int32("0+"),
      previousMemberEpoch: int32("0+"),
      state: int8("0+"),
      assignedPartitions: array("0+", OWNED_PARTITIONS),
      partitionsPendingRevocation: array("0+", OWNED_PARTITIONS),
    }),
  },
  ConsumerGroupRegularExpression: {
    type: 16,
    key: keySchema("ConsumerGroupRegularExpressionKey", {
      groupId: string("0"),
      regularExpression: string("0"),
    }),
    value: valueSchema("ConsumerGroupRegularExpressionValue", {
      topics: array("0+", string()),
      version: int64("0+"),
      timestamp: int64("0+"),
    }),
  },
} as const;

type Schemas = typeof CONSUMER_GROUP_RECORDS;

/** Kafka's name of a record type. */
export type ConsumerGroupRecordType = keyof Schemas;

/** What a record of type `T` says. */
export type ConsumerGroupValue<T extends ConsumerGroupRecordType> = Decoded<
  Schemas[T]["value"]
>;

/** A record of a consumer group; a null value deletes it. */
export type ConsumerGroupRecord = {
  [T in ConsumerGroupRecordType]: {
    readonly type: T;
    readonly key: Decoded<Schemas[T]["key"]>;
    readonly value: ConsumerGroupValue<T> | null;
  };
}[ConsumerGroupRecordType];
