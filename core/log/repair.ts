/**
 * Mends a stopped broker's folder, or one partition of it: a plan first, then
 * what the plan says, by the code that recovers after a crash. Owns the order;
 * bytes that are taken out are kept beside, and nothing is done to a folder
 * that a broker uses.
 *
 * @module
 */
import { ZERO_UUID } from "../bytes/uuid.ts";
import { resolveBrokerConfig, resolveTopicConfig } from "../config/resolve.ts";
import type { Disk, DiskFile, Env } from "../env/env.ts";
import { partitionName } from "../ids.ts";
import {
  offsetsText,
  parseOffset,
  readOffsets,
  readText,
  replaceFile,
} from "./checkpoint.ts";
import { cleanStopText, parseCleanStop } from "./clean_stop.ts";
import type { DumpChecks } from "./dump.ts";
import { Log } from "./log.ts";
import {
  examineFiles,
  examinePartition,
  type RepairFinding,
} from "./repair_plan.ts";
import { SEGMENT_SUFFIXES } from "./segment.ts";

const PARTITION = /^(.+)-(\d+)$/;
const CHECKPOINT = /^[a-z-]+-offset-checkpoint$/;
const START = "log-start-offset-checkpoint";
const CLEAN = ".kafka_cleanshutdown";
const COPY_BYTES = 1024 * 1024;

/** A partition's folder, and what is wrong in it. */
interface Patient {
  readonly folder: string;
  readonly topic: string;
  readonly partition: number;
  readonly findings: readonly RepairFinding[];
}

/** What {@linkcode openRepair} needs. */
export interface RepairOptions {
  readonly env: Env;
  readonly checks: DumpChecks;
}

/**
 * A repair of one folder.
 *
 * Invariants:
 * 1. While it is open no broker can open the folder.
 * 2. Only `apply()` writes.
 */
export class Repair implements Disposable {
  readonly #env: Env;
  readonly #lock: { release(): void } | undefined;
  readonly #patients: readonly Patient[];
  /** Where the checkpoints are; undefined when there are none. */
  readonly #data: string | undefined;
  readonly #ofFolder: readonly RepairFinding[];

  /** Takes the folder and looks through it. */
  constructor(path: string, { env, checks }: RepairOptions) {
    const { disk } = env;
    const folder = path.replace(/(?<=.)\/+$/, "");
    const isPartition = isPartitionFolder(disk, folder);
    this.#env = env;
    const data = isPartition ? parentOf(folder) : folder;
    this.#data = isDataFolder(disk, data) ? data : undefined;
    if (!isPartition && this.#data === undefined) {
      throw new Error(
        `Cannot repair "${path}": it is neither a broker's data folder nor a partition's`,
      );
    }
    this.#lock = lockOf(disk, this.#data, path);
    try {
      const names = isPartition ? [folder] : partitionsIn(disk, folder);
      const examining = { disk, checks };
      this.#patients = names.map((name) => ({
        folder: name,
        ...partitionOf(name),
        findings: examinePartition(examining, name),
      }));
      this.#ofFolder = isPartition ? [] : examineFiles(examining, folder);
    } catch (error) {
      this.#lock?.release();
      throw error;
    }
  }

  /** What is wrong, partition by partition, the folder's own files last. */
  get findings(): RepairFinding[] {
    return [
      ...this.#patients.flatMap(({ findings }) => findings),
      ...this.#ofFolder,
    ];
  }

  /** Does what the findings say. */
  async apply(): Promise<void> {
    const isNeeded = this.findings.some(({ action }) => action !== "none");
    if (isNeeded && this.#data !== undefined) {
      forgetDigests(this.#env.disk, this.#data);
    }
    const ends = new Map<string, number>();
    for (const patient of this.#patients) {
      if (patient.findings.every(({ action }) => action === "none")) continue;
      const { topic, partition } = patient;
      ends.set(partitionName(topic, partition), await this.#mend(patient));
    }
    const { disk } = this.#env;
    for (const { file, action, kept } of this.#ofFolder) {
      if (action === "none") continue;
      keep(disk, { from: file, position: 0, to: kept! });
      if (action === "remove") disk.unlink(file);
    }
    if (this.#data !== undefined) rewriteCheckpoints(disk, this.#data, ends);
  }

  [Symbol.dispose](): void {
    this.#lock?.release();
  }

  /** Mends one partition; gives where its log ends. */
  async #mend({ folder, topic, partition, findings }: Patient) {
    const { disk } = this.#env;
    const starts = this.#data === undefined
      ? new Map<string, number>()
      : readOffsets(disk, `${this.#data}/${START}`);
    for (const { file, action, position, kept } of findings) {
      if (action === "cut") keep(disk, { from: file, position, to: kept! });
      else if (action === "drop") drop(disk, file, kept!);
      else if (action === "rebuild") disk.unlink(file);
    }
    disk.syncDirectory(folder);
    const log = Log.open({
      env: this.#env,
      folder,
      topic,
      partition,
      topicId: ZERO_UUID,
      config: resolveTopicConfig(new Map(), resolveBrokerConfig(new Map())),
      recoveryPoint: 0,
      logStartOffset: starts.get(partitionName(topic, partition)) ?? 0,
      wasClean: false,
    });
    const { logEndOffset } = log;
    await log.close({ clean: true });
    return logEndOffset;
  }
}

/** Copies what lies in `from` behind `position` into a file of its own, durably. */
function keep(
  disk: Disk,
  { from, position, to }: {
    readonly from: string;
    readonly position: number;
    readonly to: string;
  },
): void {
  const source = disk.open(from, "read");
  try {
    const target = disk.open(to, "create");
    try {
      copy(source, target, position);
      target.syncDataSync();
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

function copy(source: DiskFile, target: DiskFile, position: number): void {
  const size = source.size();
  const chunk = new Uint8Array(COPY_BYTES);
  for (let at = position; at < size;) {
    const got = source.pread(chunk, at);
    if (got === 0) return;
    target.pwriteAll(chunk.subarray(0, got), at - position);
    at += got;
  }
}

/** Takes a segment out of the log; its records stay in the file `kept`. */
function drop(disk: Disk, file: string, kept: string): void {
  disk.rename(file, kept);
  const path = file.slice(0, -".log".length);
  for (const suffix of [...SEGMENT_SUFFIXES, ".txnindex", ".snapshot"]) {
    disk.unlink(`${path}${suffix}`);
  }
}

/** Keeps of each checkpoint what can be read, and nothing behind a log's end. */
function rewriteCheckpoints(
  disk: Disk,
  data: string,
  ends: ReadonlyMap<string, number>,
): void {
  for (const { name } of disk.list(data)) {
    if (!CHECKPOINT.test(name)) continue;
    const text = readText(disk, `${data}/${name}`) ?? "";
    const entries = text.split("\n").map((line) => parseOffset(line))
      .filter((entry) => entry !== undefined)
      .map(({ topic, partition, offset }) => {
        const end = ends.get(partitionName(topic, partition)) ?? Infinity;
        return { topic, partition, offset: Math.min(offset, end) };
      });
    const content = offsetsText(entries);
    if (content === text || text === "") continue;
    replaceFile(disk, { folder: data, name, content });
  }
}

/** Files will be other than a clean stop left them, and rightly so. */
function forgetDigests(disk: Disk, data: string): void {
  const text = readText(disk, `${data}/${CLEAN}`);
  const mark = parseCleanStop(text ?? "");
  if (mark?.digests === undefined) return;
  const content = cleanStopText(mark.brokerEpoch ?? -1, undefined);
  replaceFile(disk, { folder: data, name: CLEAN, content });
}

function lockOf(
  disk: Disk,
  data: string | undefined,
  path: string,
): { release(): void } | undefined {
  if (data === undefined) return undefined;
  const lock = disk.lock(`${data}/.lock`);
  if (lock === undefined) {
    throw new Error(`Cannot repair "${path}": a broker uses it; stop it first`);
  }
  return lock;
}

/** Whether a broker, or what was copied of one, is here: it has a `.lock`. */
function isDataFolder(disk: Disk, folder: string): boolean {
  return ["meta.properties", ".lock"]
    .some((name) => disk.stat(`${folder}/${name}`) !== undefined);
}

function isPartitionFolder(disk: Disk, folder: string): boolean {
  if (disk.stat(folder)?.isDirectory !== true) return false;
  return PARTITION.test(nameOf(folder)) &&
    disk.list(folder).some(({ name }) =>
      name === "partition.metadata" || /^\d{20}\.log$/.test(name)
    );
}

function partitionsIn(disk: Disk, data: string): string[] {
  return disk.list(data)
    .filter(({ name, isDirectory }) => isDirectory && PARTITION.test(name))
    .map(({ name }) => `${data}/${name}`)
    .filter((folder) => isPartitionFolder(disk, folder))
    .sort();
}

function partitionOf(folder: string) {
  const [, topic, partition] = PARTITION.exec(nameOf(folder))!;
  return { topic: topic!, partition: Number(partition) };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function parentOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at < 0 ? "." : path.slice(0, at) || "/";
}
