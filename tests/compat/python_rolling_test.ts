/**
 * Three kf brokers under the clients for Python: each broker is stopped and
 * started while both write and read, and neither's application is told an
 * error. Skipped, saying why, without Python.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { type Admin, createAdmin } from "../../net/client.ts";
import { Cluster } from "../cluster/cluster.ts";
import { until } from "../fixtures.ts";
import { pythonClients } from "./python_clients.ts";
import { more } from "./writers.ts";

const clients = await pythonClients();
const missing = clients.find((client) => client.missing !== undefined)?.missing;
// deno-lint-ignore no-console
if (missing) console.warn(`skipped: rolling restarts and Python: ${missing}`);

const CONFIG = {
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
};

async function inSync(admin: Admin, topics: readonly string[]): Promise<void> {
  await until("all replicas are in sync", async () => {
    const described = await admin.describeTopics(topics);
    return described.every(({ error, partitions }) =>
      error === undefined && partitions.every(({ isr }) => isr.length === 3)
    );
  }, 60_000);
}

Deno.test({
  name:
    "no application in Python is told an error while three brokers are restarted in turn",
  ignore: missing !== undefined,
  async fn() {
    const nodes = { nodes: 3, asProcesses: true, config: CONFIG };
    await using cluster = await Cluster.start(nodes);
    const bootstrap = cluster.addresses;
    await using stack = new AsyncDisposableStack();
    const admin = createAdmin({
      "bootstrap.servers": bootstrap,
      "metadata.max.age.ms": 500,
    });
    stack.defer(() => admin.close());
    const topics = clients.map(({ name }) => name);
    await admin.createTopics(
      topics.map((name) => ({ name, partitions: 3, replicationFactor: 3 })),
    );
    const assignor = "roundrobin";
    const readers = await Promise.all(
      clients.map(({ name: topic, join }) =>
        join({ bootstrap, topic, clientId: topic, assignor })
      ),
    );
    // What its application is told ends a reader with another code than 0.
    for (const reader of readers) stack.defer(() => reader.leave());
    const writers = clients.map((client) =>
      client.write({ bootstrap, topic: client.name })
    );
    const written = () =>
      Promise.all(writers.map((writer) => more(writer, 100)));
    try {
      for (const node of cluster.nodes) {
        await written();
        await node.stop();
        await written();
        await node.start();
        await inSync(admin, topics);
      }
      await written();
    } finally {
      await Promise.all(writers.map((writer) => writer.end()));
    }
    for (const [i, { name, acked, failed }] of writers.entries()) {
      assertEquals(failed.slice(0, 3), [], `${name} told ${failed.length}`);
      await until(`${name} has read all`, () => {
        const read = new Set(readers[i]!.records());
        return acked.every((place) => read.has(place));
      }, 60_000);
    }
  },
});
