/**
 * In which log directory of its broker each replica is (KIP-858). Owns the ids
 * that stand for no directory, and what is known without being told.
 *
 * @module
 */
import { type Uuid, ZERO_UUID } from "../bytes/uuid.ts";
import type { BrokerImage, MetadataImage, PartitionImage } from "./image.ts";

/** `metadata.version` 3.7-IV2: brokers name their log directories. */
const DIRECTORIES_VERSION = 17;
/** `metadata.version` 4.3-IV0: some of them may take no new replicas. */
const CORDONED_VERSION = 30;

/** Ids up to 99 are no directory's; three of them have a meaning. */
export const DIRECTORY = {
  /** Not told yet. */
  UNASSIGNED: ZERO_UUID,
  /** Offline since before its id was known. */
  LOST: "AAAAAAAAAAAAAAAAAAAAAQ",
  /** Comes from metadata that knew no directories. */
  MIGRATING: "AAAAAAAAAAAAAAAAAAAAAg",
} as const;

/** Whether the cluster's metadata tell directories apart. */
export function usesDirectories({ features }: MetadataImage): boolean {
  return (features.get("metadata.version") ?? 0) >= DIRECTORIES_VERSION;
}

/** Whether the cluster's metadata say which directories are cordoned. */
export function usesCordoned({ features }: MetadataImage): boolean {
  return (features.get("metadata.version") ?? 0) >= CORDONED_VERSION;
}

/** Whether every directory of a broker is cordoned: it takes no new replicas. */
export function isCordoned({ logDirs, cordonedLogDirs }: BrokerImage): boolean {
  return logDirs.length > 0 &&
    logDirs.every((directory) => cordonedLogDirs.includes(directory));
}

/** The folder of a new replica: known where a broker has just one. */
export function defaultDirectory(image: MetadataImage, id: number): Uuid {
  const [only, ...others] = image.broker(id)?.logDirs ?? [];
  return others.length === 0 && only !== undefined
    ? only
    : DIRECTORY.UNASSIGNED;
}

/** Where the replica on broker `id` is; undefined: it has none, or no word of it. */
export function directoryOf(
  { replicas, directories }: Pick<PartitionImage, "replicas" | "directories">,
  id: number,
): Uuid | undefined {
  return directories[replicas.indexOf(id)];
}

/** Whether broker `id` can serve from `directory`, as far as is known. */
export function isOnline(
  image: MetadataImage,
  id: number,
  directory: Uuid | undefined,
): boolean {
  if (directory === DIRECTORY.LOST) return false;
  const online = image.broker(id)?.logDirs ?? [];
  return directory === undefined || directory === DIRECTORY.UNASSIGNED ||
    directory === DIRECTORY.MIGRATING || online.length === 0 ||
    online.includes(directory);
}

/** The partition's directories with that of broker `id` being `directory`. */
export function withDirectory(
  { replicas, directories }: PartitionImage,
  id: number,
  directory: Uuid,
): Uuid[] {
  return replicas.map((replica, index) =>
    replica === id ? directory : directories[index] ?? DIRECTORY.UNASSIGNED
  );
}
