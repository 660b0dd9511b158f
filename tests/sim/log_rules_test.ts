/**
 * The rules of logs against disks made by hand: what isn't on the medium and
 * who writes behind a later owner is seen, and nothing else.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { dataBatch, markerBatch } from "../../core/log/transactions_fixture.ts";
import { BatchView } from "../../core/record/batch.ts";
import { Chance } from "./chance.ts";
import { SimDisk } from "./disk.ts";
import { lateOwners, type Told, whyVolatile } from "./log_rules.ts";
import { SimProcess } from "./process.ts";
import { Scheduler } from "./scheduler.ts";

const FOLDER = "/data/kf/t-0";
const PATH = `${FOLDER}/00000000000000000000.log`;
const ABOVE = ["/", "/data", "/data/kf"];

function batch(producerEpoch: number, baseOffset: number) {
  const bytes = dataBatch({
    producerId: 7,
    producerEpoch,
    baseSequence: 0,
    count: 2,
    timestamp: 0,
    isTransactional: true,
  });
  new DataView(bytes.buffer).setBigInt64(0, BigInt(baseOffset));
  return bytes;
}

function marker(producerEpoch: number, baseOffset: number) {
  const bytes = markerBatch(7, producerEpoch, { kind: "commit" });
  new DataView(bytes.buffer).setBigInt64(0, BigInt(baseOffset));
  return bytes;
}

/** A disk with a log of these batches, none of it synced. */
function written(...batches: readonly Uint8Array[]) {
  const sim = new SimDisk(new Chance(1));
  const throws = (error: unknown) => {
    throw error;
  };
  const process = new SimProcess({
    name: "p",
    host: "h",
    scheduler: new Scheduler({ onNote: undefined, onThrow: throws }),
    chance: new Chance(2),
    wallSkewMs: () => 0,
    onDefect: throws,
  });
  const disk = sim.mount(process);
  disk.mkdir(FOLDER);
  const file = disk.open(PATH, "create");
  for (const bytes of batches) file.pwriteAll(bytes, file.size());
  return { root: sim.root, disk, file };
}

function told(flushedOffset: number, more: Partial<Told> = {}): Told {
  return {
    name: "t-0",
    folder: FOLDER,
    flushedOffset,
    logStartOffset: 0,
    isOffline: false,
    ...more,
  };
}

Deno.test("what counts as flushed is on the medium, with all that leads there", () => {
  const { root, disk, file } = written(batch(0, 0));
  assertEquals(whyVolatile(root, told(1)), undefined);
  const lacks = () => assertMatch(whyVolatile(root, told(2))!, /would take 0$/);
  lacks();
  file.syncDataSync();
  for (const folder of [FOLDER, ...ABOVE]) {
    lacks();
    disk.syncDirectory(folder);
  }
  assertEquals(whyVolatile(root, told(2)), undefined);
  file.pwriteAll(batch(0, 2), file.size());
  assertEquals(whyVolatile(root, told(2)), undefined);
  assertMatch(whyVolatile(root, told(4))!, /would take 2$/);
  assertEquals(whyVolatile(root, told(4, { logStartOffset: 4 })), undefined);
  assertEquals(whyVolatile(root, told(4, { isOffline: true })), undefined);
});

Deno.test("a log that is being compacted may be between two states", () => {
  const { root, disk } = written(batch(0, 0));
  disk.open(`${PATH}.swap`, "create");
  assertEquals(whyVolatile(root, told(2)), undefined);
});

Deno.test("who was fenced writes nothing behind a later owner", () => {
  const inOrder = written(batch(0, 0), marker(1, 2), batch(1, 3));
  assertEquals([...lateOwners(inOrder.root)], []);
  const { root } = written(batch(0, 0), marker(1, 2), batch(0, 3));
  assertEquals([...lateOwners(root)], [
    "t-0 at 3: epoch 0 of producer 7 comes behind 1",
  ]);
});

Deno.test("nobody owns what power tore, nor what lies behind it", () => {
  const { root, file } = written(batch(1, 0), batch(1, 2), batch(0, 4));
  const { sizeInBytes } = new BatchView(batch(1, 0));
  assertEquals([...lateOwners(root)].length, 1);
  file.pwriteAll(new Uint8Array(sizeInBytes - 20), sizeInBytes + 20);
  assertEquals([...lateOwners(root)], []);
  file.pwriteAll(new Uint8Array(sizeInBytes), sizeInBytes);
  assertEquals([...lateOwners(root)], []);
});

Deno.test("what can't be read is on the medium as it is, or counts for nothing", () => {
  const { root, disk, file } = written(batch(1, 0), batch(1, 2), batch(1, 4));
  for (const folder of ABOVE.concat(FOLDER)) disk.syncDirectory(folder);
  file.syncDataSync();
  const { sizeInBytes } = new BatchView(batch(1, 0));
  const size = new Uint8Array([0, 0, 0, 1]);
  file.pwriteAll(size, sizeInBytes + 8);
  assertEquals(whyVolatile(root, told(2)), undefined);
  assertMatch(whyVolatile(root, told(6))!, /is torn at 2$/);
  file.syncDataSync();
  assertEquals(whyVolatile(root, told(6)), undefined);
});
