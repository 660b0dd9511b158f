/**
 * What a node keeps on disk: its data folder, and in it the metadata log. Owns
 * whose they are, and refuses what belongs to another cluster; serves nothing.
 *
 * @module
 */
import { METADATA_TOPIC_ID, type Uuid } from "../../core/bytes/uuid.ts";
import {
  type BrokerConfig,
  resolveTopicConfig,
} from "../../core/config/resolve.ts";
import type { Env } from "../../core/env/env.ts";
import { LogFolder, LogFolderError } from "../../core/log/log_folder.ts";
import { newestSnapshot } from "../../core/raft/snapshot_files.ts";
import type { QuorumMembership } from "../raft/quorum.ts";
import { beginWithVoters, initialDirectory } from "./initial_voters.ts";
import { isFirstVoter } from "./membership.ts";
import { MetadataLog } from "./metadata_log.ts";
import { clusterIdOf } from "./roles.ts";

/** Snapshots alone let go of old records, and the quorum alone flushes. */
const METADATA_LOG_CONFIG = new Map([
  ["cleanup.policy", "compact"],
  ["flush.messages", "9223372036854775807"],
  ["flush.ms", "9223372036854775807"],
]);

/** Where the node keeps its data. */
export function dataPath(config: BrokerConfig): string {
  return config["log.dirs"][0] ?? config["log.dir"];
}

/** Whether the folder takes no new replicas (KIP-1066). */
export function isFolderCordoned(config: BrokerConfig): boolean {
  const cordoned = config["cordoned.log.dirs"];
  return cordoned.includes("*") || cordoned.includes(dataPath(config));
}

/** Takes the data folder, and with it the cluster's identity. */
export function openFolder({ env, config, directoryId, onSynced }: {
  readonly env: Env;
  readonly config: BrokerConfig;
  /** Of a new folder, where it is known already. */
  readonly directoryId: Uuid | undefined;
  readonly onSynced: (ms: number) => void;
}): LogFolder {
  const path = dataPath(config);
  const isNew = env.disk.stat(`${path}/meta.properties`) === undefined;
  const clusterId = clusterIdOf(config, {
    isNew,
    isFirst: isFirstVoter(config),
  });
  return LogFolder.open({
    env,
    path,
    nodeId: config["node.id"],
    ...clusterId === undefined ? {} : { clusterId },
    directoryId: directoryId ?? initialDirectory(config),
    onSynced,
  });
}

/** Opens the metadata log in a folder. */
export function openMetadata({ env, config, folder, ...options }: {
  readonly env: Env;
  /** The config from file and command line. */
  readonly config: BrokerConfig;
  readonly folder: LogFolder;
  readonly membership: QuorumMembership;
  /** The config that counts now. */
  readonly currentConfig: () => BrokerConfig;
  readonly onFailed: (error: unknown) => void;
}): MetadataLog {
  const own = `${folder.path}/__cluster_metadata-0`;
  const log = folder.openLog({
    topic: "__cluster_metadata",
    partition: 0,
    topicId: METADATA_TOPIC_ID,
    config: resolveTopicConfig(METADATA_LOG_CONFIG, config),
    // A snapshot was fetched, and a crash came before the log began anew.
    keptElsewhere: () => newestSnapshot(env.disk, own)?.id.endOffset ?? 0,
  });
  // What is behind a gap was told to nobody as durable, and must not vote.
  log.cutGap();
  beginWithVoters(env, {
    config,
    folder: log.folder,
    logEndOffset: log.logEndOffset,
    directoryId: folder.directoryId,
  });
  return new MetadataLog({
    env,
    log,
    folder: log.folder,
    nodeId: config["node.id"],
    config: options.currentConfig,
    membership: options.membership,
    snapshots: {
      maxBytes: config["metadata.log.max.record.bytes.between.snapshots"],
      intervalMs: config["metadata.log.max.snapshot.interval.ms"],
    },
    onFailed: options.onFailed,
  });
}

/** Folder and metadata log must be of the same cluster: no topic is lost. */
export function checkOneCluster(
  folder: LogFolder,
  { image, nodeId }: Pick<MetadataLog, "image"> & { readonly nodeId: number },
): void {
  const registered = image.broker(nodeId)?.logDirs;
  // A broker that was unregistered comes back as it was.
  const isOurs = registered?.includes(folder.directoryId) ??
    (image.topics.size > 0 || !folder.holdsTopics);
  if (isOurs) return;
  const why = registered === undefined
    ? "it holds topics that its metadata log knows nothing of"
    : `its metadata log is of directory ${registered.join(", ")}, ` +
      `its meta.properties of ${folder.directoryId}`;
  throw new LogFolderError(
    `Cannot use data folder "${folder.path}": ${why}; it was put together from two clusters`,
  );
}
