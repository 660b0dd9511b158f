/**
 * Flags that several commands take.
 *
 * @module
 */
import type { FlagSpec } from "../command.ts";

/** The topic by flag or setting. */
export const TOPIC_FLAG: FlagSpec = {
  name: "topic",
  short: "t",
  value: "TOPIC",
  completes: "topic",
  brief: "the topic, instead of the argument (KF_TOPIC)",
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

/** What `answerOfMoves` prints. */
export const MOVES_JSON = '[{"topic","partition","from","to"}]';

/** `topics.yaml`. */
export const TOPICS_FILE: FlagSpec = {
  name: "file",
  short: "f",
  value: "FILE",
  completes: "file",
  brief:
    "topics as they should be: topics: {NAME: {partitions, replicas, configs}}",
};
