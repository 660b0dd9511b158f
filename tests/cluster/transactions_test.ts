/**
 * Transactions whose coordinator is on one node and whose partitions are led by
 * others: they are all or nothing, also when the coordinator goes.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  createAdmin,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import { until } from "../fixtures.ts";
import { Cluster } from "./cluster.ts";

const TOPIC = "t";
const PARTITIONS = [0, 1, 2];
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const CONFIG = {
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
  "transaction.state.log.min.isr": "2",
  "group.initial.rebalance.delay.ms": "0",
};

function clientConfig({ addresses }: Cluster) {
  return {
    "bootstrap.servers": addresses,
    "metadata.max.age.ms": 500,
    "reconnect.backoff.max.ms": 200,
  };
}

/** A record to each partition in one transaction. */
async function transact(
  producer: Producer,
  { value, commit }: { readonly value: string; readonly commit: boolean },
): Promise<void> {
  producer.beginTransaction();
  await Promise.all(
    PARTITIONS.map((partition) =>
      producer.send({ topic: TOPIC, partition, value: ENCODER.encode(value) })
    ),
  );
  if (commit) await producer.commitTransaction();
  else await producer.abortTransaction();
}

/** What a reader of committed records gets of each partition. */
async function readCommitted(
  cluster: Cluster,
  count: number,
): Promise<string[][]> {
  const consumer = createConsumer({
    ...clientConfig(cluster),
    "group.id": "readers",
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
  });
  const values: string[][] = PARTITIONS.map(() => []);
  try {
    consumer.subscribe([TOPIC]);
    await until(`${count} records are read`, async () => {
      for (const { partition, records } of await consumer.poll(200)) {
        for (const { value } of records) {
          values[partition]!.push(DECODER.decode(value!));
        }
      }
      return values.flat().length >= count;
    });
  } finally {
    await consumer.close();
  }
  return values;
}

Deno.test("transactions over partitions of several nodes are all or nothing, whichever node coordinates", async () => {
  await using cluster = await Cluster.start({ nodes: 3, config: CONFIG });
  const config = clientConfig(cluster);
  const admin = createAdmin(config);
  // As many ids as make it likely that each node coordinates one.
  const ids = Array.from({ length: 6 }, (_, i) => `id-${i}`);
  const producers = ids.map((id) =>
    createProducer({ ...config, "transactional.id": id })
  );
  try {
    await admin.createTopics([
      { name: TOPIC, partitions: PARTITIONS.length, replicationFactor: 3 },
    ]);
    await Promise.all(producers.map((producer) => producer.initTransactions()));
    const committed: string[] = [];
    const round = async (name: string) => {
      await Promise.all(producers.map(async (producer, i) => {
        await transact(producer, { value: `${name}-${i}`, commit: true });
        committed.push(`${name}-${i}`);
        await transact(producer, { value: `aborted-${i}`, commit: false });
      }));
    };
    await round("all are there");
    for (const node of cluster.nodes) {
      await node.stop();
      await round(`without ${node.id}`);
      await node.start();
    }
    const read = await readCommitted(cluster, committed.length * 3);
    for (const values of read) {
      assertEquals(values.toSorted(), committed.toSorted());
    }
  } finally {
    await Promise.all(producers.map((producer) => producer.close()));
    await admin.close();
  }
});
