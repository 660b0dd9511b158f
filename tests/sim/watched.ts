/**
 * What the watchdog is told of the run that is under way. Owns its thread; it
 * must never touch the run.
 *
 * @module
 */

/** The run that must come to an end. */
export interface Watched {
  readonly seed: number;
  /** What is wrong with it already. */
  readonly defect?: string;
}

let worker: Worker | undefined;

/** From now on the process ends when this run doesn't. */
export function watch(run: Watched): void {
  worker ??= new Worker(new URL("./watchdog.ts", import.meta.url), {
    type: "module",
  });
  worker.postMessage(run);
}

/** The run is over. */
export function unwatch(): void {
  worker?.postMessage(null);
}
