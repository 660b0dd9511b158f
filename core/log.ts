/**
 * The lean entry for programs that look into the files of a log, without a
 * broker and without a cluster: decoders over bytes, and
 * {@linkcode dumpLog} over the real disk. It must never write.
 *
 * @module
 */
import { DecodeError } from "./bytes/reader.ts";
import { denoEnv } from "./env/deno_env.ts";
import type { Disk } from "./env/env.ts";
import { decodeGroupRecord } from "./group/records.ts";
import {
  dumpFiles,
  type DumpOptions,
  type FileRow,
  findFiles,
} from "./log/dump.ts";
import {
  decodeMetadataRecord,
  type MetadataValue,
} from "./metadata/records.ts";
import { REDACTED, shownCredential } from "./metadata/scram.ts";
import { decodeQuorumState } from "./raft/records.ts";
import { toldControl } from "./raft/told_control.ts";

export type { DumpOptions } from "./log/dump.ts";
export {
  decodeBatches,
  type DecodeBatchesOptions,
} from "./log/dump_batches.ts";
export {
  type DecodeIndexOptions,
  decodeOffsetIndex,
  decodeTimeIndex,
  decodeTxnIndex,
} from "./log/dump_indexes.ts";
export type * from "./log/dump_rows.ts";
export {
  decodeEpochCheckpoint,
  decodeOffsetCheckpoint,
  decodePartitionMetadata,
  decodeProducerSnapshot,
} from "./log/dump_state.ts";
export type { ByteSource } from "./log/scan.ts";

/** A row of {@linkcode dumpLog}. */
export type DumpRow =
  | Exclude<FileRow, { kind: "record" }>
  | RecordDumpRow;

type RecordDumpRow = Extract<FileRow, { kind: "record" }> & {
  /** What a record of one of Kafka's own topics says; null for others. */
  readonly decoded: DecodedRecord | null;
};

/** A record of `__consumer_offsets` or `__cluster_metadata`, or a control record. */
export interface DecodedRecord {
  /** Kafka's name of it; `Unknown` for one that this version can't read. */
  readonly type: string;
  readonly key?: unknown;
  readonly value?: unknown;
}

/**
 * What is in the files of kf's or Apache Kafka's logs, row by row: `paths` are
 * files and folders, of which each is read with all below it. All are found
 * before the first row; a missing one throws an `Error`, an unreadable one a
 * `DiskError`. Damage is told in rows of the kind `"problem"` and never
 * thrown. Offsets count records, positions and sizes are bytes, timestamps
 * are milliseconds since the Unix epoch. The bytes of a record's key, value
 * and headers live until the next row. What proves a user's password is
 * replaced by `(redacted)`.
 *
 * ```ts
 * import { dumpLog } from "./mod.ts";
 *
 * const folder = await Deno.makeTempDir();
 * const path = `${folder}/leader-epoch-checkpoint`;
 * await Deno.writeTextFile(path, "0\n1\n7 42\n");
 * for (const row of dumpLog([folder], { verify: true })) {
 *   if (row.kind !== "epoch") throw new Error(`read ${row.kind}`);
 *   if (row.startOffset !== 42) throw new Error(`read ${row.startOffset}`);
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export function dumpLog(
  paths: readonly string[],
  options: DumpOptions & { readonly disk?: Disk } = {},
): Generator<DumpRow> {
  const disk = options.disk ?? denoEnv().disk;
  const files = paths.flatMap((path) => findFiles(disk, path));
  const checks = { quorumState: decodeQuorumState, control: toldControl };
  return withDecoded(dumpFiles(disk, files, { ...options, checks }));
}

function* withDecoded(rows: Iterable<FileRow>): Generator<DumpRow> {
  for (const row of rows) {
    if (row.kind !== "record") yield row;
    else yield withoutSecrets({ ...row, decoded: decodedOf(row) });
  }
}

/** A credential's row tells who has one, not what proves the password. */
function withoutSecrets(row: RecordDumpRow): RecordDumpRow {
  if (row.decoded?.type !== "UserScramCredential") return row;
  const value = row.decoded.value as MetadataValue<"UserScramCredential">;
  return {
    ...row,
    value: new TextEncoder().encode(REDACTED),
    decoded: { ...row.decoded, value: shownCredential(value) },
  };
}

const OWN_TOPIC = /(?:^|\/)__(consumer_offsets|cluster_metadata)-\d+\/[^/]+$/;

function decodedOf(
  row: Extract<FileRow, { kind: "record" }>,
): DecodedRecord | null {
  const topic = OWN_TOPIC.exec(row.file)?.[1];
  const { control, value: bytes } = row;
  const value = bytes ?? new Uint8Array(0);
  try {
    if (control !== null) return toldControl({ type: control, value });
    if (topic === undefined) return null;
    return topic === "consumer_offsets"
      ? decodeGroupRecord(row)
      : decodeMetadataRecord(value);
  } catch (error) {
    if (error instanceof DecodeError) return { type: "Unknown" };
    throw error;
  }
}
