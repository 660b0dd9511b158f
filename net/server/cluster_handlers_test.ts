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
