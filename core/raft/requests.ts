/**
 * Which requests of one member are under way, and who is left alone for a
 * while after a failure. Owns the choice of whom to ask for the leader; it
 * must never know what is asked.
 *
 * @module
 */
import type { Random } from "../env/env.ts";

/** How long a peer is left alone after a failure. */
const RETRY_BACKOFF_MS = 20;
/** Bootstrap servers are called −2, −3, … */
const FIRST_BOOTSTRAP_ID = -2;

interface Peer {
  isInFlight: boolean;
  retryMs: number;
}

/**
 * The requests of one member.
 *
 * Invariants:
 * 1. At most one request per peer is under way.
 * 2. At most one fetch counts, and none to somebody else where one may go to the
 *    leader.
 */
export class Requests {
  readonly #random: Pick<Random, "u32">;
  readonly #servers: readonly number[];
  /** Who may know the leader. */
  #bootstrap: readonly number[];
  readonly #peers = new Map<number, Peer>();
  /** Whom the fetch of this role went to. */
  #fetchingFrom: number | undefined;

  constructor({ bootstrapServers, random }: {
    readonly bootstrapServers: number;
    readonly random: Pick<Random, "u32">;
  }) {
    this.#random = random;
    this.#servers = Array.from(
      { length: bootstrapServers },
      (_, index) => FIRST_BOOTSTRAP_ID - index,
    );
    this.#bootstrap = this.#servers;
  }

  /** The other voters, from now on. */
  setVoters(others: readonly number[]): void {
    this.#bootstrap = [...others, ...this.#servers];
  }

  /** Whether a request to the peer may go now; if so, it is under way. */
  begin(to: number, nowMs: number): boolean {
    if (!this.#isFree(to, nowMs)) return false;
    this.#peer(to).isInFlight = true;
    return true;
  }

  /**
   * Whom the next fetch goes to, which is then under way. Others than the leader
   * may never answer: they are asked when it failed, and it doesn't wait for them.
   */
  beginFetch(leaderId: number | undefined, nowMs: number): number | undefined {
    const to = leaderId !== undefined && this.#isFree(leaderId, nowMs)
      ? leaderId
      : this.#fetchingFrom ?? this.#anyone(leaderId, nowMs);
    if (to === undefined || to === this.#fetchingFrom) return undefined;
    this.#peer(to).isInFlight = true;
    this.#fetchingFrom = to;
    return to;
  }

  /** Whether a fetch to `leaderId` could go now; if so, another request does. */
  beginInsteadOfFetch(leaderId: number, nowMs: number): boolean {
    if (!this.begin(leaderId, nowMs)) return false;
    this.#fetchingFrom = leaderId;
    return true;
  }

  /** The peer answered; whether that was the fetch of this role. */
  answered(from: number): boolean {
    this.#peer(from).isInFlight = false;
    const isFetch = this.#fetchingFrom === from;
    if (isFetch) this.#fetchingFrom = undefined;
    return isFetch;
  }

  /** The peer did not answer, or with an error: it is left alone a while. */
  failed(to: number, nowMs: number): void {
    this.answered(to);
    this.#peer(to).retryMs = nowMs + RETRY_BACKOFF_MS;
  }

  /** What was fetched for another role or epoch counts no more. */
  newRole(): void {
    this.#fetchingFrom = undefined;
  }

  /** When the peer may be asked; Infinity while it is. */
  freeMs(id: number): number {
    const { isInFlight, retryMs } = this.#peer(id);
    return isInFlight ? Infinity : retryMs;
  }

  /** When the first of those that are left alone may be asked again. */
  nextRetryMs(nowMs: number): number {
    let nextMs = Infinity;
    for (const { retryMs } of this.#peers.values()) {
      if (retryMs > nowMs) nextMs = Math.min(nextMs, retryMs);
    }
    return nextMs;
  }

  #anyone(leaderId: number | undefined, nowMs: number): number | undefined {
    const isAsked = leaderId !== undefined && this.#peer(leaderId).isInFlight;
    if (isAsked) return undefined;
    const free = this.#bootstrap.filter((id) =>
      id !== leaderId && this.#isFree(id, nowMs)
    );
    return free[this.#random.u32() % Math.max(1, free.length)];
  }

  #isFree(id: number, nowMs: number): boolean {
    const { isInFlight, retryMs } = this.#peer(id);
    return !isInFlight && retryMs <= nowMs;
  }

  #peer(id: number): Peer {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      peer = { isInFlight: false, retryMs: -Infinity };
      this.#peers.set(id, peer);
    }
    return peer;
  }
}
