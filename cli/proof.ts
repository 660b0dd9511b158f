/**
 * Holds the records of a topic against the ledger of a run: nothing lost, moved,
 * duplicated, out of order or altered, beyond what the writer was promised.
 * It reads nothing itself and never prints.
 *
 * | kind       | what was found                                      | allowed with        |
 * | ---------- | --------------------------------------------------- | ------------------- |
 * | lost       | an acknowledged record is nowhere                   | acks=0, acks=1      |
 * | moved      | it is there, but not where it was acknowledged      | never               |
 * | duplicated | a record is there again                             | without idempotence |
 * | reordered  | a record lies behind a later one of its partition   | without idempotence |
 * | altered    | key or value are not what was written               | never               |
 * | split      | records of one key lie in two partitions            | never               |
 *
 * @module
 */
import type { ConsumerRecord } from "../net/client.ts";
import { isAsWritten, keyOfSeq, type Ledger, seqOfValue } from "./ledger.ts";

const KINDS = [
  "lost",
  "moved",
  "duplicated",
  "reordered",
  "altered",
  "split",
] as const;
type Kind = typeof KINDS[number];

/** Violations that are named; the rest are counted. */
const NAMED_MAX = 20;

/** One broken promise. */
export interface Violation {
  readonly kind: Kind;
  readonly seq: number;
  readonly partition: number;
  readonly offset: number;
}

/** Bits of what is known of a record. */
const SEEN = 1;
const IN_PLACE = 2;

/** A proof under way. */
export class Proof {
  /** Different records of the run that are there. */
  found = 0;
  /** Records of others. */
  foreign = 0;
  /** Acknowledged records that were deleted, as configured, before the proof. */
  unproven = 0;
  /** By kind, whether allowed or not. */
  readonly counts: Record<Kind, number> = {
    lost: 0,
    moved: 0,
    duplicated: 0,
    reordered: 0,
    altered: 0,
    split: 0,
  };
  /** The first violations. */
  readonly violations: Violation[] = [];
  /** All of them. */
  violationCount = 0;
  readonly #ledger: Ledger;
  readonly #hasPlaces: boolean;
  #known = new Uint8Array(1024);
  readonly #lastSeq = new Map<number, number>();
  readonly #homes = new Map<string, number>();

  /** In another topic than the ledger's, records may lie at other offsets. */
  constructor(ledger: Ledger, topic: string) {
    this.#ledger = ledger;
    this.#hasPlaces = ledger.head.topic === topic;
  }

  /** Judges one record; those of a partition must come in order. */
  see(record: ConsumerRecord): void {
    const { partition, offset } = record;
    const { head } = this.#ledger;
    const seq = seqOfValue(head, record.value);
    if (seq === undefined) {
      this.foreign++;
      return;
    }
    const at = { seq, partition, offset };
    if (!isAsWritten(head, seq, record)) this.#note("altered", at);
    const known = this.#knownOf(seq);
    if ((known & SEEN) > 0) this.#note("duplicated", at);
    else this.found++;
    if (this.#isPlace(at)) this.#known[seq]! |= IN_PLACE;
    this.#known[seq]! |= SEEN;
    const last = this.#lastSeq.get(partition) ?? -1;
    // Another copy has been counted as such.
    if (seq < last && (known & SEEN) === 0) this.#note("reordered", at);
    this.#lastSeq.set(partition, Math.max(last, seq));
    const key = keyOfSeq(head, seq);
    if (key === null) return;
    const home = this.#homes.get(key) ?? partition;
    if (home !== partition) this.#note("split", at);
    this.#homes.set(key, home);
  }

  /** Everything was seen. `starts` are the partitions' first offsets. */
  end(starts: ReadonlyMap<number, number>): void {
    const { partitions, offsets, sent } = this.#ledger;
    for (let seq = 0; seq < Math.min(sent, partitions.length); seq++) {
      const partition = partitions[seq]!;
      if (partition < 0) continue;
      const at = { seq, partition, offset: offsets[seq]! };
      const known = this.#known[seq] ?? 0;
      if ((known & SEEN) === 0) {
        const start = this.#hasPlaces ? starts.get(partition) ?? 0 : 0;
        if (at.offset >= 0 && at.offset < start) this.unproven++;
        else this.#note("lost", at);
      } else if (
        (known & IN_PLACE) === 0 && this.#hasPlaces && at.offset >= 0
      ) {
        this.#note("moved", at);
      }
    }
  }

  /** Whether every promise was kept, and could be looked at. */
  get isProven(): boolean {
    return this.violationCount === 0 && this.unproven === 0;
  }

  #isPlace({ seq, partition, offset }: Omit<Violation, "kind">): boolean {
    const { partitions, offsets } = this.#ledger;
    return partitions[seq] === partition && offsets[seq] === offset;
  }

  #note(kind: Kind, at: Omit<Violation, "kind">): void {
    this.counts[kind]++;
    const { acks, isIdempotent } = this.#ledger.head;
    if (kind === "lost" && (acks === "0" || acks === "1")) return;
    const isOfRetries = kind === "duplicated" || kind === "reordered";
    if (isOfRetries && !isIdempotent) return;
    this.violationCount++;
    if (this.violations.length < NAMED_MAX) {
      this.violations.push({ kind, ...at });
    }
  }

  #knownOf(seq: number): number {
    if (seq >= this.#known.length) {
      const grown = new Uint8Array(Math.max(seq + 1, this.#known.length * 2));
      grown.set(this.#known);
      this.#known = grown;
    }
    return this.#known[seq]!;
  }
}
