/**
 * The one way in which a partition changes: what was asked for, a move that is
 * thereby finished, who is eligible (KIP-966), who leads. Owns the election
 * and the smallest record that says it all; decides about one partition only.
 *
 *     the leader stays   while it is in sync and alive, its directory online
 *     else               the first such replica, in the order of replicas
 *     ISR empty          the same among the eligible ones
 *     nobody eligible    the last leader, if it is known: records may be lost
 *     unclean            any replica that is alive: records may be lost
 *     else               nobody; without ELR the last one stays in the ISR
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { minInsyncReplicas, usesElr } from "./cluster_settings.ts";
import type { ControllerState } from "./controller.ts";
import { defaultDirectory, directoryOf, isOnline } from "./directories.ts";
import type { MetadataImage, PartitionImage } from "./image.ts";
import type { PartitionPlace } from "./partition_index.ts";
import {
  type MetadataRecord,
  metadataRecord,
  type MetadataValue,
} from "./records.ts";
import { canLead } from "./replicas.ts";

/** `leaderRecoveryState` of a partition whose leader wasn't in sync. */
export const RECOVERING = 1;

/** The leader of a partition that has none. */
const NO_LEADER = -1;
/** `metadata.version` 3.6-IV0: an ISR may shrink within a leader epoch. */
const SHRINKS_IN_EPOCH_VERSION = 12;

/** A `PartitionChange` record. */
type PartitionChange = Extract<MetadataRecord, { type: "PartitionChange" }>;

/** What a partition is to have; what is absent stays. */
export type PartitionTarget = Partial<
  Pick<
    PartitionImage,
    | "replicas"
    | "isr"
    | "addingReplicas"
    | "removingReplicas"
    | "leaderRecoveryState"
    | "directories"
  >
>;

/** How a partition is changed. */
export interface ChangeOptions {
  readonly state: ControllerState;
  readonly target?: PartitionTarget;
  /** Who is to lead: who does, the first replica, or anyone at all. */
  readonly election?: "any" | "preferred" | "unclean";
  /** Whether a broker may lead; as the image says, if absent. */
  readonly isAlive?: (id: number) => boolean;
  /** Brokers that may have lost what they had: they aren't eligible. */
  readonly uncleanShutdowns?: readonly number[];
}

/** Who is in sync and who is eligible, on the way to the record. */
interface Ranks {
  readonly isr: readonly number[];
  readonly elr: readonly number[];
}

/** In which directory each replica of before is. */
type Located = Pick<PartitionImage, "replicas" | "directories">;

interface Elected {
  readonly leader: number;
  readonly isUnclean: boolean;
}

/** The record of the change; undefined when nothing changes. */
export function partitionChange(
  { topic, index }: PartitionPlace,
  options: ChangeOptions,
): PartitionChange | undefined {
  const { state, target = {} } = options;
  const before = topic.partitions[index]!;
  const wanted = withMoveFinished({ ...before, ...target });
  const located: Located = {
    replicas: before.replicas,
    directories: wanted.directories,
  };
  const hasElr = usesElr(state.image);
  const minIsr = Math.min(
    minInsyncReplicas(state, topic.name),
    wanted.replicas.length,
  );
  // Of what the feature has left behind one may still be elected.
  const eligible = hasElr
    ? eligibleOf(before, { wanted, minIsr, options })
    : before.eligibleLeaderReplicas;
  const elected = elect(before, {
    wanted,
    located,
    elr: eligible,
    hasElr,
    options,
  });
  const ranks = ranksOf(elected, { wanted, elr: eligible, minIsr });
  const { leader } = elected;
  const hasNewLeader = leader !== before.leader;
  const isr = ranks.isr.length > 0 || hasElr ? ranks.isr : before.isr;
  const lastKnownElr = !hasElr || leader !== NO_LEADER
    ? []
    : before.lastKnownElr.length === 0 && before.leader !== NO_LEADER
    ? [before.leader]
    : before.lastKnownElr;
  const after: PartitionImage = {
    ...wanted,
    isr,
    leader,
    eligibleLeaderReplicas: hasElr ? ranks.elr : [],
    lastKnownElr,
    directories: directoriesOf(located, {
      replicas: wanted.replicas,
      image: state.image,
    }),
    leaderRecoveryState: elected.isUnclean && hasNewLeader
      ? RECOVERING
      : wanted.leaderRecoveryState,
  };
  const isNewEpoch = hasNewLeader || mustBumpEpoch(before, after, state.image);
  return record({ topic, index }, { before, after, isNewEpoch });
}

/**
 * Without those who are to go, once all who were to come are in sync (and,
 * when there will be fewer, all who stay are).
 */
function withMoveFinished(partition: PartitionImage): PartitionImage {
  const { addingReplicas: adding, removingReplicas: removing } = partition;
  if (adding.length + removing.length === 0) return partition;
  const isr = without(partition.isr, removing);
  const replicas = without(partition.replicas, removing);
  const needed = adding.length < removing.length ? replicas : adding;
  const isDone = isr.length > 0 && without(needed, isr).length === 0;
  return isDone
    ? { ...partition, replicas, isr, addingReplicas: [], removingReplicas: [] }
    : partition;
}

/** Those who left the ISR since it is too small for anything to be committed. */
function eligibleOf(
  before: PartitionImage,
  { wanted, minIsr, options }: {
    readonly wanted: PartitionImage;
    readonly minIsr: number;
    readonly options: ChangeOptions;
  },
): number[] {
  if (wanted.isr.length >= minIsr) return [];
  const { uncleanShutdowns = [] } = options;
  const known = new Set([...before.eligibleLeaderReplicas, ...before.isr]);
  return [...known].filter((id) =>
    wanted.replicas.includes(id) && !wanted.isr.includes(id) &&
    !uncleanShutdowns.includes(id)
  );
}

function elect(
  before: PartitionImage,
  { wanted, located, elr, hasElr, options }: {
    readonly wanted: PartitionImage;
    readonly located: Located;
    readonly elr: readonly number[];
    readonly hasElr: boolean;
    readonly options: ChangeOptions;
  },
): Elected {
  const { image } = options.state;
  const { replicas, isr } = wanted;
  const isAlive = (id: number) =>
    (options.isAlive?.(id) ?? canLead(image, id)) &&
    isOnline(image, id, directoryOf(located, id));
  const pool = isr.length > 0 ? isr : elr;
  const order = options.election === "preferred"
    ? [replicas[0]!, before.leader, ...replicas]
    : [before.leader, ...replicas];
  const clean = order.find((id) => pool.includes(id) && isAlive(id));
  if (clean !== undefined) return { leader: clean, isUnclean: false };
  const [last, ...others] = before.lastKnownElr;
  const isLastKnown = hasElr && pool.length === 0 && others.length === 0 &&
    last !== undefined && replicas.includes(last) && isAlive(last);
  if (isLastKnown) return { leader: last, isUnclean: true };
  const unclean = options.election === "unclean"
    ? replicas.find(isAlive)
    : undefined;
  return { leader: unclean ?? NO_LEADER, isUnclean: unclean !== undefined };
}

function ranksOf(
  { leader, isUnclean }: Elected,
  { wanted, elr, minIsr }: {
    readonly wanted: PartitionImage;
    readonly elr: readonly number[];
    readonly minIsr: number;
  },
): Ranks {
  if (isUnclean) return { isr: [leader], elr: [] };
  if (!elr.includes(leader)) return { isr: wanted.isr, elr };
  // What this leader alone can commit, others need not have.
  const rest = minIsr > 1 ? without(elr, [leader]) : [];
  return { isr: [leader], elr: rest };
}

/** Those who are gone must not go on in this leader's epoch. */
function mustBumpEpoch(
  before: PartitionImage,
  after: PartitionImage,
  { features }: MetadataImage,
): boolean {
  if (without(before.replicas, after.replicas).length > 0) return true;
  const version = features.get("metadata.version") ?? SHRINKS_IN_EPOCH_VERSION;
  return version < SHRINKS_IN_EPOCH_VERSION &&
    without(before.isr, after.isr).length > 0;
}

/** Where each replica is, those that come included. */
function directoriesOf(
  located: Located,
  { replicas, image }: {
    readonly replicas: readonly number[];
    readonly image: MetadataImage;
  },
): readonly Uuid[] {
  if (isSame(replicas, located.replicas)) return located.directories;
  return replicas.map((id) =>
    directoryOf(located, id) ?? defaultDirectory(image, id)
  );
}

type Lists = Pick<
  PartitionImage,
  | "replicas"
  | "isr"
  | "removingReplicas"
  | "addingReplicas"
  | "directories"
  | "eligibleLeaderReplicas"
  | "lastKnownElr"
>;

const LISTS: readonly (keyof Lists)[] = [
  "isr",
  "replicas",
  "removingReplicas",
  "addingReplicas",
  "directories",
  "eligibleLeaderReplicas",
  "lastKnownElr",
];

function record(
  { topic, index }: PartitionPlace,
  { before, after, isNewEpoch }: {
    readonly before: PartitionImage;
    readonly after: PartitionImage;
    readonly isNewEpoch: boolean;
  },
): PartitionChange | undefined {
  const isRecovery = after.leaderRecoveryState !== before.leaderRecoveryState;
  const changed = LISTS.filter((list) =>
    !isSame<unknown>(before[list], after[list])
  );
  if (!isNewEpoch && !isRecovery && changed.length === 0) return undefined;
  const lists: Partial<Record<keyof Lists, readonly unknown[]>> = {};
  for (const list of changed) lists[list] = after[list];
  return metadataRecord("PartitionChange", {
    partitionId: index,
    topicId: topic.id,
    ...lists as Partial<MetadataValue<"PartitionChange">>,
    ...isNewEpoch ? { leader: after.leader } : {},
    ...isRecovery ? { leaderRecoveryState: after.leaderRecoveryState } : {},
  });
}

function isSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

/** `ids` that are none of `others`, in their order. */
export function without(
  ids: readonly number[],
  others: readonly number[],
): number[] {
  return ids.filter((id) => !others.includes(id));
}
