/**
 * The files of logs, found by name and told row by row: kf's, and Apache
 * Kafka's, which are the same. It only reads, a chunk at a time, and needs no
 * broker; what is wrong with a file is a row, never an exception.
 *
 * @module
 */
import { type Disk, DiskError } from "../env/env.ts";
import type { ControlRecord } from "../record/control.ts";
import { decodeBatches } from "./dump_batches.ts";
import {
  decodeOffsetIndex,
  decodeTimeIndex,
  decodeTxnIndex,
} from "./dump_indexes.ts";
import { type DecodedRow, problemAt, type ProblemRow } from "./dump_rows.ts";
import {
  decodeCleanStop,
  decodeEpochCheckpoint,
  decodeMetaProperties,
  decodeOffsetCheckpoint,
  decodePartitionMetadata,
  decodeProducerSnapshot,
  decodeQuorumFile,
} from "./dump_state.ts";
import type { ByteSource } from "./scan.ts";

/** How {@linkcode dumpFiles} reads. */
export interface DumpOptions {
  /** Whether records are told, too. */
  readonly records?: boolean;
  /** Whether files are held against each other, too. */
  readonly verify?: boolean;
}

/** A row, and the file that it is of. */
export type FileRow =
  & (
    | Exclude<DecodedRow, ProblemRow>
    | (ProblemRow & {
      /** What can be done about it, in words. */
      readonly remedy: string;
    })
  )
  & {
    /** Path of the file, beginning with what was named. */
    readonly file: string;
  };

/** A file whose name tells what is in it. */
export interface DumpFile {
  readonly path: string;
  readonly kind: FileKind;
}

/** What a file of a log holds. */
export type FileKind = keyof typeof DUMPS;

/** What files of other owners are checked with. */
export interface DumpChecks {
  /** Throws a `DecodeError` for a `quorum-state` that can't be loaded. */
  readonly quorumState: (text: string) => unknown;
  /** Throws a `DecodeError` for a control record that can't be read. */
  readonly control: (record: ControlRecord) => unknown;
}

interface Dumping extends DumpOptions {
  readonly checks: DumpChecks;
  readonly disk: Disk;
  readonly path: string;
  /** Offset after the log's segment before this one; 0 when unknown. */
  readonly nextOffset: number;
}

/** Decodes one file; may return the offset after its last batch. */
type Dump = (dumping: Dumping) => Generator<DecodedRow, number | void>;

const DUMPS = {
  log: (dumping) =>
    withFile(dumping, dumping.path, (source, size) =>
      decodeBatches(source, {
        size,
        records: dumping.records ?? false,
        checkControl: dumping.checks.control,
        startOffset: Math.max(dumping.nextOffset, baseOffsetOf(dumping.path)),
      })),
  // A metadata snapshot: batches too, but with offsets of its own.
  metadataSnapshot: (dumping) =>
    withFile(
      dumping,
      dumping.path,
      (source, size) => dumpSnapshot(dumping, source, size),
    ),
  index: (dumping) => dumpIndex(dumping, decodeOffsetIndex),
  timeindex: (dumping) => dumpIndex(dumping, decodeTimeIndex),
  txnindex: (dumping) =>
    withFile(
      dumping,
      dumping.path,
      (source, size) => decodeTxnIndex(source, { size }),
    ),
  snapshot: wholeBy(decodeProducerSnapshot),
  epochs: wholeBy(decodeEpochCheckpoint),
  offsets: wholeBy(decodeOffsetCheckpoint),
  partition: wholeBy(decodePartitionMetadata),
  meta: wholeBy(decodeMetaProperties),
  cleanStop: wholeBy(decodeCleanStop),
  quorum: ({ disk, path, checks }) =>
    decodeQuorumFile(disk.readFile(path), checks.quorumState),
} satisfies Record<string, Dump>;

const REPAIR = "stop the broker, then kf log repair";
const ANEW = `${REPAIR} makes it anew from the log`;

/** What to do about a broken file; but for a cut none of it loses a record. */
const REMEDIES: Readonly<Record<FileKind, string>> = {
  log:
    `copy the partition's folder from another replica; without one ${REPAIR} keeps what lies before`,
  metadataSnapshot:
    "copy the folder from another controller; a log that begins at offset 0 does without snapshots",
  index: ANEW,
  timeindex: ANEW,
  txnindex: ANEW,
  snapshot: ANEW,
  epochs: ANEW,
  offsets: `${REPAIR} keeps the lines that can be read`,
  partition:
    "write it anew as two lines, version: 0 and topic_id: with the topic's id",
  meta:
    "take it from a backup, or write it anew with the ids that kf metadata cat shows",
  cleanStop: `${REPAIR} takes it away`,
  quorum:
    "stop the broker and delete it, if no other controller is there: it elects itself anew",
};

/** What to do about the log of the cluster's metadata, in the order to try it. */
export const METADATA_REMEDY =
  "start the broker, which takes off what was never durable and refuses the rest; for that put back a copy of the folder";

/** Whether a path lies in, or is, the folder of the cluster's metadata. */
export function isOfMetadata(path: string): boolean {
  return /(^|\/)__cluster_metadata-\d+(\/|$)/.test(path);
}

/** Topics may be in what a cut of the metadata would take away. */
function remedyOf(path: string, kind: FileKind): string {
  return kind === "log" && isOfMetadata(path)
    ? METADATA_REMEDY
    : REMEDIES[kind];
}

const NAMES: readonly (readonly [RegExp, FileKind])[] = [
  [/^\d{20}\.log$/, "log"],
  [/^(\d{20}-\d{10}|bootstrap)\.checkpoint$/, "metadataSnapshot"],
  [/^\d{20}\.index$/, "index"],
  [/^\d{20}\.timeindex$/, "timeindex"],
  [/^\d{20}\.txnindex$/, "txnindex"],
  [/^\d{20}\.snapshot$/, "snapshot"],
  [/^leader-epoch-checkpoint$/, "epochs"],
  [/^[a-z-]+-offset-checkpoint$/, "offsets"],
  [/^partition\.metadata$/, "partition"],
  [/^meta\.properties$/, "meta"],
  [/^\.kafka_cleanshutdown$/, "cleanStop"],
  [/^quorum-state$/, "quorum"],
];

/** How {@linkcode findFiles} looks. */
interface FindOptions {
  /** Whether folders in a folder are looked into; they are unless told. */
  readonly isDeep?: boolean;
}

/**
 * The files of logs at `path`: the one that it names, or all below the folder
 * that it names, by name, folders last. Throws when there is none.
 */
export function findFiles(
  disk: Disk,
  path: string,
  options: FindOptions = {},
): DumpFile[] {
  const found = disk.stat(path);
  if (found === undefined) {
    throw new Error(`Cannot dump "${path}": there is no such file or folder`);
  }
  if (found.isDirectory) {
    const folder = path.replace(/(?<=.)\/+$/, "");
    const files = [...filesBelow(disk, folder, options)];
    if (files.length > 0 || options.isDeep === false) return files;
    throw new Error(`Cannot dump "${path}": no file of a log is in it`);
  }
  const kind = kindOf(nameOf(path));
  if (kind !== undefined) return [{ path, kind }];
  throw new Error(
    `Cannot dump "${path}": its name is not one of a log's files, such as 00000000000000000000.log`,
  );
}

function* filesBelow(
  disk: Disk,
  folder: string,
  options: FindOptions,
): Generator<DumpFile> {
  const entries = disk.list(folder)
    .sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory } of entries) {
    const kind = kindOf(name);
    if (isDirectory || kind === undefined) continue;
    yield { path: joined(folder, name), kind };
  }
  for (const { name, isDirectory } of entries) {
    if (!isDirectory || options.isDeep === false) continue;
    yield* filesBelow(disk, joined(folder, name), options);
  }
}

/**
 * The rows of `files`, in order. Bytes of a record's key, value and headers
 * live until the next row.
 */
export function* dumpFiles(
  disk: Disk,
  files: readonly DumpFile[],
  options: DumpOptions & { readonly checks: DumpChecks },
): Generator<FileRow> {
  let before = { folder: "", baseOffset: 0, nextOffset: 0 };
  for (const { path, kind } of files) {
    const folder = folderOf(path);
    const baseOffset = baseOffsetOf(path);
    // Only a later segment of the same log must begin where the last one ended.
    const nextOffset =
      folder === before.folder && baseOffset > before.baseOffset
        ? before.nextOffset
        : 0;
    const dump: Dump = DUMPS[kind];
    const rows = dump({ ...options, disk, path, nextOffset });
    for (;;) {
      const next = nextRow(rows);
      if (next === undefined) break;
      const { value, done } = next;
      if (!done) {
        yield value.kind === "problem"
          ? { file: path, ...value, remedy: remedyOf(path, kind) }
          : { file: path, ...value };
        continue;
      }
      if (kind === "log") {
        before = { folder, baseOffset, nextOffset: value ?? 0 };
      }
      break;
    }
  }
}

/** The next row; undefined when a running broker has deleted the file. */
function nextRow(
  rows: ReturnType<Dump>,
): IteratorResult<DecodedRow, number | void> | undefined {
  try {
    return rows.next();
  } catch (error) {
    if (error instanceof DiskError && error.code === "NotFound") {
      return undefined;
    }
    throw error;
  }
}

/** Decodes all bytes of a file, which are read at the first row. */
function wholeBy(
  decode: (bytes: Uint8Array) => Generator<DecodedRow, void>,
): Dump {
  return function* ({ disk, path }) {
    yield* decode(disk.readFile(path));
  };
}

/** Runs `decode` over an open file, and closes it however that ends. */
function* withFile<Row, Result>(
  { disk }: Dumping,
  path: string,
  decode: (source: ByteSource, size: number) => Generator<Row, Result>,
): Generator<Row, Result> {
  const file = disk.open(path, "read");
  try {
    return yield* decode(file, file.size());
  } finally {
    file.close();
  }
}

/** An index alone, or to verify it beside the log that it points into. */
function* dumpIndex(
  dumping: Dumping,
  decode: typeof decodeOffsetIndex | typeof decodeTimeIndex,
): Generator<DecodedRow> {
  const { disk, path, verify } = dumping;
  const baseOffset = baseOffsetOf(path);
  const log = path.replace(/\.\w+$/, ".log");
  const isThere = verify === true && disk.stat(log) !== undefined;
  yield* withFile<DecodedRow, void>(
    dumping,
    path,
    (source, size) =>
      isThere
        ? withFile<DecodedRow, void>(
          dumping,
          log,
          (from, logSize) =>
            decode(source, {
              size,
              baseOffset,
              log: { source: from, size: logSize },
            }),
        )
        : decode(source, { size, baseOffset }),
  );
  // The index of a log that never held a record is empty, and alone.
  if (verify && !isThere && (disk.stat(path)?.size ?? 0) > 0) {
    yield problemAt(0, `there is no "${log}" to hold it against`);
  }
}

/** A snapshot is whole between its header and its footer. */
function* dumpSnapshot(
  { records = false, checks }: Dumping,
  source: ByteSource,
  size: number,
): Generator<DecodedRow> {
  let ends: readonly string[] = [];
  const rows = decodeBatches(source, {
    size,
    records,
    checkControl: checks.control,
  });
  for (const row of rows) {
    yield row;
    if (row.kind !== "batch") continue;
    if (row.position === 0 && row.control?.[0] !== "SNAPSHOT_HEADER") {
      yield problemAt(0, "the snapshot's header is missing");
    }
    ends = row.control ?? [];
  }
  if (ends.at(-1) === "SNAPSHOT_FOOTER") return;
  yield problemAt(size, "the snapshot's footer is missing: it isn't whole");
}

function kindOf(name: string): FileKind | undefined {
  return NAMES.find(([pattern]) => pattern.test(name))?.[1];
}

function baseOffsetOf(path: string): number {
  return Number(nameOf(path).slice(0, 20));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function folderOf(path: string): string {
  return path.slice(0, path.length - nameOf(path).length);
}

function joined(folder: string, name: string): string {
  return folder.endsWith("/") ? `${folder}${name}` : `${folder}/${name}`;
}
