/**
 * Watches from a thread of its own whether a run moves on. A loop that calls no
 * seam, or goes on though each call fails, cannot be left from within: the
 * process is ended, with the seed said. It must never end one that is only slow.
 *
 * @module
 */

import process from "node:process";
import type { Watched } from "./watched.ts";

const LOOK_MS = 500;
/** A run hangs when it took so much of the processor, or of the day. */
const PROCESSOR_MS_MAX = 30_000;
const WALL_MS_MAX = 180_000;
/** A run that has a defect already should be over at once. */
const DEFECT_MS_MAX = 3_000;

function times() {
  const { user, system } = process.cpuUsage();
  return { processorMs: (user + system) / 1000, wallMs: performance.now() };
}

let watched: Watched | null = null;
let since = times();

self.addEventListener("message", (event) => {
  watched = (event as MessageEvent<Watched | null>).data;
  since = times();
});

setInterval(() => {
  if (watched === null) return;
  const { seed, defect } = watched;
  const now = times();
  const processorMs = defect === undefined ? PROCESSOR_MS_MAX : DEFECT_MS_MAX;
  const isBusy = now.processorMs - since.processorMs > processorMs;
  if (!isBusy && now.wallMs - since.wallMs < WALL_MS_MAX) return;
  const text = `seed ${seed}: FAILED, it hangs\n  hang: ${
    defect ?? "no call of a seam, no end"
  }\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  Deno.kill(Deno.pid, "SIGKILL");
}, LOOK_MS);
