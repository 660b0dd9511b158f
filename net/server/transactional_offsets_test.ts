/**
 * Offsets in transactions over the wire: TxnOffsetCommit, what OffsetFetch
 * says meanwhile, and restarts in between.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { until } from "../../tests/fixtures.ts";
import {
  create,
  initProducer,
  latest,
  running,
  start,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { OFFSET_FETCH } from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { ADD_OFFSETS_TO_TXN } from "../wire/25_add_offsets_to_txn.ts";
import { END_TXN } from "../wire/26_end_txn.ts";
import { TXN_OFFSET_COMMIT } from "../wire/28_txn_offset_commit.ts";

const SMALL = {
  "offsets.topic.num.partitions": "2",
  "transaction.state.log.num.partitions": "2",
};

interface Producer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** A client that knows where group and transaction are coordinated. */
async function ready(client: RawClient): Promise<Producer> {
  await create(client, "t");
  await until("groups are coordinated", async () => {
    const { coordinators } = await client.call(latest(FIND_COORDINATOR), {
      keyType: 0,
      coordinatorKeys: ["g"],
    });
    return coordinators[0]!.errorCode === 0;
  });
  return await initProducer(client);
}

async function commit(
  client: RawClient,
  { version, offset, producer, partition = 0 }: {
    version: number;
    offset: number;
    producer: Producer;
    partition?: number;
  },
): Promise<number> {
  const { topics } = await client.call({ api: TXN_OFFSET_COMMIT, version }, {
    transactionalId: "x",
    groupId: "g",
    ...producer,
    memberId: "",
    topics: [{
      name: "t",
      partitions: [{
        partitionIndex: partition,
        committedOffset: offset,
        committedMetadata: null,
      }],
    }],
  });
  return topics[0]!.partitions[0]!.errorCode;
}

/** The committed offset, or the name of the error. */
async function fetched(client: RawClient, requireStable: boolean) {
  const { groups } = await client.call({ api: OFFSET_FETCH, version: 9 }, {
    requireStable,
    groups: [{
      groupId: "g",
      topics: [{ name: "t", partitionIndexes: [0] }],
    }],
  });
  const { committedOffset, errorCode } = groups[0]!.topics[0]!.partitions[0]!;
  return errorCode === ERRORS.UNSTABLE_OFFSET_COMMIT
    ? "unstable"
    : committedOffset;
}

async function end(
  client: RawClient,
  { version, producer, committed }: {
    version: number;
    producer: Producer;
    committed: boolean;
  },
): Promise<Producer> {
  const ended = await client.call({ api: END_TXN, version }, {
    transactionalId: "x",
    ...producer,
    committed,
  });
  assertEquals(ended.errorCode, 0);
  await until(
    "the marker is there",
    async () => (await fetched(client, true)) !== "unstable",
  );
  return version < 5 ? producer : ended;
}

async function addOffsets(
  client: RawClient,
  producer: Producer,
): Promise<number> {
  const { errorCode } = await client.call(
    { api: ADD_OFFSETS_TO_TXN, version: 3 },
    { transactionalId: "x", groupId: "g", ...producer },
  );
  return errorCode;
}

Deno.test("offsets count once their transaction commits, and never when it aborts", async () => {
  await using server = await running(SMALL);
  using client = await RawClient.connect(server.port);
  const producer = await ready(client);
  let expected = -1;
  for (const committed of [true, false, true]) {
    assertEquals(await addOffsets(client, producer), 0);
    const offset = expected + 10;
    assertEquals(await commit(client, { version: 3, offset, producer }), 0);
    assertEquals(await fetched(client, false), expected);
    assertEquals(await fetched(client, true), "unstable");
    await end(client, { version: 4, producer, committed });
    if (committed) expected = offset;
    assertEquals(await fetched(client, true), expected);
  }
});

Deno.test("offsets are taken in an open transaction only, from version 5 on in one that they open", async () => {
  await using server = await running(SMALL);
  using client = await RawClient.connect(server.port);
  const producer = await ready(client);
  const errors: number[] = [];
  for (const version of [3, 4]) {
    errors.push(await commit(client, { version, offset: 1, producer }));
  }
  assertEquals(errors, [
    ERRORS.INVALID_TXN_STATE,
    ERRORS.TRANSACTION_ABORTABLE,
  ]);
  assertEquals(await commit(client, { version: 5, offset: 5, producer }), 0);
  assertEquals(await fetched(client, true), "unstable");
  const next = await end(client, { version: 5, producer, committed: true });
  assertEquals(next.producerEpoch, producer.producerEpoch + 1);
  assertEquals(await fetched(client, true), 5);
  assertEquals(
    await commit(client, { version: 5, offset: 6, producer }),
    ERRORS.INVALID_PRODUCER_EPOCH,
  );
  assertEquals(
    await commit(client, { version: 5, offset: 6, producer: next }),
    0,
  );
  assertEquals(await fetched(client, false), 5, "an old epoch changed nothing");
});

Deno.test("a partition that isn't there has its own error", async () => {
  await using server = await running(SMALL);
  using client = await RawClient.connect(server.port);
  const producer = await ready(client);
  const at = { version: 5, offset: 1, producer, partition: 9 };
  assertEquals(await commit(client, at), ERRORS.UNKNOWN_TOPIC_OR_PARTITION);
});

Deno.test("pending offsets outlive a restart, and so does their transaction", async () => {
  const copy = Deno.makeTempDirSync({ prefix: "kf-test-" });
  let producer: Producer;
  {
    await using server = await running(SMALL);
    using client = await RawClient.connect(server.port);
    producer = await ready(client);
    assertEquals(await commit(client, { version: 5, offset: 7, producer }), 0);
    await new Deno.Command("cp", {
      args: ["-r", `${server.folder}/.`, copy],
    }).output();
  }
  const broker = await start(copy, { config: SMALL });
  try {
    using client = await RawClient.connect(broker.address.port);
    assertEquals(await fetched(client, false), -1);
    assertEquals(await fetched(client, true), "unstable");
    await end(client, { version: 5, producer, committed: true });
    assertEquals(await fetched(client, true), 7);
  } finally {
    await broker.stop();
    Deno.removeSync(copy, { recursive: true });
  }
});
