/**
 * What must hold of the logs on one disk, whatever its broker went through:
 * what is said to be durable is on the medium, and who once owned a producer id
 * never writes behind a later owner. It reads the disk behind the broker's
 * back, and must never change it.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import type { Log } from "../../core/log/log.ts";
import { walkBatches } from "../../core/log/scan.ts";
import { batchesOf, type BatchView } from "../../core/record/batch.ts";
import { FileNode, FolderNode } from "./files.ts";

const SEGMENT = /^\d{20}\.log$/;
const PARTITION = /^.+-\d+$/;
/** What a compaction is about to put in the place of others. */
const SWAPPED = /\.(cleaned|swap)$/;

/** What a log says of itself. */
export type Told = Pick<
  Log,
  "name" | "folder" | "flushedOffset" | "logStartOffset" | "isOffline"
>;

/** What of a log counts as flushed, and would go with the power. */
export function whyVolatile(
  root: FolderNode,
  { name, folder: path, flushedOffset, logStartOffset, isOffline }: Told,
): string | undefined {
  const folder = folderAt(root, path);
  if (isOffline || folder === undefined) return undefined;
  if ([...folder.entries.keys()].some((each) => SWAPPED.test(each))) {
    return undefined;
  }
  for (const [file, node] of segmentsIn(folder)) {
    const isKept = isDurable(root, path) && folder.durable.get(file) === node;
    const kept = isKept ? node.durable() : new Uint8Array(0);
    const content = node.content();
    const { placed, tornAt } = placedIn(content);
    let end = Number(file.slice(0, 20));
    for (const { batch, position } of placed) {
      if (batch.nextOffset > flushedOffset) return undefined;
      end = batch.nextOffset;
      if (batch.nextOffset <= logStartOffset) continue;
      if (batch.bytes.every((byte, i) => byte === kept[position + i])) continue;
      return `${name} counts as flushed up to ${flushedOffset}, and power would take ${batch.baseOffset}`;
    }
    // The rest of a write that failed counts for nothing.
    if (end >= flushedOffset) return undefined;
    // What rotted did so on the medium, too.
    const torn = content.subarray(tornAt);
    if (torn.every((byte, i) => byte === kept[tornAt + i])) continue;
    return `${name} counts as flushed up to ${flushedOffset}, and is torn at ${end}`;
  }
  return undefined;
}

/** Where a log on the disk holds a batch of an owner behind one of the next. */
export function* lateOwners(root: FolderNode): Generator<string> {
  const data = folderAt(root, "/data/kf");
  for (const [name, folder] of data?.entries ?? []) {
    if (!PARTITION.test(name) || folder instanceof FileNode) continue;
    const epochs = new Map<number, number>();
    for (const batch of wholeIn(folder)) {
      const { producerId, producerEpoch, baseOffset } = batch;
      if (producerId < 0) continue;
      const before = epochs.get(producerId) ?? producerEpoch;
      epochs.set(producerId, producerEpoch);
      if (producerEpoch >= before) continue;
      yield `${name} at ${baseOffset}: epoch ${producerEpoch} of producer ` +
        `${producerId} comes behind ${before}`;
    }
  }
}

/**
 * The batches of a log up to the first that isn't whole: power may have torn it,
 * and a broker opens, and cuts, its logs only when it is registered.
 */
function* wholeIn(folder: FolderNode): Generator<BatchView> {
  for (const [, node] of segmentsIn(folder)) {
    const bytes = node.content();
    const pread = (into: Uint8Array, position: number) => {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    };
    const walk = walkBatches({ pread }, { size: bytes.length });
    for (let next = walk.next();; next = walk.next()) {
      const { done, value } = next;
      if (done && value.why === undefined) break;
      if (done || !value.batch.isCrcValid()) return;
      yield value.batch;
    }
  }
}

function segmentsIn({ entries }: FolderNode): [string, FileNode][] {
  return [...entries]
    .filter((each): each is [string, FileNode] =>
      SEGMENT.test(each[0]) && each[1] instanceof FileNode
    )
    .sort(([one], [other]) => one < other ? -1 : 1);
}

/** The batches of a segment as far as they can be told apart, and where that ends. */
function placedIn(bytes: Uint8Array) {
  const placed: { batch: BatchView; position: number }[] = [];
  let position = 0;
  try {
    for (const batch of batchesOf(bytes)) {
      placed.push({ batch, position });
      position += batch.sizeInBytes;
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
  }
  return { placed, tornAt: position };
}

function folderAt(root: FolderNode, path: string): FolderNode | undefined {
  let folder = root;
  for (const name of partsOf(path)) {
    const next = folder.entries.get(name);
    if (!(next instanceof FolderNode)) return undefined;
    folder = next;
  }
  return folder;
}

/** Whether the medium has the folder at `path`, with all that it lies in. */
function isDurable(root: FolderNode, path: string): boolean {
  let folder = root;
  for (const name of partsOf(path)) {
    const next = folder.entries.get(name);
    if (!(next instanceof FolderNode)) return false;
    if (folder.durable.get(name) !== next) return false;
    folder = next;
  }
  return true;
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}
