/**
 * How fast replicas that are not in sync may be copied, in bytes per second over
 * the last windows, and which replicas a topic's config holds to that. Owns the
 * sum; what waits because of it is the caller's.
 *
 * @module
 */

/** What a {@linkcode ReplicationQuota} keeps to. */
export interface QuotaLimits {
  /** `Infinity`: no limit. */
  readonly bytesPerSecond: number;
  readonly windows: number;
  readonly windowMs: number;
}

interface Sample {
  readonly startMs: number;
  bytes: number;
}

/**
 * One direction of one broker.
 *
 * Invariants:
 * 1. The rate is that of all windows that are not over yet, and of one whole
 *    window at least: a burst isn't taken for more than it is.
 */
export class ReplicationQuota {
  readonly #limits: () => QuotaLimits;
  readonly #nowMs: () => number;
  #samples: Sample[] = [];

  /** `nowMs` is monotonic. */
  constructor(limits: () => QuotaLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Bytes of a throttled replica were copied. */
  record(bytes: number): void {
    const nowMs = this.#nowMs();
    const { windowMs } = this.#limits();
    const last = this.#samples.at(-1);
    if (last !== undefined && nowMs - last.startMs < windowMs) {
      last.bytes += bytes;
      return;
    }
    this.#samples = this.#recent(nowMs);
    this.#samples.push({ startMs: nowMs, bytes });
  }

  /** Whether nothing more should be copied just now. */
  isExceeded(): boolean {
    const { bytesPerSecond, windowMs } = this.#limits();
    if (bytesPerSecond === Infinity) return false;
    const nowMs = this.#nowMs();
    const recent = this.#recent(nowMs);
    const bytes = recent.reduce((sum, sample) => sum + sample.bytes, 0);
    const elapsedMs = nowMs - (recent[0]?.startMs ?? nowMs);
    return bytes * 1000 > bytesPerSecond * Math.max(elapsedMs, windowMs);
  }

  #recent(nowMs: number): Sample[] {
    const { windows, windowMs } = this.#limits();
    return this.#samples.filter(({ startMs }) =>
      nowMs - startMs < windows * windowMs
    );
  }
}

/** Both directions of one broker. */
export interface ReplicationQuotas {
  /** What is given to followers. */
  readonly leader: ReplicationQuota;
  /** What is taken from leaders. */
  readonly follower: ReplicationQuota;
}

/** Whether `entries` of a topic's config name this replica: `*` is all. */
export function isThrottled(
  entries: readonly string[],
  { index, nodeId }: { readonly index: number; readonly nodeId: number },
): boolean {
  return entries.includes("*") || entries.includes(`${index}:${nodeId}`);
}
