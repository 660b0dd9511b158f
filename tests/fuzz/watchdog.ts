/**
 * Watches from a thread of its own whether the fuzzer moves on. A loop without
 * end cannot be left from within: the process is ended, with the seed said.
 *
 * @module
 */

/** What the watcher is told once. */
interface Watch {
  readonly target: string;
  /** The seed, and how many inputs were run. */
  readonly shared: SharedArrayBuffer;
  readonly hangMs: number;
}

const LOOK_MS = 500;

self.addEventListener("message", (event) => {
  const { target, shared, hangMs } = (event as MessageEvent<Watch>).data;
  const state = new Int32Array(shared);
  let seen = -1;
  let sinceMs = performance.now();
  setInterval(() => {
    const done = Atomics.load(state, 1);
    if (done !== seen) {
      seen = done;
      sinceMs = performance.now();
    }
    if (performance.now() - sinceMs < hangMs) return;
    const seed = Atomics.load(state, 0) >>> 0;
    const text = `fuzz: ${target} hangs with --seed ${seed} --runs 1\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(text));
    Deno.kill(Deno.pid, "SIGKILL");
  }, LOOK_MS);
});
