/**
 * Control records of a metadata log and its snapshots, kf's and Apache Kafka's:
 * `kf log dump` says of each what Kafka's kafka-dump-log says. Skipped, saying
 * why, without Java or the jars.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { startBroker } from "../../net/broker.ts";
import { createAdmin } from "../../net/client.ts";
import { done } from "../cli/moved_topics.ts";
import { kf, run, temporaryFolder, until } from "../fixtures.ts";
import {
  apacheKafkaJars,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";
import { freePort } from "../ports.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: control records: ${jars.reason}`);

const ALL = [
  "KRaftVersion",
  "KRaftVoters",
  "LeaderChange",
  "SnapshotFooter",
  "SnapshotHeader",
];

/** Files of batches in a folder of the metadata log. */
function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`)
    .filter((path) => /\.(log|checkpoint)$/.test(path)).sort();
}

/** `[offset, name, value]` of each control record, as Kafka's tool has it. */
async function byKafka(libs: string, file: string): Promise<unknown[]> {
  const args = ["--cluster-metadata-decoder", "--files", file];
  const { stdout } = await run(kafkaTool(libs, "DumpLogSegments", args));
  const line =
    /^\| offset: (\d+) .* headerKeys: \[\] (LeaderChange|KRaftVersion|KRaftVoters|SnapshotHeader|SnapshotFooter):? (\{.*\})$/gm;
  return Array.from(
    stdout.matchAll(line),
    ([, offset, name, value]) => [Number(offset), name, JSON.parse(value!)],
  );
}

/** The same, as `kf log dump` has it. */
async function byKf(file: string): Promise<unknown[]> {
  const dump = kf(["log", "dump", file, "--records", "--format", "json"]);
  return (await done(dump)).trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ control, kind }) => kind === "record" && control !== null)
    .map(({ offset, decoded: { type, value } }) => [offset, type, value]);
}

/** Both say the same of every file; every kind is in one of them. */
async function agree(libs: string, data: string): Promise<void> {
  const seen = new Set<unknown>();
  for (const file of filesIn(`${data}/__cluster_metadata-0`)) {
    const told = await byKf(file);
    // Kafka's dump leaves out of a value the fields of other versions.
    const text = JSON.stringify(told).replaceAll(
      /,"voterDirectoryId":"A{22}"/g,
      "",
    );
    assertEquals(JSON.parse(text), await byKafka(libs, file), file);
    for (const [, type] of told as [number, string][]) seen.add(type);
  }
  assertEquals([...seen].sort(), ALL);
  const verified = await kf(["log", "dump", "--verify", data]);
  assertEquals([verified.code, verified.stdout], [0, ""]);
}

/** A broker of kf whose voters may change, with snapshots; stopped. */
async function kfFolder(data: string): Promise<void> {
  const controller = `127.0.0.1:${freePort()}`;
  const broker = await startBroker({
    traceLevel: "error",
    config: new Map(Object.entries({
      "node.id": "1",
      "log.dirs": data,
      "listeners":
        `PLAINTEXT://127.0.0.1:${freePort()},CONTROLLER://${controller}`,
      "controller.listener.names": "CONTROLLER",
      "controller.quorum.bootstrap.servers": controller,
      "metadata.log.max.record.bytes.between.snapshots": "100",
    })),
  });
  const admin = createAdmin({ "bootstrap.servers": broker.address });
  const topic = { name: "t", partitions: 1, replicationFactor: 1 };
  await admin.createTopics([topic]);
  await admin.close();
  await until(
    "a snapshot is there",
    () => filesIn(`${data}/__cluster_metadata-0`).length > 1,
  );
  await broker.stop();
}

Deno.test({
  name: "kf log dump says of control records what Kafka's dump says",
  ignore: isMissing,
  async fn(t) {
    const { folder: libs } = jars as { folder: string };
    using folder = temporaryFolder();
    await t.step("in a folder of kf", async () => {
      const data = `${folder.path}/kf`;
      await kfFolder(data);
      await agree(libs, data);
    });
    await t.step("in a folder of Apache Kafka", async () => {
      const home = `${folder.path}/kafka`;
      Deno.mkdirSync(home);
      const port = freePort();
      const kafka = await startApacheKafka(libs, {
        home,
        port,
        format: ["--standalone"],
        config: {
          "process.roles": "controller",
          "listeners": `CONTROLLER://127.0.0.1:${port}`,
          "advertised.listeners": `CONTROLLER://127.0.0.1:${port}`,
          "controller.quorum.voters": "",
          "controller.quorum.bootstrap.servers": `127.0.0.1:${port}`,
        },
      });
      await until("it has elected itself", async () => {
        const file = `${kafka.data}/__cluster_metadata-0/${"0".repeat(20)}.log`;
        return (await byKf(file).catch(() => [])).length > 0;
      });
      await kafka.stop();
      await agree(libs, kafka.data);
    });
  },
});
