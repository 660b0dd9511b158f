/**
 * Plans of moves, against what must hold of every one: replicas keep their
 * number, racks are apart, everyone holds and leads alike much, and nothing
 * moves that need not.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { KafkaError } from "../errors.ts";
import {
  type PlannedBroker,
  type PlannedPartition,
  planReassignment,
  type ReassignmentOptions,
} from "./reassignment.ts";

interface Setting {
  readonly brokers: readonly PlannedBroker[];
  readonly partitions: readonly PlannedPartition[];
}

/** Brokers 1 to n, of which the last `leaving` may hold nothing any more. */
function settings(
  { isRacked = false, factors = [1, 2, 3, 4], leavingMax = 2 } = {},
): fc.Arbitrary<Setting> {
  return fc.record({
    count: fc.integer({ min: Math.max(...factors), max: 9 }),
    leaving: fc.integer({ min: 0, max: leavingMax }),
    racks: fc.integer({ min: 1, max: 4 }),
    crowd: fc.integer({ min: 1, max: 9 }),
    size: fc.integer({ min: 1, max: 40 }),
    factor: fc.constantFrom(...factors),
    seed: fc.array(fc.nat(), { minLength: 200, maxLength: 200 }),
  }).map(({ count, leaving, racks, crowd, size, factor, seed }) => {
    let drawn = 0;
    const draw = (below: number) => seed[drawn++ % seed.length]! % below;
    const ids = Array.from({ length: count + leaving }, (_, i) => i + 1);
    return {
      brokers: ids.slice(0, count).map((id) => ({
        id,
        rack: isRacked ? `r${draw(racks)}` : null,
      })),
      partitions: Array.from({ length: size }, (_, i) => {
        // Few brokers hold most, as where some are new.
        const left = draw(3) === 0 ? [...ids] : ids.slice(
          0,
          Math.max(factor, Math.min(crowd, ids.length)),
        );
        return {
          topic: `t${draw(3)}`,
          partition: i,
          bytes: draw(1000),
          replicas: Array.from(
            { length: factor },
            () => left.splice(draw(left.length), 1)[0]!,
          ),
        };
      }),
    };
  });
}

/** All partitions as they will be. */
function planned(
  { brokers, partitions }: Setting,
  options: Partial<ReassignmentOptions> = {},
): PlannedPartition[] {
  const changes = planReassignment(partitions, {
    brokers,
    isBalanced: true,
    ...options,
  });
  return partitions.map((each) => {
    const change = changes.find(({ partition }) =>
      partition === each.partition
    );
    return { ...each, replicas: change?.target ?? each.replicas };
  });
}

/** How many of `ids` each broker has, the least and the most. */
function extremes(brokers: readonly PlannedBroker[], ids: readonly number[]) {
  const counts = brokers.map(({ id }) =>
    ids.filter((each) => each === id).length
  );
  return { least: Math.min(...counts), most: Math.max(...counts) };
}

function moved(
  before: readonly PlannedPartition[],
  after: readonly PlannedPartition[],
): number {
  return after.flatMap(({ replicas }, i) =>
    replicas.filter((id) => !before[i]!.replicas.includes(id))
  ).length;
}

Deno.test("every partition keeps its number of replicas, each on another broker that may hold it", () => {
  fc.assert(fc.property(
    settings({ isRacked: true }),
    fc.boolean(),
    (setting, isBalanced) => {
      const after = planned(setting, { isBalanced });
      const allowed = new Set(setting.brokers.map(({ id }) => id));
      for (const [i, { replicas }] of after.entries()) {
        assertEquals(replicas.length, setting.partitions[i]!.replicas.length);
        assertEquals(new Set(replicas).size, replicas.length);
        assert(replicas.every((id) => allowed.has(id)));
      }
    },
  ));
});

Deno.test("without racks brokers hold and lead alike much, and new ones their share", () => {
  fc.assert(fc.property(settings({ factors: [3] }), (setting) => {
    const after = planned(setting);
    const held = extremes(
      setting.brokers,
      after.flatMap(({ replicas }) => replicas),
    );
    assert(held.most - held.least <= 1, JSON.stringify(held));
    const led = extremes(
      setting.brokers,
      after.map(({ replicas }) => replicas[0]!),
    );
    assert(led.most - led.least <= 1, JSON.stringify(led));
  }));
});

Deno.test("no fewer moves would do, and what is balanced stays as it is", () => {
  fc.assert(fc.property(
    settings({ factors: [2], leavingMax: 0 }),
    (setting) => {
      const { brokers, partitions } = setting;
      const counts = brokers.map(({ id }) =>
        partitions.filter(({ replicas }) => replicas.includes(id)).length
      ).sort((a, b) => b - a);
      const all = 2 * partitions.length;
      const share = Math.floor(all / brokers.length);
      const fewest = counts.reduce(
        (sum, count, i) =>
          sum + Math.max(0, count - share - (i < all % brokers.length ? 1 : 0)),
        0,
      );
      const after = planned(setting);
      assertEquals(moved(partitions, after), fewest);
      assertEquals(
        planReassignment(after, { brokers, isBalanced: true }),
        [],
      );
    },
  ));
});

Deno.test("replicas are on as many racks as there can be, and none has two more than one with room", () => {
  fc.assert(fc.property(
    settings({ isRacked: true }),
    (setting) => {
      const racks = new Map(setting.brokers.map(({ id, rack }) => [id, rack]));
      const names = [...new Set(racks.values())];
      const sizeOf = (name: string | null) =>
        [...racks.values()].filter((each) => each === name).length;
      for (const { replicas } of planned(setting)) {
        const counts = names.map((name) => ({
          name,
          count: replicas.filter((id) => racks.get(id) === name).length,
        }));
        const used = counts.filter(({ count }) => count > 0).length;
        assertEquals(used, Math.min(replicas.length, names.length));
        const most = Math.max(...counts.map(({ count }) => count));
        const least = Math.min(
          ...counts.filter(({ name, count }) => count < sizeOf(name))
            .map(({ count }) => count),
        );
        assert(most - least <= 1, `${replicas} on ${JSON.stringify(counts)}`);
      }
    },
  ));
});

Deno.test("within each rack brokers hold alike much", () => {
  fc.assert(fc.property(settings({ isRacked: true }), (setting) => {
    const after = planned(setting).flatMap(({ replicas }) => replicas);
    const byRack = Map.groupBy(setting.brokers, ({ rack }) => rack);
    for (const brokers of byRack.values()) {
      const { least, most } = extremes(brokers, after);
      assert(most - least <= 1, `${least} to ${most}`);
    }
  }));
});

Deno.test("what leaves a broker is copied once, and nothing else is touched", () => {
  fc.assert(fc.property(settings(), (setting) => {
    const { brokers, partitions } = setting;
    const allowed = new Set(brokers.map(({ id }) => id));
    const after = planned(setting, { isBalanced: false });
    for (const [i, { replicas }] of after.entries()) {
      const before = partitions[i]!.replicas;
      const lost = before.filter((id) => !allowed.has(id));
      const kept = before.filter((id) => allowed.has(id));
      assert(kept.every((id) => replicas.includes(id)));
      if (lost.length === 0) assertEquals(replicas, before);
    }
  }));
});

Deno.test("another replication factor is given to all, and what is there is kept", () => {
  fc.assert(fc.property(
    settings({ leavingMax: 0 }),
    fc.integer({ min: 1, max: 4 }),
    (setting, replicationFactor) => {
      const { partitions } = setting;
      const after = planned(setting, { replicationFactor, isBalanced: false });
      for (const [i, { replicas }] of after.entries()) {
        assertEquals(replicas.length, replicationFactor);
        const before = partitions[i]!.replicas;
        const common = replicas.filter((id) => before.includes(id)).length;
        assertEquals(common, Math.min(before.length, replicationFactor));
      }
    },
  ));
});

Deno.test("more replicas than brokers are refused", () => {
  const error = assertThrows(
    () =>
      planReassignment(
        [{ topic: "t", partition: 0, replicas: [1, 2, 3], bytes: 1 }],
        {
          brokers: [{ id: 1, rack: null }, { id: 2, rack: null }],
          isBalanced: false,
        },
      ),
    KafkaError,
    "Cannot place 3 replicas of t-0 on 2 brokers",
  );
  assertEquals(error.error, "INVALID_REPLICATION_FACTOR");
});

Deno.test("ten thousand partitions get a plan for one more broker soon", () => {
  const brokers = Array.from({ length: 31 }, (_, i) => ({
    id: i,
    rack: `r${i % 3}`,
  }));
  const partitions = Array.from({ length: 10_000 }, (_, i) => ({
    topic: `t${i % 50}`,
    partition: i,
    bytes: i,
    replicas: [i % 30, (i + 1) % 30, (i + 2) % 30],
  }));
  const startMs = performance.now();
  const changes = planReassignment(partitions, { brokers, isBalanced: true });
  const tookMs = performance.now() - startMs;
  assert(changes.length >= 900, `${changes.length}`);
  assert(tookMs < 20_000, `${tookMs} ms`);
});
