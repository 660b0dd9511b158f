/**
 * Small text files that are replaced as a whole: temporary file, sync, rename,
 * sync of the folder, so that a crash leaves the old or the new content. Owns
 * Kafka's checkpoint format (version 0, count, lines) and what is read of a
 * `partition.metadata`.
 *
 * @module
 */
import { isUuid, type Uuid } from "../bytes/uuid.ts";
import { type Disk, DiskError } from "../env/env.ts";
import { partitionName } from "../ids.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Replaces the file at `folder/name`. */
export function replaceFile(
  disk: Disk,
  { folder, name, content }: {
    readonly folder: string;
    readonly name: string;
    readonly content: Uint8Array | string;
  },
): void {
  const path = `${folder}/${name}`;
  const temporary = `${path}.tmp`;
  const file = disk.open(temporary, "create");
  try {
    file.truncate(0);
    file.pwriteAll(bytesOf(content), 0);
    file.syncDataSync();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  disk.syncDirectory(folder);
}

/**
 * The same without keeping anybody waiting for the disk; whether it was done,
 * which it is not when the content is no longer true by then. After a crash of
 * the machine the old content may be back, unless the folder is synced, too.
 */
export async function replaceFileLater(
  disk: Disk,
  { folder, name, content, isStillTrue = () => true, syncsFolder = false }: {
    readonly folder: string;
    readonly name: string;
    readonly content: Uint8Array | string;
    readonly isStillTrue?: () => boolean;
    readonly syncsFolder?: boolean;
  },
): Promise<boolean> {
  const path = `${folder}/${name}`;
  // A name of its own: somebody may replace the file meanwhile.
  const temporary = `${path}.later.tmp`;
  const file = disk.open(temporary, "create");
  try {
    file.truncate(0);
    file.pwriteAll(bytesOf(content), 0);
    await file.syncData();
  } finally {
    file.close();
  }
  if (!isStillTrue()) {
    disk.unlink(temporary);
    return false;
  }
  disk.rename(temporary, path);
  if (syncsFolder) await disk.syncDirectoryLater(folder);
  return true;
}

function bytesOf(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? ENCODER.encode(content) : content;
}

/** The text of a file; undefined when there is none. */
export function readText(disk: Disk, path: string): string | undefined {
  try {
    return DECODER.decode(disk.readFile(path));
  } catch (error) {
    if (error instanceof DiskError && error.code === "NotFound") {
      return undefined;
    }
    throw error;
  }
}

/** Lines of a checkpoint; undefined when it is missing or malformed. */
export function readCheckpoint(
  disk: Disk,
  path: string,
): string[] | undefined {
  return checkpointLines(readText(disk, path) ?? "");
}

/** Lines of a checkpoint's text; undefined when it is malformed. */
export function checkpointLines(text: string): string[] | undefined {
  const [version, count, ...lines] = text.split("\n");
  if (version !== "0" || !/^\d+$/.test(count ?? "")) return undefined;
  const entries = lines.filter((line) => line !== "");
  return entries.length === Number(count) ? entries : undefined;
}

/** Text of a checkpoint with these lines. */
export function checkpointText(lines: readonly string[]): string {
  return ["0", String(lines.length), ...lines, ""].join("\n");
}

/** One line of an offset checkpoint. */
export interface CheckpointEntry {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Reads a line of an offset checkpoint; undefined when it isn't one. */
export function parseOffset(line: string): CheckpointEntry | undefined {
  const match = /^(\S+) (\d+) (\d+)$/.exec(line);
  if (match === null) return undefined;
  return {
    topic: match[1]!,
    partition: Number(match[2]),
    offset: Number(match[3]),
  };
}

/** Offsets by `topic-partition`; empty when the file can't be trusted. */
export function readOffsets(disk: Disk, path: string): Map<string, number> {
  return offsetsOf(readText(disk, path) ?? "");
}

/** Offsets by `topic-partition` in a checkpoint's text; empty when it can't be trusted. */
export function offsetsOf(text: string): Map<string, number> {
  const offsets = new Map<string, number>();
  for (const line of checkpointLines(text) ?? []) {
    const entry = parseOffset(line);
    if (entry === undefined) return new Map();
    offsets.set(partitionName(entry.topic, entry.partition), entry.offset);
  }
  return offsets;
}

/** Text of an offset checkpoint. */
export function offsetsText(entries: Iterable<CheckpointEntry>): string {
  return checkpointText(
    Array.from(
      entries,
      ({ topic, partition, offset }) => `${topic} ${partition} ${offset}`,
    ),
  );
}

/** The topic id in a `partition.metadata`; undefined when there is none. */
export function readTopicId(text: string | undefined): Uuid | undefined {
  const id = /^topic_id: (\S+)$/m.exec(text ?? "")?.[1];
  return id !== undefined && isUuid(id) ? id : undefined;
}
