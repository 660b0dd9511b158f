/**
 * Where the next read of a sequential reader begins, so that it needs no index
 * lookup. Owns a handful of recent ends; a hint is an optimisation that may
 * be missing, but is never wrong while the log is not cut.
 *
 * @module
 */

const HINTS_MAX = 8;

interface Hint {
  readonly baseOffset: number;
  readonly offset: number;
  readonly position: number;
}

/** File positions of offsets that were read up to. */
export class ReadHints {
  #hints: Hint[] = [];
  #next = 0;

  /** Position of the batch that begins with `offset`, in the segment. */
  position(baseOffset: number, offset: number): number | undefined {
    for (const hint of this.#hints) {
      if (hint.offset === offset && hint.baseOffset === baseOffset) {
        return hint.position;
      }
    }
    return undefined;
  }

  /** A reader that got everything before `offset` goes on at `position`. */
  remember(
    baseOffset: number,
    { offset, position }: {
      readonly offset: number;
      readonly position: number;
    },
  ): void {
    this.#hints[this.#next] = { baseOffset, offset, position };
    this.#next = (this.#next + 1) % HINTS_MAX;
  }

  /** Forgets everything: positions changed. */
  clear(): void {
    this.#hints = [];
    this.#next = 0;
  }
}
