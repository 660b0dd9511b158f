/**
 * Who leads in a cluster of real nodes: moves finish and their leaders with
 * them, preferred replicas lead again, and when nobody is in sync, then only
 * whoever lacks nothing that was acknowledged (KIP-966).
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { buildBatch } from "../../core/record/builder.ts";
import type { Input, Message } from "../../core/schema/schema.ts";
import type { Api } from "../../net/wire/api_keys.ts";
import { CREATE_TOPICS } from "../../net/wire/19_create_topics.ts";
import { ELECT_LEADERS } from "../../net/wire/43_elect_leaders.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../net/wire/45_alter_partition_reassignments.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "../../net/wire/75_describe_topic_partitions.ts";
import { until } from "../fixtures.ts";
import { fetch, latest, produce, records } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import { Cluster } from "./cluster.ts";

/** Asks one node over a connection of its own. */
async function ask<Req extends Message, Res extends Message>(
  cluster: Cluster,
  id: number,
  { api, body }: { readonly api: Api<Req, Res>; readonly body: Input<Req> },
) {
  using client = await RawClient.connect(cluster.node(id).port);
  return await client.call(latest(api), body);
}

/** Partition 0 of "t" on `brokerIds`. */
async function create(
  cluster: Cluster,
  brokerIds: readonly number[],
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { topics } = await ask(cluster, 1, {
    api: CREATE_TOPICS,
    body: {
      topics: [{
        name: "t",
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds }],
        configs: Object.entries(configs)
          .map(([name, value]) => ({ name, value })),
      }],
    },
  });
  assertEquals(topics[0]!.errorCode, 0, topics[0]!.errorMessage ?? "");
}

/** Partition 0 of "t" as node `id` knows it. */
async function seenBy(cluster: Cluster, id: number): Promise<string> {
  const { topics } = await ask(cluster, id, {
    api: DESCRIBE_TOPIC_PARTITIONS,
    body: { topics: [{ name: "t" }] },
  });
  const partition = topics[0]?.partitions[0];
  if (partition === undefined) return "nothing";
  const { leaderId, replicaNodes, isrNodes } = partition;
  const eligible = partition.eligibleLeaderReplicas ?? [];
  return `${leaderId} of ${replicaNodes}, isr ${isrNodes.toSorted()}` +
    (eligible.length > 0 ? `, elr ${eligible.toSorted()}` : "");
}

function becomes(cluster: Cluster, id: number, what: string): Promise<unknown> {
  return until(`node ${id} sees ${what}`, async () => {
    return await seenBy(cluster, id).catch(() => "") === what;
  });
}

/** Appends to partition 0 of "t" at its leader `id`. */
async function append(cluster: Cluster, id: number, value: string) {
  using client = await RawClient.connect(cluster.node(id).port);
  const { errorCode, baseOffset } = await produce(
    client,
    buildBatch(records(value)),
  );
  return { errorCode, baseOffset };
}

async function move(cluster: Cluster, replicas: readonly number[]) {
  const { responses } = await ask(cluster, 2, {
    api: ALTER_PARTITION_REASSIGNMENTS,
    body: {
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, replicas }] }],
    },
  });
  assertEquals(responses[0]!.partitions[0]!.errorCode, 0);
}

async function elect(cluster: Cluster): Promise<number> {
  const { replicaElectionResults: [result] } = await ask(cluster, 3, {
    api: ELECT_LEADERS,
    body: {
      electionType: 0,
      topicPartitions: [{ topic: "t", partitions: [0] }],
    },
  });
  return result!.partitionResult[0]!.errorCode;
}

Deno.test("a partition moves from node to node with its records, and its preferred replica leads when asked", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await create(cluster, [1]);
  await becomes(cluster, 1, "1 of 1, isr 1");
  assertEquals((await append(cluster, 1, "a")).errorCode, 0);
  await move(cluster, [3, 1]);
  await becomes(cluster, 1, "1 of 3,1, isr 1,3");
  await until("3 leads", async () => {
    const code = await elect(cluster);
    return code === ERRORS.NONE || code === ERRORS.ELECTION_NOT_NEEDED;
  });
  for (const id of [1, 2, 3]) await becomes(cluster, id, "3 of 3,1, isr 1,3");
  await until(
    "3 takes records",
    async () => (await append(cluster, 3, "b")).errorCode === 0,
  );
  await move(cluster, [2]);
  for (const id of [1, 2, 3]) await becomes(cluster, id, "2 of 2, isr 2");
  using client = await RawClient.connect(cluster.node(2).port);
  await until("2 serves both records", async () => {
    const { errorCode, highWatermark } = await fetch(client);
    return errorCode === 0 && highWatermark >= 2;
  });
});

Deno.test("when nobody is in sync only a replica that lacks nothing leads", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await create(cluster, [1, 2], { "min.insync.replicas": "2" });
  await becomes(cluster, 1, "1 of 1,2, isr 1,2");
  const { errorCode, baseOffset } = await append(cluster, 1, "kept");
  assertEquals([errorCode, baseOffset], [0, 0]);
  await cluster.node(2).stop();
  await becomes(cluster, 1, "1 of 1,2, isr 1, elr 2");
  const refused = await append(cluster, 1, "refused");
  assertEquals(refused.errorCode, ERRORS.NOT_ENOUGH_REPLICAS);
  await cluster.node(1).stop();
  await cluster.node(2).start();
  await becomes(cluster, 3, "2 of 1,2, isr 2, elr 1");
  using client = await RawClient.connect(cluster.node(2).port);
  const { highWatermark } = await fetch(client);
  assert(highWatermark <= 1);
  await cluster.node(1).start();
  await becomes(cluster, 3, "2 of 1,2, isr 1,2");
  await until(
    "all that was acknowledged is served",
    async () => (await fetch(client)).highWatermark === 1,
  );
  assertEquals((await append(cluster, 2, "more")).errorCode, 0);
});
