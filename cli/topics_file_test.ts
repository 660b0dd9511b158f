/**
 * What `topics.yaml` may say, and what must change for it.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./failure.ts";
import { changesOf, topicsOf } from "./topics_file.ts";

const PARTITION = {
  topic: "t",
  partition: 0,
  leader: 1,
  leaderEpoch: 0,
  replicas: [1],
  isr: [1],
};

Deno.test("topicsOf() reads counts and configs and refuses what it can't mean", () => {
  assertEquals(
    topicsOf("f", {
      topics: {
        a: { partitions: 3, configs: { x: 5, y: ["b", "c"] } },
        z: null,
      },
    }),
    [
      {
        name: "a",
        partitions: 3,
        replicas: undefined,
        configs: { x: "5", y: "b,c" },
      },
      {
        name: "z",
        partitions: undefined,
        replicas: undefined,
        configs: undefined,
      },
    ],
  );
  for (
    const values of [
      {},
      { topics: ["a"] },
      { topics: {}, more: 1 },
      { topics: { a: { partition: 3 } } },
      { topics: { a: { partitions: 0 } } },
      { topics: { a: { partitions: "many" } } },
      { topics: { a: { configs: { x: {} } } } },
      { topics: { a: 3 } },
    ]
  ) {
    assertThrows(() => topicsOf("f", values), UsageError, 'Cannot read "f": ');
  }
});

Deno.test("changesOf() takes given configs as all that is set, and leaves the rest alone", () => {
  const entry = { isDefault: false, isReadOnly: false, isSensitive: false };
  const entries = [
    { ...entry, name: "a", value: "1", source: "DYNAMIC_TOPIC_CONFIG" },
    { ...entry, name: "b", value: "2", source: "DYNAMIC_TOPIC_CONFIG" },
    { ...entry, name: "c", value: "3", source: "DEFAULT_CONFIG" },
  ].map((each) => ({ ...each, documentation: null }));
  const wanted = { name: "t", partitions: 1, replicas: 1, configs: undefined };
  const found = { topic: { partitions: [PARTITION] }, config: { entries } };
  assertEquals(changesOf(wanted, found), []);
  assertEquals(
    changesOf({ ...wanted, configs: { a: "9", c: "3" } }, found),
    [
      { topic: "t", change: "set", name: "a", from: "1", to: "9" },
      { topic: "t", change: "set", name: "c", from: null, to: "3" },
      { topic: "t", change: "unset", name: "b", from: "2", to: null },
    ],
  );
});
