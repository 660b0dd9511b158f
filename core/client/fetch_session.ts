/**
 * Incremental fetch sessions (KIP-227), the client's side: which partitions a
 * request must name, given what the broker remembers. It must never assume
 * that the broker remembers more than it acknowledged.
 *
 * @module
 */
import { partitionName, type TopicPartition } from "../ids.ts";

/** What to fetch of one partition. */
export interface WantedPartition extends TopicPartition {
  readonly topicId: string | undefined;
  readonly fetchOffset: number;
  readonly currentLeaderEpoch: number;
  readonly partitionMaxBytes: number;
}

/** The session part of a request. */
export interface SessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly changed: readonly WantedPartition[];
  readonly forgotten: readonly WantedPartition[];
}

/** One broker's session. */
export class FetchSession {
  #id = 0;
  #epoch = 0;
  #known = new Map<string, WantedPartition>();

  /** The request for `wanted`. */
  next(wanted: readonly WantedPartition[]): SessionRequest {
    const isFull = this.#id === 0;
    const names = new Map(
      wanted.map((w) => [partitionName(w.topic, w.partition), w]),
    );
    const changed = isFull
      ? wanted
      : wanted.filter((w) =>
        !isSame(this.#known.get(partitionName(w.topic, w.partition)), w)
      );
    const forgotten = isFull
      ? []
      : [...this.#known].filter(([name, old]) =>
        names.get(name)?.topicId !== old.topicId || !names.has(name)
      ).map(([, old]) => old);
    this.#known = names;
    return {
      sessionId: this.#id,
      sessionEpoch: isFull ? 0 : this.#epoch,
      changed,
      forgotten,
    };
  }

  /** The broker answered with this session id; 0 means that it keeps none. */
  answered(sessionId: number): void {
    if (sessionId === 0 || sessionId !== this.#id) {
      this.#id = sessionId;
      this.#epoch = 1;
    } else {
      this.#epoch = this.#epoch === 0x7fffffff ? 1 : this.#epoch + 1;
    }
  }

  /** The broker forgot, or the connection broke: begin anew. */
  reset(): void {
    this.#id = 0;
    this.#epoch = 0;
    this.#known.clear();
  }
}

function isSame(a: WantedPartition | undefined, b: WantedPartition): boolean {
  return a !== undefined && a.fetchOffset === b.fetchOffset &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.partitionMaxBytes === b.partitionMaxBytes && a.topicId === b.topicId;
}
