/**
 * The APIs that Kafka's admin tools send, over raw frames: topics page by
 * page, log folders, config resources, the quorum, elections, reassignments,
 * deleted offsets.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { encodeSubscription } from "../../core/assign/protocol.ts";
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { ERRORS } from "../../core/errors.ts";
import { buildBatch } from "../../core/record/builder.ts";
import {
  create,
  latest,
  produce,
  records,
  running,
  start,
} from "../../tests/raw_broker.ts";
import { until } from "../../tests/fixtures.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { OFFSET_COMMIT } from "../wire/08_offset_commit.ts";
import { OFFSET_FETCH } from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { JOIN_GROUP } from "../wire/11_join_group.ts";
import { LEAVE_GROUP } from "../wire/13_leave_group.ts";
import { SYNC_GROUP } from "../wire/14_sync_group.ts";
import { DESCRIBE_LOG_DIRS } from "../wire/35_describe_log_dirs.ts";
import { ELECT_LEADERS } from "../wire/43_elect_leaders.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "../wire/46_list_partition_reassignments.ts";
import { OFFSET_DELETE } from "../wire/47_offset_delete.ts";
import { DESCRIBE_QUORUM } from "../wire/55_describe_quorum.ts";
import { DESCRIBE_PRODUCERS } from "../wire/61_describe_producers.ts";
import { UNREGISTER_BROKER } from "../wire/64_unregister_broker.ts";
import { LIST_CONFIG_RESOURCES } from "../wire/74_list_config_resources.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "../wire/75_describe_topic_partitions.ts";

Deno.test("topics are described page by page, each partition once, in order of names", async () => {
  await using at = await running({ "max.request.partition.size.limit": "5" });
  using client = await RawClient.connect(at.port);
  for (const [name, count] of [["b", 3], ["a", 4], ["c", 1]] as const) {
    await create(client, name, count);
  }
  const pages = async (
    responsePartitionLimit: number,
    names: string[] = [],
  ) => {
    const seen: string[][] = [];
    let cursor: { topicName: string; partitionIndex: number } | null = null;
    do {
      const page: Awaited<ReturnType<typeof ask>> = await ask({
        topics: names.map((name) => ({ name })),
        responsePartitionLimit,
        cursor,
      });
      seen.push(
        page.topics.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex }) => `${name}${partitionIndex}`)
        ),
      );
      cursor = page.nextCursor;
    } while (cursor !== null);
    return seen;
  };
  const ask = (body: {
    topics: { name: string }[];
    responsePartitionLimit: number;
    cursor: { topicName: string; partitionIndex: number } | null;
  }) => client.call(latest(DESCRIBE_TOPIC_PARTITIONS), body);
  assertEquals(await pages(3), [["a0", "a1", "a2"], ["a3", "b0", "b1"], [
    "b2",
    "c0",
  ]]);
  // The broker's own limit holds, whatever was asked for.
  assertEquals((await pages(1000)).map((page) => page.length), [5, 3]);
  assertEquals(await pages(0, ["c", "a", "c"]), [["a0"], ["a1"], ["a2"], [
    "a3",
  ], ["c0"]]);
  const gone = await ask({
    topics: [{ name: "none" }, { name: "no name" }],
    responsePartitionLimit: 1,
    cursor: { topicName: "b", partitionIndex: 9 },
  });
  assertEquals(gone.topics.map(({ name, errorCode }) => [name, errorCode]), [
    ["no name", ERRORS.INVALID_TOPIC_EXCEPTION],
    ["none", ERRORS.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
  const beyond = await ask({
    topics: [{ name: "b" }],
    responsePartitionLimit: 1,
    cursor: { topicName: "b", partitionIndex: 9 },
  });
  assertEquals(beyond.topics[0]!.partitions, []);
  assertEquals(beyond.nextCursor, null);
  const negative = await ask({
    topics: [{ name: "b" }],
    responsePartitionLimit: 1,
    cursor: { topicName: "b", partitionIndex: -1 },
  });
  assertEquals(negative.topics[0]!.errorCode, ERRORS.INVALID_REQUEST);
});

Deno.test("log folders name the bytes of each partition, of those asked for", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t", 2);
  const batch = buildBatch(records("a", "b"));
  await produce(client, batch);
  for (const version of [1, 3, 5]) {
    const { results, errorCode } = await client.call(
      { api: DESCRIBE_LOG_DIRS, version },
      { topics: null },
    );
    assertEquals(errorCode, 0);
    assertEquals(results.length, 1);
    assertEquals(results[0]!.logDir, at.folder);
    assertEquals(results[0]!.topics, [{
      name: "t",
      partitions: [batch.length, 0].map((partitionSize, partitionIndex) => ({
        partitionIndex,
        partitionSize,
        offsetLag: 0,
        isFutureKey: false,
      })),
    }]);
  }
  const { results } = await client.call(latest(DESCRIBE_LOG_DIRS), {
    topics: [{ topic: "t", partitions: [1, 7] }, {
      topic: "none",
      partitions: [0],
    }],
  });
  assertEquals(
    results[0]!.topics.map(({ name, partitions }) => [
      name,
      partitions.map(({ partitionIndex }) => partitionIndex),
    ]),
    [["t", [1]]],
  );
});

Deno.test("config resources are listed by type, and an unknown type is refused", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const list = (version: number, resourceTypes: number[]) =>
    client.call({ api: LIST_CONFIG_RESOURCES, version }, { resourceTypes });
  assertEquals((await list(1, [])).configResources, [
    { resourceName: "t", resourceType: 2 },
    { resourceName: "1", resourceType: 4 },
  ]);
  assertEquals((await list(1, [2])).configResources.length, 1);
  assertEquals((await list(0, [])).configResources, []);
  assertEquals((await list(1, [2, 3])).errorCode, ERRORS.UNSUPPORTED_VERSION);
});

Deno.test("the quorum of one is its leader, with all committed", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  for (const version of [0, 1, 2]) {
    const quorum = await client.call({ api: DESCRIBE_QUORUM, version }, {
      topics: [
        {
          topicName: "__cluster_metadata",
          partitions: [{ partitionIndex: 0 }],
        },
        { topicName: "t", partitions: [{ partitionIndex: 0 }] },
      ],
    });
    const { topics, nodes } = quorum;
    // The voters' addresses: there is no controller listener to tell of.
    assertEquals(nodes, version < 2 ? [] : [{ nodeId: 1, listeners: [] }]);
    const found = topics[0]!.partitions[0]!;
    assertEquals([found.errorCode, found.leaderId], [0, 1]);
    assert(found.leaderEpoch > 0 && found.highWatermark > 0);
    const [voter, ...others] = found.currentVoters;
    assertEquals([voter!.replicaId, others.length], [1, 0]);
    assertEquals(voter!.logEndOffset, found.highWatermark);
    assertEquals(voter!.replicaDirectoryId, ZERO_UUID);
    assertEquals(voter!.lastCaughtUpTimestamp > 0, version > 0);
    assertEquals(
      topics[1]!.partitions[0]!.errorCode,
      ERRORS.UNKNOWN_TOPIC_OR_PARTITION,
    );
  }
});

Deno.test("producers of a partition are told as they last appended", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t", 2);
  const of = (producerId: number, baseSequence: number) =>
    buildBatch(records("a", "b"), {
      producerId,
      producerEpoch: 3,
      baseSequence,
    });
  await produce(client, buildBatch(records("without an id")));
  await produce(client, of(7, 0));
  const last = records("c");
  await produce(
    client,
    buildBatch(last, { producerId: 7, producerEpoch: 3, baseSequence: 2 }),
  );
  await produce(client, of(8, 0));
  const { topics } = await client.call(latest(DESCRIBE_PRODUCERS), {
    topics: [
      { name: "t", partitionIndexes: [0, 1, 2] },
      { name: "none", partitionIndexes: [0] },
      { name: "a b", partitionIndexes: [0] },
    ],
  });
  const codes = topics.map(({ partitions }) =>
    partitions.map(({ errorCode }) => errorCode)
  );
  assertEquals(codes, [
    [0, 0, ERRORS.UNKNOWN_TOPIC_OR_PARTITION],
    [ERRORS.UNKNOWN_TOPIC_OR_PARTITION],
    [ERRORS.INVALID_TOPIC_EXCEPTION],
  ]);
  const [written, empty] = topics[0]!.partitions;
  assertEquals(empty!.activeProducers, []);
  assertEquals(
    written!.activeProducers.map((each) => [
      each.producerId,
      each.producerEpoch,
      each.lastSequence,
      each.coordinatorEpoch,
      each.currentTxnStartOffset,
    ]),
    [[7, 3, 2, -1, -1], [8, 3, 1, -1, -1]],
  );
  assertEquals(
    written!.activeProducers[0]!.lastTimestamp,
    last[0]!.timestamp,
  );
});

Deno.test("nothing needs an election on one node, and nothing is being reassigned", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  for (const electionType of [0, 1]) {
    const { errorCode, replicaElectionResults } = await client.call(
      latest(ELECT_LEADERS),
      {
        electionType,
        topicPartitions: [{ topic: "t", partitions: [0, 1] }],
      },
    );
    assertEquals(errorCode, 0);
    assertEquals(
      replicaElectionResults[0]!.partitionResult.map((each) => each.errorCode),
      [ERRORS.ELECTION_NOT_NEEDED, ERRORS.UNKNOWN_TOPIC_OR_PARTITION],
    );
  }
  const all = await client.call({ api: ELECT_LEADERS, version: 0 }, {
    topicPartitions: null,
  });
  assertEquals(all.replicaElectionResults, [{
    topic: "t",
    partitionResult: [],
  }]);
  const wrong = await client.call(latest(ELECT_LEADERS), {
    electionType: 9,
    topicPartitions: null,
  });
  assertEquals(wrong.errorCode, ERRORS.INVALID_REQUEST);
  for (
    const topics of [null, [{ name: "t", partitionIndexes: [0, 5] }], [{
      name: "none",
      partitionIndexes: [0],
    }]]
  ) {
    const { errorCode, topics: found } = await client.call(
      latest(LIST_PARTITION_REASSIGNMENTS),
      { topics },
    );
    assertEquals([errorCode, found.length], [0, 0]);
  }
});

Deno.test("a broker that nobody knows can't be unregistered, and one that is needs no partition", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const unregister = (brokerId: number) =>
    client.call({ api: UNREGISTER_BROKER, version: 0 }, { brokerId });
  const { errorCode, errorMessage } = await unregister(7);
  assertEquals(errorCode, ERRORS.BROKER_ID_NOT_REGISTERED);
  assertEquals(errorMessage, "Broker 7 is not registered");
  assertEquals((await unregister(1)).errorCode, 0);
  const { topics } = await client.call(
    { api: DESCRIBE_TOPIC_PARTITIONS, version: 0 },
    { topics: [{ name: "t" }] },
  );
  const [partition] = topics[0]!.partitions;
  assertEquals([partition!.leaderId, partition!.isrNodes], [-1, []]);
});

Deno.test("offsets of a group are deleted unless a member reads their topic", async () => {
  await using at = await running({
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "1",
  });
  using client = await RawClient.connect(at.port);
  await create(client, "read", 2);
  await create(client, "left", 1);
  await client.call(latest(FIND_COORDINATOR), {
    keyType: 0,
    coordinatorKeys: ["g"],
  });
  const remove = (groupId: string, topics: [string, number[]][]) =>
    client.call(latest(OFFSET_DELETE), {
      groupId,
      topics: topics.map(([name, indexes]) => ({
        name,
        partitions: indexes.map((partitionIndex) => ({ partitionIndex })),
      })),
    });
  const codes = async (topics: [string, number[]][]) => {
    const { errorCode, topics: found } = await remove("g", topics);
    assertEquals(errorCode, 0);
    return found.flatMap(({ partitions }) =>
      partitions.map((each) => each.errorCode)
    );
  };
  assertEquals(
    (await remove("g", [["read", [0]]])).errorCode,
    ERRORS.GROUP_ID_NOT_FOUND,
  );
  assertEquals((await remove("", [])).errorCode, ERRORS.INVALID_GROUP_ID);
  await readAndCommit(client, { read: 2, left: 1 });
  assertEquals(
    await codes([["read", [0]], ["left", [0, 3]]]),
    [ERRORS.GROUP_SUBSCRIBED_TO_TOPIC, 0, ERRORS.UNKNOWN_TOPIC_OR_PARTITION],
  );
  const committed = async (client: RawClient) => {
    const { topics } = await client.call({ api: OFFSET_FETCH, version: 5 }, {
      groupId: "g",
      topics: null,
    });
    return topics.map(({ name, partitions }) => [name, partitions.length]);
  };
  assertEquals(await committed(client), [["read", 2]]);
  await at.broker.stop();
  const again = await start(at.folder);
  try {
    using other = await RawClient.connect(again.address.port);
    await until("the group's coordinator has loaded", async () => {
      const { errorCode } = await other.call(
        { api: OFFSET_FETCH, version: 5 },
        { groupId: "g", topics: null },
      );
      return errorCode === 0;
    });
    assertEquals(await committed(other), [["read", 2]]);
  } finally {
    await again.stop();
  }
});

Deno.test("offsets of a group that isn't a consumers' stay while it has members", async () => {
  await using at = await running({
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "1",
  });
  using client = await RawClient.connect(at.port);
  await create(client, "read", 1);
  await client.call(latest(FIND_COORDINATOR), {
    keyType: 0,
    coordinatorKeys: ["g"],
  });
  const memberId = await readAndCommit(client, { read: 1 }, "connect");
  const remove = () =>
    client.call(latest(OFFSET_DELETE), {
      groupId: "g",
      topics: [{ name: "read", partitions: [{ partitionIndex: 0 }] }],
    });
  const refused = await remove();
  assertEquals([refused.errorCode, refused.topics], [
    ERRORS.NON_EMPTY_GROUP,
    [],
  ]);
  await client.call({ api: LEAVE_GROUP, version: 2 }, {
    groupId: "g",
    memberId,
  });
  const { errorCode, topics } = await remove();
  assertEquals([errorCode, topics[0]!.partitions[0]!.errorCode], [0, 0]);
});

/** A member of "g" that reads "read" and commits offset 5 of partitions. */
async function readAndCommit(
  client: RawClient,
  partitions: Readonly<Record<string, number>>,
  protocolType = "consumer",
): Promise<string> {
  const { memberId, generationId } = await client.call(
    { api: JOIN_GROUP, version: 3 },
    {
      groupId: "g",
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      protocolType,
      protocols: [{
        name: "range",
        metadata: encodeSubscription({ topics: ["read"] }),
      }],
    },
  );
  await client.call({ api: SYNC_GROUP, version: 2 }, {
    groupId: "g",
    generationId,
    memberId,
    assignments: [{ memberId, assignment: new Uint8Array(0) }],
  });
  await client.call({ api: OFFSET_COMMIT, version: 6 }, {
    groupId: "g",
    generationIdOrMemberEpoch: generationId,
    memberId,
    topics: Object.entries(partitions).map(([name, count]) => ({
      name,
      partitions: Array.from({ length: count }, (_, partitionIndex) => ({
        partitionIndex,
        committedOffset: 5,
      })),
    })),
  });
  return memberId;
}
