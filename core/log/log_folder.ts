/**
 * One data folder: its identity, its lock, its checkpoints and the logs in it.
 * Owns which folder belongs to which partition and whether the last stop was
 * clean; it must never be shared by two processes or two clusters.
 *
 * @module
 */
import { type Uuid, uuidFromRandom } from "../bytes/uuid.ts";
import { type Disk, DiskError, type Env } from "../env/env.ts";
import { partitionName } from "../ids.ts";
import {
  type CheckpointEntry,
  offsetsOf,
  offsetsText,
  parseOffset,
  readText,
  readTopicId,
  replaceFile,
  replaceFileLater,
} from "./checkpoint.ts";
import {
  type CleanDigests,
  type CleanStop,
  cleanStopText,
  digestOfText,
  type LogDigest,
  parseCleanStop,
} from "./clean_stop.ts";
import { DoomedFolders } from "./doomed_folders.ts";
import { parseMeta } from "./folder_files.ts";
import { Log } from "./log.ts";
import type { LogConfig, LogOptions } from "./log_options.ts";
import { type RecoveredLog, traceRecovery } from "./recovery_report.ts";

const META = "meta.properties";
const CLEAN = ".kafka_cleanshutdown";
const RECOVERY = "recovery-point-offset-checkpoint";
const REPLICATION = "replication-offset-checkpoint";
const START = "log-start-offset-checkpoint";
const CLEANER = "cleaner-offset-checkpoint";
const PARTITION_METADATA = "partition.metadata";
const METADATA_TOPIC = "__cluster_metadata";
/** What file systems take. */
const FILE_NAME_BYTES_MAX = 255;
/** Logs that are closed at the same time. */
const CLOSING_MAX = 64;
const CHECKPOINTS = ["recovery", "start", "replication", "cleaner"] as const;
const NO_MARKS: ReadonlyMap<string, number> = new Map();
/** One of the offset checkpoints of a data folder. */
type Checkpoint = typeof CHECKPOINTS[number];

/** A data folder that can't be used, in words for the person who named it. */
export class LogFolderError extends Error {
  override readonly name = "LogFolderError";
}

/** What {@linkcode LogFolder.open} needs. */
export interface LogFolderOptions {
  readonly env: Env;
  readonly path: string;
  readonly nodeId: number;
  /** Id of the cluster that a new folder joins; one is made up unless given. */
  readonly clusterId?: Uuid;
  /** Id of a new folder, where others know it already. */
  readonly directoryId?: Uuid | undefined;
  /** Told how long each sync of a log took. */
  readonly onSynced?: (ms: number) => void;
}

/** A partition's place in a data folder. */
export interface LogPlace {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: Uuid;
  readonly config: LogConfig;
  /**
   * Damage to what was durable is refused instead of cut off, unless all before
   * the offset that this tells is kept elsewhere, too.
   */
  readonly keptElsewhere?: () => number;
}

/**
 * An open data folder.
 *
 * Invariants:
 * 1. The lock is held from `open()` to `close()`.
 * 2. The clean-stop mark exists only while no log is open.
 */
export class LogFolder {
  readonly path: string;
  readonly clusterId: Uuid;
  readonly directoryId: Uuid;
  /** Whether the folder was new. */
  readonly isNew: boolean;
  /** Whether the last stop was clean. */
  readonly wasClean: boolean;
  /** Broker epoch of the last clean stop; −1 when there was none. */
  readonly previousBrokerEpoch: number;
  readonly #env: Env;
  readonly #onSynced: ((ms: number) => void) | undefined;
  readonly #lock: { release(): void };
  readonly #doomed: DoomedFolders;
  readonly #logs = new Map<string, Log>();
  /** Logs that were scanned and not told of. */
  readonly #recovered: RecoveredLog[] = [];
  readonly #recoveryPoints: Map<string, number>;
  readonly #startOffsets: Map<string, number>;
  readonly #highWatermarks: Map<string, number>;
  readonly #cleanedOffsets: Map<string, number>;
  readonly #written = new Map<string, string>();
  /** What the last stop noted of logs that are as it left them. */
  readonly #digests: Map<string, LogDigest>;
  /** Whether nothing tells where logs start. */
  #isStartLost = false;
  readonly #deletedTopics = new Set<Uuid>();
  /** Partitions that a checkpoint on the disk may name. */
  readonly #named: Set<string>;
  /** Changes when what a checkpoint says of a log is no longer so. */
  #strikes = 0;
  #isUnmarked = false;
  /** Partition folders that were begun, and how many of them are durable. */
  #begun = 0;
  #kept = 0;
  #keeping: Promise<void> | undefined;
  /** Checkpoints that are to be written in the background. */
  readonly #due = new Set<Checkpoint>();
  #checkpointing: Promise<void> | undefined;

  /** Locks the folder, making it when it is not there. */
  static open(options: LogFolderOptions): LogFolder {
    const { env: { disk }, path } = options;
    try {
      makeFolder(disk, path);
      const lock = disk.lock(`${path}/.lock`);
      if (lock === undefined) {
        throw new LogFolderError(
          `Cannot use data folder "${path}": another process uses it`,
        );
      }
      try {
        return new LogFolder(options, lock);
      } catch (error) {
        lock.release();
        throw error;
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw new LogFolderError(
        `Cannot use data folder "${path}": ${error.message}`,
        { cause: error },
      );
    }
  }

  private constructor(options: LogFolderOptions, lock: { release(): void }) {
    const { env, path } = options;
    const { disk } = env;
    this.path = path;
    this.#env = env;
    this.#onSynced = options.onSynced;
    this.#lock = lock;
    this.#doomed = new DoomedFolders(env, path);
    const meta = readMeta(options);
    this.isNew = meta === undefined;
    if (this.isNew && this.#partitionFolders().length > 0) {
      throw new LogFolderError(
        `Cannot use data folder "${path}": it holds partitions and no ${META}, so nothing tells whose they are; put the file back or name another folder`,
      );
    }
    const { clusterId, directoryId } = meta ?? writeMeta(options);
    this.clusterId = clusterId;
    this.directoryId = directoryId;
    const clean = this.#readMark();
    this.wasClean = clean !== undefined;
    this.previousBrokerEpoch = clean?.brokerEpoch ?? -1;
    const digests = clean?.digests;
    this.#digests = new Map(digests?.logs);
    this.#recoveryPoints = this.#readOffsets(RECOVERY, digests);
    this.#startOffsets = this.#readOffsets(START, digests);
    this.#highWatermarks = this.#readOffsets(REPLICATION, digests);
    this.#cleanedOffsets = this.#readOffsets(CLEANER, digests);
    if (disk.stat(`${path}/${CLEANER}`) === undefined) {
      this.#written.set(CLEANER, offsetsText([]));
    }
    this.#named = new Set([
      ...this.#recoveryPoints.keys(),
      ...this.#startOffsets.keys(),
      ...this.#highWatermarks.keys(),
      ...this.#cleanedOffsets.keys(),
    ]);
    for (const { name, isDirectory } of disk.list(path)) {
      if (isDirectory && name.endsWith("-delete")) {
        this.#doomed.remove(`${path}/${name}`);
      }
    }
  }

  /** What a clean stop left; undefined when there was none, or nothing tells. */
  #readMark(): CleanStop | undefined {
    const text = readText(this.#env.disk, `${this.path}/${CLEAN}`);
    if (text === undefined) return undefined;
    const mark = parseCleanStop(text);
    if (mark !== undefined) return mark;
    const what = `${CLEAN} is damaged: logs are scanned as after a kill`;
    this.#env.trace("warn", what, { folder: this.path });
    return undefined;
  }

  /** Offsets by `topic-partition`; none of a file that isn't as it was left. */
  #readOffsets(
    name: string,
    digests: CleanDigests | undefined,
  ): Map<string, number> {
    const text = readText(this.#env.disk, `${this.path}/${name}`);
    const digest = digests?.files.get(name);
    // One that is missing says as much as one without entries.
    const isSame = digest === undefined ||
      digestOfText(text ?? offsetsText([])) === digest;
    if (isSame) return offsetsOf(text ?? "");
    if (name === START) this.#isStartLost = true;
    const what = `${name} is damaged: nothing in it is believed`;
    this.#env.trace("warn", what, { folder: this.path });
    return new Map();
  }

  /** Whether partitions are here besides the metadata's own. */
  get holdsTopics(): boolean {
    return this.#partitionFolders().some((name) =>
      !name.startsWith(`${METADATA_TOPIC}-`)
    );
  }

  /** The open logs by `topic-partition`. */
  get logs(): ReadonlyMap<string, Log> {
    return this.#logs;
  }

  /** The high watermark of a partition at the last checkpoint; 0 when unknown. */
  highWatermark(topic: string, partition: number): number {
    return this.#highWatermarks.get(partitionName(topic, partition)) ?? 0;
  }

  /** Opens the partition's log, or begins it; a folder of a topic's namesake is set aside. */
  openLog(place: LogPlace): Log {
    const open = this.#logs.get(partitionName(place.topic, place.partition));
    return open ?? this.#opened(Log.open(this.#prepare(place)));
  }

  /** The same, but `onStep` is awaited whenever a scan has read some bytes. */
  async openLogLater(
    place: LogPlace,
    onStep: (bytes: number) => Promise<void> | undefined,
  ): Promise<Log> {
    const open = this.#logs.get(partitionName(place.topic, place.partition));
    if (open !== undefined) return open;
    return this.#opened(await Log.openLater(this.#prepare(place), onStep));
  }

  /** Tells operators what was scanned since this was asked last. */
  traceRecovery(): void {
    const why = this.wasClean ? "damage to indexes" : "an unclean stop";
    traceRecovery(this.#env.trace, this.#recovered.splice(0), why);
  }

  #opened(log: Log): Log {
    this.#logs.set(log.name, log);
    // A start cut it: what comes in its place is not on the disk yet.
    const known = this.#recoveryPoints.get(log.name) ?? 0;
    if (log.logEndOffset < known) this.#checkpointCut();
    return log;
  }

  /** Makes the folder ready for the partition's log. */
  #prepare(place: LogPlace): LogOptions {
    const { topic, partition, topicId, config, keptElsewhere } = place;
    const name = partitionName(topic, partition);
    this.#unmark();
    const folder = `${this.path}/${name}`;
    const { disk } = this.#env;
    const isThere = disk.stat(folder) !== undefined;
    const found = isThere ? this.#topicIdIn(name) : undefined;
    const isOther = found === undefined
      ? isThere && this.#isOfAnybody(name)
      : found !== topicId;
    // A clean stop knows whose log it left, where the id is gone.
    const isLeft = isThere && !isOther &&
      this.#digests.get(name)?.topicId === digestOfText(topicId);
    if (isOther) this.#clear(name, found);
    const isNew = !isThere || isOther;
    const isKnown = found === topicId || isLeft;
    if (!isKnown) this.#strikeOut(name);
    if (isOther || found !== topicId) {
      this.#begin(folder, { topicId, syncs: isLeft });
    }
    const begun = isKnown ? 0 : ++this.#begun;
    // A quorum keeps promises in files beside the log, too.
    if (topic === METADATA_TOPIC && !isKnown) disk.syncDirectory(this.path);
    return {
      env: this.#env,
      folder,
      topic,
      partition,
      topicId,
      config,
      recoveryPoint: isKnown ? this.#recoveryPoints.get(name) ?? 0 : 0,
      logStartOffset: isKnown ? this.#startOf(name) : 0,
      cleanedOffset: isKnown ? this.#cleanedOffsets.get(name) : undefined,
      // Without its id nothing tells what was made of the folder: it is scanned.
      wasClean: isNew || this.wasClean && isKnown,
      digest: isLeft ? this.#digests.get(name) : undefined,
      keptElsewhere,
      keepFolder: () => this.#keep(folder, begun),
      onSynced: this.#onSynced,
      onRecovered: (recovered) => this.#recovered.push(recovered),
      onCut: () => this.#checkpointCut(),
    };
  }

  #startOf(name: string): number | undefined {
    return this.#isStartLost ? undefined : this.#startOffsets.get(name) ?? 0;
  }

  /** Closes the partition's log and deletes its folder. */
  async deleteLog(topic: string, partition: number): Promise<void> {
    const name = partitionName(topic, partition);
    const log = this.#logs.get(name);
    if (log === undefined) return;
    this.#logs.delete(name);
    const closing = log.close({ clean: false });
    try {
      // At once: a new topic of that name may want the place this very turn.
      this.#delete(name);
    } finally {
      await closing;
    }
  }

  /** Of these topics, what is still there may go for good. */
  topicsDeleted(ids: Iterable<Uuid>): void {
    for (const id of ids) this.#deletedTopics.add(id);
  }

  /**
   * Clears partition folders away that no topic of the metadata claims: those of
   * deleted topics go, any other is kept under another name. Damage to the
   * metadata must not take the records along.
   */
  clearStrays(isClaimed: (topic: string, partition: number) => boolean): void {
    for (const { name, isDirectory } of this.#env.disk.list(this.path)) {
      const match = /^(.+)-(\d+)$/.exec(name);
      if (!isDirectory || !match || match[1] === METADATA_TOPIC) continue;
      if (isClaimed(match[1]!, Number(match[2]))) continue;
      this.#clear(name, this.#topicIdIn(name));
    }
    for (const name of this.#named) {
      if (this.#logs.has(name)) continue;
      const isGone = this.#env.disk.stat(`${this.path}/${name}`) === undefined;
      if (isGone) this.#forget(name);
    }
  }

  /** Writes recovery points, log starts, high watermarks and what was cleaned. */
  checkpoint(
    highWatermarks: ReadonlyMap<string, number>,
    which: readonly Checkpoint[] = CHECKPOINTS,
  ): void {
    for (const [name, content] of this.#checkpoints(highWatermarks, which)) {
      replaceFile(this.#env.disk, { folder: this.path, name, content });
      this.#written.set(name, content);
    }
  }

  /** A log was cut: what is durable of it must not be told too high. */
  #checkpointCut(): void {
    this.#strikes++;
    this.checkpoint(NO_MARKS, ["recovery", "cleaner"]);
  }

  /** The same, in the background: a sync may take long and others go on. */
  checkpointLater(
    highWatermarks: () => ReadonlyMap<string, number>,
    which: readonly Checkpoint[],
  ): void {
    // The task that writes tells of a failure.
    this.#writeLater(highWatermarks, which).catch(() => {});
  }

  /**
   * Writes recovery points so that no loss of power brings older ones back: to
   * those what a compaction left out would pass for lost.
   */
  async keepRecoveryPoints(
    highWatermarks: () => ReadonlyMap<string, number>,
  ): Promise<void> {
    await this.#writeLater(highWatermarks, ["recovery"]);
    await this.#env.disk.syncDirectoryLater(this.path);
  }

  #writeLater(
    highWatermarks: () => ReadonlyMap<string, number>,
    which: readonly Checkpoint[],
  ): Promise<void> {
    for (const each of which) this.#due.add(each);
    if (this.#checkpointing !== undefined) return this.#checkpointing;
    const over = Promise.withResolvers<void>();
    this.#checkpointing = over.promise;
    this.#env.tasks.spawn("write checkpoints", async () => {
      try {
        await this.#writeDue(highWatermarks);
        over.resolve();
      } catch (error) {
        over.reject(error);
        throw error;
      } finally {
        this.#checkpointing = undefined;
      }
    });
    return over.promise;
  }

  async #writeDue(
    highWatermarks: () => ReadonlyMap<string, number>,
  ): Promise<void> {
    while (this.#due.size > 0) {
      const contents = this.#checkpoints(highWatermarks(), [...this.#due]);
      this.#due.clear();
      for (const [name, content] of contents) {
        const strikes = this.#strikes;
        const isWritten = await replaceFileLater(this.#env.disk, {
          folder: this.path,
          name,
          content,
          isStillTrue: () => this.#strikes === strikes,
        });
        if (isWritten) this.#written.set(name, content);
        else for (const each of CHECKPOINTS) this.#due.add(each);
      }
    }
  }

  /** Texts by file of those checkpoints that changed. */
  #checkpoints(
    highWatermarks: ReadonlyMap<string, number>,
    which: readonly Checkpoint[],
  ): Map<string, string> {
    const contents = new Map<string, string>();
    const add = (
      name: string,
      known: ReadonlyMap<string, number>,
      offsetOf: (log: Log) => number | undefined,
    ) => {
      const entries = this.#unopened(known);
      for (const log of this.#logs.values()) {
        const { topic, partition } = log;
        const offset = offsetOf(log);
        if (offset === undefined) continue;
        entries.push({ topic, partition, offset });
        this.#named.add(log.name);
      }
      const content = offsetsText(entries);
      if (this.#written.get(name) !== content) contents.set(name, content);
    };
    if (which.includes("recovery")) {
      add(RECOVERY, this.#recoveryPoints, (log) => log.recoveryPoint);
    }
    if (which.includes("start")) {
      add(
        START,
        this.#startOffsets,
        ({ logStartOffset }) => logStartOffset || undefined,
      );
    }
    if (which.includes("replication")) {
      const ofLog = ({ name }: Log) => highWatermarks.get(name);
      add(REPLICATION, this.#highWatermarks, ofLog);
    }
    if (which.includes("cleaner")) {
      const ofLog = ({ cleanedOffset }: Log) => cleanedOffset;
      add(CLEANER, this.#cleanedOffsets, ofLog);
    }
    return contents;
  }

  /** What is known of partitions that are yet to be opened, or that can't be. */
  #unopened(known: ReadonlyMap<string, number>): CheckpointEntry[] {
    const entries: CheckpointEntry[] = [];
    for (const [name, offset] of known) {
      if (this.#logs.has(name)) continue;
      const at = name.lastIndexOf("-");
      const topic = name.slice(0, at);
      entries.push({ topic, partition: Number(name.slice(at + 1)), offset });
    }
    return entries;
  }

  /** Closes every log; a clean close needs no scan at the next start. */
  async close(
    { clean, brokerEpoch, highWatermarks }: {
      readonly clean: boolean;
      readonly brokerEpoch: number;
      readonly highWatermarks: ReadonlyMap<string, number>;
    },
  ): Promise<void> {
    const logs = [...this.#logs.values()];
    try {
      const failures = await closeAll(logs, clean);
      await this.#checkpointing?.catch(() => {});
      if (failures.length > 0) throw failures[0];
      // What a failed log has on the disk only a scan can tell.
      if (!clean || logs.some(({ isOffline }) => isOffline)) return;
      this.checkpoint(highWatermarks);
      replaceFile(this.#env.disk, {
        folder: this.path,
        name: CLEAN,
        content: cleanStopText(brokerEpoch, this.#digestsOf(logs)),
      });
    } finally {
      await this.#doomed.stop();
      this.#logs.clear();
      this.#lock.release();
    }
  }

  /** Of checkpoints that were just written, and logs that were just closed. */
  #digestsOf(closed: readonly Log[]): CleanDigests {
    for (const { name, digest } of closed) {
      if (digest !== undefined) this.#digests.set(name, digest);
    }
    const files = new Map<string, number>();
    for (const [name, content] of this.#written) {
      files.set(name, digestOfText(content));
    }
    return { files, logs: this.#digests };
  }

  #partitionFolders(): string[] {
    return this.#env.disk.list(this.path)
      .filter(({ name, isDirectory }) => isDirectory && /-\d+$/.test(name))
      .map(({ name }) => name);
  }

  /**
   * From the first open log on, a crash leaves an unclean folder. After a crash
   * a partition's folder may be in the page cache alone: all that is made durable
   * in it would go with it.
   */
  #unmark(): void {
    if (this.#isUnmarked) return;
    this.#isUnmarked = true;
    const { disk } = this.#env;
    if (this.wasClean) disk.unlink(`${this.path}/${CLEAN}`);
    if (!this.isNew) disk.syncDirectory(this.path);
  }

  /**
   * Removes what checkpoints say of a namesake that was here before: after a
   * crash its offsets would be taken for those of the new log. The others that
   * are gone go with it, for many may come again at once.
   */
  #strikeOut(own: string): void {
    if (!this.#named.has(own)) return;
    this.#forget(own);
    const gone = new Set(
      [...this.#named].filter((name) => !this.#isKnown(name)),
    );
    this.#strikes++;
    const { disk } = this.#env;
    for (const name of [RECOVERY, START, REPLICATION, CLEANER]) {
      const text = readText(disk, `${this.path}/${name}`);
      if (text === undefined) continue;
      const [version, , ...lines] = text.split("\n");
      const kept = lines.filter((line) => {
        const entry = parseOffset(line);
        return line !== "" && (entry === undefined ||
          !gone.has(partitionName(entry.topic, entry.partition)));
      });
      const content = [version, kept.length, ...kept, ""].join("\n");
      if (content === text) continue;
      replaceFile(disk, { folder: this.path, name, content });
      this.#written.delete(name);
    }
    // Not before: the disk may refuse a file, and be asked again.
    for (const name of gone) this.#named.delete(name);
  }

  /** Whether it is here, open or not. */
  #isKnown(name: string): boolean {
    return this.#logs.has(name) || this.#recoveryPoints.has(name) ||
      this.#startOffsets.has(name) || this.#highWatermarks.has(name) ||
      this.#cleanedOffsets.has(name);
  }

  /** A partition that was here at the start is here no more. */
  #forget(name: string): void {
    this.#recoveryPoints.delete(name);
    this.#startOffsets.delete(name);
    this.#highWatermarks.delete(name);
    this.#cleanedOffsets.delete(name);
    this.#digests.delete(name);
  }

  /** A partition's folder with its topic id: before any record not durably. */
  #begin(
    folder: string,
    { topicId, syncs }: { readonly topicId: Uuid; readonly syncs: boolean },
  ): void {
    const { disk } = this.#env;
    disk.mkdir(folder);
    const file = disk.open(`${folder}/${PARTITION_METADATA}`, "create");
    try {
      file.truncate(0);
      file.pwriteAll(
        new TextEncoder().encode(`version: 0\ntopic_id: ${topicId}`),
        0,
      );
      if (syncs) file.syncDataSync();
    } finally {
      file.close();
    }
    if (syncs) disk.syncDirectory(folder);
  }

  /** Makes durable that the folder is there, and which topic it is of. */
  async #keep(folder: string, begun: number): Promise<void> {
    const { disk } = this.#env;
    const file = disk.open(`${folder}/${PARTITION_METADATA}`, "write");
    try {
      await file.syncData();
    } finally {
      file.close();
    }
    while (begun > this.#kept) {
      this.#keeping ??= this.#keepBegun();
      await this.#keeping;
    }
  }

  /** One sync for all folders that were begun until now. */
  async #keepBegun(): Promise<void> {
    const begun = this.#begun;
    try {
      await this.#env.disk.syncDirectoryLater(this.path);
      this.#kept = begun;
    } finally {
      this.#keeping = undefined;
    }
  }

  #topicIdIn(name: string): Uuid | undefined {
    const path = `${this.path}/${name}/${PARTITION_METADATA}`;
    return readTopicId(readText(this.#env.disk, path));
  }

  /**
   * Whether records in a folder without a topic id may be those of a namesake:
   * a loss of power can take the id and leave records that were never flushed.
   */
  #isOfAnybody(name: string): boolean {
    if (this.wasClean || name.startsWith(`${METADATA_TOPIC}-`)) return false;
    return this.#env.disk.list(`${this.path}/${name}`)
      .some(({ name: file }) => file.endsWith(".log"));
  }

  #clear(name: string, topicId: Uuid | undefined): void {
    if (topicId !== undefined && this.#deletedTopics.has(topicId)) {
      this.#env.trace("info", `Deleted ${name}: its topic is gone`);
      this.#delete(name);
      return;
    }
    const folder = this.#moveAside(name, "stray");
    this.#env.disk.syncDirectory(this.path);
    const why = topicId === undefined
      ? "nothing tells which topic it is of"
      : "the metadata know no such topic";
    this.#env.trace("warn", `Set ${name} aside: ${why}`, { folder });
  }

  #delete(name: string): void {
    this.#doomed.remove(this.#moveAside(name, "delete"));
  }

  /** Renames a partition's folder as Kafka does; gives its new path. */
  #moveAside(name: string, why: "delete" | "stray"): string {
    const { disk, random } = this.#env;
    const suffix = `.${uuidFromRandom(random).replaceAll("-", "_")}-${why}`;
    // The longest topic name leaves no room for the suffix.
    const kept = name.slice(0, FILE_NAME_BYTES_MAX - suffix.length);
    const gone = `${this.path}/${kept}${suffix}`;
    this.#forget(name);
    disk.rename(`${this.path}/${name}`, gone);
    return gone;
  }
}

/** Closes the logs, some at once: what syncs together, the disk does at once. */
async function closeAll(
  logs: readonly Log[],
  clean: boolean,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  const left = logs.values();
  const closeNext = async () => {
    for (const log of left) {
      try {
        await log.close({ clean });
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: CLOSING_MAX }, closeNext));
  return failures;
}

/** Makes the data folder, and what it lies in, so that no loss of power takes it. */
function makeFolder(disk: Disk, path: string): void {
  if (disk.stat(`${path}/${META}`) !== undefined) return;
  const at = path.lastIndexOf("/");
  const parent = at < 0 ? "." : at === 0 ? "/" : path.slice(0, at);
  if (disk.stat(parent) === undefined) makeFolder(disk, parent);
  disk.mkdir(path);
  try {
    disk.syncDirectory(parent);
  } catch (error) {
    // A parent that may be entered and not read is no reason not to start.
    if (!(error instanceof DiskError) || error.code !== "Denied") throw error;
  }
}

interface Identity {
  readonly clusterId: Uuid;
  readonly directoryId: Uuid;
}

function readMeta(options: LogFolderOptions): Identity | undefined {
  const { env: { disk }, path, nodeId, clusterId } = options;
  const text = readText(disk, `${path}/${META}`);
  if (text === undefined) return undefined;
  const meta = parseMeta(text);
  if (meta === undefined) {
    throw new LogFolderError(
      `Cannot use data folder "${path}": ${META} is damaged or of another version`,
    );
  }
  if (clusterId !== undefined && meta.clusterId !== clusterId) {
    throw new LogFolderError(
      `Cannot use data folder "${path}": it belongs to cluster ${meta.clusterId}, not to ${clusterId}`,
    );
  }
  if (meta.nodeId !== String(nodeId)) {
    throw new LogFolderError(
      `Cannot use data folder "${path}": it belongs to node ${meta.nodeId}, not to node ${nodeId}`,
    );
  }
  return meta;
}

function writeMeta(options: LogFolderOptions): Identity {
  const { env: { disk, random }, path, nodeId } = options;
  const clusterId = options.clusterId ?? uuidFromRandom(random);
  const directoryId = options.directoryId ?? uuidFromRandom(random);
  replaceFile(disk, {
    folder: path,
    name: META,
    content: [
      "version=1",
      `cluster.id=${clusterId}`,
      `node.id=${nodeId}`,
      `directory.id=${directoryId}`,
      "",
    ].join("\n"),
  });
  return { clusterId, directoryId };
}
