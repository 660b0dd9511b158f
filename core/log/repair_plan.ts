/**
 * Looks through a partition's folder for what a repair has to do: where
 * recovery would cut the log, and which other files can't be read. It judges
 * by the code that recovers, and must never write.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import type { BatchView } from "../record/batch.ts";
import {
  type DumpChecks,
  dumpFiles,
  type FileKind,
  findFiles,
  isOfMetadata,
  METADATA_REMEDY,
} from "./dump.ts";
import { whyBad } from "./recovery.ts";
import { walkBatches } from "./scan.ts";
import { Segment, segmentName } from "./segment.ts";

/**
 * What is done about a problem: `cut` takes off a log's end, `drop` a whole
 * segment behind it, `rebuild` makes a file anew from the log, `rewrite` keeps
 * of a checkpoint what can be read, `remove` takes the file away, and `none`
 * leaves it to a person.
 */
export type RepairAction =
  | "cut"
  | "drop"
  | "rebuild"
  | "rewrite"
  | "remove"
  | "none";

/** What goes with a part of a log. */
export interface LostRecords {
  readonly bytes: number;
  /** Records in batches that can be told apart. */
  readonly records: number;
  readonly firstOffset: number;
  /** Of the last such batch; null when there is none. */
  readonly lastOffset: number | null;
}

/** One file that isn't as it must be. */
export interface RepairFinding {
  /** Path of the file, beginning with what was named. */
  readonly file: string;
  /** Byte of the file at which it is wrong. */
  readonly position: number;
  readonly problem: string;
  readonly action: RepairAction;
  /** Of `cut` and `drop`; null for others. */
  readonly lost: LostRecords | null;
  /** The file that what is taken out is kept in; null when it is made anew. */
  readonly kept: string | null;
  /** What a person can do about `none`; null for others. */
  readonly remedy: string | null;
}

/** What is done about a file of each kind but logs, which are scanned. */
const ACTIONS: Readonly<Record<Exclude<FileKind, "log">, RepairAction>> = {
  index: "rebuild",
  timeindex: "rebuild",
  txnindex: "rebuild",
  snapshot: "rebuild",
  epochs: "rebuild",
  offsets: "rewrite",
  cleanStop: "remove",
  metadataSnapshot: "none",
  partition: "none",
  meta: "none",
  quorum: "none",
};

/** How a folder is looked at. */
export interface Examining {
  readonly disk: Disk;
  readonly checks: DumpChecks;
}

/** What is wrong in a partition's folder. */
export function examinePartition(
  examining: Examining,
  folder: string,
): RepairFinding[] {
  const swap = examining.disk.list(folder)
    .find(({ name }) => /^\d{20}\.\w+\.swap$/.test(name));
  if (swap !== undefined) return [unfinished(`${folder}/${swap.name}`)];
  const inLog = examineLog(examining.disk, folder);
  if (inLog.length > 0 && isOfMetadata(folder)) return inLog.map(leftToBroker);
  const cut = new Set(inLog.map(({ file }) => file));
  // The indexes of what is cut go with it.
  const others = examineFiles(examining, folder)
    .filter(({ file }) => !cut.has(file.replace(/\.\w*index$/, ".log")));
  return [...inLog, ...others];
}

/**
 * Topics may be in what a cut of the metadata takes away, and a broker deletes
 * the folders of topics that it doesn't know.
 */
function leftToBroker(finding: RepairFinding): RepairFinding {
  return {
    ...finding,
    action: "none",
    lost: null,
    kept: null,
    remedy: METADATA_REMEDY,
  };
}

/** Which of its segments count is decided by a start, which changes files. */
function unfinished(file: string): RepairFinding {
  return {
    file,
    position: 0,
    problem: "a compaction was interrupted while it replaced segments",
    action: "none",
    lost: null,
    kept: null,
    remedy: "start the broker, which ends that, and stop it",
  };
}

/** What is wrong with the files in `folder` but logs, one finding for each. */
export function examineFiles(
  { disk, checks }: Examining,
  folder: string,
): RepairFinding[] {
  const found = new Map<string, RepairFinding>();
  const files = findFiles(disk, folder, { isDeep: false })
    .filter(({ kind }) => kind !== "log");
  const kinds = new Map(files.map(({ path, kind }) => [path, kind]));
  for (const row of dumpFiles(disk, files, { verify: true, checks })) {
    if (row.kind !== "problem" || found.has(row.file)) continue;
    const { file, position, problem, remedy } = row;
    const action = ACTIONS[kinds.get(file) as keyof typeof ACTIONS];
    const isKept = action === "rewrite" || action === "remove";
    found.set(file, {
      file,
      position,
      problem,
      action,
      lost: null,
      kept: isKept ? freeName(disk, `${file}.damaged`) : null,
      remedy: action === "none" ? remedy : null,
    });
  }
  return [...found.values()];
}

/** Where recovery from the log's beginning would cut it. */
function examineLog(disk: Disk, folder: string): RepairFinding[] {
  const segments = disk.list(folder)
    .filter(({ name }) => /^\d{20}\.log$/.test(name))
    .map(({ name }) => Number(name.slice(0, 20)))
    .sort((a, b) => a - b)
    .map((baseOffset) => new Segment(disk, { folder, baseOffset }));
  const findings: RepairFinding[] = [];
  try {
    let next = segments[0]?.baseOffset ?? 0;
    let isBehindCut = false;
    for (const [i, segment] of segments.entries()) {
      const why = isBehindCut
        ? "it lies behind the cut"
        : whyOutOfPlace(segments, i, next);
      const isStray = segment.baseOffset < next && segment.size === 0;
      const expected = why === undefined ? segment.baseOffset : Infinity;
      const seen = scan(segment, expected);
      if (!isStray) next = seen.nextOffset;
      const problem = why ?? seen.why;
      if (problem === undefined) continue;
      isBehindCut ||= !isStray;
      const isCut = why === undefined;
      const name = `${segmentName(segment.baseOffset)}.log`;
      findings.push({
        file: `${folder}/${name}`,
        position: seen.position,
        problem,
        action: isCut ? "cut" : "drop",
        lost: {
          bytes: segment.size - seen.position,
          records: seen.lostRecords,
          firstOffset: isCut ? seen.nextOffset : segment.baseOffset,
          lastOffset: seen.lastOffset,
        },
        // No broker takes such a name for a segment's, nor for a leftover.
        kept: freeName(disk, `${folder}/cut-${name}-${seen.position}`),
        remedy: null,
      });
    }
  } finally {
    for (const segment of segments) segment.close();
  }
  return findings;
}

/** Why a segment can't be where the log so far ends at `next`. */
function whyOutOfPlace(
  segments: readonly Segment[],
  i: number,
  next: number,
): string | undefined {
  const { baseOffset } = segments[i]!;
  if (baseOffset < next) {
    return `it begins at ${baseOffset}, before ${next}, where the one before ends`;
  }
  const isAhead = baseOffset > next &&
    segments.slice(i).every(({ size }) => size === 0);
  return isAhead
    ? `it is empty and begins at ${baseOffset}, where ${next} is due`
    : undefined;
}

/** Reads a segment up to its first bad batch, and counts what is behind. */
function scan(segment: Segment, expected: number) {
  const walk = walkBatches(segment, { size: segment.size });
  const good = { position: 0, nextOffset: expected };
  let why: string | undefined;
  let lostRecords = 0;
  let lastOffset: number | null = null;
  for (;;) {
    const { done, value } = walk.next();
    if (done) {
      return { ...good, why: why ?? value.why, lostRecords, lastOffset };
    }
    const { position, batch } = value;
    why ??= whyBad(batch, { expected: good.nextOffset, segment });
    if (why === undefined) {
      good.position = position + batch.sizeInBytes;
      good.nextOffset = batch.nextOffset;
      continue;
    }
    const count = countOf(batch);
    if (count === 0) continue;
    lostRecords += count;
    lastOffset = batch.lastOffset;
  }
}

/** Records of a batch; 0 when its header, which may be what is damaged, is absurd. */
function countOf(batch: BatchView): number {
  try {
    const { recordCount, lastOffsetDelta, baseOffset } = batch;
    const isSane = recordCount > 0 && recordCount <= lastOffsetDelta + 1 &&
      Number.isSafeInteger(baseOffset) && baseOffset >= 0;
    return isSane ? recordCount : 0;
  } catch {
    return 0;
  }
}

/** `path`, or with a number behind it when it is taken. */
function freeName(disk: Disk, path: string): string {
  let name = path;
  for (let n = 2; disk.stat(name) !== undefined; n++) name = `${path}.${n}`;
  return name;
}
