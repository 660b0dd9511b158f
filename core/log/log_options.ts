/**
 * What a log is opened with: its seams, its place, what the checkpoints of its
 * folder say of it, and who is told of what; and how it is appended to. Types
 * only.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import type { Clock, Disk, Trace } from "../env/env.ts";
import type { LogDigest } from "./clean_stop.ts";
import type { CheckOptions } from "./producer_state.ts";
import type { RecoveredLog } from "./recovery_report.ts";

/** The seams that a log uses. */
export interface LogEnv {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly trace: Trace;
}

/** The part of a topic's config that its logs obey. */
export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** Segments roll up to this much earlier, each by its own part of it. */
  readonly segmentJitterMs: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  readonly retentionBytes: number;
  readonly retentionMs: number;
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly fileDeleteDelayMs: number;
  readonly cleanupPolicy: {
    readonly compact: boolean;
    readonly delete: boolean;
  };
}

/** What a log is opened with. */
export interface LogOptions {
  readonly env: LogEnv;
  /** The partition's folder. */
  readonly folder: string;
  readonly topic: string;
  readonly partition: number;
  readonly topicId: Uuid;
  readonly config: LogConfig;
  /** Everything below is known to be durable. */
  readonly recoveryPoint: number;
  /** Undefined: what told it was damaged. */
  readonly logStartOffset: number | undefined;
  /** Everything below was compacted; undefined when nothing is known. */
  readonly cleanedOffset?: number | undefined;
  /** Whether the last stop was clean: then nothing is scanned. */
  readonly wasClean: boolean;
  /** What a clean stop noted of the files; undefined when it noted nothing. */
  readonly digest?: LogDigest | undefined;
  /**
   * Refuses a log that ends below its recovery point, unless all before the
   * offset that this tells is kept elsewhere, too.
   */
  readonly keptElsewhere?: (() => number) | undefined;
  /** Makes durable that there is the folder, and whose it is. */
  readonly keepFolder?: (() => Promise<void>) | undefined;
  /** Told how long a sync took. */
  readonly onSynced?: ((ms: number) => void) | undefined;
  /** Told what a scan found. */
  readonly onRecovered?: ((recovered: RecoveredLog) => void) | undefined;
  /** Told that less is durable than was: before anything comes in its place. */
  readonly onCut?: (() => void) | undefined;
}

/** How a batch is appended where the partition is led. */
export interface AppendOptions extends CheckOptions {
  readonly leaderEpoch: number;
  readonly nowMs: number;
}

/** Offsets of an append. */
export interface Appended {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** It was appended before; nothing was written. */
  readonly isDuplicate: boolean;
}
