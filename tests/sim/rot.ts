/**
 * What a disk does to files while nobody looks: bits flip. Owns which files are
 * touched: those that a start makes anew or finds wrong, and the last segments
 * of topics that may lose records by it. It must never touch what nothing can
 * tell or mend.
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
