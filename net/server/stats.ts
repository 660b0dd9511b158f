/**
 * What the broker counts while it works, for whoever asks later. Owns plain
 * numbers in places that are made once: counting must never allocate, look
 * anything up, or decide anything.
 *
 * @module
 */
import type { Cancel, Clock } from "../../core/env/env.ts";

/** Upper bounds of the buckets of a {@linkcode Latency}, in milliseconds. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1000, 2000, 5000, 10_000, 30_000, 60_000],
];
const BUCKETS = LATENCY_BOUNDS_MS.length + 1;

/** How often the event loop is looked at. */
const LAG_MS = 500;
/** Quantiles are of the last one to two of these. */
const AGE_MS = 60_000;

/**
 * Times in buckets.
 *
 * Invariants:
 * 1. The sum of the buckets is the number of times.
 */
export class Latency {
  /** Times by bucket; the last one is of those above every bound. */
  readonly buckets: Float64Array = new Float64Array(BUCKETS);
  #recent = new Float64Array(BUCKETS);
  #before = new Float64Array(BUCKETS);
  #sumMs = 0;

  get sumMs(): number {
    return this.#sumMs;
  }

  get count(): number {
    return this.buckets.reduce((sum, each) => sum + each, 0);
  }

  record(ms: number): void {
    let at = 0;
    while (at < LATENCY_BOUNDS_MS.length && ms > LATENCY_BOUNDS_MS[at]!) at++;
    this.buckets[at]!++;
    this.#recent[at]!++;
    this.#sumMs += ms;
  }

  /** Lets go of all but the recent times. */
  age(): void {
    const oldest = this.#before;
    this.#before = this.#recent;
    this.#recent = oldest.fill(0);
  }

  /** The `q`-quantile of recent times, as exact as the buckets; NaN: no times. */
  quantileMs(q: number): number {
    const times = this.#recent.map((each, at) => each + this.#before[at]!);
    let left = q * times.reduce((sum, each) => sum + each, 0);
    for (let at = 0; at < BUCKETS; at++) {
      const here = times[at]!;
      if (here > 0 && left <= here) {
        const low = LATENCY_BOUNDS_MS[at - 1] ?? 0;
        const high = LATENCY_BOUNDS_MS[at] ?? low;
        return low + (high - low) * (left / here);
      }
      left -= here;
    }
    return NaN;
  }
}

/** Records and requests, of one topic or of all. */
export class Traffic {
  messagesIn = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Partitions that were asked for, served or not. */
  produceRequests = 0;
  fetchRequests = 0;
  /** Partitions that were answered with an error. */
  failedProduce = 0;
  failedFetch = 0;
  readonly #total: Traffic | undefined;

  /** `total` counts all that this one counts. */
  constructor(total?: Traffic) {
    this.#total = total;
  }

  /** Records were appended. */
  appended(messages: number, bytes: number): void {
    this.produceRequests++;
    this.messagesIn += messages;
    this.bytesIn += bytes;
    this.#total?.appended(messages, bytes);
  }

  /** A partition's records were refused before they were appended. */
  refused(): void {
    this.produceRequests++;
    this.failedProduce++;
    this.#total?.refused();
  }

  /** Records that had been appended were lost before they were answered. */
  lost(): void {
    this.failedProduce++;
    this.#total?.lost();
  }

  /** A partition was read. */
  read(bytes: number, isFailed: boolean): void {
    this.fetchRequests++;
    this.bytesOut += bytes;
    if (isFailed) this.failedFetch++;
    this.#total?.read(bytes, isFailed);
  }
}

/** What followers take and ISRs do. */
export class ReplicationStats {
  /** Taken from leaders. */
  bytesIn = 0;
  /** Given to followers. */
  bytesOut = 0;
  isrShrinks = 0;
  isrExpands = 0;
  /** Proposals that the controller refused. */
  failedIsrUpdates = 0;
}

/** Requests of one API. */
export class ApiStats {
  readonly name: string;
  /** Requests by version. */
  readonly versions: Float64Array;
  /** From the request's last byte to its answer's first. */
  readonly latency: Latency = new Latency();

  constructor(name: string, versionMax: number) {
    this.name = name;
    this.versions = new Float64Array(versionMax + 1);
  }
}

/** All that one broker counts. */
export class BrokerStats {
  readonly traffic: Traffic = new Traffic();
  readonly replication: ReplicationStats = new ReplicationStats();
  readonly logFlush: Latency = new Latency();
  /** How late timers come, because the event loop was busy. */
  readonly loopLag: Latency = new Latency();
  readonly #apis = new Map<number, ApiStats>();

  get apis(): Iterable<ApiStats> {
    return this.#apis.values();
  }

  /** The counters of the API with `key`, which are made when it is new. */
  api(
    { key, name, versions }: {
      readonly key: number;
      readonly name: string;
      readonly versions: { readonly max: number };
    },
  ): ApiStats {
    let api = this.#apis.get(key);
    if (api === undefined) {
      this.#apis.set(key, api = new ApiStats(name, versions.max));
    }
    return api;
  }

  /** Looks at the event loop and lets old times go, until it is cancelled. */
  watch(clock: Clock): Cancel {
    let dueMs = clock.monoMs() + LAG_MS;
    let agedMs = clock.monoMs();
    const look = () => {
      const nowMs = clock.monoMs();
      this.loopLag.record(Math.max(0, nowMs - dueMs));
      if (nowMs - agedMs >= AGE_MS) {
        agedMs = nowMs;
        this.#age();
      }
      dueMs = nowMs + LAG_MS;
      cancel = clock.timer(LAG_MS, look);
    };
    let cancel = clock.timer(LAG_MS, look);
    return () => cancel();
  }

  #age(): void {
    for (const { latency } of this.#apis.values()) latency.age();
    this.logFlush.age();
    this.loopLag.age();
  }
}
