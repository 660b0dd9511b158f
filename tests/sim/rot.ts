/**
 * What a disk does to files while nobody looks: bits flip. Owns which files are
 * touched: those that a start makes anew or finds wrong, the last segments of
 * topics that may lose records by it, closed ones that others have, too. It must
 * never touch what nothing can tell or mend.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import { FileNode, type FolderNode } from "./files.ts";

/** What may rot. */
export interface RotOptions {
  readonly chance: Chance;
  /** Topics whose records may be damaged. */
  readonly topics: readonly string[];
  /** Whether checkpoints may be. */
  readonly checkpoints: boolean;
}

const MADE_ANEW = /\/\d{20}\.(index|timeindex|snapshot)$/;
const SNAPSHOT = /\/\d{20}\.snapshot$/;
const CHECKPOINT = /\/(recovery-point|replication|cleaner)-offset-checkpoint$/;
const LOG = /\/([^/]+)-\d+\/\d{20}\.log$/;

/** Flips bits; gives the topics whose records it damaged. */
export function rot(
  root: FolderNode,
  { chance, topics, checkpoints }: RotOptions,
): string[] {
  const files = [...filesBelow(root, "")];
  const flipSome = (path: RegExp, count: number) => {
    const some = files.filter((each) => path.test(each.path) && each.file.size);
    for (; count > 0 && some.length > 0; count--) {
      flip(chance.pick(some).file, chance);
    }
  };
  flipSome(MADE_ANEW, chance.int(0, 5));
  if (checkpoints) flipSome(CHECKPOINT, chance.int(0, 1));
  // After a clean stop no record is read before somebody asks for it.
  const isClean = files.some(({ path }) =>
    path.endsWith("/.kafka_cleanshutdown")
  );
  const damaged = new Set<string>();
  for (const { path, file } of isClean ? [] : lastLogs(files)) {
    const topic = LOG.exec(path)![1]!;
    if (!topics.includes(topic) || file.size === 0 || chance.odds(0.5)) {
      continue;
    }
    flip(file, chance);
    damaged.add(topic);
  }
  return [...damaged];
}

/** Flips a bit in the newest snapshots of some partitions, one or several. */
export function rotSnapshots(root: FolderNode, chance: Chance): void {
  const byFolder = Map.groupBy(
    [...filesBelow(root, "")].filter(({ path, file }) =>
      SNAPSHOT.test(path) && file.size > 0
    ),
    ({ path }) => path.slice(0, path.lastIndexOf("/")),
  );
  for (const snapshots of byFolder.values()) {
    const count = snapshots.length;
    const newest = snapshots.sort((a, b) => a.path < b.path ? 1 : -1)
      .slice(0, chance.pick([0, count - 1, chance.int(1, count)]));
    for (const { file } of newest) flip(file, chance);
  }
}

/** Of a batch's header what its CRC leaves out, and nothing else can tell. */
const LEADER_EPOCH = { at: 12, bytes: 4 };
const LENGTH = { at: 8, plus: 12 };

/**
 * Flips a bit in a segment of `topics` that is closed: no start reads it, and
 * the other replicas have it. Gives the folder; undefined when there is none.
 */
export function rotClosed(
  root: FolderNode,
  { chance, topics }: Pick<RotOptions, "chance" | "topics">,
): string | undefined {
  const files = [...filesBelow(root, "")];
  const last = new Set(lastLogs(files));
  const closed = files.filter((each) =>
    topics.includes(LOG.exec(each.path)?.[1] ?? "") && each.file.size > 0 &&
    !last.has(each)
  );
  if (closed.length === 0) return undefined;
  const { path, file } = chance.pick(closed);
  const position = chance.int(0, file.size - 1);
  if (isLeaderEpoch(file.content(), position)) return undefined;
  file.flip(position, chance.int(0, 7));
  return path.slice(0, path.lastIndexOf("/"));
}

function isLeaderEpoch(bytes: Uint8Array, position: number): boolean {
  const view = new DataView(bytes.buffer);
  let at = 0;
  while (at + LENGTH.at + 4 <= bytes.length) {
    const end = at + LENGTH.plus + view.getInt32(at + LENGTH.at);
    const from = at + LEADER_EPOCH.at;
    if (position < end || end <= at) {
      return position >= from && position < from + LEADER_EPOCH.bytes;
    }
    at = end;
  }
  return false;
}

/** Removes a folder for good, as an operator does who has its records elsewhere. */
export function removeFolder(root: FolderNode, path: string): void {
  const names = path.split("/").filter((name) => name !== "");
  const own = names.pop()!;
  let folder = root;
  for (const name of names) {
    const next = folder.entries.get(name);
    if (next === undefined || next instanceof FileNode) return;
    folder = next;
  }
  if (!folder.entries.has(own)) return;
  folder.remove(own);
  folder.beginSync()();
}

interface Found {
  readonly path: string;
  readonly file: FileNode;
}

function* filesBelow(folder: FolderNode, path: string): Generator<Found> {
  for (const [name, node] of folder.entries) {
    if (node instanceof FileNode) yield { path: `${path}/${name}`, file: node };
    else yield* filesBelow(node, `${path}/${name}`);
  }
}

/** Of each partition the segment that a start reads in any case. */
function lastLogs(files: readonly Found[]): Found[] {
  const last = new Map<string, Found>();
  for (const found of files) {
    if (!LOG.test(found.path)) continue;
    const folder = found.path.slice(0, found.path.lastIndexOf("/"));
    const before = last.get(folder);
    if (!before || before.path < found.path) last.set(folder, found);
  }
  return [...last.values()];
}

function flip(file: FileNode, chance: Chance): void {
  file.flip(chance.int(0, file.size - 1), chance.int(0, 7));
}
