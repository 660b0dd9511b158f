/**
 * Looks into the brokers of a run while it goes on, and says what must never be
 * so: among the replicas of a partition, in the quorum, in the metadata. Knows
 * what was once committed; it must never call a seam, lest the run be another.
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import type { Group } from "../../core/group/group.ts";
import type { TopicPartition } from "../../core/ids.ts";
import type { Log } from "../../core/log/log.ts";
import type {
  MetadataImage,
  PartitionImage,
} from "../../core/metadata/image.ts";
import { encodeMetadataRecord } from "../../core/metadata/records.ts";
import { snapshotRecords } from "../../core/metadata/snapshot.ts";
import type { IsrProposal } from "../../core/partition/in_sync_replicas.ts";
import type { Partition } from "../../core/partition/partition.ts";
import type { Inside } from "../../net/server/broker.ts";
import { whyStrange } from "./partition_rules.ts";
import type { SimProcess, Traced } from "./process.ts";

/** Of so many events one is followed by a look. */
const EVENTS = 8;
/** How often images are held against each other. */
const COMPARE_MS = 700;

/** A coordinator says so to who is no member any more. */
const ENDS_MEMBERSHIP: readonly unknown[] = [
  "UNKNOWN_MEMBER_ID",
  "ILLEGAL_GENERATION",
];

/** A broker that lives. */
interface Watched extends Inside {
  readonly nodeId: number;
  readonly attachedMs: number;
  readonly process: SimProcess;
}

/** What is known of one partition, whoever holds it. */
interface Known {
  /** Everything below was committed. */
  committed: number;
  /** Of each committed offset. */
  readonly epochs: Map<number, number>;
  /** Who led each epoch. */
  readonly leaders: Map<number, number>;
  /** As the newest metadata had it. */
  image: PartitionImage | undefined;
  /** Below which high watermark all was stable up to where. */
  stable: Stable | undefined;
  /** In which epoch somebody last led who wasn't in sync; −1: nobody ever did. */
  uncleanEpoch: number;
}

/** How far transactions were over when the high watermark was seen. */
interface Stable {
  readonly highWatermark: number;
  readonly offset: number;
}

/** What one replica, as long as it is open, was last seen to be. */
interface LastSeen {
  highWatermark: number;
  leaderEpoch: number;
  /** Epochs below were looked at. */
  lookedTo: number;
  /** Where it ended when it was seen first. */
  readonly openedEnd: number;
}

/** What a watcher is told. */
export interface WatcherOptions {
  /** Whether nothing that was committed may go, whatever happened. */
  readonly isAllKept: boolean;
  /** Whether there is one broker: nobody else leads, or cuts its logs. */
  readonly isAlone: boolean;
  /** Topics that a replica may lead which isn't in sync. */
  readonly uncleanTopics: ReadonlySet<string>;
  readonly nowMs: () => number;
  readonly onDefect: (what: string) => void;
}

/** The eyes of a run. */
export class Watcher {
  readonly #options: WatcherOptions;
  readonly #brokers = new Map<number, Watched>();
  readonly #known = new Map<string, Known>();
  #seen = new WeakMap<Partition, LastSeen>();
  readonly #controllers = new Map<number, number>();
  /** Of each offset of the metadata log that was committed, its epoch. */
  readonly #metadataEpochs = new Map<number, number>();
  /** Below they were looked at. */
  readonly #metadataLooked = new WeakMap<Log, number>();
  /** Proposals that were looked at. */
  readonly #proposals = new WeakSet<IsrProposal>();
  /** What a broker had applied of the metadata at the last event. */
  readonly #applied = new WeakMap<Watched, number>();
  #count = 0;
  #newestOffset = -1;
  /** What all logs of clients' topics held, and since when. */
  #ends = "";
  #endsMs = 0;
  /** Whether a leader of them has what isn't committed. */
  #lags = false;
  #comparedMs = 0;

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  /** A broker begins. */
  attach(broker: Omit<Watched, "attachedMs">): void {
    const attachedMs = this.#options.nowMs();
    this.#brokers.set(broker.nodeId, { ...broker, attachedMs });
  }

  /**
   * Partitions in which somebody led who wasn't in sync, and when one was last
   * led by somebody who didn't know of that yet.
   */
  readonly uncleanMs = new Map<string, number>();

  /**
   * A client ended a membership because of an error. Whoever coordinates was
   * there before it, and must not count it any more.
   */
  gaveUp({ groupId, memberId, generationId, heldMs, error }: Traced): void {
    if (!this.#options.isAlone || !ENDS_MEMBERSHIP.includes(error)) return;
    const sinceMs = this.#options.nowMs() - Number(heldMs);
    for (const { attachedMs, groups } of this.#alive()) {
      const group = groups.classic(String(groupId));
      const counts = group?.generation === generationId &&
        group?.members.has(String(memberId)) && attachedMs < sinceMs;
      if (!counts) continue;
      this.#say(
        `${memberId} gave up generation ${generationId} of ${groupId}, which counts`,
      );
    }
  }

  /** A classic group as it is coordinated now. */
  classic(groupId: string): Group | undefined {
    for (const { groups } of this.#alive()) {
      const group = groups.classic(groupId);
      if (group !== undefined) return group;
    }
    return undefined;
  }

  /** Records may have gone: what was stable may not be so any more. */
  forgetStable(): void {
    for (const known of this.#known.values()) known.stable = undefined;
  }

  /** Called before each event. */
  step(): void {
    this.#lookAtNewImage();
    this.#lookAtProposers();
    if (this.#count++ % EVENTS === 0) this.look();
  }

  /** Looks at everything. */
  look(): void {
    let ends = "";
    this.#lags = false;
    for (const broker of this.#alive()) {
      this.#lookAtQuorum(broker);
      this.#lookAtMetadataLog(broker);
      for (const partition of broker.hosting.openPartitions()) {
        this.#lookAt(partition, broker);
        this.#lookAtProposal(partition, broker);
        const { topic, highWatermark, log: { logEndOffset } } = partition;
        if (isInternal(topic)) continue;
        ends += `${highWatermark} ${logEndOffset} `;
        this.#lags ||= partition.isLeader && !partition.log.isOffline &&
          highWatermark < logEndOffset;
      }
    }
    if (ends !== this.#ends) this.#endsMs = this.#options.nowMs();
    this.#ends = ends;
    const newest = this.#newest();
    if (newest === undefined) return;
    const { appliedOffset, image } = newest.metadata;
    // Who knew of a smaller ISR may be down now.
    if (appliedOffset >= this.#newestOffset) this.#lookAtElectable(image);
    if (this.#options.nowMs() - this.#comparedMs < COMPARE_MS) return;
    this.#comparedMs = this.#options.nowMs();
    this.#compareImages();
  }

  /** No state of a partition is missed: the next one takes a few events. */
  #lookAtNewImage(): void {
    for (const { metadata } of this.#alive()) {
      if (metadata.appliedOffset <= this.#newestOffset) continue;
      this.#newestOffset = metadata.appliedOffset;
      this.#lookAtImage(metadata.image);
    }
  }

  /** By metadata that are new here nobody judges what was asked for before. */
  #lookAtProposers(): void {
    for (const broker of this.#alive()) {
      const { metadata: { appliedOffset }, hosting } = broker;
      if (this.#applied.get(broker) === appliedOffset) continue;
      this.#applied.set(broker, appliedOffset);
      for (const { isrProposal } of hosting.openPartitions()) {
        if (isrProposal !== undefined) this.#proposals.add(isrProposal);
      }
    }
  }

  /** Nobody asks for an incarnation in sync that it knows has ended (KIP-903). */
  #lookAtProposal(
    { name, isrProposal, isr }: Partition,
    { nodeId, metadata: { image } }: Watched,
  ): void {
    if (isrProposal === undefined || this.#proposals.has(isrProposal)) return;
    this.#proposals.add(isrProposal);
    for (const { brokerId, brokerEpoch } of isrProposal.newIsr) {
      if (isr.includes(brokerId) || brokerEpoch === -1) continue;
      const known = image.broker(brokerId)?.epoch;
      if (known === brokerEpoch) continue;
      this.#say(
        `${name} on ${nodeId}: ${brokerId} is to join as ${brokerEpoch}, ` +
          `and is known to be ${known}`,
      );
    }
  }

  /**
   * How long no client's topic has got anything new, or committed; 0 while one has
   * what isn't committed yet, for that will be.
   */
  get quietMs(): number {
    return this.#lags ? 0 : this.#options.nowMs() - this.#endsMs;
  }

  /**
   * The controller, and who leads what others may lead without being in sync,
   * and doesn't share it with the controller.
   */
  strandable(): {
    readonly controllerId: number;
    readonly leaders: readonly number[];
  } {
    const newest = this.#newest();
    const { controllerId } = this;
    const leaders = new Set<number>();
    for (const name of this.#options.uncleanTopics) {
      const topic = newest?.metadata.image.topic(name);
      for (const { leader, replicas } of topic?.partitions ?? []) {
        if (leader >= 0 && !replicas.includes(controllerId)) {
          leaders.add(leader);
        }
      }
    }
    return { controllerId, leaders: [...leaders] };
  }

  /** Who leads the quorum, as is known; −1: nobody. */
  get controllerId(): number {
    return this.#newest()?.metadata.quorum.leaderId ?? -1;
  }

  /** Whom the leaders on broker `id` ask to have in sync, and haven't yet. */
  joining(id: number): ReadonlySet<number> {
    const joining = new Set<number>();
    const partitions = this.#brokers.get(id)?.hosting.openPartitions() ?? [];
    for (const { isrProposal, isr } of partitions) {
      for (const { brokerId } of isrProposal?.newIsr ?? []) {
        if (!isr.includes(brokerId)) joining.add(brokerId);
      }
    }
    return joining;
  }

  /** Whether each replica but those of `except` is in sync, as is known. */
  areAllInSync(except: number): boolean {
    const image = this.#newest()?.metadata.image;
    if (image === undefined) return false;
    for (const { partitions } of image.topics.values()) {
      for (const { replicas, isr } of partitions) {
        if (replicas.some((id) => id !== except && !isr.includes(id))) {
          return false;
        }
      }
    }
    return true;
  }

  /** Whether each partition of broker `id` has another one of `others` in sync. */
  hasOtherInSync(id: number, others: readonly number[]): boolean {
    return this.#hasOther(id, ({ isr }) => isr, others);
  }

  /** The same, where who is eligible has all that is committed, too. */
  hasOtherWhole(id: number, others: readonly number[]): boolean {
    return this.#hasOther(
      id,
      ({ isr, eligibleLeaderReplicas }) => [...isr, ...eligibleLeaderReplicas],
      others,
    );
  }

  #hasOther(
    id: number,
    having: (state: PartitionImage) => readonly number[],
    others: readonly number[],
  ): boolean {
    const image = this.#newest()?.metadata.image;
    if (image === undefined) return false;
    for (const { partitions } of image.topics.values()) {
      for (const state of partitions) {
        if (!state.replicas.includes(id)) continue;
        if (!having(state).some((each) => others.includes(each))) return false;
      }
    }
    return true;
  }

  /** Whether broker `id` is in sync wherever it is a replica, as is known. */
  isInSync(id: number): boolean {
    const image = this.#newest()?.metadata.image;
    if (image === undefined) return false;
    for (const { partitions } of image.topics.values()) {
      for (const { replicas, isr } of partitions) {
        if (replicas.includes(id) && !isr.includes(id)) return false;
      }
    }
    return true;
  }

  /**
   * Whether nobody but broker `id` is eligible in a partition whose last leader
   * is one of `lacking`, which don't count.
   */
  isLastEligible(id: number, lacking: readonly number[]): boolean {
    const { image } = this;
    if (image === undefined || lacking.length === 0) return false;
    for (const { partitions } of image.topics.values()) {
      for (const partition of partitions) {
        const { leader, isr, eligibleLeaderReplicas, lastKnownElr } = partition;
        const last = leader < 0 ? lastKnownElr[0] : leader;
        if (last === undefined || !lacking.includes(last)) continue;
        const whole = [...isr, ...eligibleLeaderReplicas]
          .filter((each) => !lacking.includes(each));
        if (whole.length > 0 && whole.every((each) => each === id)) return true;
      }
    }
    return false;
  }

  /**
   * How many may have the record at `offset`: those that are down, too; any
   * number where nobody is up who knows which replicas there are.
   */
  holders(
    { topic, partition: index }: TopicPartition,
    offset: number,
  ): number {
    const { appliedOffset = -1, image } = this.#newest()?.metadata ?? {};
    if (appliedOffset < this.#newestOffset) return Infinity;
    const replicas = image?.topic(topic)?.partitions[index]?.replicas ?? [];
    return replicas.filter((id) => {
      const broker = this.#brokers.get(id);
      if (broker?.process.isAlive !== true) return true;
      const { partitions } = broker.hosting;
      const log = partitions.get(topic, index)?.partition.log;
      return log === undefined || log.logEndOffset > offset;
    }).length;
  }

  *#alive(): Generator<Watched> {
    for (const broker of this.#brokers.values()) {
      if (broker.process.isAlive) yield broker;
    }
  }

  /** The newest metadata that a broker has applied. */
  get image(): MetadataImage | undefined {
    return this.#newest()?.metadata.image;
  }

  #newest(): Watched | undefined {
    let newest: Watched | undefined;
    for (const broker of this.#alive()) {
      const { appliedOffset } = broker.metadata;
      if (appliedOffset > (newest?.metadata.appliedOffset ?? 0)) {
        newest = broker;
      }
    }
    return newest;
  }

  #lookAtQuorum({ nodeId, metadata: { quorum } }: Watched): void {
    if (!quorum.isActive) return;
    const before = this.#controllers.get(quorum.epoch) ?? nodeId;
    this.#controllers.set(quorum.epoch, nodeId);
    if (before === nodeId) return;
    this.#say(`${before} and ${nodeId} are controllers of ${quorum.epoch}`);
  }

  /** What is committed of the metadata stays, whoever votes by now. */
  #lookAtMetadataLog({ nodeId, folder, metadata: { quorum } }: Watched): void {
    const log = folder.logs.get("__cluster_metadata-0");
    if (log === undefined || log.isOffline) return;
    const { highWatermark } = quorum;
    const looked = this.#metadataLooked.get(log) ?? 0;
    let offset = Math.max(looked, log.logStartOffset);
    for (; offset < highWatermark; offset++) {
      const epoch = log.epochAt(offset);
      if (epoch === -1) continue;
      const before = this.#metadataEpochs.get(offset) ?? epoch;
      this.#metadataEpochs.set(offset, before);
      if (before === epoch) continue;
      this.#say(
        `committed metadata at ${offset} are of epoch ${epoch} on ${nodeId}, and were of ${before}`,
      );
      break;
    }
    this.#metadataLooked.set(log, offset);
  }

  #lookAt(partition: Partition, { nodeId }: Watched): void {
    const { name, topicId, index, leaderEpoch, highWatermark, log } = partition;
    const known = this.#of(topicId, index);
    const where = `${name} on ${nodeId}`;
    if (partition.isLeader) {
      const other = known.leaders.get(leaderEpoch) ?? nodeId;
      known.leaders.set(leaderEpoch, nodeId);
      if (other !== nodeId) {
        this.#say(`${where}: ${other} leads epoch ${leaderEpoch}, too`);
      }
    }
    if (highWatermark > log.logEndOffset) {
      this.#say(
        `${where}: high watermark ${highWatermark} beyond the end ${log.logEndOffset}`,
      );
    }
    if (this.#options.isAlone) this.#lookAtStable(partition, known);
    if (this.#isAnother(partition, known)) return;
    if (!this.#options.isAllKept || log.isOffline) return;
    let last = this.#seen.get(partition);
    if (last === undefined) {
      last = {
        highWatermark,
        leaderEpoch,
        lookedTo: log.logStartOffset,
        openedEnd: log.logEndOffset,
      };
      this.#seen.set(partition, last);
    }
    if (highWatermark < last.highWatermark) {
      this.#say(
        `${where}: the high watermark fell from ${last.highWatermark} of epoch ` +
          `${last.leaderEpoch} to ${highWatermark} of ${leaderEpoch}`,
      );
    }
    last.highWatermark = highWatermark;
    last.leaderEpoch = leaderEpoch;
    known.committed = Math.max(known.committed, highWatermark);
    this.#lookAtEpochs(partition, { known, last, where });
  }

  /** A transaction that was over is not open again, as long as its end is there. */
  #lookAtStable(partition: Partition, known: Known): void {
    const { name, highWatermark, lastStableOffset: offset, log } = partition;
    const { stable } = known;
    // Retention takes what is open, too; a crash may bring it back.
    const isRetained = offset > 0 && offset === log.logStartOffset;
    if (log.isOffline || isRetained) return;
    if (highWatermark < (stable?.highWatermark ?? 0)) return;
    known.stable = { highWatermark, offset };
    if (offset >= (stable?.offset ?? 0)) return;
    this.#say(
      `${name} was stable up to ${stable!.offset}, and is so to ${offset}`,
    );
  }

  /**
   * Whether it may have other records than those that count since somebody led
   * who wasn't in sync: who follows may not have been cut yet.
   */
  #isAnother(partition: Partition, { uncleanEpoch }: Known): boolean {
    if (uncleanEpoch < 0) return false;
    const { name, isLeader, leaderEpoch } = partition;
    if (isLeader && leaderEpoch >= uncleanEpoch) return false;
    if (isLeader) this.uncleanMs.set(name, this.#options.nowMs());
    this.#seen.delete(partition);
    return true;
  }

  /** Logs with one epoch at an offset are the same up to there. */
  #lookAtEpochs(
    { log, highWatermark, config }: Partition,
    { known, last, where }: {
      readonly known: Known;
      readonly last: LastSeen;
      readonly where: string;
    },
  ): void {
    // What a compaction took away is of no epoch, or of the one before.
    if (config.cleanupPolicy.compact) return;
    let offset = Math.max(last.lookedTo, log.logStartOffset);
    for (; offset < highWatermark; offset++) {
      const epoch = log.epochAt(offset);
      // A retention that a crash broke off has forgotten more than it deleted.
      if (epoch === -1) continue;
      const before = known.epochs.get(offset) ?? epoch;
      known.epochs.set(offset, before);
      if (before === epoch) continue;
      this.#say(
        `${where}: committed offset ${offset} is of epoch ${epoch}, and was of ${before}`,
      );
      return;
    }
    last.lookedTo = offset;
  }

  /** Whoever may be elected has all that was committed. */
  #lookAtElectable(image: MetadataImage): void {
    if (!this.#options.isAllKept) return;
    for (const { name, id, partitions } of image.topics.values()) {
      for (const [index, partition] of partitions.entries()) {
        const { isr, eligibleLeaderReplicas: elr } = partition;
        for (const member of [...isr, ...elr]) {
          const broker = this.#brokers.get(member);
          if (broker?.process.isAlive !== true) continue;
          const hosted = broker.hosting.partitions.getById(id, index);
          const why = hosted && this.#whyLacking(hosted.partition);
          if (why === undefined) continue;
          const rank = isr.includes(member) ? "in sync" : "eligible";
          this.#say(`${name}-${index}: ${member} is ${rank}, and ${why}`);
        }
      }
    }
  }

  /** Why a replica hasn't all that was committed, as durable as is asked for. */
  #whyLacking(partition: Partition): string | undefined {
    const { topicId, index, config: { flushMessages }, log } = partition;
    if (log.isOffline) return undefined;
    const { committed } = this.#of(topicId, index);
    const { logEndOffset: end, flushedOffset } = log;
    if (end < committed) {
      return `ends at ${end}; committed is all below ${committed}`;
    }
    // Where it ended when it was opened may have been synced, and nobody knows.
    const openedEnd = this.#seen.get(partition)?.openedEnd ?? end;
    return flushMessages === 1 && flushedOffset < committed &&
        committed > openedEnd
      ? `flushed is all below ${flushedOffset}; committed all below ${committed}`
      : undefined;
  }

  #lookAtImage({ topics, brokers }: MetadataImage): void {
    for (const { name, id, partitions } of topics.values()) {
      for (const [index, partition] of partitions.entries()) {
        const known = this.#of(id, index);
        const { leaderEpoch } = partition;
        if (
          this.#options.uncleanTopics.has(name) && isUnclean(partition) &&
          leaderEpoch > (known.image?.leaderEpoch ?? -1)
        ) {
          known.uncleanEpoch = leaderEpoch;
          known.committed = 0;
          known.epochs.clear();
          this.uncleanMs.set(`${name}-${index}`, this.#options.nowMs());
        }
        const why = whyStrange(partition, { before: known.image, brokers });
        known.image = partition;
        if (why === undefined) continue;
        this.#say(`${name}-${index}: ${why}: ${JSON.stringify(partition)}`);
      }
    }
  }

  /** Equal offsets, equal metadata. */
  #compareImages(): void {
    const texts = new Map<number, readonly [number, string]>();
    for (const { nodeId, metadata } of this.#alive()) {
      const { appliedOffset, image } = metadata;
      const text = textOf(image);
      const [other, before] = texts.get(appliedOffset) ?? [nodeId, text];
      texts.set(appliedOffset, [nodeId, text]);
      if (before !== text) {
        this.#say(
          `${other} and ${nodeId} have other metadata at ${appliedOffset}`,
        );
      }
    }
  }

  #of(topicId: Uuid, index: number): Known {
    const name = `${topicId}:${index}`;
    let known = this.#known.get(name);
    if (known === undefined) {
      known = {
        committed: 0,
        epochs: new Map(),
        leaders: new Map(),
        image: undefined,
        uncleanEpoch: -1,
        stable: undefined,
      };
      this.#known.set(name, known);
    }
    return known;
  }

  #say(what: string): void {
    this.#options.onDefect(what);
  }
}

/** Whether somebody was elected who wasn't in sync, and is not done yet. */
function isUnclean({ leaderRecoveryState }: PartitionImage): boolean {
  return leaderRecoveryState !== 0;
}

function isInternal(topic: string): boolean {
  return topic.startsWith("__");
}

/** All that an image says, in an order that is always the same. */
function textOf(image: MetadataImage): string {
  return Array.from(
    snapshotRecords(image),
    (record) => encodeMetadataRecord(record).join(),
  ).sort().join("\n");
}
