/**
 * Files of deleted segments, which stay for a while for whoever looks at them.
 * Owns when they go; a restart removes what is left.
 *
 * @module
 */
import type { LogEnv } from "./log_options.ts";

/** The deletions of one log. */
export class Deletions {
  readonly #env: LogEnv;
  readonly #waiting = new Set<() => void>();

  constructor(env: LogEnv) {
    this.#env = env;
  }

  /** Removes `files` after `delayMs`. */
  removeLater(files: readonly string[], delayMs: number): void {
    const { clock, disk, trace } = this.#env;
    const remove = () => {
      this.#waiting.delete(remove);
      cancel();
      for (const file of files) {
        try {
          disk.unlink(file);
        } catch (error) {
          trace("warn", `Cannot delete ${file}`, { error });
        }
      }
    };
    const cancel = clock.timer(delayMs, remove);
    this.#waiting.add(remove);
  }

  /** Removes all that waits. */
  removeNow(): void {
    for (const remove of [...this.#waiting]) remove();
  }
}
