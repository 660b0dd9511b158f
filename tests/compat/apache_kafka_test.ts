/**
 * kf's clients against a real Apache Kafka. Skipped, saying why, without Java.
 *
 * @module
 */
import { apacheKafkaJars, startApacheKafka } from "./apache_kafka.ts";
import { createAdmin, createConsumer } from "../../net/client.ts";
import { startBrokerProcess, temporaryFolder, until } from "../fixtures.ts";
import { clientSuite } from "./client_suite.ts";
import {
  CONSUMER_PROTOCOL_CONFIG,
  consumerProtocolSuite,
} from "./consumer_protocol_suite.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
if (isMissing) console.error(`Apache Kafka tests skipped: ${jars.reason}`);

Deno.test({
  name: "clients work against Apache Kafka",
  ignore: isMissing,
  fn: async (t) => {
    if (isMissing) return;
    await using kafka = await startApacheKafka(jars.folder);
    await clientSuite(t, kafka.bootstrap);
  },
});

/** Java's consumer has all, then half, then none of the partitions. */
async function sharedWithJava(
  folder: string,
  bootstrap: string,
  protocol: string,
): Promise<void> {
  const topic = `java-${protocol}`;
  const common = { "bootstrap.servers": bootstrap };
  const admin = createAdmin(common);
  await admin.createTopics([{ name: topic, partitions: 4 }]);
  const owners = async () => {
    const [group] = await admin.describeGroups([topic]);
    return group!.members.map(({ assignment }) => assignment.length).sort();
  };
  const java = new Deno.Command("java", {
    args: [
      ...["-Xmx200m", "-XX:+UseSerialGC", "-cp", `${folder}/*`],
      "org.apache.kafka.tools.VerifiableConsumer",
      ...["--bootstrap-server", bootstrap, "--topic", topic],
      ...["--group-id", topic, "--group-protocol", protocol],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const consumer = createConsumer({
    ...common,
    "group.id": topic,
    "group.protocol": "consumer",
  });
  consumer.subscribe([topic]);
  try {
    try {
      await until("Java's has all", async () => String(await owners()) === "4");
      await until("both have two", async () => {
        await consumer.poll(50);
        return String(await owners()) === "2,2";
      });
    } finally {
      java.kill("SIGTERM");
    }
    await until("kf's has all", async () => {
      await consumer.poll(50);
      return consumer.assignment().length === 4;
    });
  } finally {
    await java.status;
    await consumer.close();
    await admin.close();
  }
}

Deno.test({
  name: "groups whose partitions Apache Kafka divides",
  ignore: isMissing,
  fn: async (t) => {
    if (isMissing) return;
    await using kafka = await startApacheKafka(jars.folder, {
      config: {
        ...CONSUMER_PROTOCOL_CONFIG,
        "group.consumer.min.heartbeat.interval.ms": "100",
        "group.consumer.min.session.timeout.ms": "2000",
      },
    });
    await consumerProtocolSuite(t, kafka.bootstrap);
    for (const protocol of ["classic", "consumer"]) {
      await t.step(
        `shared with a Java consumer (${protocol})`,
        () => sharedWithJava(jars.folder, kafka.bootstrap, protocol),
      );
    }
  },
});

Deno.test({
  name: "kf's consumer shares a kf broker's groups with Java's",
  ignore: isMissing,
  fn: async () => {
    if (isMissing) return;
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({
      data: `${folder.path}/data`,
      args: Object.entries(CONSUMER_PROTOCOL_CONFIG).flatMap(([key, value]) => [
        "-X",
        `${key}=${value}`,
      ]),
    });
    for (const protocol of ["classic", "consumer"]) {
      await sharedWithJava(jars.folder, broker.address, protocol);
    }
  },
});
