/**
 * Cleans the compacted logs of one broker, the dirtiest first, one at a time,
 * in slices of the event loop. Owns which log is next and which ones can't be
 * cleaned; it must never keep anybody waiting for a cleaning.
 *
 * @module
 */
import type { BrokerConfig } from "../../config/resolve.ts";
import { DiskError, type Env } from "../../env/env.ts";
import type { Log } from "../log.ts";
import { type Compactable, type Dirt, dirtOf, isDue } from "./cleanable.ts";
import { type Cleaned, Cleaner, CleaningAborted } from "./cleaner.ts";
import { Pace } from "./pace.ts";

/** What a {@linkcode LogCleaner} works with. */
export interface LogCleanerOptions {
  readonly env: Env;
  /** The partitions that are open now. */
  readonly partitions: () => Iterable<Compactable>;
  readonly config: () => BrokerConfig;
  /** Makes durable how much of each log is durable. */
  readonly keepRecoveryPoints: () => Promise<void>;
  /** Told after each cleaning: `cleanedOffset` of a log has moved. */
  readonly onCleaned: () => void;
}

/** What the last cleaning did. */
interface LastCleaning {
  readonly seconds: number;
  /** Bytes written, in percent of those read. */
  readonly recopyPercent: number;
  readonly bufferUtilizationPercent: number;
}

/** How the cleaning goes. */
export interface CleanerStatus {
  /** All zero before the first one. */
  readonly last: LastCleaning;
  readonly msSinceLastRun: number;
  /** How dirty the dirtiest log was then. */
  readonly maxDirtyPercent: number;
  /** How long `max.compaction.lag.ms` had been passed then. */
  readonly maxDelaySeconds: number;
  readonly uncleanableCount: number;
  /** Bytes that would be cleaned if they could. */
  readonly uncleanableBytes: number;
}

interface Filthy {
  readonly partition: Compactable;
  readonly dirt: Dirt;
}

/**
 * The cleaner of a broker.
 *
 * Invariants:
 * 1. A log's `cleanedOffset` moves only after all below it is clean on disk.
 * 2. A log whose records can't be read is left alone until the next start.
 */
export class LogCleaner {
  readonly #options: LogCleanerOptions;
  readonly #uncleanable = new WeakSet<Log>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #lastRunMs: number;
  #maxDirtyPercent = 0;
  #maxDelaySeconds = 0;
  #last: LastCleaning = {
    seconds: 0,
    recopyPercent: 0,
    bufferUtilizationPercent: 0,
  };

  constructor(options: LogCleanerOptions) {
    this.#options = options;
    this.#lastRunMs = options.env.clock.monoMs();
  }

  /** Cleans in the background what needs it, unless that is going on. */
  round(): void {
    if (this.#running !== undefined || !this.#isWanted) return;
    const over = Promise.withResolvers<void>();
    this.#running = over.promise;
    this.#options.env.tasks.spawn("compact logs", async () => {
      try {
        await this.#cleanAll();
      } finally {
        this.#running = undefined;
        over.resolve();
      }
    });
  }

  /** How the cleaning goes. */
  status(): CleanerStatus {
    const { env: { clock }, partitions } = this.#options;
    let uncleanableCount = 0;
    let uncleanableBytes = 0;
    for (const partition of partitions()) {
      if (!this.#uncleanable.has(partition.log)) continue;
      uncleanableCount++;
      uncleanableBytes += dirtOf(partition, clock.wallMs()).cleanableBytes;
    }
    return {
      last: this.#last,
      msSinceLastRun: clock.monoMs() - this.#lastRunMs,
      maxDirtyPercent: this.#maxDirtyPercent,
      maxDelaySeconds: this.#maxDelaySeconds,
      uncleanableCount,
      uncleanableBytes,
    };
  }

  /** Resolves when nothing is being cleaned any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  get #isWanted(): boolean {
    return !this.#stopping.signal.aborted &&
      this.#options.config()["log.cleaner.enable"];
  }

  async #cleanAll(): Promise<void> {
    /** Their cleaning failed; maybe the next round's doesn't. */
    const later = new Set<Log>();
    while (this.#isWanted) {
      this.#lastRunMs = this.#options.env.clock.monoMs();
      const next = this.#filthiest(later);
      if (next === undefined) return;
      if (!await this.#clean(next)) later.add(next.partition.log);
    }
  }

  #filthiest(later: ReadonlySet<Log>): Filthy | undefined {
    const nowMs = this.#options.env.clock.wallMs();
    let filthiest: Filthy | undefined;
    this.#maxDirtyPercent = 0;
    this.#maxDelaySeconds = 0;
    for (const partition of this.#options.partitions()) {
      const { log, config } = partition;
      if (!config.cleanupPolicy.compact) continue;
      if (this.#uncleanable.has(log) || log.isOffline) continue;
      const dirt = dirtOf(partition, nowMs);
      const { ratio, delayMs } = dirt;
      this.#maxDirtyPercent = Math.max(this.#maxDirtyPercent, ratio * 100);
      this.#maxDelaySeconds = Math.max(this.#maxDelaySeconds, delayMs / 1000);
      if (later.has(log) || !isDue(dirt, config)) continue;
      if (filthiest === undefined || ratio > filthiest.dirt.ratio) {
        filthiest = { partition, dirt };
      }
    }
    return filthiest;
  }

  /** Whether it was cleaned. */
  async #clean({ partition, dirt }: Filthy): Promise<boolean> {
    const { log, config, highWatermark, isFullyInSync } = partition;
    const { env, config: broker, keepRecoveryPoints, onCleaned } =
      this.#options;
    const beganMs = env.clock.monoMs();
    const { firstDirtyOffset, firstUncleanableOffset } = dirt;
    const cleaner = new Cleaner({
      env,
      log,
      config,
      firstDirtyOffset,
      firstUncleanableOffset,
      highWatermark,
      isFullyInSync,
      keepRecoveryPoints,
      mapBytesMax: broker()["log.cleaner.dedupe.buffer.size"],
      pace: new Pace({
        clock: env.clock,
        signal: this.#stopping.signal,
        bytesPerSecond: () => broker()["log.cleaner.io.max.bytes.per.second"],
      }),
    });
    try {
      const cleaned = await cleaner.clean();
      log.markCleaned(cleaned.cleanedTo);
      onCleaned();
      const ms = env.clock.monoMs() - beganMs;
      this.#last = summaryOf(cleaned, ms);
      env.trace("info", `Compacted ${log.name}`, {
        fromOffset: firstDirtyOffset,
        toOffset: cleaned.cleanedTo,
        bytesRead: cleaned.bytesRead,
        bytesWritten: cleaned.bytesWritten,
        ms: Math.round(ms),
      });
      return true;
    } catch (error) {
      this.#noteFailure(log, error);
      return false;
    }
  }

  #noteFailure(log: Log, error: unknown): void {
    const { trace } = this.#options.env;
    // Closed, deleted, offline (which was told of) or changed meanwhile.
    const isOver = this.#stopping.signal.aborted || !log.canReplace([]) ||
      error instanceof CleaningAborted;
    if (isOver) return;
    if (error instanceof DiskError) {
      trace("warn", `Cannot compact ${log.name}: tried again later`, { error });
      return;
    }
    this.#uncleanable.add(log);
    trace("error", `${log.name} is not compacted until the next start`, {
      error,
    });
  }
}

function summaryOf(cleaned: Cleaned, ms: number): LastCleaning {
  const { bytesRead, bytesWritten, mapUtilization } = cleaned;
  return {
    seconds: ms / 1000,
    recopyPercent: 100 * bytesWritten / Math.max(1, bytesRead),
    bufferUtilizationPercent: 100 * mapUtilization,
  };
}
