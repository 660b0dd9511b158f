/**
 * How far a copy has got: pairs of offsets, committed on the source by a group
 * that nobody is a member of. Owns what the metadata of these commits say; it
 * never reads or writes a record.
 *
 * @module
 */
import type { Consumer } from "../net/client.ts";
import type { Source } from "./reading.ts";
import { monoMs } from "./terminal.ts";

const COMMIT_INTERVAL_MS = 1000;

/**
 * Offsets of the source and of the target that belong together.
 *
 * 1. Of each partition, all records below `sources` have arrived, the last of
 *    them below `targets`; the next one lands there or behind.
 */
export class Pairs {
  /** Whether a former run has left some. */
  isResumed = false;
  /** The next offset to read, by partition. */
  readonly sources: Map<number, number> = new Map();
  /** The offset at which it lands, or behind. */
  readonly targets: Map<number, number> = new Map();
  readonly #consumer: Consumer;
  readonly #origin: Source;
  readonly #group: string;
  readonly #targetId: string;
  readonly #changed = new Set<number>();
  #committedMs = monoMs();

  constructor(
    consumer: Consumer,
    origin: Source,
    { group, targetId }: { group: string; targetId: string },
  ) {
    this.#consumer = consumer;
    this.#origin = origin;
    this.#group = group;
    this.#targetId = targetId;
  }

  /** Takes up what is committed; else begins at the first record, and says so. */
  async load(targetEnds: readonly number[]): Promise<void> {
    const { partitions } = this.#origin;
    for (const at of await this.#consumer.committed(partitions)) {
      this.sources.set(at.partition, at.offset);
      this.targets.set(at.partition, this.#read(at.metadata ?? ""));
      this.isResumed = true;
    }
    for (const at of await this.#consumer.beginningOffsets(partitions)) {
      if (this.sources.has(at.partition)) continue;
      this.note(at.partition, at.offset - 1, targetEnds[at.partition]!);
    }
    await this.commit();
  }

  /** The record at `offset` has arrived; the next one lands at `next`. */
  note(partition: number, offset: number, next: number): void {
    this.sources.set(partition, offset + 1);
    this.targets.set(partition, next);
    this.#changed.add(partition);
  }

  /** Commits now and then. */
  commitIfDue(): Promise<void> | undefined {
    if (monoMs() - this.#committedMs < COMMIT_INTERVAL_MS) return undefined;
    return this.commit();
  }

  /** Commits what has changed. */
  async commit(): Promise<void> {
    this.#committedMs = monoMs();
    const [topic] = this.#origin.partitions.map((at) => at.topic);
    const offsets = [...this.#changed].map((partition) => ({
      topic: topic!,
      partition,
      offset: this.sources.get(partition)!,
      metadata: JSON.stringify({
        from: this.#origin.topicId,
        to: this.#targetId,
        next: this.targets.get(partition),
      }),
    }));
    this.#changed.clear();
    if (offsets.length > 0) await this.#consumer.commit(offsets);
  }

  /** The target's offset; refuses what is of another copy. */
  #read(metadata: string): number {
    try {
      const { from, to, next } = JSON.parse(metadata);
      const isOurs = from === this.#origin.topicId && to === this.#targetId;
      if (isOurs && Number.isSafeInteger(next)) return next;
    } catch {
      // Then it is of something else.
    }
    throw new Error(
      `Cannot go on as group "${this.#group}": it is of another copy. Name another with --group, or delete it`,
    );
  }
}
