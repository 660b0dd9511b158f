/**
 * What a node does by the clock for what it keeps: retention, compaction,
 * snapshots, checkpoints. Owns the rounds; what is due is for those to say who
 * keep it.
 *
 * @module
 */
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Env } from "../../core/env/env.ts";
import { LogCleaner } from "../../core/log/cleaner/log_cleaner.ts";
import type { LogFolder } from "../../core/log/log_folder.ts";
import type { Chore } from "./background.ts";
import type { Hosting } from "./hosting.ts";
import type { MetadataLog } from "./metadata_log.ts";
import type { Services } from "./services.ts";

/** How often a partition that the disk refused is tried again. */
const REOPEN_MS = 1_000;
/** How often the age of the metadata snapshot is looked at. */
const SNAPSHOT_CHECK_MS = 60_000;
/** How long a read buffer is kept that nobody needs. */
const BUFFERS_MS = 60_000;

/** Chores of every node. */
export function metadataChores(
  metadata: Pick<MetadataLog, "snapshotIfDue">,
): Chore[] {
  return [{
    name: "metadata snapshot",
    everyMs: () => SNAPSHOT_CHECK_MS,
    round: () => metadata.snapshotIfDue(),
  }];
}

/** What compacts the logs of a node that hosts partitions. */
export function cleanerOf(
  env: Env,
  { config, folder, hosting }: {
    readonly config: () => BrokerConfig;
    readonly folder: LogFolder;
    readonly hosting: Hosting;
  },
): LogCleaner {
  const highWatermarks = () => hosting.highWatermarks();
  return new LogCleaner({
    env,
    config,
    partitions: () => hosting.openPartitions(),
    keepRecoveryPoints: () => folder.keepRecoveryPoints(highWatermarks),
    onCleaned: () => folder.checkpointLater(highWatermarks, ["cleaner"]),
  });
}

/** Chores of a node that hosts partitions. */
export function partitionChores(
  services: Pick<Services, "config" | "readBuffers">,
  { folder, hosting, cleaner }: {
    readonly folder: LogFolder;
    readonly hosting: Hosting;
    readonly cleaner: LogCleaner;
  },
): Chore[] {
  const config = () => services.config;
  const checkpoint = (which: "recovery" | "start" | "replication") =>
    folder.checkpointLater(() => hosting.highWatermarks(), [which]);
  return [
    {
      name: "retention",
      everyMs: () => config()["log.retention.check.interval.ms"],
      round: (nowMs) => hosting.applyRetention(nowMs),
    },
    {
      name: "compaction",
      everyMs: () => config()["log.cleaner.backoff.ms"],
      round: () => cleaner.round(),
    },
    {
      name: "read buffers",
      everyMs: () => BUFFERS_MS,
      round: () => services.readBuffers.trim(),
    },
    {
      name: "partitions that could not be opened",
      everyMs: () => REOPEN_MS,
      round: () => hosting.retryUnopened(),
    },
    {
      name: "high watermark checkpoint",
      everyMs: () => config()["replica.high.watermark.checkpoint.interval.ms"],
      round: () => checkpoint("replication"),
    },
    {
      name: "recovery point checkpoint",
      everyMs: () => config()["log.flush.offset.checkpoint.interval.ms"],
      round: () => checkpoint("recovery"),
    },
    {
      name: "log start checkpoint",
      everyMs: () => config()["log.flush.start.offset.checkpoint.interval.ms"],
      round: () => checkpoint("start"),
    },
  ];
}
