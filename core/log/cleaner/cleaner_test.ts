/**
 * Compaction of random histories, held against a plain map: the newest record
 * of every key stays, nothing else does for long, and no offset, sequence or
 * marker that somebody still needs is lost.
 *
 * @module
 */
import fc from "fast-check";
import { DELETE_RETENTION_MS, STEP, World } from "./history_fixture.ts";

const EVERYTHING = { mapBytesMax: 1e6, all: true };

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
