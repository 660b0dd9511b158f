/**
 * Syncs end and begin while records come: nothing counts as durable that was
 * written after the sync began which is said to cover it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { DiskFile } from "../env/env.ts";
import { Flusher } from "./flusher.ts";

/** A log that is written to by the test, on a disk whose syncs it ends. */
function bench() {
  const syncs: { readonly covers: number; readonly end: () => void }[] = [];
  const state = { written: 0, covered: 0 };
  const file = {
    syncData() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const covers = state.written;
      const end = () => {
        state.covered = Math.max(state.covered, covers);
        resolve();
      };
      syncs.push({ covers, end });
      return promise;
    },
  } as Partial<DiskFile> as DiskFile;
  const flusher = new Flusher({
    get writtenOffset() {
      return state.written;
    },
    prepare: () => undefined,
    filesToSync: () => [file],
    onFlushed: (offset) => {
      assert(offset <= state.covered, `${offset} is not on disk`);
    },
    onSyncFailed: (error) => {
      throw error;
    },
  }, 0);
  return { flusher, state, syncs };
}

for (let early = 0; early < 8; early++) {
  Deno.test(`a record written ${early} steps after a sync ended waits for one of its own`, async () => {
    const { flusher, state, syncs } = bench();
    state.written = 1;
    const flushes = [flusher.flush()];
    state.written = 2;
    flushes.push(flusher.flush());
    syncs.shift()!.end();
    for (let step = 0; step < early; step++) await Promise.resolve();
    for (let step = 0; step < 8; step++) {
      state.written++;
      flushes.push(flusher.flush());
      await Promise.resolve();
      assert(syncs.length <= 1, "one sync at a time");
    }
    let isOver = false;
    const all = Promise.all(flushes).then(() => isOver = true);
    while (!isOver) {
      syncs.shift()?.end();
      await new Promise((resolve) => setTimeout(resolve));
    }
    await all;
    await flusher.idle();
    assertEquals([flusher.flushedOffset, syncs.length], [state.written, 0]);
  });
}
