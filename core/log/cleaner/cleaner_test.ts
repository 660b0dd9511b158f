/**
 * Compaction of random histories, held against a plain map: the newest record
 * of every key stays, nothing else does for long, and no offset, sequence or
 * marker that somebody still needs is lost.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  DELETE_RETENTION_MS,
  STEP,
  type Step,
  World,
} from "./history_fixture.ts";

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

Deno.test("tombstones and markers stay as long as a replica may not have them", async () => {
  const world = new World();
  const end: Step = { type: "end", producer: 2, committed: false };
  const tombstone: Step = {
    type: "data",
    producer: 0,
    codec: "none",
    records: [{ key: 10, value: null }],
  };
  await world.run(IN_TRANSACTION);
  for (const step of filling(10)) await world.run(step);
  await world.run(end);
  await world.run(tombstone);
  const marker = world.log.logEndOffset - 2;
  // The last batch of a producer stays, and with it the marker behind it.
  await world.run(IN_TRANSACTION);
  await world.run(end);
  for (const step of filling(30)) await world.run(step);
  const left = async (isFullyInSync: boolean) => {
    for (let i = 0; i < 3; i++) {
      await world.clean({ ...EVERYTHING, isFullyInSync });
      world.nowMs += DELETE_RETENTION_MS;
    }
    return world.views().filter(({ baseOffset, recordCount }) =>
      [0, marker, marker + 1].includes(baseOffset) && recordCount > 0
    ).map(({ baseOffset }) => baseOffset);
  };
  assertEquals(await left(false), [marker, marker + 1]);
  assertEquals(await left(true), []);
  await world.log.close({ clean: true });
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

/** Records with keys of their own that fill more than a segment, and stay. */
function filling(from: number): Step[] {
  return Array.from({ length: 6 }, (_, i) => ({
    type: "data",
    producer: 0,
    codec: "none",
    records: [{ key: from + i, value: 150 }],
  }));
}

const IN_TRANSACTION: Step = {
  type: "data",
  producer: 2,
  codec: "none",
  records: [{ key: 1, value: 10 }],
};

Deno.test("a transaction whose marker was cleaned away is not open again for a start from before it", async () => {
  const world = new World();
  const end: Step = { type: "end", producer: 2, committed: false };
  // Segments begin within the transaction, and snapshots know it as open.
  for (const from of [10, 20]) {
    await world.run(IN_TRANSACTION);
    for (const step of filling(from)) await world.run(step);
    await world.run(end);
  }
  for (const step of filling(30)) await world.run(step);
  const open = world.log.logEndOffset;
  await world.run(IN_TRANSACTION);
  const { baseOffset: within } = world.log.segments[1]!;
  assert(within <= 6, "the second segment begins within it");
  for (let i = 0; i < 3; i++) {
    await world.clean(EVERYTHING);
    world.nowMs += DELETE_RETENTION_MS;
  }
  const markers = world.views().filter(({ isControl }) => isControl);
  assertEquals(markers, [], "the markers are gone");
  for (let point = 0; point < world.log.logEndOffset; point++) {
    world.recover(world.disk.copy(), point);
    assertEquals(world.lastStableOffset, open);
  }
});
