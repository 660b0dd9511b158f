/**
 * Three kf brokers under the clients and the tools of others: each broker is
 * stopped and started while kf, librdkafka and Java write and read, and none of
 * their applications is told an error. Skipped, saying why, without Java.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type Admin, createAdmin } from "../../net/client.ts";
import { Cluster } from "../cluster/cluster.ts";
import { run, until } from "../fixtures.ts";
import { apacheKafkaJars, kafkaTool } from "./apache_kafka.ts";
import { clusterToolsSuite } from "./cluster_tools_suite.ts";
import { joinWithProgram } from "./group.ts";
import { javaWriter, kcatWriter, kfWriter, more } from "./writers.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
const libs = "folder" in jars ? jars.folder : "";
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: rolling restarts: ${jars.reason}`);

const TOPIC = "rolling";
const PARTITIONS = [0, 1, 2].map((partition) => ({ topic: TOPIC, partition }));
/** How long a reader of Java's waits for more before it ends. */
const SILENCE_MS = 20_000;
const CONFIG = {
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
};

function startCluster(): Promise<Cluster> {
  return Cluster.start({ nodes: 3, asProcesses: true, config: CONFIG });
}

async function inSync(admin: Admin): Promise<void> {
  await until("all replicas are in sync", async () => {
    const [described] = await admin.describeTopics([TOPIC]);
    return described!.error === undefined &&
      described!.partitions.every(({ isr }) => isr.length === 3);
  }, 60_000);
}

async function leads(admin: Admin, id: number): Promise<void> {
  await until(`${id} leads`, async () => {
    const [described] = await admin.describeTopics([TOPIC]);
    return described!.partitions.some(({ leader }) => leader === id);
  });
}

/** Reads in a group; gives what it has read once `count` values are there. */
async function readWithKcat(bootstrap: string) {
  const member = await joinWithProgram([
    ...["kcat", "-b", bootstrap, "-G", "of kcat", "-u", "-q"],
    ...["-X", "auto.offset.reset=earliest", "-f", "%s\\n", TOPIC],
  ]);
  return async (values: readonly string[]) => {
    await until("kcat has read all", () => {
      const read = new Set(member.records());
      return values.every((value) => read.has(value));
    }, 60_000);
    await member.leave();
  };
}

function readWithJava(bootstrap: string) {
  const reading = run(
    kafkaTool(libs, "consumer.ConsoleConsumer", [
      ...["--bootstrap-server", bootstrap, "--topic", TOPIC],
      ...["--group", "of Java", "--from-beginning"],
      ...["--timeout-ms", `${SILENCE_MS}`],
    ]),
    { timeoutMs: 300_000 },
  );
  return async (values: readonly string[]) => {
    const { code, stdout, stderr } = await reading;
    assertEquals(code, 0, stderr);
    const read = new Set(stdout.split("\n"));
    assertEquals(values.filter((value) => !read.has(value)), [], stderr);
  };
}

Deno.test({
  name:
    "no application is told an error while three brokers are restarted in turn",
  ignore: isMissing,
  async fn() {
    await using cluster = await startCluster();
    const bootstrap = cluster.addresses;
    const admin = createAdmin({
      "bootstrap.servers": bootstrap,
      "metadata.max.age.ms": 500,
    });
    await admin.createTopics([
      { name: TOPIC, partitions: 3, replicationFactor: 3 },
    ]);
    const options = { bootstrap, topic: TOPIC, jars: libs };
    const writers = [kfWriter, kcatWriter, javaWriter]
      .map((make) => make(options));
    const [kf, , java] = writers;
    const readers = [await readWithKcat(bootstrap), readWithJava(bootstrap)];
    const written = () =>
      Promise.all([kf!, java!].map((writer) => more(writer, 200)));
    try {
      for (const node of cluster.nodes) {
        await written();
        await node.stop();
        await written();
        await node.start();
        await inSync(admin);
        // kcat ends when it lost each broker once and had no reason to come
        // back to any; with a leader there it has one.
        await admin.electLeaders("preferred", PARTITIONS);
        await leads(admin, node.id);
      }
      await written();
    } finally {
      await Promise.all(writers.map((writer) => writer.end()));
      await admin.close();
    }
    for (const { name, acked, failed } of writers) {
      assertEquals(failed.slice(0, 3), [], `${name} told ${failed.length}`);
      assert(acked.length >= 1000, `${name} wrote ${acked.length}`);
    }
    const values = writers.flatMap(({ acked }) => acked);
    await Promise.all(readers.map((all) => all(values)));
  },
});

Deno.test({
  name: "Kafka's tools see, move and elect in a cluster of three kf brokers",
  ignore: isMissing,
  async fn(t) {
    await using cluster = await startCluster();
    await clusterToolsSuite(t, {
      jars: libs,
      bootstrap: `127.0.0.1:${cluster.node(1).port}`,
      ids: [1, 2, 3],
      stop: () => cluster.node(3).stop(),
      start: () => cluster.node(3).start(),
    });
  },
});
