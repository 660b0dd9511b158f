/**
 * Watches from a thread of its own whether the fuzzer moves on. A loop without
 * end cannot be left from within: the process is ended, with the input said.
 *
 * @module
 */

import process from "node:process";
import { inputText } from "./corpus.ts";

/** What the watcher is told once. */
interface Watch {
  readonly target: string;
  /** Inputs so far, the size of this one, and then its first bytes. */
  readonly shared: SharedArrayBuffer;
}

const LOOK_MS = 500;
const INPUT_AT = 8;
/** An input hangs when it took so much of the processor, or of the day. */
const PROCESSOR_MS_MAX = 30_000;
const WALL_MS_MAX = 180_000;

function times() {
  const { user, system } = process.cpuUsage();
  return { processorMs: (user + system) / 1000, wallMs: performance.now() };
}

self.addEventListener("message", (event) => {
  const { target, shared } = (event as MessageEvent<Watch>).data;
  const state = new Int32Array(shared);
  let seen = -1;
  let since = times();
  setInterval(() => {
    const done = Atomics.load(state, 0);
    if (done !== seen) {
      seen = done;
      since = times();
    }
    const now = times();
    const isBusy = now.processorMs - since.processorMs > PROCESSOR_MS_MAX;
    if (!isBusy && now.wallMs - since.wallMs < WALL_MS_MAX) return;
    const bytes = new Uint8Array(shared, INPUT_AT).slice(0, state[1]);
    const text = `fuzz: ${target} hangs\ninput: ${inputText(bytes)}\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(text));
    Deno.kill(Deno.pid, "SIGKILL");
  }, LOOK_MS);
});
