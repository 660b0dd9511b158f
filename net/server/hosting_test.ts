/**
 * Which partitions a broker has open: while its logs are being scanned at the
 * start the metadata go on, and nothing that they say is missed.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { uuidFromRandom } from "../../core/bytes/uuid.ts";
import { resolveBrokerConfig } from "../../core/config/resolve.ts";
import { LogFolder } from "../../core/log/log_folder.ts";
import { MetadataImage } from "../../core/metadata/image.ts";
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from "../../core/metadata/records.ts";
import { temporaryFolder } from "../../tests/fixtures.ts";
import { hurried } from "../../tests/raw_broker.ts";
import { topicRecords } from "../../tests/replica_cluster.ts";
import { Hosting } from "./hosting.ts";
import { BrokerStats } from "./stats.ts";
import { Turn } from "./turn.ts";

/** Time flies: others get a turn after each log. */
const ENV = hurried(1e6);

const topic = (name: string) =>
  topicRecords(name, uuidFromRandom(ENV.random), [1, 2]);

/** Broker 2 leads it. */
function moved({ topicId }: { readonly topicId: string }): MetadataRecord {
  const value = { partitionId: 0, topicId, leader: 2 };
  return { type: "PartitionChange", value } as MetadataRecord;
}

function hostingOn(path: string) {
  const image = new MetadataImage();
  const stats = new BrokerStats();
  const folder = LogFolder.open({ env: ENV, path, nodeId: 1 });
  const hosting = new Hosting({
    env: ENV,
    turn: new Turn(ENV),
    nodeId: 1,
    folder,
    image,
    config: () => resolveBrokerConfig(),
    traffic: stats.traffic,
    replicated: stats.replication,
  });
  return {
    hosting,
    image,
    learn(records: readonly MetadataRecord[]): void {
      for (const record of records) {
        image.apply(decodeMetadataRecord(encodeMetadataRecord(record)));
      }
    },
    async close() {
      const highWatermarks = hosting.highWatermarks();
      await folder.close({ clean: false, brokerEpoch: -1, highWatermarks });
      await ENV.tasks.settled();
    },
  };
}

Deno.test("what the metadata say while logs are scanned at the start counts after it", async () => {
  using folder = temporaryFolder();
  const { hosting, image, learn, close } = hostingOn(folder.path);
  const names = ["a", "b", "c", "d"];
  learn(names.flatMap(topic));
  image.takeDelta();
  const idOf = (name: string) => ({ topicId: image.topic(name)!.id });
  let turns = 0;
  await hosting.hostAll(() => {
    if (++turns !== 2) return;
    // Of those that are open, is being opened, and wait.
    learn([...names.map((name) => moved(idOf(name))), ...topic("new")]);
    learn([{ type: "RemoveTopic", value: idOf("d") }]);
    hosting.apply(image.takeDelta());
  });
  const found = Array.from(
    hosting.partitions.all(),
    ({ partition }) => [partition.topic, partition.leader],
  );
  assertEquals(found.sort(), [["a", 2], ["b", 2], ["c", 2], ["new", 1]]);
  assertEquals(turns > 2, true);
  await close();
});
