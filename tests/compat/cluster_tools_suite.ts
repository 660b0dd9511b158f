/**
 * Kafka's own tools against a cluster of several brokers, whoever they are: what
 * they show, move, call off and elect. Owns the calls; whoever runs them
 * brings the cluster.
 *
 * @module
 */
import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { createAdmin } from "../../net/client.ts";
import { run, temporaryFolder, until } from "../fixtures.ts";
import { kafkaTool } from "./apache_kafka.ts";
import { type Tool, TOOLS } from "./kafka_tools.ts";

/** Three nodes, and how one of them is stopped and started. */
export interface ToolsCluster {
  readonly jars: string;
  /** Where each tool is sent. */
  readonly bootstrap: string;
  /** Of three brokers. */
  readonly ids: readonly [number, number, number];
  /** Stops the third in order, or starts it again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Runs one of Kafka's tools against a cluster, to its good end. */
export async function clusterTool(
  { jars, bootstrap }: Pick<ToolsCluster, "jars" | "bootstrap">,
  name: Tool,
  line: string,
): Promise<string> {
  const at = ["--bootstrap-server", bootstrap];
  const { code, stdout, stderr } = await run(
    kafkaTool(jars, `${TOOLS[name].within}${name}`, [
      ...at,
      ...line.split(" "),
    ]),
  );
  assertEquals(code, 0, `${name} ${line}\n${stdout}${stderr}`);
  return stdout;
}

/** Runs every step. */
export async function clusterToolsSuite(
  t: Deno.TestContext,
  cluster: ToolsCluster,
): Promise<void> {
  await t.step("kafka-metadata-quorum", () => quorum(cluster));
  await t.step("kafka-topics", () => topics(cluster));
  await t.step("kafka-reassign-partitions", () => moves(cluster));
  await t.step("kafka-leader-election", () => elections(cluster));
  await t.step("a topic is deleted", async () => {
    await clusterTool(cluster, "TopicCommand", "--delete --topic tools");
    await until("it is gone", async () => {
      const listed = await clusterTool(cluster, "TopicCommand", "--list");
      return !listed.split("\n").includes("tools");
    });
  });
}

async function quorum(cluster: ToolsCluster): Promise<void> {
  const name = "MetadataQuorumCommand";
  const status = await clusterTool(cluster, name, "describe --status");
  assertMatch(status, /LeaderId:\s+\d\n/);
  for (const id of cluster.ids) {
    assertMatch(status, new RegExp(`CurrentVoters:.*"id": ${id}\\D`));
  }
  const replicas = await clusterTool(cluster, name, "describe --replication");
  assertEquals(replicas.match(/\tFollower\s*$/gm)?.length, 2, replicas);
  assertEquals(replicas.match(/\tLeader\s*$/gm)?.length, 1, replicas);
}

async function topics(cluster: ToolsCluster): Promise<void> {
  const call = (line: string) => clusterTool(cluster, "TopicCommand", line);
  const [a, b, c] = cluster.ids;
  await call(
    `--create --topic tools --replica-assignment ${a}:${b},${b}:${c}`,
  );
  await call("--alter --topic tools --partitions 3");
  const described = await until("three are described", async () => {
    const said = await call("--describe --topic tools");
    return said.includes("PartitionCount: 3") ? said : undefined;
  });
  assertMatch(described, new RegExp(`Leader: ${a}\\s+Replicas: ${a},${b}\\s`));
  assertMatch(described, new RegExp(`Leader: ${b}\\s+Replicas: ${b},${c}\\s`));
  const lacking = "--describe --under-replicated-partitions --topic tools";
  assertEquals((await call(lacking)).trim(), "");
}

/** A file that says where partition 0 shall be. */
function moveOf(folder: string, replicas: readonly number[]): string {
  const file = `${folder}/${replicas.join("-")}.json`;
  const partitions = [{ topic: "tools", partition: 0, replicas }];
  Deno.writeTextFileSync(file, JSON.stringify({ version: 1, partitions }));
  return file;
}

async function moves(cluster: ToolsCluster): Promise<void> {
  const call = (line: string) =>
    clusterTool(cluster, "ReassignPartitionsCommand", line);
  const [a, b, c] = cluster.ids;
  using folder = temporaryFolder();
  const there = moveOf(folder.path, [b, c]);
  const started = await call(
    `--execute --throttle 50000000 --reassignment-json-file ${there}`,
  );
  assertMatch(started, /Successfully started partition reassignment for tools/);
  await until("it is there", async () => {
    const said = await call(`--verify --reassignment-json-file ${there}`);
    return /Reassignment of partition tools-0 is completed/.test(said);
  });
  const configs = await clusterTool(
    cluster,
    "ConfigCommand",
    "--describe --topic tools",
  );
  assertNotMatch(configs, /throttled/);
  const back = moveOf(folder.path, [b, a]);
  await call(`--execute --reassignment-json-file ${back}`);
  await until("it is back", async () => {
    const said = await call(`--verify --reassignment-json-file ${back}`);
    return /Reassignment of partition tools-0 is completed/.test(said);
  });
  // A broker that is not there can't come into sync: the move stays.
  await cluster.stop();
  const admin = createAdmin({ "bootstrap.servers": cluster.bootstrap });
  try {
    const [begun] = await admin.alterPartitionReassignments([
      { topic: "tools", partition: 0, replicas: [a, c] },
    ]);
    assertEquals(begun!.error, undefined);
    const moving = `tools-0: replicas: ${a},${c},${b}\\. adding: ${c}\\.`;
    assertMatch(await call("--list"), new RegExp(moving));
    const file = moveOf(folder.path, [a, c]);
    // Else it would ask the stopped broker itself for its throttles.
    const off = await call(
      `--cancel --preserve-throttles --reassignment-json-file ${file}`,
    );
    assertMatch(
      off,
      /Successfully cancelled partition reassignment for: tools-0/,
    );
    assertMatch(await call("--list"), /No partition reassignments found/);
  } finally {
    await admin.close();
    await cluster.start();
  }
}

async function elections(cluster: ToolsCluster): Promise<void> {
  const lead = "--election-type preferred --all-topic-partitions";
  await until("preferred replicas lead", async () => {
    await clusterTool(cluster, "LeaderElectionCommand", lead);
    const described = await clusterTool(
      cluster,
      "TopicCommand",
      "--describe --topic tools",
    );
    const led = [...described.matchAll(/Leader: (\d+)\s+Replicas: (\d+)/g)];
    return led.length === 3 && led.every(([, one, other]) => one === other);
  }, 60_000);
}
