/**
 * When a partition's folder is sure to be there after a loss of power. Files
 * and folders are made without a sync, for thousands of partitions may be made
 * at once; before the first record of a log is called durable, all that leads to
 * it is. Owns whether that was done; what lies above the folder is
 * `log_folder.ts`'s.
 *
 * @module
 */
import type { LeaderEpochCache } from "./leader_epoch_cache.ts";
import type { LogOptions } from "./log_options.ts";

/** What a log was found to be. */
interface Found {
  readonly epochs: LeaderEpochCache;
  /** Whether a clean stop left records: all that leads to them is durable. */
  readonly isAnchored: boolean;
}

/** The way to the records of one log. */
export class Anchor {
  readonly #options: LogOptions;
  readonly #epochs: LeaderEpochCache;
  #isHeld: boolean;
  #holding: Promise<void> | undefined;

  constructor(options: LogOptions, { epochs, isAnchored }: Found) {
    this.#options = options;
    this.#epochs = epochs;
    this.#isHeld = isAnchored;
  }

  /** Makes durable what records need to be found; undefined when all is. */
  hold(): Promise<void> | undefined {
    if (this.#isHeld) return undefined;
    return this.#holding ??= this.#hold().finally(() => {
      this.#holding = undefined;
    });
  }

  /** The same, with the epochs of records that are about to be. */
  async holdWithEpochs(): Promise<void> {
    if (this.#isHeld) await this.#epochs.saveLater();
    else await this.hold();
  }

  async #hold(): Promise<void> {
    const { env: { disk }, folder, keepFolder } = this.#options;
    await keepFolder?.();
    const isSynced = await this.#epochs.saveLater();
    if (!isSynced) await disk.syncDirectoryLater(folder);
    this.#isHeld = true;
  }
}
