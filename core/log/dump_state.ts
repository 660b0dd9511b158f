/**
 * The small files beside segments as rows, with what is wrong with them:
 * producer snapshots, checkpoints, `partition.metadata`, `meta.properties`,
 * `quorum-state`, `.kafka_cleanshutdown`. They are decoded whole, by the code
 * that loads them into a broker.
 *
 * @module
 */
import { DecodeError } from "../bytes/reader.ts";
import { checkpointLines, parseOffset, readTopicId } from "./checkpoint.ts";
import {
  type CheckpointRow,
  type EpochRow,
  type PartitionRow,
  problemAt,
  type ProblemRow,
  type ProducerRow,
  type PropertyRow,
} from "./dump_rows.ts";
import { parseCleanStop } from "./clean_stop.ts";
import { parseMeta, propertiesOf } from "./folder_files.ts";
import { parseEpoch } from "./leader_epoch_cache.ts";
import {
  decodeSnapshot,
  SNAPSHOT_ENTRY_BYTES,
  SNAPSHOT_HEADER_BYTES,
} from "./producer_state.ts";

const DECODER = new TextDecoder();
const ENCODER = new TextEncoder();

/** The producers of a `.snapshot`, each with its last batches. */
export function* decodeProducerSnapshot(
  bytes: Uint8Array,
): Generator<ProducerRow | ProblemRow> {
  try {
    for (const [i, entry] of decodeSnapshot(bytes).entries()) {
      const position = SNAPSHOT_HEADER_BYTES + i * SNAPSHOT_ENTRY_BYTES;
      yield { kind: "producer", position, ...entry };
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    yield problemAt(0, error.message);
  }
}

/** The lines of a `leader-epoch-checkpoint`. */
export function* decodeEpochCheckpoint(
  bytes: Uint8Array,
): Generator<EpochRow | ProblemRow> {
  let last = { epoch: -1, startOffset: -1 };
  for (const line of linesOf(bytes)) {
    if ("kind" in line) {
      yield line;
      continue;
    }
    const { position, text } = line;
    const entry = parseEpoch(text);
    if (entry === undefined) {
      yield problemAt(position, `"${text}" is not an epoch and an offset`);
      continue;
    }
    yield { kind: "epoch", position, ...entry };
    if (
      entry.epoch <= last.epoch || entry.startOffset <= last.startOffset
    ) {
      yield problemAt(
        position,
        `epoch ${entry.epoch} at offset ${entry.startOffset} doesn't rise above epoch ${last.epoch} at offset ${last.startOffset}`,
      );
    }
    last = entry;
  }
}

/** The lines of an offset checkpoint. */
export function* decodeOffsetCheckpoint(
  bytes: Uint8Array,
): Generator<CheckpointRow | ProblemRow> {
  for (const line of linesOf(bytes)) {
    if ("kind" in line) {
      yield line;
      continue;
    }
    const { position, text } = line;
    const entry = parseOffset(text);
    yield entry === undefined
      ? problemAt(
        position,
        `"${text}" is not a topic, a partition and an offset`,
      )
      : { kind: "checkpoint", position, ...entry };
  }
}

/** What a `partition.metadata` holds. */
export function* decodePartitionMetadata(
  bytes: Uint8Array,
): Generator<PartitionRow | ProblemRow> {
  const topicId = readTopicId(DECODER.decode(bytes));
  yield topicId === undefined
    ? problemAt(0, "no topic id is in it")
    : { kind: "partition", position: 0, topicId };
}

/** What a `meta.properties` says. */
export function* decodeMetaProperties(
  bytes: Uint8Array,
): Generator<PropertyRow | ProblemRow> {
  const text = DECODER.decode(bytes);
  for (const [name, value] of propertiesOf(text)) {
    const position = ENCODER.encode(text.slice(0, text.indexOf(name))).length;
    yield { kind: "property", position, name, value };
  }
  if (parseMeta(text) === undefined) {
    yield problemAt(
      0,
      "it doesn't say version=1, cluster.id, node.id and directory.id",
    );
  }
}

/** What a `.kafka_cleanshutdown` says. */
export function* decodeCleanStop(
  bytes: Uint8Array,
): Generator<PropertyRow | ProblemRow> {
  const text = DECODER.decode(bytes);
  // Behind Kafka's line lie digests, which tell nobody anything.
  yield* jsonProperties(text.split("\n", 1)[0]!);
  const mark = parseCleanStop(text);
  if (mark === undefined) yield problemAt(0, "it is damaged");
  else if (mark.brokerEpoch === undefined) {
    yield problemAt(0, "no broker epoch is in it");
  }
}

/** What a `quorum-state` says; `check` throws a `DecodeError` when it is damaged. */
export function* decodeQuorumFile(
  bytes: Uint8Array,
  check: (text: string) => unknown,
): Generator<PropertyRow | ProblemRow> {
  const text = DECODER.decode(bytes);
  yield* jsonProperties(text);
  try {
    check(text);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    yield problemAt(0, error.message);
  }
}

/** The fields of a JSON object; none of what isn't one. */
function* jsonProperties(text: string): Generator<PropertyRow> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return;
  }
  if (typeof json !== "object" || json === null) return;
  for (const [name, value] of Object.entries(json)) {
    yield {
      kind: "property",
      position: ENCODER.encode(text.slice(0, text.indexOf(`"${name}"`))).length,
      name,
      value: typeof value === "string" || typeof value === "number"
        ? value
        : JSON.stringify(value),
    };
  }
}

interface Line {
  readonly position: number;
  readonly text: string;
}

/** The entries of a checkpoint, behind its version and count. */
function* linesOf(bytes: Uint8Array): Generator<Line | ProblemRow> {
  const text = DECODER.decode(bytes);
  // Apache Kafka makes the file before it has a line to write.
  if (text === "") return;
  if (checkpointLines(text) === undefined) {
    yield problemAt(
      0,
      "it isn't a checkpoint: version 0, a count, and as many lines",
    );
    return;
  }
  let position = 0;
  for (const [i, line] of text.split("\n").entries()) {
    if (i >= 2 && line !== "") yield { position, text: line };
    position += ENCODER.encode(line).length + 1;
  }
}
