/**
 * Groups through a real broker and real sockets: two members share a group,
 * commit, and are still there after the broker restarted.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { RawClient } from "../../tests/raw_client.ts";
import { temporaryFolder, until } from "../../tests/fixtures.ts";
import { ERRORS } from "../../core/errors.ts";
import { startBroker } from "../broker.ts";
import { OFFSET_COMMIT } from "../wire/08_offset_commit.ts";
import { OFFSET_FETCH } from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { JOIN_GROUP } from "../wire/11_join_group.ts";
import { HEARTBEAT } from "../wire/12_heartbeat.ts";
import { LEAVE_GROUP } from "../wire/13_leave_group.ts";
import { SYNC_GROUP } from "../wire/14_sync_group.ts";
import { DESCRIBE_GROUPS } from "../wire/15_describe_groups.ts";
import { LIST_GROUPS } from "../wire/16_list_groups.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";
import { DELETE_GROUPS } from "../wire/42_delete_groups.ts";

const GROUP = { groupId: "g" };

function start(folder: string) {
  return startBroker({
    config: new Map([
      ["log.dirs", folder],
      ["listeners", "PLAINTEXT://127.0.0.1:0"],
      ["offsets.topic.num.partitions", "3"],
      ["group.initial.rebalance.delay.ms", "500"],
    ]),
    trace: () => {},
  });
}

/** Joins as Kafka's clients do: first for an id, then for good. */
async function join(client: RawClient, memberId = "") {
  const body = {
    ...GROUP,
    memberId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Uint8Array.of(1) }],
  };
  const api = { api: JOIN_GROUP, version: 9 };
  const first = await client.call(api, body);
  if (first.errorCode !== ERRORS.MEMBER_ID_REQUIRED) return first;
  return await client.call(api, { ...body, memberId: first.memberId });
}

async function prepare(client: RawClient): Promise<void> {
  const created = await client.call({ api: CREATE_TOPICS, version: 7 }, {
    topics: [{ name: "t", numPartitions: 2, replicationFactor: 1 }],
    timeoutMs: 5000,
  });
  assertEquals(created.topics[0]!.errorCode, 0);
  const found = await client.call({ api: FIND_COORDINATOR, version: 6 }, {
    keyType: 0,
    coordinatorKeys: ["g"],
  });
  assertEquals(found.coordinators[0]!.errorCode, 0);
  assert(found.coordinators[0]!.port > 0);
}

function commit(
  client: RawClient,
  { memberId, generationId, to = 42 }: {
    readonly memberId: string;
    readonly generationId: number;
    readonly to?: number;
  },
) {
  return client.call({ api: OFFSET_COMMIT, version: 9 }, {
    ...GROUP,
    memberId,
    generationIdOrMemberEpoch: generationId,
    topics: [{
      name: "t",
      partitions: [
        { partitionIndex: 0, committedOffset: to, committedMetadata: "m" },
        { partitionIndex: 9, committedOffset: 1, committedMetadata: "" },
      ],
    }],
  });
}

/** What is said of a commit of partition 0. */
async function commitError(
  ...args: Parameters<typeof commit>
): Promise<number> {
  const { topics } = await commit(...args);
  return topics[0]!.partitions[0]!.errorCode;
}

async function fetchedOffset(client: RawClient): Promise<number> {
  const fetched = await client.call({ api: OFFSET_FETCH, version: 9 }, {
    groups: [{ ...GROUP, topics: null }],
  });
  return fetched.groups[0]!.topics[0]!.partitions[0]!.committedOffset;
}

async function shareGroup(a: RawClient, b: RawClient) {
  const [joinA, joinB] = await Promise.all([join(a), join(b)]);
  assertEquals([joinA.errorCode, joinB.errorCode], [0, 0]);
  assertEquals(joinA.generationId, joinB.generationId);
  const [leader, joined] = joinA.members.length > 0 ? [a, joinA] : [b, joinB];
  assertEquals(joined.members.length, 2);
  const ids = [joinA.memberId, joinB.memberId];
  const { generationId } = joinA;
  const syncs = await Promise.all(
    [a, b].map((client, i) =>
      client.call({ api: SYNC_GROUP, version: 5 }, {
        ...GROUP,
        generationId,
        memberId: ids[i]!,
        assignments: client === leader
          ? ids.map((memberId, j) => ({
            memberId,
            assignment: Uint8Array.of(10 + j),
          }))
          : [],
      })
    ),
  );
  assertEquals(syncs.map(({ assignment }) => assignment[0]), [10, 11]);
  return { generationId, ids };
}

Deno.test("two members share a group, which survives a restart", async () => {
  using folder = temporaryFolder();
  let broker = await start(folder.path);
  let shared: { generationId: number; ids: string[] };
  try {
    using a = await RawClient.connect(broker.port);
    using b = await RawClient.connect(broker.port);
    await prepare(a);
    shared = await shareGroup(a, b);
    const [idA] = shared.ids;
    const { generationId } = shared;
    const committed = await commit(a, { memberId: idA!, generationId });
    assertEquals(
      committed.topics[0]!.partitions.map(({ errorCode }) => errorCode),
      [0, ERRORS.UNKNOWN_TOPIC_OR_PARTITION],
    );
    assertEquals(await fetchedOffset(b), 42);
  } finally {
    await broker.stop();
  }
  broker = await start(folder.path);
  try {
    using a = await RawClient.connect(broker.port);
    assertEquals(await fetchedOffset(a), 42);
    await checkAfterRestart(a, shared);
  } finally {
    await broker.stop();
  }
});

async function checkAfterRestart(
  client: RawClient,
  { generationId, ids }: { generationId: number; ids: string[] },
): Promise<void> {
  const beat = await client.call({ api: HEARTBEAT, version: 4 }, {
    ...GROUP,
    generationId,
    memberId: ids[0]!,
  });
  assertEquals(beat.errorCode, 0);
  const listed = await client.call({ api: LIST_GROUPS, version: 5 }, {});
  assertEquals(listed.groups.map(({ groupState }) => groupState), ["Stable"]);
  const kept = await client.call({ api: DELETE_GROUPS, version: 2 }, {
    groupsNames: ["g", "nobody"],
  });
  assertEquals(kept.results.map(({ errorCode }) => errorCode), [
    ERRORS.NON_EMPTY_GROUP,
    ERRORS.GROUP_ID_NOT_FOUND,
  ]);
  await client.call({ api: LEAVE_GROUP, version: 5 }, {
    ...GROUP,
    members: ids.map((memberId) => ({ memberId })),
  });
  const described = await client.call({ api: DESCRIBE_GROUPS, version: 6 }, {
    groups: ["g", "nobody"],
  });
  assertEquals(described.groups.map(({ groupState }) => groupState), [
    "Empty",
    "Dead",
  ]);
}

Deno.test("nothing of a former generation counts", async () => {
  using folder = temporaryFolder();
  const broker = await start(folder.path);
  try {
    using client = await RawClient.connect(broker.port);
    await prepare(client);
    const former = await joinAndSync(client);
    const { memberId, generationId } = await joinAndSync(
      client,
      former.memberId,
    );
    assertEquals([memberId, generationId], [
      former.memberId,
      former.generationId + 1,
    ]);
    assertEquals(
      await commitError(client, { memberId, generationId, to: 7 }),
      0,
    );
    for (const other of [former.generationId, generationId + 1]) {
      const beat = await client.call({ api: HEARTBEAT, version: 4 }, {
        ...GROUP,
        generationId: other,
        memberId,
      });
      assertEquals(beat.errorCode, ERRORS.ILLEGAL_GENERATION);
      assertEquals(
        await commitError(client, { memberId, generationId: other, to: 3 }),
        ERRORS.ILLEGAL_GENERATION,
      );
      assertEquals(await fetchedOffset(client), 7);
    }
  } finally {
    await broker.stop();
  }
});

/** Becomes the only member, and gives itself a part. */
async function joinAndSync(client: RawClient, memberId?: string) {
  const joined = await join(client, memberId);
  assertEquals(joined.errorCode, 0);
  const id = { memberId: joined.memberId, generationId: joined.generationId };
  const synced = await client.call({ api: SYNC_GROUP, version: 5 }, {
    ...GROUP,
    ...id,
    assignments: [{ memberId: id.memberId, assignment: Uint8Array.of(1) }],
  });
  assertEquals(synced.errorCode, 0);
  return id;
}

Deno.test("a parked join is answered when the broker stops", async () => {
  using folder = temporaryFolder();
  const broker = await start(folder.path);
  using client = await RawClient.connect(broker.port);
  await prepare(client);
  const parked = join(client);
  using other = await RawClient.connect(broker.port);
  await until("the member waits", async () => {
    const listed = await other.call({ api: LIST_GROUPS, version: 5 }, {
      statesFilter: ["preparingrebalance"],
    });
    return listed.groups.length === 1;
  });
  const [reply] = await Promise.all([parked, broker.stop()]);
  assertEquals(reply.errorCode, ERRORS.NOT_COORDINATOR);
});
