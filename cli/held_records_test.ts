/**
 * Records that are held: the order of a merge whatever comes first, and the
 * bounds of what is held.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { ConsumerRecord } from "../net/client.ts";
import { LatestPerKey, Merge, Tail } from "./held_records.ts";

const all = () => true;

function record(given: Partial<ConsumerRecord>): ConsumerRecord {
  return {
    topic: "t",
    partition: 0,
    offset: 0,
    timestamp: 0,
    leaderEpoch: 0,
    key: null,
    value: null,
    headers: [],
    ...given,
  };
}

/** By partition: the timestamps of its records. */
const partitions = fc.array(
  fc.array(fc.integer({ min: -1, max: 9 }), { maxLength: 8 }),
  { minLength: 1, maxLength: 4 },
);

Deno.test("a merge gives one order, in whichever pieces partitions come", () => {
  fc.assert(
    fc.property(
      partitions,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 4 }))),
      (times, pieces) => {
        const logs = times.map((list, partition) =>
          list.map((timestamp, offset) =>
            record({ partition, offset, timestamp })
          )
        );
        const merge = new Merge(all);
        const at = logs.map(() => 0);
        const merged: ConsumerRecord[] = [];
        const read = (partition: number, count: number) => {
          const from = at[partition]!;
          merge.take(logs[partition]!.slice(from, from + count));
          at[partition] = from + count;
          const open = logs.flatMap((log, partition) =>
            at[partition]! < log.length ? [{ topic: "t", partition }] : []
          );
          merged.push(...merge.release(open));
        };
        for (const [some, count] of pieces) read(some % logs.length, count);
        logs.forEach((log, partition) => read(partition, log.length));
        // A record counts as no older than those before it in its partition.
        const due = logs.flatMap((log) => {
          let timeMs = -Infinity;
          return log.map((record) => ({
            record,
            timeMs: timeMs = Math.max(timeMs, record.timestamp),
          }));
        }).sort((a, b) =>
          a.timeMs - b.timeMs || a.record.partition - b.record.partition ||
          a.record.offset - b.record.offset
        );
        assertEquals(merged, due.map(({ record }) => record));
      },
    ),
  );
});

Deno.test("a merge that holds much reads on only where the others wait", () => {
  const merge = new Merge(all);
  const [fast, slow] = [0, 1].map((partition) => ({ topic: "t", partition }));
  const open = [fast!, slow!];
  const value = new Uint8Array(1024 * 1024);
  const take = (count: number) =>
    merge.take(
      Array.from({ length: count }, (_, offset) =>
        record({ offset, value, timestamp: 5 })),
    );
  take(60);
  assertEquals([merge.release(open), merge.ahead(open)], [[], []]);
  take(10);
  assertEquals([merge.release(open), merge.ahead(open)], [[], [fast]]);
  merge.take([record({ partition: 1, timestamp: 7 })]);
  assertEquals(merge.release(open).length, 70);
  assertEquals(merge.ahead(open), []);
});

Deno.test("what would take too much memory is refused with what to do", () => {
  const value = new Uint8Array(32 * 1024 * 1024);
  const records = Array.from(
    { length: 9 },
    (_, i) => record({ offset: i, key: Uint8Array.of(i), value }),
  );
  const held = [
    new LatestPerKey(all, { isByTime: false }),
    new Tail(100, all),
  ];
  for (const one of held) {
    assertThrows(() => one.take(records), Error, "read less with");
  }
});

Deno.test("the latest of one key takes no more room than one record", () => {
  const value = new Uint8Array(1024 * 1024);
  const latest = new LatestPerKey(all, { isByTime: false });
  const tail = new Tail(1, all);
  for (let offset = 0; offset < 600; offset++) {
    const one = [record({ offset, key: Uint8Array.of(1), value })];
    latest.take(one);
    tail.take(one);
  }
  assertEquals(latest.release().map(({ offset }) => offset), [599]);
  assert(tail.isFull(1));
  assertEquals(tail.release().map(({ offset }) => offset), [599]);
});
