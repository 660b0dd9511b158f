/**
 * What brokers ask of the controller, as they see the answers: registration,
 * heartbeats, producer ids, and being forgotten.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { supportedFeatures } from "../../core/metadata/features.ts";
import {
  directory,
  incarnation,
  MetadataCluster,
} from "../../tests/metadata_cluster.ts";
import { clusterHandlers } from "./handler_table.ts";
import type { RequestContext } from "./handler.ts";
import type { Services } from "./services.ts";

const CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ";

function setUp() {
  const cluster = new MetadataCluster();
  const services: Pick<Services, "control" | "clusterId"> = {
    clusterId: CLUSTER_ID,
    control: (input) =>
      Promise.try(() => cluster.run<typeof input.type>(input as never)),
  };
  const handlers = new Map(
    clusterHandlers(services).map((entry) => [entry.key, entry]),
  );
  const ask = async (key: number, request: unknown) =>
    await handlers.get(key)!.handle(request, {} as RequestContext) as object;
  const refused = async (key: number, request: unknown) => {
    const { code } = await assertRejects(() => ask(key, request), KafkaError);
    return code;
  };
  return { cluster, ask, refused };
}

const REGISTRATION = {
  brokerId: 2,
  clusterId: CLUSTER_ID,
  incarnationId: incarnation(2, 0),
  listeners: [
    { name: "PLAINTEXT", host: "b", port: 9092, securityProtocol: 0 },
  ],
  features: supportedFeatures(),
  rack: "r",
  isMigratingZkBroker: false,
  logDirs: [directory(2)],
  previousBrokerEpoch: -1,
};

Deno.test("a broker registers, is unfenced when it has caught up, and gets producer ids", async () => {
  const { cluster, ask, refused } = setUp();
  const brokerEpoch = cluster.offset;

  const registered = await ask(62, REGISTRATION);
  assertEquals(registered, { errorCode: 0, brokerEpoch });
  const { endPoints, rack, isFenced } = cluster.image.broker(2)!;
  assertEquals([endPoints, rack, isFenced], [
    REGISTRATION.listeners,
    "r",
    true,
  ]);
  const heartbeat = {
    brokerId: 2,
    brokerEpoch,
    currentMetadataOffset: cluster.offset - 2,
    wantFence: false,
    wantShutDown: false,
    offlineLogDirs: [],
    cordonedLogDirs: null,
  };
  const answer = { errorCode: 0, isCaughtUp: false, isFenced: true };
  assertEquals(await ask(63, heartbeat), { ...answer, shouldShutDown: false });
  const caughtUp = { ...heartbeat, currentMetadataOffset: cluster.offset - 1 };
  assertEquals(await ask(63, caughtUp), {
    errorCode: 0,
    isCaughtUp: true,
    isFenced: false,
    shouldShutDown: false,
  });
  assertEquals(await ask(67, { brokerId: 2, brokerEpoch }), {
    errorCode: 0,
    producerIdStart: 0,
    producerIdLen: 1000,
  });
  const stale = { ...heartbeat, brokerEpoch: brokerEpoch + 1 };
  assertEquals(await refused(63, stale), ERRORS.STALE_BROKER_EPOCH);
  assertEquals(await refused(67, stale), ERRORS.STALE_BROKER_EPOCH);
});

Deno.test("a broker of another cluster, or one that leaves ZooKeeper, isn't registered", async () => {
  const { cluster, ask } = setUp();
  const clusterId = "AAAAAAAAAAAAAAAAAAAAAg";
  assertEquals(await ask(62, { ...REGISTRATION, clusterId }), {
    errorCode: ERRORS.INCONSISTENT_CLUSTER_ID,
  });
  assertEquals(await ask(62, { ...REGISTRATION, isMigratingZkBroker: true }), {
    errorCode: ERRORS.BROKER_ID_NOT_REGISTERED,
  });
  assertEquals(cluster.image.broker(2), undefined);
});

Deno.test("a broker says where its replicas are, and which of its directories failed", async () => {
  const { cluster, ask, refused } = setUp();
  const [first, second] = [directory(2), "AAAAAAAAAAAAAAAAAAAD_w"] as const;
  await ask(62, { ...REGISTRATION, logDirs: [first, second] });
  cluster.heartbeat(2);
  cluster.create([{
    name: "t",
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: [2, 1] }],
  }]);
  const brokerEpoch = cluster.image.broker(2)!.epoch;
  const topicId = cluster.image.topic("t")!.id;
  const partitions = [{ partitionIndex: 0 }, { partitionIndex: 1 }];
  const directories = [{ id: second, topics: [{ topicId, partitions }] }];
  const assignment = { brokerId: 2, brokerEpoch, directories };
  assertEquals(await ask(73, assignment), {
    errorCode: 0,
    directories: [{
      id: second,
      topics: [{
        topicId,
        partitions: [
          { partitionIndex: 0, errorCode: 0 },
          {
            partitionIndex: 1,
            errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION,
          },
        ],
      }],
    }],
  });
  assertEquals(cluster.partition().directories[0], second);
  const stale = { ...assignment, brokerEpoch: brokerEpoch + 1 };
  assertEquals(await refused(73, stale), ERRORS.STALE_BROKER_EPOCH);
  await ask(63, {
    brokerId: 2,
    brokerEpoch,
    currentMetadataOffset: cluster.offset - 1,
    wantFence: false,
    wantShutDown: false,
    offlineLogDirs: [second],
    cordonedLogDirs: null,
  });
  assertEquals(cluster.image.broker(2)!.logDirs, [first]);
  assertEquals(cluster.partition().leader, 1);
});
