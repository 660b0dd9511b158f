/**
 * Incremental fetch sessions (KIP-227), the side that fetches, a consumer or a
 * follower: which partitions a request must name, given what the broker
 * remembers. It must never assume that the broker remembers more than it
 * acknowledged.
 *
 * @module
 */

/** What the partitions of a session are. */
export interface FetchSessionOptions<Wanted> {
  /** Tells a partition from all others. */
  readonly keyOf: (wanted: Wanted) => string;
  /** Whether the broker would be told the same of both. */
  readonly isSame: (a: Wanted, b: Wanted) => boolean;
}

/** The session part of a request. */
export interface SessionRequest<Wanted> {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly changed: readonly Wanted[];
  readonly forgotten: readonly Wanted[];
}

/** One broker's session. */
export class FetchSession<Wanted> {
  readonly #options: FetchSessionOptions<Wanted>;
  #id = 0;
  /** 0: the next request begins a session, and ends the one of before. */
  #epoch = 0;
  #known: ReadonlyMap<string, Wanted> = new Map();

  constructor(options: FetchSessionOptions<Wanted>) {
    this.#options = options;
  }

  /** The request for `wanted`. */
  next(wanted: readonly Wanted[]): SessionRequest<Wanted> {
    const { keyOf, isSame } = this.#options;
    const before = this.#known;
    const known = new Map<string, Wanted>();
    const isFull = this.#epoch === 0;
    const changed: Wanted[] = [];
    for (const each of wanted) {
      const key = keyOf(each);
      const last = isFull ? undefined : before.get(key);
      if (last === undefined || !isSame(last, each)) changed.push(each);
      known.set(key, each);
    }
    const forgotten: Wanted[] = [];
    for (const [key, each] of isFull ? [] : before) {
      if (!known.has(key)) forgotten.push(each);
    }
    this.#known = known;
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      changed,
      forgotten,
    };
  }

  /** The broker answered with this session id; 0 means that it keeps none. */
  answered(sessionId: number): void {
    if (sessionId === 0) this.#epoch = 0;
    else if (sessionId !== this.#id) this.#epoch = 1;
    else this.#epoch = this.#epoch === 0x7fffffff ? 1 : this.#epoch + 1;
    this.#id = sessionId;
  }

  /** The broker forgot, or the connection broke: begin anew. */
  reset(): void {
    this.#epoch = 0;
  }
}
