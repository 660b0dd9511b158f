/**
 * Consumers that read from the replica in their rack (KIP-392): whose leader
 * hands them nothing as long as that one is in sync.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  createAdmin,
  createConsumer,
  createProducer,
} from "../../net/client.ts";
import { until } from "../fixtures.ts";
import { Cluster } from "./cluster.ts";

const T0 = { topic: "t", partition: 0 };
const DECODER = new TextDecoder();

Deno.test("a consumer reads from the follower in its rack, and from the leader when that one is gone", async () => {
  await using cluster = await Cluster.start({
    nodes: 3,
    config: {
      "replica.selector.class":
        "org.apache.kafka.common.replica.RackAwareReplicaSelector",
      "min.insync.replicas": "2",
    },
    site: (id) => ({ config: { "broker.rack": `r${id}` } }),
  });
  const common = {
    "bootstrap.servers": cluster.addresses,
    "metadata.max.age.ms": 500,
  };
  const admin = createAdmin(common);
  const producer = createProducer({ ...common, acks: "all" });
  await admin.createTopics([
    { name: "t", partitions: 1, replicationFactor: 3 },
  ]);
  const leaderOf = async () => {
    const [found] = await admin.describeTopics(["t"]);
    const partition = found!.partitions[0]!;
    return partition.isr.length === 3 ? partition.leader : undefined;
  };
  const leader = await until("all are in sync", leaderOf);
  const near = leader % 3 + 1;
  const consumer = createConsumer({ ...common, "client.rack": `r${near}` });
  try {
    let [sent, read] = ["", ""];
    const write = async (value: string) => {
      await producer.send({ ...T0, value });
      sent += value;
    };
    const readsAll = () =>
      until("all is read", async () => {
        for (const { records } of await consumer.poll(50)) {
          read += records.map(({ value }) => DECODER.decode(value!)).join("");
        }
        return read.length >= sent.length;
      });
    consumer.assign([T0]);
    consumer.seek(T0, "earliest");
    for (const value of "abcdef") await write(value);
    await readsAll();
    await write("g");
    await readsAll();
    await cluster.node(near).stop();
    for (const value of "hij") await write(value);
    await readsAll();
    await cluster.node(near).start();
    await write("k");
    await readsAll();
    assertEquals(read, sent);
  } finally {
    await consumer.close();
    await producer.close();
    await admin.close();
  }
});
