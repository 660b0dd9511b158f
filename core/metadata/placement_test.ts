/**
 * Where new replicas go: apart, on as many racks as there are, and the same
 * number to everyone as far as that can be.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  directory,
  incarnation,
  replicated,
  seededRandom,
} from "../../tests/metadata_cluster.ts";
import { placeReplicas } from "./placement.ts";

/** `sizes` brokers in each rack. */
function brokersIn(sizes: readonly number[]) {
  return sizes.flatMap((size, rack) =>
    Array.from({ length: size }, (_, i) => ({
      id: rack * 100 + i,
      rack: `rack ${rack}`,
      isFenced: false,
    }))
  );
}

function spread(counts: ReadonlyMap<number, number>): number {
  return Math.max(...counts.values()) - Math.min(...counts.values());
}

function counted(ids: readonly number[], all: readonly { id: number }[]) {
  const counts = new Map(all.map(({ id }) => [id, 0]));
  for (const id of ids) counts.set(id, counts.get(id)! + 1);
  return counts;
}

const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const partitions = fc.integer({ min: 1, max: 60 });

Deno.test("leaders and replicas are spread evenly over racks of one size", () => {
  fc.assert(
    fc.property(
      seed,
      partitions,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 5 }),
      (seed, partitions, racks, size, factor) => {
        const brokers = brokersIn(Array(racks).fill(size));
        const replicationFactor = Math.min(factor, brokers.length);
        const { u32 } = seededRandom(seed);
        const placed = placeReplicas(brokers, {
          partitions,
          replicationFactor,
          u32,
        });
        assertEquals(placed.length, partitions);
        for (const replicas of placed) {
          assertEquals(new Set(replicas).size, replicationFactor);
          const there = new Set(replicas.map((id) => Math.floor(id / 100)));
          assertEquals(there.size, Math.min(racks, replicationFactor));
        }
        const leaders = placed.map(([leader]) => leader!);
        assert(spread(counted(leaders, brokers)) <= 1, "leaders");
        assert(spread(counted(placed.flat(), brokers)) <= 2, "replicas");
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("in racks of different sizes nobody of one rack holds much more than another", () => {
  fc.assert(
    fc.property(
      seed,
      partitions,
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 1, max: 4 }),
      (seed, partitions, sizes, factor) => {
        const brokers = brokersIn(sizes);
        const replicationFactor = Math.min(factor, brokers.length);
        const { u32 } = seededRandom(seed);
        const placed = placeReplicas(brokers, {
          partitions,
          replicationFactor,
          u32,
        });
        const leaders = placed.map(([leader]) => leader!);
        assert(spread(counted(leaders, brokers)) <= 1, "leaders");
        const counts = counted(placed.flat(), brokers);
        for (const rack of sizes.keys()) {
          const own = [...counts].filter(([id]) =>
            Math.floor(id / 100) === rack
          );
          assert(spread(new Map(own)) <= 2, "replicas");
        }
        for (const replicas of placed) {
          const there = new Set(replicas.map((id) => Math.floor(id / 100)));
          assertEquals(there.size, Math.min(sizes.length, replicationFactor));
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("fenced brokers never lead, and hold only what nobody else can", () => {
  const brokers = [1, 2, 3, 4].map((id) => ({
    id,
    rack: null,
    isFenced: id > 2,
  }));
  const { u32 } = seededRandom(1);
  const place = (replicationFactor: number) =>
    placeReplicas(brokers, { partitions: 8, replicationFactor, u32 });
  for (const replicas of place(2)) assert(replicas.every((id) => id <= 2));
  for (const replicas of place(3)) {
    assert(replicas[0]! <= 2 && replicas[1]! <= 2 && replicas[2]! > 2);
  }
});

Deno.test("a leader's replicas aren't always with the same others", () => {
  const brokers = brokersIn([10]);
  const { u32 } = seededRandom(7);
  const placed = placeReplicas(brokers, {
    partitions: 200,
    replicationFactor: 2,
    u32,
  });
  const pairs = new Set(placed.map((replicas) => replicas.join()));
  assert(pairs.size > 50, `${pairs.size} pairs`);
});

Deno.test("a new partition is in sync with those of its replicas that serve and stay", () => {
  const cluster = replicated();
  for (const id of [4, 5]) cluster.join(incarnation(id, 0), id);
  cluster.heartbeat(4, { wantFence: true });
  cluster.heartbeat(1, { wantShutDown: true });
  const create = (brokerIds: number[]) =>
    cluster.create([{
      name: `u${brokerIds.join("-")}`,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [{ partitionIndex: 0, brokerIds }],
    }])[0];
  assertEquals(create([4, 1, 5, 2]), "NONE");
  const { replicas, isr, leader, directories } = cluster.partition("u4-1-5-2");
  assertEquals([replicas, isr, leader], [[4, 1, 5, 2], [5, 2], 5]);
  assertEquals(directories, [4, 1, 5, 2].map(directory));
  assertEquals(create([4, 1]), "INVALID_REPLICA_ASSIGNMENT");
  const placed = cluster.create([
    { name: "v", numPartitions: 6, replicationFactor: 4 },
    { name: "w", replicationFactor: 5 },
  ]);
  assertEquals(placed, ["NONE", "INVALID_REPLICATION_FACTOR"]);
  for (const partition of cluster.image.topic("v")!.partitions) {
    assertEquals(partition.replicas.toSorted(), [2, 3, 4, 5]);
    assertEquals(partition.replicas.at(-1), 4);
    assertEquals(partition.isr.toSorted(), [2, 3, 5]);
  }
});
