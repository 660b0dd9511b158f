/**
 * Consumer groups (KIP-848) through a real broker and real sockets: what
 * members and tools are answered, and what a cluster's features and a group's
 * own configs change.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { RESOURCE_TYPE } from "../../core/metadata/image.ts";
import { until } from "../../tests/fixtures.ts";
import { create, latest, running, start } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { OFFSET_COMMIT } from "../wire/08_offset_commit.ts";
import { OFFSET_FETCH } from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { DESCRIBE_GROUPS } from "../wire/15_describe_groups.ts";
import { LIST_GROUPS } from "../wire/16_list_groups.ts";
import { DESCRIBE_CONFIGS } from "../wire/32_describe_configs.ts";
import { DELETE_GROUPS } from "../wire/42_delete_groups.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../wire/44_incremental_alter_configs.ts";
import { UPDATE_FEATURES } from "../wire/57_update_features.ts";
import {
  CONSUMER_GROUP_HEARTBEAT,
  type ConsumerGroupHeartbeatRequest,
} from "../wire/68_consumer_group_heartbeat.ts";
import { CONSUMER_GROUP_DESCRIBE } from "../wire/69_consumer_group_describe.ts";

const MEMBER = { groupId: "g", memberId: "m" };

function beat(
  client: RawClient,
  fields: Partial<ConsumerGroupHeartbeatRequest> = {},
  version = 1,
) {
  return client.call({ api: CONSUMER_GROUP_HEARTBEAT, version }, {
    ...MEMBER,
    memberEpoch: 0,
    rebalanceTimeoutMs: 30_000,
    subscribedTopicNames: ["t"],
    topicPartitions: [],
    ...fields,
  });
}

async function prepare(client: RawClient): Promise<void> {
  assertEquals((await create(client, "t", 2)).errorCode, 0);
  const found = await client.call(latest(FIND_COORDINATOR), {
    keyType: 0,
    coordinatorKeys: ["g"],
  });
  assertEquals(found.coordinators[0]!.errorCode, 0);
}

function described(client: RawClient, groupId = "g") {
  return client.call(latest(CONSUMER_GROUP_DESCRIBE), {
    groupIds: [groupId],
    includeAuthorizedOperations: true,
  }).then(({ groups }) => groups[0]!);
}

Deno.test("a member joins, commits in its epoch, is seen by tools and leaves", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await prepare(client);
  const joined = await beat(client);
  assertEquals([joined.errorCode, joined.memberEpoch], [0, 2]);
  assertEquals(joined.heartbeatIntervalMs, 5000);
  const owned = joined.assignment!.topicPartitions;
  assertEquals(owned.map(({ partitions }) => partitions), [[0, 1]]);
  const commit = (generationIdOrMemberEpoch: number) =>
    client.call({ api: OFFSET_COMMIT, version: 9 }, {
      ...MEMBER,
      generationIdOrMemberEpoch,
      topics: [{
        name: "t",
        partitions: [{ partitionIndex: 0, committedOffset: 7 }],
      }],
    }).then(({ topics }) => topics[0]!.partitions[0]!.errorCode);
  assertEquals(await commit(1), ERRORS.STALE_MEMBER_EPOCH);
  assertEquals(await commit(2), 0);
  const fetched = await client.call({ api: OFFSET_FETCH, version: 9 }, {
    groups: [{ ...MEMBER, memberEpoch: 3, topics: null }],
  });
  assertEquals(fetched.groups[0]!.errorCode, ERRORS.STALE_MEMBER_EPOCH);
  await checkTools(client);
  const left = await beat(client, { memberEpoch: -1 });
  assertEquals([left.errorCode, left.memberEpoch], [0, -1]);
  const deleted = await client.call(latest(DELETE_GROUPS), {
    groupsNames: ["g"],
  });
  assertEquals(deleted.results[0]!.errorCode, 0);
  assertEquals(
    (await described(client)).errorCode,
    ERRORS.GROUP_ID_NOT_FOUND,
  );
});

async function checkTools(client: RawClient): Promise<void> {
  const { groups } = await client.call(latest(LIST_GROUPS), {
    typesFilter: ["consumer"],
  });
  assertEquals(
    groups.map(({ groupId, groupState, groupType, protocolType }) => [
      groupId,
      groupState,
      groupType,
      protocolType,
    ]),
    [["g", "Stable", "consumer", "consumer"]],
  );
  const group = await described(client);
  assertEquals(group.errorCode, 0);
  assertEquals([group.groupEpoch, group.assignmentEpoch], [2, 2]);
  assert(group.authorizedOperations > 0);
  const [member] = group.members;
  assertEquals(member!.memberType, 1);
  assertEquals(member!.assignment, member!.targetAssignment);
  assertEquals(member!.assignment.topicPartitions[0]!.topicName, "t");
  const classic = await client.call(latest(DESCRIBE_GROUPS), { groups: ["g"] });
  assertEquals(classic.groups[0]!.errorCode, ERRORS.GROUP_ID_NOT_FOUND);
  assertEquals(classic.groups[0]!.groupState, "Dead");
}

Deno.test("a member without an id is given one in version 0 and refused since", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await prepare(client);
  const joined = await beat(client, { memberId: "" }, 0);
  assertEquals(joined.errorCode, 0);
  assertEquals(joined.memberId?.length, 22);
  const refused = await beat(client, { memberId: "" });
  assertEquals(refused.errorCode, ERRORS.INVALID_REQUEST);
  assertEquals(refused.errorMessage, "MemberId can't be empty.");
});

Deno.test("without group.version 1 there are no consumer groups", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await prepare(client);
  const set = (maxVersionLevel: number, upgradeType: number) =>
    client.call(latest(UPDATE_FEATURES), {
      featureUpdates: [{
        feature: "group.version",
        maxVersionLevel,
        upgradeType,
      }],
    }).then(({ errorCode }) => errorCode);
  assertEquals(await set(0, 2), 0);
  assertEquals((await beat(client)).errorCode, ERRORS.UNSUPPORTED_VERSION);
  assertEquals(
    (await described(client)).errorCode,
    ERRORS.UNSUPPORTED_VERSION,
  );
  assertEquals(await set(1, 1), 0);
  assertEquals((await beat(client)).errorCode, 0);
});

Deno.test("a group's own configs count for its members, within the broker's bounds", async () => {
  await using at = await running({
    "group.consumer.min.heartbeat.interval.ms": "100",
  });
  using client = await RawClient.connect(at.port);
  await prepare(client);
  const set = (name: string, value: string) =>
    client.call(latest(INCREMENTAL_ALTER_CONFIGS), {
      resources: [{
        resourceType: RESOURCE_TYPE.GROUP,
        resourceName: "g",
        configs: [{ name, configOperation: 0, value }],
      }],
    }).then(({ responses }) => responses[0]!.errorCode);
  assertEquals(
    await set("consumer.session.timeout.ms", "44999"),
    ERRORS.INVALID_CONFIG,
  );
  assertEquals(await set("no.such.key", "1"), ERRORS.INVALID_CONFIG);
  assertEquals(await set("consumer.heartbeat.interval.ms", "200"), 0);
  assertEquals((await beat(client)).heartbeatIntervalMs, 200);
  const other = await beat(client, { groupId: "other" });
  assertEquals(other.heartbeatIntervalMs, 5000);
  const { results } = await client.call(latest(DESCRIBE_CONFIGS), {
    resources: [{
      resourceType: RESOURCE_TYPE.GROUP,
      resourceName: "g",
      configurationKeys: null,
    }],
    includeSynonyms: true,
  });
  assertEquals(
    results[0]!.configs.map(({ name, value, configSource }) => [
      name,
      value,
      configSource,
    ]),
    [
      ["consumer.heartbeat.interval.ms", "200", 8],
      ["consumer.session.timeout.ms", "45000", 5],
    ],
  );
});

Deno.test("a consumer group survives a restart", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await prepare(client);
  const joined = await beat(client);
  await at.broker.stop();
  const again = await start(at.folder);
  try {
    using other = await RawClient.connect(again.address.port);
    const kept = await beat(other, {
      memberEpoch: joined.memberEpoch,
      topicPartitions: joined.assignment!.topicPartitions,
    });
    assertEquals([kept.errorCode, kept.memberEpoch], [0, joined.memberEpoch]);
    assertEquals(kept.assignment, joined.assignment);
    assertEquals((await described(other)).groupState, "Stable");
  } finally {
    await again.stop();
  }
});

Deno.test("the broker finds the topics of a regular expression, new ones too", async () => {
  await using at = await running({
    "group.consumer.regex.refresh.interval.ms": "1",
  });
  using client = await RawClient.connect(at.port);
  await prepare(client);
  const byRegex = { subscribedTopicNames: null, subscribedTopicRegex: "t\\d*" };
  const refused = await beat(client, {
    ...byRegex,
    subscribedTopicRegex: "t(",
  });
  assertEquals(refused.errorCode, ERRORS.INVALID_REGULAR_EXPRESSION);
  const joined = await beat(client, byRegex);
  assertEquals(joined.assignment!.topicPartitions.length, 1);
  await create(client, "t2");
  await create(client, "other");
  const stay = {
    memberEpoch: joined.memberEpoch,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: null,
    topicPartitions: null,
  };
  let found = await beat(client, stay);
  await until("the new topic is found", async () => {
    if (found.assignment === null) found = await beat(client, stay);
    return found.assignment !== null;
  });
  assertEquals(found.assignment!.topicPartitions.length, 2);
  const [member] = (await described(client)).members;
  assertEquals(member!.subscribedTopicRegex, "t\\d*");
});
