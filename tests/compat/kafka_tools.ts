/**
 * Which of Kafka's command-line tools are run against kf, and what for. Owns
 * the names; the tests own the calls.
 *
 * @module
 */

interface Told {
  /** The script that starts it in Kafka's own package. */
  readonly script: string;
  /** Its package within `org.apache.kafka.tools`, with a dot at the end. */
  readonly within: string;
  readonly did: string;
}

function told(script: string, did: string, within = ""): Told {
  return { script: `${script}.sh`, within, did };
}

/** By the name of the class. */
export const TOOLS = {
  TopicCommand: told(
    "kafka-topics",
    "create, list, describe, add partitions, delete",
  ),
  ConfigCommand: told("kafka-configs", "describe and alter a topic's settings"),
  ConsoleProducer: told("kafka-console-producer", "produce lines with keys"),
  ConsoleConsumer: told(
    "kafka-console-consumer",
    "consume from the beginning in a group",
    "consumer.",
  ),
  VerifiableProducer: told(
    "kafka-verifiable-producer",
    "produce, each record acknowledged",
  ),
  VerifiableConsumer: told(
    "kafka-verifiable-consumer",
    "consume in a group and commit",
  ),
  ProducerPerformance: told(
    "kafka-producer-perf-test",
    "produce at full speed",
  ),
  GetOffsetShell: told("kafka-get-offsets", "show the end of each partition"),
  DeleteRecordsCommand: told(
    "kafka-delete-records",
    "delete all before an offset",
  ),
  ConsumerGroupCommand: told(
    "kafka-consumer-groups",
    "list, describe, reset and delete offsets, delete",
    "consumer.group.",
  ),
  LogDirsCommand: told("kafka-log-dirs", "describe"),
  MetadataQuorumCommand: told(
    "kafka-metadata-quorum",
    "describe status and replication, add and remove a controller",
  ),
  LeaderElectionCommand: told(
    "kafka-leader-election",
    "elect the preferred replica",
  ),
  FeatureCommand: told("kafka-features", "describe, upgrade, downgrade"),
  TransactionsCommand: told(
    "kafka-transactions",
    "list, describe, describe producers, find hanging, abort, terminate",
  ),
  ReassignPartitionsCommand: told(
    "kafka-reassign-partitions",
    "execute, verify, cancel",
    "reassign.",
  ),
  BrokerApiVersionsCommand: told("kafka-broker-api-versions", "list"),
  DumpLogSegments: told(
    "kafka-dump-log",
    "read every file of a stopped broker",
  ),
} satisfies Record<string, Told>;
export type Tool = keyof typeof TOOLS;
