/**
 * Crashes and failures at every step of a cleaning and of the start after it:
 * no record is lost, and recovering twice gives what recovering once gave.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { Crash, type CrashDisk } from "../../../tests/faults/crash_disk.ts";
import { DiskError } from "../../env/env.ts";
import { KafkaError } from "../../errors.ts";
import { chance, STEP, type Step, World } from "./history_fixture.ts";

const MAP = { mapBytesMax: 1e6 };

/**
 * What is read of the log, its files, and what the next batches of producers are
 * held against. What was cleaned away a snapshot still knows, and the log does
 * not: when a producer was last heard of, which coordinator spoke, transactions
 * that were aborted and have no records any more.
 */
function stateOf(world: World) {
  const files = [...world.disk.sizes()];
  return {
    batches: world.views().map(({ baseOffset, crc }) => [baseOffset, crc]),
    lastStableOffset: world.lastStableOffset,
    producers: new Map(
      Array.from(
        world.log.activeProducers(),
        (
          { producerId, producerEpoch, lastSequence, currentTxnStartOffset },
        ) => [
          producerId,
          { producerEpoch, lastSequence, currentTxnStartOffset },
        ],
      ),
    ),
    files: files.filter(([path]) => !path.endsWith(".txnindex")),
  };
}

/** Files that are neither the log's nor waiting for their deletion. */
function halfDone({ disk }: World): string[] {
  return [...disk.sizes().keys()].filter((path) =>
    /\.(cleaned|swap)$/.test(path)
  );
}

async function cleanUntil(world: World, step: number): Promise<boolean> {
  world.disk.crashAt = world.disk.steps + step;
  try {
    await world.clean(MAP);
    return false;
  } catch (error) {
    if (error instanceof Crash) return true;
    // A crash within the swap.
    assert(error instanceof KafkaError && error.cause instanceof Crash);
    return true;
  } finally {
    world.disk.crashAt = Infinity;
  }
}

/** Starts on `disk`, with a crash on the way when it comes that far. */
function recover(
  world: World,
  { disk, recoveryPoint, crashAt }: {
    readonly disk: CrashDisk;
    readonly recoveryPoint: number;
    readonly crashAt: number;
  },
): void {
  disk.crashAt = crashAt;
  try {
    world.recover(disk, recoveryPoint);
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    world.recover(disk.crashed(chance(crashAt)), recoveryPoint);
  } finally {
    disk.crashAt = Infinity;
  }
}

async function crashEverywhere(
  steps: readonly Step[],
  { seed, keepsOrder }: {
    readonly seed: number;
    readonly keepsOrder: boolean;
  },
): Promise<void> {
  const choose = chance(seed);
  const world = new World();
  for (const step of steps) await world.run(step);
  await world.restart();
  const recoveryPoint = world.log.segments.at(-1)!.baseOffset;
  const before = world.disk.copy();
  for (let step = 1, isOver = false; !isOver; step += 1 + choose(2)) {
    world.recover(before.copy(), recoveryPoint);
    isOver = !await cleanUntil(world, step);
    recover(world, {
      disk: world.disk.crashed(choose, { keepsOrder }),
      recoveryPoint,
      crashAt: 1 + choose(40),
    });
    world.check();
    assertEquals(halfDone(world), []);
    const once = stateOf(world);
    world.recover(world.disk.crashed(choose), recoveryPoint);
    assertEquals(stateOf(world), once, "recovering again changes nothing");
    world.check();
    const { nowMs } = world;
    const { cleanedTo } = await world.clean(MAP);
    world.check({ cleanedTo, nowMs });
  }
}

for (const keepsOrder of [true, false]) {
  const where = keepsOrder ? "" : ", where a disk keeps no order of renames";
  Deno.test(`a crash at any step of a cleaning, and of the start after it, loses nothing${where}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(STEP, { minLength: 30, maxLength: 60 }),
        fc.nat(),
        (steps, seed) => crashEverywhere(steps, { seed, keepsOrder }),
      ),
      { numRuns: 12, endOnFailure: true },
    );
  });
}

/** Keys that come again and again, in several segments. */
const HISTORY = Array.from({ length: 30 }, (_, i): Step => ({
  type: "data",
  producer: 0,
  codec: "none",
  records: [{ key: i % 3, value: 150 }],
}));

Deno.test("a step that the disk refuses leaves the log whole, or offline until a start", async () => {
  let offline = 0;
  for (let step = 1, isOver = false; !isOver; step++) {
    const world = new World();
    for (const each of HISTORY) await world.run(each);
    const recoveryPoint = world.log.segments.at(-1)!.baseOffset;
    const error = new DiskError("NoSpace", "No room is left");
    world.disk.failure = { at: world.disk.steps + step, error };
    isOver = await world.clean(MAP).then(() => true, () => false);
    world.disk.failure = undefined;
    if (isOver) break;
    if (world.log.isOffline) {
      offline++;
      await assertRejects(() => world.log.flush(), KafkaError, "Cannot swap");
      world.recover(world.disk.copy(), recoveryPoint);
    } else assertEquals(halfDone(world), []);
    world.check();
    await world.clean(MAP);
    world.check({ cleanedTo: world.log.cleanedOffset! });
  }
  assert(offline > 5, "the swap has steps that can fail");
});
