/**
 * The APIs of one broker over raw frames, version by version where versions
 * differ. What is said of wrong input stands in `broker_test.ts`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { BatchView } from "../../core/record/batch.ts";
import { ERRORS } from "../../core/errors.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { until } from "../../tests/fixtures.ts";
import {
  create,
  fetch,
  latest,
  produce,
  records,
  running,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { PRODUCE } from "../wire/00_produce.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { OFFSET_COMMIT } from "../wire/08_offset_commit.ts";
import { OFFSET_FETCH } from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { JOIN_GROUP } from "../wire/11_join_group.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";
import { DELETE_RECORDS } from "../wire/21_delete_records.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../wire/23_offset_for_leader_epoch.ts";
import { DESCRIBE_CONFIGS } from "../wire/32_describe_configs.ts";
import { CREATE_PARTITIONS } from "../wire/37_create_partitions.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../wire/44_incremental_alter_configs.ts";

Deno.test("a payload that is not one batch spoils its whole request, other faults don't", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t", 3);
  const good = buildBatch(records("a"));
  const two = new Uint8Array(good.length * 2);
  two.set(good);
  two.set(good, good.length);
  const old = buildBatch(records("a"));
  old[16] = 1;
  const corrupt = buildBatch(records("a"));
  corrupt[corrupt.length - 1]! ^= 1;
  const codes = async (...payloads: (Uint8Array | null)[]) => {
    const { responses } = await client.call({ api: PRODUCE, version: 9 }, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{
        name: "t",
        partitionData: payloads
          .map((bytes, index) => ({ index, records: bytes })),
      }],
    });
    return responses[0]!.partitionResponses.map(({ errorCode }) => errorCode);
  };
  const bad = ERRORS.INVALID_RECORD;
  for (const payload of [null, new Uint8Array(0), two, old]) {
    assertEquals(await codes(good, payload, good), [bad, bad, bad]);
  }
  assertEquals((await fetch(client)).highWatermark, 0);
  assertEquals(await codes(good, corrupt, good), [
    0,
    ERRORS.CORRUPT_MESSAGE,
    0,
  ]);
  assertEquals((await fetch(client)).highWatermark, 1);
});

Deno.test("zstd needs Produce 7 and Fetch 10", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const batch = () => buildBatch(records("a"), { codec: "zstd" });
  const unsupported = ERRORS.UNSUPPORTED_COMPRESSION_TYPE;
  const old = await produce(client, batch(), { version: 6 });
  assertEquals(old.errorCode, unsupported);
  assertEquals((await produce(client, batch(), { version: 7 })).errorCode, 0);
  const readWith = async (version: number) => {
    const { responses } = await client.call({ api: FETCH, version }, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [{
        topic: "t",
        partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1e6 }],
      }],
    });
    return responses[0]!.partitions[0]!.errorCode;
  };
  assertEquals(await readWith(9), unsupported);
  assertEquals(await readWith(10), 0);
});

function sessionClient(client: RawClient) {
  return async (
    { id = 0, epoch = -1, ask = [] as number[], forget = [] as number[] },
  ) => {
    const answer = await client.call({ api: FETCH, version: 12 }, {
      maxWaitMs: 0,
      minBytes: 1,
      sessionId: id,
      sessionEpoch: epoch,
      topics: ask.length === 0 ? [] : [{
        topic: "t",
        partitions: ask.map((partition) => ({
          partition,
          fetchOffset: 0,
          partitionMaxBytes: 1e6,
        })),
      }],
      forgottenTopicsData: forget.length === 0
        ? []
        : [{ topic: "t", partitions: forget }],
    });
    const said = answer.responses
      .flatMap(({ partitions }) => partitions)
      .map(({ partitionIndex }) => partitionIndex)
      .sort();
    return { id: answer.sessionId, error: answer.errorCode, said };
  };
}

Deno.test("a fetch session is made, says only news, forgets and ends", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t", 3);
  const ask = sessionClient(client);
  const made = await ask({ epoch: 0, ask: [0, 1] });
  const { id } = made;
  assert(id !== 0);
  assertEquals(made.said, [0, 1]);
  assertEquals((await ask({ id, epoch: 1 })).said, []);
  await produce(client, buildBatch(records("a")), { index: 1 });
  assertEquals(await ask({ id, epoch: 2 }), { id, error: 0, said: [1] });
  assertEquals((await ask({ id, epoch: 3, forget: [1] })).said, []);
  assertEquals((await ask({ id, epoch: 4, ask: [2] })).said, [2]);
  const wrong = await ask({ id, epoch: 9 });
  assertEquals(wrong.error, ERRORS.INVALID_FETCH_SESSION_EPOCH);
  const unknown = await ask({ id: id + 1, epoch: 1 });
  assertEquals(unknown.error, ERRORS.FETCH_SESSION_ID_NOT_FOUND);
  const closed = await ask({ id, epoch: -1, ask: [0] });
  assertEquals([closed.id, closed.error], [0, 0]);
  const over = await ask({ id, epoch: 5 });
  assertEquals(over.error, ERRORS.FETCH_SESSION_ID_NOT_FOUND);
});

Deno.test("a session beyond the slots is answered without one, the first stays", async () => {
  await using at = await running({
    "max.incremental.fetch.session.cache.slots": "1",
  });
  using client = await RawClient.connect(at.port);
  await create(client, "t", 3);
  const ask = sessionClient(client);
  const small = await ask({ epoch: 0, ask: [0] });
  assert(small.id !== 0);
  const equal = await ask({ epoch: 0, ask: [1] });
  assertEquals([equal.id, equal.error, equal.said], [0, 0, [1]]);
  const kept = await ask({ id: small.id, epoch: 1 });
  assertEquals(kept.error, 0);
});

type Change = readonly [name: string, operation: number, value: string | null];

/** Changes configs of a resource; gives error code and message. */
async function alter(
  client: RawClient,
  [resourceType, resourceName]: readonly [number, string],
  ...changes: Change[]
) {
  const { responses } = await client.call(latest(INCREMENTAL_ALTER_CONFIGS), {
    resources: [{
      resourceType,
      resourceName,
      configs: changes.map(([name, configOperation, value]) => ({
        name,
        configOperation,
        value,
      })),
    }],
  });
  return responses[0]!.errorCode;
}

async function describe(
  client: RawClient,
  [resourceType, resourceName]: readonly [number, string],
  name: string,
) {
  const { results } = await client.call(latest(DESCRIBE_CONFIGS), {
    resources: [{ resourceType, resourceName, configurationKeys: [name] }],
    includeSynonyms: true,
  });
  const [entry] = results[0]!.configs;
  return [
    entry?.value,
    entry?.synonyms.map(({ source, value }) => `${source}=${value}`).join(" "),
  ];
}

Deno.test("configs go round by every operation, with sources and synonyms", async () => {
  await using at = await running({ "message.max.bytes": "2000000" });
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const topic = [2, "t"] as const;
  const key = "max.message.bytes";
  const shown = () => describe(client, topic, key);
  assertEquals(await shown(), ["2000000", "4=2000000 5=1048588"]);
  assertEquals(await alter(client, topic, [key, 0, "100"]), 0);
  const all = [4, ""] as const;
  const one = [4, "1"] as const;
  assertEquals(await alter(client, all, ["message.max.bytes", 0, "300"]), 0);
  assertEquals(await alter(client, one, ["message.max.bytes", 0, "200"]), 0);
  assertEquals(await shown(), [
    "100",
    "1=100 2=200 3=300 4=2000000 5=1048588",
  ]);
  assertEquals(await alter(client, topic, [key, 1, null]), 0);
  assertEquals(await shown(), ["200", "2=200 3=300 4=2000000 5=1048588"]);
  const big = buildBatch(records("x".repeat(250)));
  const refused = await produce(client, big);
  assertEquals(refused.errorCode, ERRORS.MESSAGE_TOO_LARGE);
  assertEquals(await alter(client, one, ["message.max.bytes", 1, null]), 0);
  const again = buildBatch(records("x".repeat(210)));
  assertEquals((await produce(client, again)).errorCode, 0);
  const policy = "cleanup.policy";
  assertEquals(await alter(client, topic, [policy, 2, "compact"]), 0);
  assertEquals((await describe(client, topic, policy))[0], "delete,compact");
  assertEquals(await alter(client, topic, [policy, 3, "delete"]), 0);
  assertEquals((await describe(client, topic, policy))[0], "compact");
  const bad = ERRORS.INVALID_CONFIG;
  assertEquals(await alter(client, topic, [key, 0, "many"]), bad);
  assertEquals(await alter(client, topic, [key, 2, "1"]), bad);
  assertEquals(
    await alter(client, one, ["node.id", 0, "2"]),
    ERRORS.INVALID_REQUEST,
    "what can't change while the broker runs",
  );
  assertEquals(
    await alter(client, [2, "nope"], [key, 0, "1"]),
    ERRORS.UNKNOWN_TOPIC_OR_PARTITION,
  );
});

Deno.test("DeleteRecords takes -1 and refuses what is not there", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  for (let i = 0; i < 3; i++) await produce(client, buildBatch(records("a")));
  const cut = async (offset: number, name = "t", partitionIndex = 0) => {
    const { topics } = await client.call(latest(DELETE_RECORDS), {
      topics: [{ name, partitions: [{ partitionIndex, offset }] }],
    });
    const { errorCode, lowWatermark } = topics[0]!.partitions[0]!;
    return [errorCode, lowWatermark];
  };
  assertEquals(await cut(1), [0, 1]);
  assertEquals(await cut(0), [0, 1], "the start never moves back");
  assertEquals(await cut(-2), [ERRORS.OFFSET_OUT_OF_RANGE, -1]);
  assertEquals(await cut(-1), [0, 3]);
  const unknown = [ERRORS.UNKNOWN_TOPIC_OR_PARTITION, -1];
  assertEquals(await cut(0, "nope"), unknown);
  assertEquals(await cut(0, "t", 1), unknown);
  const next = await produce(client, buildBatch(records("a")));
  assertEquals(next.baseOffset, 3);
});

Deno.test("CreatePartitions only adds, and asks what it would do", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t", 2);
  const widen = async (name: string, count: number, validateOnly = false) => {
    const { results } = await client.call(latest(CREATE_PARTITIONS), {
      topics: [{ name, count, assignments: null }],
      validateOnly,
    });
    return results[0]!.errorCode;
  };
  assertEquals(await widen("t", 2), ERRORS.INVALID_PARTITIONS);
  assertEquals(await widen("t", 1), ERRORS.INVALID_PARTITIONS);
  assertEquals(await widen("nope", 3), ERRORS.UNKNOWN_TOPIC_OR_PARTITION);
  assertEquals(await widen("t", 3, true), 0);
  const options = { index: 2 };
  const before = await produce(client, buildBatch(records("a")), options);
  assertEquals(before.errorCode, ERRORS.UNKNOWN_TOPIC_OR_PARTITION);
  assertEquals(await widen("t", 3), 0);
  const after = await produce(client, buildBatch(records("a")), options);
  assertEquals(after.errorCode, 0);
});

Deno.test("ListOffsets knows every special timestamp in its versions", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const now = Date.now();
  for (const timestamp of [now - 3000, now - 1000, now - 2000]) {
    const value = new Uint8Array(1);
    await produce(client, buildBatch([{ timestamp, key: null, value }]));
  }
  const list = async (timestamp: number, version = 11, isolationLevel = 0) => {
    const { topics } = await client.call({ api: LIST_OFFSETS, version }, {
      replicaId: -1,
      isolationLevel,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp }] }],
    });
    const { errorCode, offset } = topics[0]!.partitions[0]!;
    return errorCode === 0 ? offset : -errorCode * 100;
  };
  assertEquals(await list(-1), 3);
  assertEquals(await list(-1, 2, 1), 3);
  assertEquals(await list(-2), 0);
  assertEquals(await list(-3), 1, "the largest timestamp");
  assertEquals(await list(-4), 0);
  assertEquals([await list(-5), await list(-6)], [-1, -1]);
  assertEquals(await list(now - 1500), 1);
  assertEquals(await list(now), -1);
  const unsupported = -ERRORS.UNSUPPORTED_VERSION * 100;
  for (const [asked, version] of [[-3, 6], [-4, 7], [-5, 8], [-6, 10]]) {
    assertEquals(await list(asked!, version), unsupported);
    assert(await list(asked!, version! + 1) !== unsupported);
  }
  assertEquals(await list(-7), unsupported);
  for (let version = 1; version <= 11; version++) {
    assertEquals(await list(-2, version), 0, `version ${version}`);
  }
});

Deno.test("OffsetForLeaderEpoch tells where an epoch ends", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  await produce(client, buildBatch(records("a", "b")));
  const ask = async (leaderEpoch: number, currentLeaderEpoch = -1) => {
    const { topics } = await client.call(latest(OFFSET_FOR_LEADER_EPOCH), {
      replicaId: -1,
      topics: [{
        topic: "t",
        partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch }],
      }],
    });
    const found = topics[0]!.partitions[0]!;
    return [found.errorCode, found.leaderEpoch, found.endOffset];
  };
  assertEquals(await ask(0), [0, 0, 2]);
  assertEquals(await ask(0, 0), [0, 0, 2]);
  assertEquals(await ask(5), [0, -1, -1]);
  assertEquals((await ask(0, 7))[0], ERRORS.UNKNOWN_LEADER_EPOCH);
});

Deno.test("Metadata: null, none and ids, version by version", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const { topicId } = await create(client, "t");
  await create(client, "u");
  for (let version = 0; version <= 13; version++) {
    const api = { api: METADATA, version };
    const names = async (topics: { name: string }[] | null) =>
      (await client.call(api, { topics })).topics.map(({ name }) => name);
    assertEquals(await names([{ name: "u" }]), ["u"], `version ${version}`);
    const none = version === 0 ? ["t", "u"] : [];
    assertEquals((await names([])).sort(), none, `version ${version}`);
    if (version > 0) assertEquals((await names(null)).sort(), ["t", "u"]);
  }
  const { topics, brokers, clusterId } = await client.call(latest(METADATA), {
    topics: [
      { name: null, topicId },
      { name: null, topicId: "AAAAAAAAAAAAAAAAAAAAqQ" },
    ],
  });
  assertEquals(topics.map(({ name, errorCode }) => [name, errorCode]), [
    ["t", 0],
    [null, ERRORS.UNKNOWN_TOPIC_ID],
  ]);
  assertEquals(brokers[0]!.port, at.port);
  assertEquals(clusterId, at.broker.clusterId);
});

Deno.test("Metadata by id is refused in versions whose answer needs a name", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const { topicId } = await create(client, "t");
  for (const version of [10, 11]) {
    for (const asked of [{ name: null, topicId }, { name: null }]) {
      const { topics } = await client.call({ api: METADATA, version }, {
        topics: [asked],
      });
      assertEquals(
        topics.map(({ name, errorCode }) => [name, errorCode]),
        [["", ERRORS.INVALID_REQUEST]],
      );
    }
  }
});

Deno.test("a topic with the longest name can be deleted", async () => {
  const name = "x".repeat(249);
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, name);
  const { responses } = await client.call({ api: DELETE_TOPICS, version: 5 }, {
    topicNames: [name],
    timeoutMs: 5000,
  });
  assertEquals(responses[0]!.errorCode, 0);
  await until("its folder is gone", () => {
    const names = [...Deno.readDirSync(at.folder)].map((entry) => entry.name);
    return !names.some((each) => each.startsWith("xxx"));
  });
});

Deno.test("ApiVersions answers in each version, and to the wrong broker by name", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const software = { clientSoftwareName: "raw", clientSoftwareVersion: "1" };
  const { min, max } = API_VERSIONS.advertised;
  assertEquals([min, max], [0, 5]);
  for (let version = 0; version <= 5; version++) {
    const answer = await client.call({ api: API_VERSIONS, version }, software);
    assertEquals(answer.errorCode, 0, `version ${version}`);
    const own = answer.apiKeys.find(({ apiKey }) => apiKey === 18)!;
    assertEquals([own.minVersion, own.maxVersion], [0, 5]);
    const zero = answer.supportedFeatures.some(({ minVersion }) =>
      minVersion === 0
    );
    assertEquals(zero, version >= 4, "minimum 0 only where clients know it");
  }
  const codeOf = async (body: object) =>
    (await client.call({ api: API_VERSIONS, version: 5 }, {
      ...software,
      ...body,
    })).errorCode;
  assertEquals(
    await codeOf({ clientSoftwareName: "" }),
    ERRORS.INVALID_REQUEST,
  );
  assertEquals(await codeOf({ nodeId: 9 }), ERRORS.REBOOTSTRAP_REQUIRED);
  assertEquals(await codeOf({ nodeId: 1 }), 0);
});

async function coordinator(client: RawClient): Promise<void> {
  await client.call(latest(FIND_COORDINATOR), {
    keyType: 0,
    coordinatorKeys: ["g"],
  });
}

Deno.test("a bad session timeout is refused by name", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await coordinator(client);
  for (const sessionTimeoutMs of [5999, 1_800_001, -1]) {
    const { errorCode } = await client.call({ api: JOIN_GROUP, version: 3 }, {
      groupId: "g",
      sessionTimeoutMs,
      rebalanceTimeoutMs: 60_000,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: new Uint8Array(0) }],
    });
    assertEquals(errorCode, ERRORS.INVALID_SESSION_TIMEOUT);
  }
});

Deno.test("an offset committed with a retention goes when that is over", async () => {
  await using at = await running({
    "offsets.retention.check.interval.ms": "20",
  });
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  await coordinator(client);
  const commit = async (retentionTimeMs: number) => {
    const { topics } = await client.call({ api: OFFSET_COMMIT, version: 2 }, {
      groupId: "g",
      generationIdOrMemberEpoch: -1,
      memberId: "",
      retentionTimeMs,
      topics: [{
        name: "t",
        partitions: [{ partitionIndex: 0, committedOffset: 7 }],
      }],
    });
    assertEquals(topics[0]!.partitions[0]!.errorCode, 0);
  };
  const committed = async () => {
    const { topics } = await client.call({ api: OFFSET_FETCH, version: 5 }, {
      groupId: "g",
      topics: [{ name: "t", partitionIndexes: [0] }],
    });
    return topics[0]!.partitions[0]!.committedOffset;
  };
  await commit(-1);
  assertEquals(await committed(), 7);
  await commit(1);
  await until("it is gone", async () => await committed() === -1);
});

Deno.test("a fetch begins at the batch that holds its offset, by id too", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const { topicId } = await create(client, "t");
  await produce(client, buildBatch(records("a", "b", "c")));
  const { responses } = await client.call(latest(FETCH), {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [topicId, "AAAAAAAAAAAAAAAAAAAAqQ"].map((id) => ({
      topicId: id,
      partitions: [{ partition: 0, fetchOffset: 2, partitionMaxBytes: 1 }],
    })),
  });
  const [known, unknown] = responses.map(({ partitions }) => partitions[0]!);
  assertEquals(new BatchView(known!.records!).baseOffset, 0);
  assertEquals(unknown!.errorCode, ERRORS.UNKNOWN_TOPIC_ID);
  assert(topicId !== ZERO_UUID);
  const past = await fetch(client, { offset: 4 });
  assertEquals(past.errorCode, ERRORS.OFFSET_OUT_OF_RANGE);
  const end = await fetch(client, { offset: 3 });
  assertEquals([end.errorCode, end.records!.length], [0, 0]);
});
