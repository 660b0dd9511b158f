/**
 * Producer ids, handed out from blocks that the controller gives. Owns the
 * current block; an id is never given twice, whatever is lost with a crash.
 *
 * @module
 */

/** A block of ids. */
export interface ProducerIdBlock {
  readonly firstProducerId: number;
  readonly length: number;
}

/**
 * The ids of this broker.
 *
 * Invariants:
 * 1. At most one block is being asked for.
 * 2. `#next` < `#end` unless the block is used up.
 */
export class ProducerIds {
  readonly #allocate: () => Promise<ProducerIdBlock>;
  #next = 0;
  #end = 0;
  #asking: Promise<void> | undefined;

  constructor(allocate: () => Promise<ProducerIdBlock>) {
    this.#allocate = allocate;
  }

  /** A fresh id. */
  async take(): Promise<number> {
    while (this.#next === this.#end) {
      this.#asking ??= this.#refill();
      await this.#asking;
    }
    return this.#next++;
  }

  async #refill(): Promise<void> {
    try {
      const { firstProducerId, length } = await this.#allocate();
      this.#next = firstProducerId;
      this.#end = firstProducerId + length;
    } finally {
      this.#asking = undefined;
    }
  }
}
