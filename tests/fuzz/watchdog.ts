/**
 * Watches from a thread of its own whether the fuzzer moves on. A loop without
 * end cannot be left from within: the process is ended, with the input said.
 *
 * @module
 */

import { inputText } from "./corpus.ts";

/** What the watcher is told once. */
interface Watch {
  readonly target: string;
  /** Inputs so far, the size of this one, and then its first bytes. */
  readonly shared: SharedArrayBuffer;
  readonly hangMs: number;
}

const LOOK_MS = 500;
const INPUT_AT = 8;

self.addEventListener("message", (event) => {
  const { target, shared, hangMs } = (event as MessageEvent<Watch>).data;
  const state = new Int32Array(shared);
  let seen = -1;
  let sinceMs = performance.now();
  setInterval(() => {
    const done = Atomics.load(state, 0);
    if (done !== seen) {
      seen = done;
      sinceMs = performance.now();
    }
    if (performance.now() - sinceMs < hangMs) return;
    const bytes = new Uint8Array(shared, INPUT_AT).slice(0, state[1]);
    const text = `fuzz: ${target} hangs\ninput: ${inputText(bytes)}\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(text));
    Deno.kill(Deno.pid, "SIGKILL");
  }, LOOK_MS);
});
