/**
 * The lean entry for programs that look into a cluster's metadata on disk,
 * without a broker: the newest snapshot and the log after it, replayed. It must
 * never write, and never stop at what a newer Kafka has written.
 *
 * @module
 */
import { denoEnv } from "./env/deno_env.ts";
import type { Disk } from "./env/env.ts";
import { isZero } from "./log/dump_batches.ts";
import { walkBatches } from "./log/scan.ts";
import { MetadataReplay } from "./metadata/replay.ts";
import { type MetadataTree, metadataTree } from "./metadata/tree.ts";
import {
  decodeSnapshot,
  parseSnapshotName,
  valuesOf,
} from "./raft/snapshot.ts";
import { newestSnapshot } from "./raft/snapshot_files.ts";

export type { MetadataTree } from "./metadata/tree.ts";

/** What {@linkcode readMetadata} found. */
export interface MetadataView {
  /**
   * `acls`, `brokers`, `clientQuotas`, `configs`, `controllers`,
   * `delegationTokens`, `features`, `producerIds`, `scram`, `topics`. Secrets are replaced by `(redacted)`.
   */
  readonly tree: MetadataTree;
  /** The offset after the last record that is in it. */
  readonly endOffset: number;
  /** What could not be read, in words; it is missing from the tree. */
  readonly missing: readonly string[];
}

const FOLDER = "__cluster_metadata-0";

/**
 * The metadata in `path`: a broker's data folder, its `__cluster_metadata-0`,
 * or one `.checkpoint` of it; of kf or Apache Kafka, stopped or running.
 * Throws an `Error` when there is none, a `DiskError` when it can't be read.
 *
 * ```ts
 * import { readMetadata, startBroker } from "./mod.ts";
 *
 * const folder = await Deno.makeTempDir();
 * const broker = await startBroker({
 *   config: new Map([
 *     ["listeners", "PLAINTEXT://127.0.0.1:0"],
 *     ["log.dirs", folder],
 *   ]),
 *   traceLevel: "error",
 * });
 * const { tree } = readMetadata(folder);
 * console.log(JSON.stringify(tree.features));
 * await broker.stop();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export function readMetadata(
  path: string,
  options: { readonly disk?: Disk } = {},
): MetadataView {
  const disk = options.disk ?? denoEnv().disk;
  const replay = new MetadataReplay();
  const snapshot = parseSnapshotName(path.slice(path.lastIndexOf("/") + 1));
  if (snapshot === undefined) readFolder(disk, folderAt(disk, path), replay);
  else {
    replay.take(decodeSnapshot(disk.readFile(path)));
    replay.endOffset = snapshot.endOffset;
  }
  return {
    tree: metadataTree(replay.image),
    endOffset: replay.endOffset,
    missing: replay.missing(),
  };
}

function folderAt(disk: Disk, path: string): string {
  const trimmed = path.replace(/(?<=.)\/+$/, "");
  const inner = `${trimmed}/${FOLDER}`;
  if (disk.stat(inner)?.isDirectory) return inner;
  const isItself = disk.stat(trimmed)?.isDirectory === true &&
    disk.list(trimmed).some(({ name }) => isSegment(name));
  if (isItself) return trimmed;
  throw new Error(
    `Cannot read the metadata in "${path}": ${
      disk.stat(path) === undefined
        ? "there is no such folder"
        : `no ${FOLDER} is in it`
    }`,
  );
}

function isSegment(name: string): boolean {
  return /^\d{20}\.log$/.test(name);
}

/** The newest whole snapshot, then all whole batches of the log after it. */
function readFolder(disk: Disk, folder: string, replay: MetadataReplay): void {
  const found = newestSnapshot(disk, folder);
  if (found !== undefined) {
    replay.take(found.values);
    replay.endOffset = found.id.endOffset;
  }
  const bases = disk.list(folder).filter(({ name }) => isSegment(name))
    .map(({ name }) => Number(name.slice(0, 20)))
    .sort((a, b) => a - b);
  if (bases.length > 0 && bases[0]! > replay.endOffset) {
    throw new Error(
      `Cannot read the metadata in "${folder}": its log begins at offset ${
        bases[0]
      }, and no whole snapshot reaches that far`,
    );
  }
  const from = bases.findLastIndex((base) => base <= replay.endOffset);
  for (const base of bases.slice(Math.max(0, from))) {
    const path = `${folder}/${String(base).padStart(20, "0")}.log`;
    if (!readSegment(disk, path, replay)) return;
  }
}

/** Whether all of the segment was read. */
function readSegment(
  disk: Disk,
  path: string,
  replay: MetadataReplay,
): boolean {
  const file = disk.open(path, "read");
  try {
    const size = file.size();
    const walk = walkBatches(file, { size });
    for (;;) {
      const { value, done } = walk.next();
      if (done) {
        const { position, why } = value;
        if (why === undefined || isZero(file, position, size)) return true;
        replay.lacks(`what follows byte ${position} of "${path}": ${why}`);
        return false;
      }
      const { position, batch } = value;
      if (!batch.isCrcValid()) {
        replay.lacks(
          `what follows byte ${position} of "${path}": the batch's CRC is wrong`,
        );
        return false;
      }
      if (batch.baseOffset < replay.endOffset) continue;
      replay.take(valuesOf(batch));
      replay.endOffset = batch.nextOffset;
    }
  } finally {
    file.close();
  }
}
