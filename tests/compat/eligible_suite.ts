/**
 * Eligible leader replicas (KIP-966) of a pair, one of kf and one of Apache
 * Kafka: whoever left the in-sync replicas in order may lead again when the
 * last of them is gone. Owns the steps.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createProducer } from "../../net/client.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "../../net/wire/75_describe_topic_partitions.ts";
import { until } from "../fixtures.ts";
import { latest } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import { equalLogs, storedValues } from "./replica_logs.ts";
import type { Pair } from "./replica_suite.ts";

/** Of neither pair, and always there. */
const WITNESS = 3;

/** Partition 0 as the third node knows it. */
async function seen(pair: Pair, topic: string): Promise<string> {
  using client = await RawClient.connect(pair.cluster.node(WITNESS).port);
  const { topics } = await client.call(latest(DESCRIBE_TOPIC_PARTITIONS), {
    topics: [{ name: topic }],
  });
  const partition = topics[0]?.partitions[0];
  if (partition === undefined) return "nothing";
  const { leaderId, isrNodes, eligibleLeaderReplicas } = partition;
  return `${leaderId} leads, isr ${isrNodes.toSorted()}, elr ${
    (eligibleLeaderReplicas ?? []).toSorted()
  }`;
}

async function becomes(
  pair: Pair,
  topic: string,
  what: string,
): Promise<void> {
  let last = "";
  await until(
    `${topic}: ${what}`,
    async () => (last = await seen(pair, topic).catch(() => "")) === what,
    60_000,
  ).catch(({ message }) => {
    throw new Error(`${message}; but ${last}`);
  });
}

/** The leader leaves in order, the other dies; the first leads again. */
export async function eligible(pair: Pair): Promise<void> {
  const topic = await pair.create("eligible", {
    configs: { "min.insync.replicas": "2" },
  });
  const { leader, follower } = pair;
  const producer = createProducer({ ...pair.config, acks: "all" });
  await producer.send({ topic, value: "kept" });
  await producer.close();
  await pair.cluster.node(leader).stop();
  await becomes(
    pair,
    topic,
    `${follower} leads, isr ${follower}, elr ${leader}`,
  );
  await pair.cluster.node(follower).kill();
  await pair.cluster.node(leader).start();
  await becomes(pair, topic, `${leader} leads, isr ${leader}, elr ${follower}`);
  await pair.cluster.node(follower).start();
  await becomes(
    pair,
    topic,
    `${leader} leads, isr ${[leader, follower].toSorted()}, elr `,
  );
  const folders = pair.folders(topic);
  await equalLogs(folders, 1);
  assertEquals(storedValues(folders[0]), ["kept"]);
}
