/**
 * Folders of partitions that are gone, under the names that a start takes for
 * leftovers. Owns when they go: many may do so at once, and nobody is to wait
 * for it. Nothing in one is touched before its new name is durable: power that
 * brought the old one back would bring back a log with holes.
 *
 * @module
 */
import { DiskError, type Env } from "../env/env.ts";

/** How long removing may keep everybody else waiting. */
const BUSY_MS_MAX = 5;

/** The folders of one data folder that are to go. */
export class DoomedFolders {
  readonly #env: Env;
  readonly #parent: string;
  #folders: string[] = [];
  #removing: Promise<void> | undefined;
  #isStopped = false;

  constructor(env: Env, parent: string) {
    this.#env = env;
    this.#parent = parent;
  }

  /** Removes the folder in the background. */
  remove(folder: string): void {
    this.#folders.push(folder);
    if (this.#removing !== undefined) return;
    const over = Promise.withResolvers<void>();
    this.#removing = over.promise;
    this.#env.tasks.spawn("delete folders of partitions", async () => {
      try {
        await this.#removeAll();
      } finally {
        this.#removing = undefined;
        over.resolve();
      }
    });
  }

  /** Resolves when none is being removed any more; the next start goes on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#removing;
  }

  async #removeAll(): Promise<void> {
    const { clock, disk } = this.#env;
    while (this.#folders.length > 0 && !this.#isStopped) {
      const folders = this.#folders;
      this.#folders = [];
      await disk.syncDirectoryLater(this.#parent);
      let sinceMs = clock.monoMs();
      for (const folder of folders) {
        if (this.#isStopped) return;
        this.#removeOne(folder);
        if (clock.monoMs() - sinceMs < BUSY_MS_MAX) continue;
        await clock.sleep(0);
        sinceMs = clock.monoMs();
      }
    }
  }

  #removeOne(folder: string): void {
    const { disk, trace } = this.#env;
    try {
      disk.removeDirectory(folder);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      trace("warn", `Cannot delete ${folder} before the next start`, { error });
    }
  }
}
