/**
 * Controllers and brokers of their own: who does what, and what goes on while
 * a part is away.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  type Admin,
  createAdmin,
  createConsumer,
  createProducer,
  readQuorumMetadata,
} from "../../net/client.ts";
import { ERRORS } from "../../core/errors.ts";
import { API_VERSIONS } from "../../net/wire/18_api_versions.ts";
import { DESCRIBE_CLUSTER } from "../../net/wire/60_describe_cluster.ts";
import { until } from "../fixtures.ts";
import { latest } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

function clientsOf({ addresses }: Cluster) {
  const common = {
    "bootstrap.servers": addresses,
    "metadata.max.age.ms": 200,
    "reconnect.backoff.max.ms": 200,
  };
  const admin = createAdmin(common);
  const producer = createProducer({ ...common, acks: "all" });
  return {
    admin,
    common,
    produce: (topic: string, value: string) =>
      producer.send({ topic, partition: 0, value: ENCODER.encode(value) }),
    async [Symbol.asyncDispose]() {
      await producer.close();
      await admin.close();
    },
  };
}

/** The values of partition 0, as many as are wanted. */
async function valuesOf(
  { common, topic, count }: {
    readonly common: Record<string, string | number>;
    readonly topic: string;
    readonly count: number;
  },
): Promise<string[]> {
  const consumer = createConsumer({
    ...common,
    "auto.offset.reset": "earliest",
  });
  try {
    consumer.assign([{ topic, partition: 0 }]);
    const found: string[] = [];
    await until(`${count} records are read`, async () => {
      for (const { records } of await consumer.poll(100)) {
        for (const { value } of records) found.push(DECODER.decode(value!));
      }
      return found.length >= count;
    });
    return found;
  } finally {
    await consumer.close();
  }
}

/** KIP-919: at its own listener a controller tells of controllers. */
async function tellsOfControllers({ port: own }: ClusterNode): Promise<void> {
  using client = await RawClient.connect(own);
  const ask = (endpointType: number) =>
    client.call(latest(DESCRIBE_CLUSTER), { endpointType });
  const { controllerId, brokers } = await ask(2);
  assertEquals(controllerId, 1);
  const [{ brokerId, port }] = brokers as [typeof brokers[number]];
  assertEquals([brokerId, port], [1, own]);
  const { errorCode } = await ask(1);
  assertEquals(errorCode, ERRORS.MISMATCHED_ENDPOINT_TYPE);
}

/** Most of the metadata is in a snapshot; whoever reads leaves no trace. */
async function isReadFromAll(cluster: Cluster, admin: Admin): Promise<void> {
  for (const { port } of cluster.nodes) {
    const { tree } = await readQuorumMetadata({ host: "127.0.0.1", port });
    const { topics, brokers, controllers } = tree as Record<string, object>;
    const names = [topics, brokers, controllers].map((each) =>
      Object.keys(each!).filter((name) => !name.startsWith("__")).join()
    );
    assertEquals(names, ["t", "2,3", "1"]);
    const { observers } = await admin.describeMetadataQuorum();
    assertEquals(observers.length, 2);
  }
}

Deno.test("a controller of its own decides for brokers of their own, which serve on while it is away", async () => {
  await using cluster = await Cluster.start({
    nodes: 1,
    brokers: 2,
    config: { "metadata.log.max.record.bytes.between.snapshots": "500" },
  });
  await using clients = clientsOf(cluster);
  const { admin, common, produce } = clients;
  const topic = "t";
  const [created] = await admin.createTopics([
    { name: topic, partitions: 1, replicationFactor: 2 },
  ]);
  assertEquals(created!.error, undefined);
  const { nodes } = await admin.describeCluster();
  assertEquals(nodes.map(({ nodeId }) => nodeId).sort(), [2, 3]);
  const quorum = await admin.describeMetadataQuorum();
  assertEquals(quorum.leaderId, 1);
  assertEquals(quorum.voters.map(({ nodeId }) => nodeId), [1]);
  assertEquals(quorum.observers.map(({ nodeId }) => nodeId).sort(), [2, 3]);
  await produce(topic, "a");
  await tellsOfControllers(cluster.node(1));
  await isReadFromAll(cluster, admin);

  const [controller, second] = [cluster.node(1), cluster.node(2)];
  await controller.stop();
  await produce(topic, "b");
  assertEquals(await valuesOf({ common, topic, count: 2 }), ["a", "b"]);

  // Who comes back has nobody to register with, and says so.
  await second.end();
  const starting = second.start();
  const tells = (times: number) =>
    until("the broker tells what it waits for", () => {
      const told = second.told.filter((each) =>
        each.includes("can't be reached")
      );
      return told.length >= times;
    });
  await tells(1);
  using early = await RawClient.connect(second.port);
  let isAnswered = false;
  const answer = early.call(latest(API_VERSIONS), {
    clientSoftwareName: "raw",
    clientSoftwareVersion: "1",
  }).finally(() => isAnswered = true);
  await tells(2);
  assertEquals(isAnswered, false, "nobody is served before it is unfenced");
  await controller.start();
  await starting;
  await answer;
  await produce(topic, "c");
  assertEquals(await valuesOf({ common, topic, count: 3 }), ["a", "b", "c"]);
  const [another] = await admin.createTopics([
    { name: "u", partitions: 1, replicationFactor: 2 },
  ]);
  assertEquals(another!.error, undefined);
});
