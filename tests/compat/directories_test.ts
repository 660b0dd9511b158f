/**
 * Log directories between kf and Apache Kafka (KIP-858): Kafka's broker with
 * two of them under kf's controller, and kf's brokers, one of which lost its
 * own, under Kafka's. Skipped, saying why, without Java or the jars.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { parseProperties, startBroker } from "../../net/broker.ts";
import { done } from "../cli/moved_topics.ts";
import { kf, run, temporaryFolder, until } from "../fixtures.ts";
import {
  apacheKafkaJars,
  CLUSTER_ID,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";
import { clusterTool } from "./cluster_tools_suite.ts";
import { freePort } from "../ports.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: log directories: ${jars.reason}`);

const host = "127.0.0.1";
const HEARTBEATS = {
  "broker.heartbeat.interval.ms": "300",
  "broker.session.timeout.ms": "6000",
};
const RELEASE = [
  ...["--release-version", "4.1"],
  ...["--feature", "eligible.leader.replicas.version=0"],
];

/** One of Kafka's nodes that is asked by Kafka's tools. */
interface Asked {
  readonly jars: string;
  readonly bootstrap: string;
}

/** A partition as the metadata have it. */
interface Partition {
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly directories: readonly string[];
}

/** What the cluster's metadata say at `path`, asked of whoever is there. */
async function metadata(at: string, path: string) {
  return JSON.parse(await done(kf(["metadata", "cat", path, "--from", at])));
}

async function partitions(at: string, topic: string): Promise<Partition[]> {
  const { topicId: _, ...found } = await metadata(at, `/topics/${topic}`);
  return Object.values(found);
}

/** A topic whose partitions are on these brokers, as in `2:1,2`. */
async function create(
  at: Asked,
  [topic, assignment]: readonly [string, string],
): Promise<void> {
  const line = `--create --topic ${topic} --replica-assignment ${assignment}`;
  await clusterTool(at, "TopicCommand", line);
}

/** The id that `folder` was formatted with. */
function idOf(folder: string): string {
  const properties = Deno.readTextFileSync(`${folder}/meta.properties`);
  return properties.match(/^directory\.id=(.+)$/m)![1]!;
}

/** In which folder Kafka's own tool finds each replica of broker 2. */
async function shown(
  at: Asked,
  topic: string,
): Promise<Record<string, string>> {
  const line = `--describe --topic-list ${topic} --broker-list 2`;
  const text = await clusterTool(at, "LogDirsCommand", line);
  const { brokers: [broker] } = JSON.parse(text.match(/^\{.*$/m)![0]);
  const found: Record<string, string> = {};
  for (const { logDir, partitions } of broker.logDirs) {
    for (const { partition } of partitions) found[partition] = logDir;
  }
  return found;
}

/** kf, which decides, as broker 1, and Apache Kafka with two folders as 2. */
async function startBoth(libs: string, folder: string) {
  await using stack = new AsyncDisposableStack();
  const [port, control, kafkaPort] = [freePort(), freePort(), freePort()];
  const at = `${host}:${port}`;
  const controller = await startBroker({
    config: new Map(Object.entries({
      "node.id": "1",
      "log.dirs": `${folder}/kf`,
      "kf.cluster.id": CLUSTER_ID,
      "listeners": `PLAINTEXT://${at},CONTROLLER://${host}:${control}`,
      "controller.listener.names": "CONTROLLER",
      "controller.quorum.voters": `1@${host}:${control}`,
      ...HEARTBEATS,
    })),
    traceLevel: "error",
  });
  stack.defer(() => controller.stop());
  const [first, second] = [`${folder}/first`, `${folder}/second`];
  const kafka = await startApacheKafka(libs, {
    home: folder,
    port: kafkaPort,
    format: RELEASE,
    config: {
      "process.roles": "broker",
      "node.id": "2",
      "log.dirs": `${first},${second}`,
      "listeners": `PLAINTEXT://${host}:${kafkaPort}`,
      "controller.quorum.voters": `1@${host}:${control}`,
      // A folder that is gone is noticed when something is written there.
      "replica.high.watermark.checkpoint.interval.ms": "500",
      ...HEARTBEATS,
    },
  });
  stack.use(kafka);
  await until(
    "Kafka's broker serves",
    async () => (await metadata(at, "/brokers"))[2]?.fenced === false,
  );
  const parts = stack.move();
  return {
    at,
    tools: { jars: libs, bootstrap: kafka.bootstrap },
    first: { path: first, id: idOf(first) },
    second: { path: second, id: idOf(second) },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

type Both = Awaited<ReturnType<typeof startBoth>>;

/** Where broker 2 has each partition of "t", once all are where they can be. */
function placed({ at, first, second }: Both): Promise<string[]> {
  return until("all are told of", async () => {
    const found: string[] = [];
    for (const each of await partitions(at, "t")) {
      const id = each.directories[each.replicas.indexOf(2)]!;
      if (id === first.id) found.push(first.path);
      if (id === second.id) found.push(second.path);
    }
    return found.length === 4 ? found : undefined;
  });
}

/** Kafka's tool moves the first partition into the other folder, on its broker. */
async function moveBetween(both: Both, folder: string): Promise<void> {
  const { tools, first, second } = both;
  const [before] = await placed(both);
  const to = before === first.path ? second : first;
  const plan = `${folder}/plan.json`;
  const moved = { topic: "t", partition: 0, replicas: [2, 1] };
  Deno.writeTextFileSync(
    plan,
    JSON.stringify({
      version: 1,
      partitions: [{ ...moved, log_dirs: [to.path, "any"] }],
    }),
  );
  const line = `--reassignment-json-file ${plan}`;
  const tool = "ReassignPartitionsCommand";
  await clusterTool(tools, tool, `--execute ${line}`);
  await until("it is moved", async () => {
    const told = await clusterTool(tools, tool, `--verify ${line}`);
    return told.includes("completed successfully");
  });
  await until("it is told", async () => (await placed(both))[0] === to.path);
  assertEquals((await shown(tools, "t"))["t-0"], to.path);
  const [{ leader, isr }] = await partitions(both.at, "t") as [Partition];
  assertEquals([leader, isr], [2, [2, 1]]);
}

/** At the newest metadata.version a folder may be cordoned, or all of them. */
async function cordons({ at, tools, first, second }: Both): Promise<void> {
  const line = "upgrade --feature metadata.version=33";
  await clusterTool(tools, "FeatureCommand", line);
  const cordon = async (
    ...folders: readonly { path: string; id: string }[]
  ) => {
    const paths = folders.map(({ path }) => path).join();
    await clusterTool(
      tools,
      "ConfigCommand",
      `--alter --entity-type brokers --entity-name 2 --add-config cordoned.log.dirs=[${paths}]`,
    );
    await until("it is told", async () => {
      const { cordonedLogDirs } = await metadata(at, "/brokers/2");
      const ids = new Set(folders.map(({ id }) => id));
      return ids.symmetricDifference(new Set(cordonedLogDirs)).size === 0;
    });
  };
  const wide = ["topic", "create", "wide", "-r", "2", "-b", at];
  await cordon(first, second);
  const refused = await kf(wide);
  assertMatch(refused.stderr, /larger than the 1 available broker/);
  await cordon(first);
  await done(kf(wide));
  await until("it is in the other", async () => {
    const [{ directories, replicas }] = await partitions(at, "wide") as [
      Partition,
    ];
    return directories[replicas.indexOf(2)] === second.id;
  });
  await cordon();
}

/** The second folder fails: what was there others lead, the rest stays. */
async function fails(both: Both): Promise<void> {
  const { at, first, second } = both;
  const before = await placed(both);
  Deno.renameSync(second.path, `${second.path}.gone`);
  Deno.writeTextFileSync(second.path, "");
  await until("it is told", async () => {
    const { logDirs } = await metadata(at, "/brokers/2");
    return logDirs.length === 1 && logDirs[0] === first.id;
  });
  const after = await partitions(at, "t");
  assertEquals(
    after.map(({ leader, isr }) => [leader, isr]),
    before.map((path) => path === first.path ? [2, [2, 1]] : [1, [1]]),
  );
  const records = "one\ntwo\nthree\nfour\n";
  await done(kf(["produce", "t", "-b", at], { stdin: records }));
  const read = await done(kf(["consume", "t", "-e", "-b", at]));
  assertEquals(read.split("\n").sort(), records.split("\n").sort());
}

Deno.test({
  name: "Apache Kafka's broker with two log directories under kf's controller",
  ignore: isMissing,
  async fn(t) {
    const { folder: libs } = jars as { folder: string };
    using folder = temporaryFolder();
    await using both = await startBoth(libs, folder.path);
    const { at, tools, first, second } = both;
    await t.step("its replicas are where it says, in both", async () => {
      const { logDirs } = await metadata(at, "/brokers/2");
      assertEquals(new Set(logDirs), new Set([first.id, second.id]));
      await create(tools, ["t", "2:1,2:1,2:1,2:1"]);
      const paths = await placed(both);
      assertEquals(new Set(paths), new Set([first.path, second.path]));
      assertEquals(
        await shown(tools, "t"),
        Object.fromEntries(paths.map((path, index) => [`t-${index}`, path])),
      );
    });
    await t.step(
      "a replica moves from one to the other",
      () => moveBetween(both, folder.path),
    );
    await t.step(
      "one is cordoned, or both",
      () => cordons(both),
    );
    await t.step("Kafka's tool finds no controller to forget", async () => {
      const forget = ["unregister-controller", "--id", "9"];
      const at = ["--bootstrap-server", tools.bootstrap];
      const asked = kafkaTool(libs, "ClusterTool", [...forget, ...at]);
      const { stdout, stderr } = await run(asked);
      assertMatch(
        stdout + stderr,
        /Cannot unregister controller 9: it is not registered/,
      );
    });
    await t.step("one of them fails", () => fails(both));
  },
});

Deno.test({
  name: "a kf broker that lost its folder leads again under Kafka's controller",
  ignore: isMissing,
  async fn() {
    const { folder: libs } = jars as { folder: string };
    using folder = temporaryFolder();
    const ports = [freePort(), freePort(), freePort()] as const;
    const controller = `${host}:${ports[0]}`;
    await using _ = await startApacheKafka(libs, {
      port: ports[0],
      format: RELEASE,
      config: {
        "process.roles": "controller",
        "listeners": `CONTROLLER://${controller}`,
        "advertised.listeners": `CONTROLLER://${controller}`,
        "controller.quorum.voters": `1@${controller}`,
        "broker.session.timeout.ms": "3000",
      },
    });
    const start = (id: 2 | 3) =>
      startBroker({
        config: parseProperties(`
          process.roles=broker
          node.id=${id}
          log.dirs=${folder.path}/${id}
          kf.cluster.id=${CLUSTER_ID}
          listeners=PLAINTEXT://${host}:${ports[id - 1]}
          controller.listener.names=CONTROLLER
          controller.quorum.bootstrap.servers=${controller}
          broker.heartbeat.interval.ms=300
        `),
        traceLevel: "error",
      });
    await using stack = new AsyncDisposableStack();
    const stays = await start(2);
    stack.defer(() => stays.stop());
    const lost = await start(3);
    const tools = { jars: libs, bootstrap: stays.address };
    await create(tools, ["t", "3:2"]);
    await lost.stop();
    Deno.removeSync(`${folder.path}/3`, { recursive: true });
    const again = await start(3);
    stack.defer(() => again.stop());
    const id = idOf(`${folder.path}/3`);
    await until("it is in sync, in its new folder", async () => {
      const [{ isr, directories }] = await partitions(stays.address, "t") as [
        Partition,
      ];
      return isr.length === 2 && directories[0] === id;
    });
    const line = "--election-type preferred --topic t --partition 0";
    await clusterTool(tools, "LeaderElectionCommand", line);
    await until("it leads", async () => {
      const [{ leader }] = await partitions(stays.address, "t") as [Partition];
      return leader === 3;
    });
  },
});
