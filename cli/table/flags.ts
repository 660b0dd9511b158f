/**
 * Flags that several commands take.
 *
 * @module
 */
import type { FlagSpec } from "../command.ts";
import { FRAMINGS } from "../framing.ts";

/** The topic by flag or setting. */
export const TOPIC_FLAG: FlagSpec = {
  name: "topic",
  short: "t",
  value: "TOPIC",
  completes: "topic",
  brief: "the topic, instead of the argument (KF_TOPIC)",
};
/** How values stand in a stream. */
export const FRAMING: FlagSpec = {
  name: "framing",
  value: "length|hex|base64",
  choices: [...FRAMINGS],
  brief: "values behind 4 bytes of length, or one a line as hex or base64",
};

/** For what destroys. */
export const YES: FlagSpec = {
  name: "yes",
  short: "y",
  brief: "do it without asking",
};
/** For what changes. */
export const DRY_RUN: FlagSpec = {
  name: "dry-run",
  brief: "say what would be done, and do nothing",
};

/** Flags of Kafka's scripts that are called otherwise here. */
export const KAFKA_FLAGS: Readonly<Record<string, string>> = {
  "bootstrap-server": "brokers",
  "broker-list": "brokers",
  "command-config": "property",
  "consumer-property": "property",
  "from-beginning": "offset",
  "max-messages": "limit",
  "num-records": "count",
  "producer-property": "property",
  "record-size": "size",
  "replication-factor": "replicas",
  "throughput": "rate",
  "timeout-ms": "timeout",
};

/** What `answerOfMoves` prints. */
export const MOVES_JSON = '[{"topic","partition","from","to"}]';

/** What commands that move partitions print. */
export const OUTCOMES_JSON =
  '[{"topic","partition","from","to","bytes","outcome"}]';

/** `topics.yaml`. */
export const TOPICS_FILE: FlagSpec = {
  name: "file",
  short: "f",
  value: "FILE",
  completes: "file",
  brief:
    "topics as they should be: topics: {NAME: {partitions, replicas, configs}}",
};
