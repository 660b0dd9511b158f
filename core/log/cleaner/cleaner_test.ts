/**
 * Compaction of random histories, held against a plain map: the newest record
 * of every key stays, nothing else does for long, and no offset, sequence or
 * marker that somebody still needs is lost.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { DELETE_RETENTION_MS, STEP, World } from "./history_fixture.ts";

const EVERYTHING = { mapBytesMax: 1e6, all: true };

/** Offsets and record counts, with the last tombstone of a segment gone. */
async function batchesWithoutTombstone(
  highWatermark: number | undefined,
): Promise<number[][]> {
  const world = new World();
  for (const [key, value] of [[0, 150], [1, 150], [2, null], [3, 700]]) {
    await world.run({
      type: "data",
      producer: 0,
      codec: "none",
      records: [{ key: key!, value: value! }],
    });
  }
  for (let i = 0; i < 2; i++) {
    await world.clean({
      ...EVERYTHING,
      ...(highWatermark === undefined ? {} : { highWatermark }),
    });
    world.nowMs += DELETE_RETENTION_MS;
  }
  const left = world.views().map((view) => [view.baseOffset, view.recordCount]);
  await world.log.close({ clean: true });
  return left;
}

Deno.test("a batch that lost its records stays where the high watermark is, and nowhere else", async () => {
  assertEquals(await batchesWithoutTombstone(3), [[0, 1], [1, 1], [2, 0], [
    3,
    1,
  ]]);
  assertEquals(await batchesWithoutTombstone(undefined), [[0, 1], [1, 1], [
    3,
    1,
  ]]);
});

Deno.test("compaction leaves what a plain map of any history holds", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(STEP, { minLength: 10, maxLength: 80 }),
      async (steps) => {
        const world = new World();
        for (const step of steps) await world.run(step);
        await world.restart();
        world.check();
        // Tombstones get a horizon and go behind it; then the same for markers
        // of transactions that had nothing else.
        for (let i = 0; i < 5; i++) {
          const { nowMs } = world;
          const { cleanedTo } = await world.clean(EVERYTHING);
          world.check({ cleanedTo, nowMs });
          world.nowMs += DELETE_RETENTION_MS;
        }
        world.checkNoMarkerWithoutData(world.log.cleanedOffset!);
        await world.restart({ keepsSnapshots: false });
        world.check({ cleanedTo: world.log.cleanedOffset! });
        await world.log.close({ clean: true });
      },
    ),
    { numRuns: 150 },
  );
});
