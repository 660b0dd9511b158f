/**
 * An image that is replaced by another one, as a fetched snapshot does.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { uuidFromBytes } from "../bytes/uuid.ts";
import { MetadataImage, RESOURCE_TYPE } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { snapshotRecords } from "./snapshot.ts";

const idOf = (seed: number) => uuidFromBytes(new Uint8Array(16).fill(seed));

function* topic(
  name: string,
  { id, leaders }: { id: number; leaders: readonly number[] },
): Generator<MetadataRecord> {
  const topicId = idOf(id);
  yield metadataRecord("Topic", { name, topicId });
  for (const [partitionId, leader] of leaders.entries()) {
    const replicas = [1, 2];
    const isr = [1, 2];
    yield metadataRecord("Partition", {
      topicId,
      partitionId,
      replicas,
      isr,
      leader,
      leaderEpoch: 0,
      partitionEpoch: 0,
      directories: [idOf(1), idOf(2)],
    });
  }
}

const config = (resourceName: string, value: string) =>
  metadataRecord("Config", {
    resourceType: RESOURCE_TYPE.TOPIC,
    resourceName,
    name: "retention.ms",
    value,
  });

function imageOf(records: Iterable<MetadataRecord>): MetadataImage {
  const image = new MetadataImage();
  for (const record of records) image.apply(record);
  image.takeDelta();
  return image;
}

Deno.test("an image that is replaced tells all that is different, and nothing else", () => {
  const image = imageOf([
    ...topic("same", { id: 1, leaders: [1, 2] }),
    ...topic("moved", { id: 2, leaders: [1, 1] }),
    ...topic("gone", { id: 3, leaders: [1] }),
    ...topic("anew", { id: 4, leaders: [1] }),
    config("same", "1"),
    config("moved", "1"),
    config("gone", "1"),
  ]);
  const next = () =>
    imageOf([
      ...topic("anew", { id: 5, leaders: [2] }),
      ...topic("moved", { id: 2, leaders: [1, 2] }),
      ...topic("same", { id: 1, leaders: [1, 2] }),
      ...topic("new", { id: 6, leaders: [1] }),
      config("same", "1"),
      config("moved", "2"),
      metadataRecord("FeatureLevel", { name: "f", featureLevel: 1 }),
    ]);
  const { brokers, topics } = image;
  image.replaceWith(next());
  assertEquals([...snapshotRecords(image)], [...snapshotRecords(next())]);
  assertEquals(image.brokers, brokers);
  assert(image.topics === topics, "who holds a map of it sees the change");
  assertEquals(image.topicById(idOf(3)), undefined);
  const delta = image.takeDelta();
  assertEquals(delta.removedTopics.map(({ id }) => id), [idOf(3), idOf(4)]);
  assertEquals([...delta.createdTopics].sort(), ["anew", "new"]);
  assertEquals(
    [...delta.partitions].map(([name, indexes]) => [name, [...indexes]]).sort(),
    [["anew", [0]], ["moved", [1]], ["new", [0]]],
  );
  const configs = [...delta.configs.values()].map(({ name }) => name).sort();
  assertEquals(configs, ["gone", "moved"]);
  assertEquals([delta.brokers.size, delta.hasFeatureChanges], [0, true]);
});
