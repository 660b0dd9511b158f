/**
 * A kf broker whose controller is a real Apache Kafka's: it registers, is
 * unfenced, hosts topics, is seen by Kafka's tools, knows all that such a
 * controller writes, and leaves in order. Skipped without Java and the jars.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { parseProperties, startBroker } from "../../net/broker.ts";
import { done } from "../cli/moved_topics.ts";
import { kf, run, temporaryFolder } from "../fixtures.ts";
import {
  apacheKafkaJars,
  CLUSTER_ID,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";
import { freePort } from "../ports.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: Kafka's controller: ${jars.reason}`);

const host = "127.0.0.1";
const CONTROLLER = {
  "process.roles": "controller",
  // Whoever comes back sooner has to wait, however it left.
  "broker.session.timeout.ms": "3000",
  "authorizer.class.name":
    "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:ANONYMOUS",
};
const FEATURES = [
  "transaction.version=2",
  "group.version=1",
  "eligible.leader.replicas.version=1",
];

/** Levels of 4.1, and no feature on. */
const OF_4_1 = [
  "--release-version",
  "4.1",
  ...FEATURES.flatMap((level) => ["--feature", level.replace(/.$/, "0")]),
];

/** Apache Kafka's controller alone, formatted as is said. */
function startController(
  libs: string,
  port: number,
  format: readonly string[] = OF_4_1,
) {
  const controller = `${host}:${port}`;
  return startApacheKafka(libs, {
    port,
    format,
    config: {
      ...CONTROLLER,
      "listeners": `CONTROLLER://${controller}`,
      "advertised.listeners": `CONTROLLER://${controller}`,
      "controller.quorum.voters": `1@${controller}`,
    },
  });
}

/** The tools with what all of their calls have in common. */
function toolsOf({ libs, broker, controller }: {
  readonly libs: string;
  readonly broker: string;
  readonly controller: string;
}) {
  const tool = async (name: string, at: string, args: readonly string[]) => {
    const where = at.split(" ");
    // One of them has its verb first, and others have it last.
    const all = name === "ClusterTool"
      ? [...args, ...where]
      : [...where, ...args];
    const found = await run(kafkaTool(libs, name, all));
    assertEquals(found.code, 0, found.stdout + found.stderr);
    return found.stdout;
  };
  return {
    ask: (name: string, ...args: string[]) =>
      tool(name, `--bootstrap-server ${broker}`, args),
    askController: (name: string, ...args: string[]) =>
      tool(name, `--bootstrap-controller ${controller}`, args),
  };
}

/** What Kafka's own dump of the log says, by type of record, in order. */
async function dumped(
  libs: string,
  data: string,
): Promise<Map<string, Record<string, unknown>[]>> {
  const file = `${data}/__cluster_metadata-0/00000000000000000000.log`;
  const args = ["--cluster-metadata-decoder", "--files", file];
  const found = await run(kafkaTool(libs, "DumpLogSegments", args));
  const records = new Map<string, Record<string, unknown>[]>();
  for (const [, json] of found.stdout.matchAll(/ payload: (\{.*\})$/gm)) {
    const { type, data } = JSON.parse(json!);
    records.set(type, [...records.get(type) ?? [], data]);
  }
  return records;
}

/** What is read from the quorum is what Kafka dumps, and nobody noted it. */
async function agreesWithDump(
  { libs, data, at }: {
    readonly libs: string;
    readonly data: string;
    readonly at: readonly string[];
  },
): Promise<void> {
  const records = await dumped(libs, data);
  for (const address of at) {
    const cat = kf(["metadata", "cat", "--from", address]);
    const { topics, features, acls } = JSON.parse(await done(cat));
    const named = Object.entries<{ topicId: string }>(topics)
      .map(([name, { topicId }]) => [name, topicId]);
    const byName = (type: string, value: string) =>
      records.get(type)!.map((data) => [data.name, data[value]]).sort();
    assertEquals(named, byName("TOPIC_RECORD", "topicId"));
    assertEquals(
      features,
      Object.fromEntries(
        byName("FEATURE_LEVEL_RECORD", "featureLevel")
          .filter(([, level]) => level !== 0),
      ),
    );
    const entries = records.get("ACCESS_CONTROL_ENTRY_RECORD")!;
    assertEquals(Object.keys(acls), entries.map(({ id }) => id));
  }
}

/** A new node joins by that one's address, and starts again without it. */
async function joinsBy(port: number): Promise<void> {
  using data = temporaryFolder();
  const config = new Map([
    ["log.dirs", data.path],
    ["listeners", `PLAINTEXT://${host}:${freePort()}`],
  ]);
  const joined = await startBroker({
    config,
    join: { host, port },
    traceLevel: "error",
  });
  const { clusterId, nodeId, address } = joined;
  assertEquals(clusterId, CLUSTER_ID);
  await passThrough(address, `of-${nodeId}`);
  await joined.stop();
  const again = await startBroker({ config, traceLevel: "error" });
  assertEquals([again.clusterId, again.nodeId], [clusterId, nodeId]);
  await again.stop();
}

/** Numbers go through a topic, with a group's offsets committed. */
async function passThrough(address: string, topic: string): Promise<void> {
  const at = ["-b", address];
  await done(kf(["produce", topic, ...at], { stdin: "one\ntwo\n" }));
  const consumed = kf(["consume", topic, "-e", "-g", `of-${topic}`, ...at]);
  assertEquals((await done(consumed)).split("\n").sort(), ["", "one", "two"]);
}

Deno.test({
  name:
    "a kf broker registers with Apache Kafka's controller, hosts topics, and leaves in order",
  ignore: isMissing,
  async fn() {
    const { folder: libs } = jars as { folder: string };
    using data = temporaryFolder();
    const [port, kafkaPort] = [freePort(), freePort()];
    const broker = `${host}:${port}`;
    const controller = `${host}:${kafkaPort}`;
    await using kafka = await startController(libs, kafkaPort);
    const config = parseProperties(`
      process.roles=broker
      node.id=2
      log.dirs=${data.path}
      kf.cluster.id=${CLUSTER_ID}
      listeners=PLAINTEXT://${broker}
      controller.listener.names=CONTROLLER
      controller.quorum.bootstrap.servers=${controller}
      offsets.topic.replication.factor=1
      offsets.topic.num.partitions=1
    `);
    const start = () => startBroker({ config, traceLevel: "error" });
    const { ask, askController } = toolsOf({ libs, broker, controller });

    const first = await start();
    const described = ["describe", "--replication"];
    assertMatch(
      await askController("MetadataQuorumCommand", ...described),
      /^2 .*Observer/m,
    );
    assertMatch(await ask("ClusterTool", "list-endpoints"), /^2 .* unfenced/m);
    assertMatch(await ask("BrokerApiVersionsCommand"), /\(id: 2 /);
    await ask("TopicCommand", "--create", "--topic", "a", "--partitions", "2");
    assertMatch(
      await ask("TopicCommand", "--describe", "--topic", "a"),
      /Partition: 1\s+Leader: 2\s+Replicas: 2\s+Isr: 2/,
    );
    await passThrough(broker, "a");
    await askController(
      ...["AclCommand", "--add", "--allow-principal", "User:x"] as const,
      ...["--operation", "Read", "--topic", "a"],
    );
    const acls = ["metadata", "cat", "/acls", "--data", data.path];
    assertMatch(await done(kf(acls)), /"principal":"User:x"/);

    // All that these features bring is known, too.
    const levels = FEATURES.flatMap((level) => ["--feature", level]);
    await ask("FeatureCommand", "upgrade", ...levels);
    await passThrough(broker, "b");
    const at = [broker, controller];
    await agreesWithDump({ libs, data: kafka.data, at });
    const { length } = (await askController(
      ...["MetadataQuorumCommand", ...described] as const,
    )).match(/Observer/g)!;
    assertEquals(length, 1);
    for (const at of [port, kafkaPort]) await joinsBy(at);
    await first.stop();
    const left = ["metadata", "cat", "/brokers/2", "--data", kafka.data];
    assertMatch(
      await done(kf(left)),
      /"fenced":true,"inControlledShutdown":true/,
    );
    const second = await start();
    await passThrough(broker, "c");
    await second.stop();
  },
});

Deno.test({
  name:
    "a kf broker joins Apache Kafka at its newest metadata.version, without its share and streams groups",
  ignore: isMissing,
  async fn() {
    const { folder: libs } = jars as { folder: string };
    const port = freePort();
    const off = ["--feature", "share.version=0"];
    await using _ = await startController(libs, port, [
      ...["--release-version", "4.4", ...off],
      ...["--feature", "streams.version=0"],
    ]);
    await joinsBy(port);
  },
});

Deno.test({
  name:
    "a kf broker says which level of Apache Kafka's controller it can't take",
  ignore: isMissing,
  async fn() {
    const { folder: libs } = jars as { folder: string };
    using data = temporaryFolder();
    const port = freePort();
    await using _ = await startController(libs, port, []);
    const join = ["broker", "--join", `${host}:${port}`, "--data", data.path];
    const { code, stderr } = await kf([...join, "--listen", `${host}:0`]);
    assertMatch(stderr, /its [a-z.]+ is at level \d+, and this broker/);
    assertEquals(code, 1);
  },
});
