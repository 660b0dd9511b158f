/**
 * Every bound of the product, with the relations between them asserted at
 * load. A bound that an operator may change is a config key; its default
 * and its hard edge stand here or in the config table, never in the code that
 * meets it.
 *
 * @module
 */
import { invariant } from "./invariant.ts";

export const LIMITS = {
  /** Largest request frame: default of `socket.request.max.bytes`. */
  frameBytesMax: 100 * 1024 * 1024,
  /** Silence within a frame after which its connection is closed. */
  frameStallMsMax: 30_000,
  /** Largest record batch: default of `message.max.bytes`. */
  batchBytesMax: 1048588,
  /** What one compressed batch may inflate to while it is checked. */
  inflatedBatchBytesMax: 64 * 1024 * 1024,
  /** Requests of one connection that wait for an answer before reading stops. */
  connectionRequestsMax: 64,
  /** Requests of one outbound connection that wait for an answer. */
  linkRequestsMax: 256,
  /** Bytes of answers queued on one connection before reading stops. */
  connectionResponseBytesMax: 8 * 1024 * 1024,
  /** Bytes of one Fetch answer: default of `fetch.max.bytes`. */
  fetchBytesMax: 55 * 1024 * 1024,
  /** Requests parked in the broker before new ones are answered at once. */
  parkedRequestsMax: 100_000,
  /** Bytes of batches that wait for their transactions' coordinators. */
  unverifiedBytesMax: 256 * 1024 * 1024,
  /** Incremental fetch sessions: default of `max.incremental.fetch.session.cache.slots`. */
  fetchSessionsMax: 1000,
  /** Files and sockets of a process whose system tells no bound. */
  openFilesMax: 4096,
  /** Those of them that are neither a log's nor a connection's. */
  openFilesReserved: 40,
  /** Partitions of one topic. */
  topicPartitionsMax: 10_000,
  /** Members of one group. */
  groupMembersMax: 10_000,
  /** Characters of a topic name. */
  topicNameCharsMax: 249,
  /** Bytes of a committed offset's metadata: `offset.metadata.max.bytes`. */
  offsetMetadataBytesMax: 4096,
  /** Characters of an expression over records. */
  expressionCharsMax: 4096,
  /** Operands within operands of an expression. */
  expressionDepthMax: 64,
  /** Characters of a regular expression. */
  regexCharsMax: 16 * 1024,
  /** Groups within groups of a regular expression. */
  regexDepthMax: 200,
  /** Steps that a regular expression is compiled to. */
  regexStepsMax: 32 * 1024,
  /** Those of one that a broker matches for a client. */
  brokerRegexStepsMax: 4096,
  /** Steps that a group takes at a time to match topics with its expressions. */
  groupRegexWorkMax: 1_000_000,
  /** What it leaves to everyone else in between. */
  groupRegexPauseMs: 20,
  /** Characters of a text that a regular expression looks at. */
  regexSubjectCharsMax: 1024 * 1024,
} as const;

invariant(
  LIMITS.batchBytesMax <= LIMITS.frameBytesMax,
  "a batch fits into a frame",
);
invariant(
  LIMITS.frameBytesMax <= LIMITS.unverifiedBytesMax,
  "the batches of a request can wait for a coordinator",
);
invariant(
  LIMITS.brokerRegexStepsMax <= LIMITS.regexStepsMax,
  "a broker takes no larger expressions than a command",
);
invariant(
  LIMITS.batchBytesMax <= LIMITS.inflatedBatchBytesMax,
  "an uncompressed batch fits the inflater's cap",
);
