/**
 * What an operator does to a cluster in tests: runs `kf` against all of its
 * nodes, makes topics where they are wanted, and looks where partitions are.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createAdmin, type PartitionInfo } from "../../net/client.ts";
import { kf, until } from "../fixtures.ts";

/** Whoever has addresses for `bootstrap.servers`. */
export interface Addressed {
  readonly addresses: string;
}

/** By key, so that every partition gets some. */
export const RECORDS = Array.from(
  { length: 300 },
  (_, i) => `${i}:v${i}\n`,
).join("");

/** Runs `kf …` against the nodes that run. */
export function ask(
  { addresses }: Addressed,
  line: string,
  stdin = "",
) {
  const words = [...line.split(" "), "-b", addresses, "--format", "json"];
  // On a busy machine a broker that restarts may take longer than people wait.
  return kf(["--timeout", "60s", ...words], { stdin });
}

/** The answer of a line that must work. */
export async function answer(cluster: Addressed, line: string, stdin = "") {
  const { code, stdout, stderr } = await ask(cluster, line, stdin);
  assertEquals(code, 0, `${line}: ${stderr}`);
  return {
    rows: stdout === "" ? [] : JSON.parse(stdout),
    stdout,
    stderr,
  };
}

/** The partitions of a topic as clients see them. */
export async function partitions(
  { addresses }: Addressed,
  topic: string,
): Promise<readonly PartitionInfo[]> {
  const admin = createAdmin({ "bootstrap.servers": addresses });
  try {
    const [described] = await admin.describeTopics([topic]);
    return described!.partitions;
  } finally {
    await admin.close();
  }
}

/** Leader and replicas by partition, as `1:1,2`, and `*` when not all are in sync. */
export async function places(
  cluster: Addressed,
  topic: string,
): Promise<string[]> {
  return (await partitions(cluster, topic)).map(({ leader, replicas, isr }) =>
    `${leader}:${replicas}${isr.length < replicas.length ? "*" : ""}`
  );
}

/** Leader and in-sync replicas by partition, as `1/1,2`. */
export async function leaders(
  cluster: Addressed,
  topic: string,
): Promise<string[]> {
  return (await partitions(cluster, topic)).map(({ leader, isr }) =>
    `${leader}/${isr.toSorted()}`
  );
}

/** Waits until what one of the above tells is as wanted. */
export function becomes(
  look: () => Promise<readonly string[]>,
  wanted: readonly string[],
): Promise<unknown> {
  return until(
    `it is ${wanted}`,
    async () => `${await look().catch(() => [])}` === `${wanted}`,
  );
}

/** A topic on the brokers that are given, all of them in sync. */
export async function createTopic(
  cluster: Addressed,
  name: string,
  assignments: readonly (readonly number[])[],
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": cluster.addresses });
  const [created] = await admin.createTopics([{ name, assignments, configs }]);
  await admin.close();
  // A controller that is replaced meanwhile may have made it: it is asked again.
  const error = created?.error;
  if (error && error.error !== "TOPIC_ALREADY_EXISTS") throw error;
  await becomes(
    () => places(cluster, name),
    assignments.map((ids) => `${ids[0]}:${ids}`),
  );
}

/** The same, with {@linkcode RECORDS} in it. */
export async function fillTopic(
  cluster: Addressed,
  name: string,
  assignments: readonly (readonly number[])[],
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  await createTopic(cluster, name, assignments, configs);
  const sent = await ask(cluster, `produce ${name} -K :`, RECORDS);
  assertEquals(sent.code, 0, sent.stderr);
}

/** Reads a topic from its start: it holds {@linkcode RECORDS}, each once. */
export async function assertKept(
  { addresses }: Addressed,
  topic: string,
): Promise<void> {
  const read = await kf(
    ["consume", topic, "-e", "-f", "%k:%v\\n", "-b", addresses],
  );
  assertEquals(
    read.stdout.split("\n").sort(),
    RECORDS.split("\n").sort(),
    read.stderr,
  );
}
