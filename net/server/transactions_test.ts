/**
 * The transaction coordinator over raw frames: every version of its APIs
 * against a live broker, and what a broker finds when it comes back.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { ERRORS } from "../../core/errors.ts";
import { javaHash } from "../../core/ids.ts";
import { buildBatch, type RecordInput } from "../../core/record/builder.ts";
import { batchesOf, BatchView } from "../../core/record/batch.ts";
import { encodeTransactionRecord } from "../../core/txn/records.ts";
import type { Transaction } from "../../core/txn/transaction.ts";
import { temporaryFolder, until } from "../../tests/fixtures.ts";
import { create, latest, running, start } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";
import { INIT_PRODUCER_ID } from "../wire/22_init_producer_id.ts";
import { ADD_PARTITIONS_TO_TXN } from "../wire/24_add_partitions_to_txn.ts";
import { ADD_OFFSETS_TO_TXN } from "../wire/25_add_offsets_to_txn.ts";
import { END_TXN } from "../wire/26_end_txn.ts";
import { DESCRIBE_CONFIGS } from "../wire/32_describe_configs.ts";
import { UPDATE_FEATURES } from "../wire/57_update_features.ts";
import { DESCRIBE_TRANSACTIONS } from "../wire/65_describe_transactions.ts";
import { LIST_TRANSACTIONS } from "../wire/66_list_transactions.ts";

const STATE_TOPIC = "__transaction_state";
const TRANSACTION = 1;

interface ProducerId {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** One transactional id of a client. */
class Txn {
  producer: ProducerId = { producerId: -1, producerEpoch: -1 };

  constructor(
    readonly client: RawClient,
    readonly transactionalId: string,
  ) {}

  /** Finds the coordinator, which may create its topic. */
  async find(): Promise<void> {
    const { coordinators } = await this.client.call(latest(FIND_COORDINATOR), {
      keyType: TRANSACTION,
      coordinatorKeys: [this.transactionalId],
    });
    assertEquals(coordinators[0]!.errorCode, 0);
  }

  /** The error; a success gives the producer that goes on. */
  async init(
    { version = INIT_PRODUCER_ID.versions.max, timeoutMs = 60_000, own }: {
      version?: number;
      timeoutMs?: number;
      own?: ProducerId;
    } = {},
  ): Promise<number> {
    const { errorCode, producerId, producerEpoch } = await this.client.call(
      { api: INIT_PRODUCER_ID, version },
      {
        transactionalId: this.transactionalId,
        transactionTimeoutMs: timeoutMs,
        ...own,
      },
    );
    if (errorCode === 0) this.producer = { producerId, producerEpoch };
    return errorCode;
  }

  /** The error of each partition, as a client adds them. */
  async add(
    partitions: readonly number[],
    { version = 3, topic = "t" } = {},
  ): Promise<number[]> {
    const { resultsByTopicV3AndBelow: [result] } = await this.client.call(
      { api: ADD_PARTITIONS_TO_TXN, version },
      {
        v3AndBelowTransactionalId: this.transactionalId,
        v3AndBelowProducerId: this.producer.producerId,
        v3AndBelowProducerEpoch: this.producer.producerEpoch,
        v3AndBelowTopics: [{ name: topic, partitions }],
      },
    );
    return result!.resultsByPartition
      .map(({ partitionErrorCode }) => partitionErrorCode);
  }

  /** The error of each partition, as partitions' leaders ask. */
  async verify(
    partitions: readonly number[],
    { version = 5, verifyOnly = true } = {},
  ): Promise<number[]> {
    const { errorCode, resultsByTransaction } = await this.client.call(
      { api: ADD_PARTITIONS_TO_TXN, version },
      {
        transactions: [{
          transactionalId: this.transactionalId,
          ...this.producer,
          verifyOnly,
          topics: [{ name: "t", partitions }],
        }],
      },
    );
    assertEquals(errorCode, 0);
    assertEquals(resultsByTransaction.length, 1);
    const [{ transactionalId, topicResults }] = resultsByTransaction as [
      typeof resultsByTransaction[number],
    ];
    assertEquals(transactionalId, this.transactionalId);
    return topicResults[0]!.resultsByPartition
      .map(({ partitionErrorCode }) => partitionErrorCode);
  }

  async end(committed: boolean, version: number): Promise<number> {
    const { transactionalId, producer } = this;
    const { errorCode, ...next } = await this.client.call(
      { api: END_TXN, version },
      { transactionalId, ...producer, committed },
    );
    if (errorCode === 0 && version >= 5) {
      const { producerId, producerEpoch } = next;
      this.producer = { producerId, producerEpoch };
    }
    return errorCode;
  }

  async describe() {
    const { transactionStates: [found] } = await this.client.call(
      latest(DESCRIBE_TRANSACTIONS),
      { transactionalIds: [this.transactionalId] },
    );
    return found!;
  }

  async reaches(state: string): Promise<void> {
    await until(`${this.transactionalId} is ${state}`, async () => {
      return (await this.describe()).transactionState === state;
    });
  }
}

Deno.test("transactions of every version of their APIs go from begin to end", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t", 3);
  for (let version = 0; version <= 5; version++) {
    const txn = new Txn(client, `x-${version}`);
    await txn.find();
    assertEquals(await txn.init({ version }), 0);
    assertEquals(txn.producer.producerEpoch, 0);
    assertEquals((await txn.describe()).transactionState, "Empty");
    assertEquals(
      version <= 3
        ? await txn.add([0, 2], { version })
        : await txn.verify([0, 2], { version, verifyOnly: false }),
      [0, 0],
    );
    const offsets = await client.call(
      { api: ADD_OFFSETS_TO_TXN, version: Math.min(version, 4) },
      { transactionalId: txn.transactionalId, ...txn.producer, groupId: "g" },
    );
    assertEquals(offsets.errorCode, 0);
    const described = await txn.describe();
    assertEquals(described.transactionState, "Ongoing");
    assertEquals(described.transactionTimeoutMs, 60_000);
    assertEquals(described.producerId, txn.producer.producerId);
    const partition = Math.abs(javaHash("g")) % 50;
    assertEquals(described.topics, [
      { topic: "t", partitions: [0, 2] },
      { topic: "__consumer_offsets", partitions: [partition] },
    ]);
    const isCommit = version % 2 === 0;
    assertEquals(await txn.end(isCommit, version), 0);
    assertEquals(txn.producer.producerEpoch, version >= 5 ? 1 : 0);
    await txn.reaches(isCommit ? "CompleteCommit" : "CompleteAbort");
    assertEquals((await txn.describe()).topics, []);
  }
});

Deno.test("old versions are told of fencing in their own words", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const txn = new Txn(client, "x");
  await txn.find();
  await txn.init();
  const zombie = txn.producer;
  await txn.init();
  txn.producer = zombie;
  const { INVALID_PRODUCER_EPOCH, PRODUCER_FENCED } = ERRORS;
  const before = (since: number) => (version: number) =>
    version < since ? INVALID_PRODUCER_EPOCH : PRODUCER_FENCED;
  for (const version of [3, 4, 5]) {
    assertEquals(
      await txn.init({ version, own: zombie }),
      before(4)(version),
    );
  }
  for (const version of [0, 1, 2, 3]) {
    assertEquals(await txn.add([0], { version }), [before(2)(version)]);
    const offsets = await client.call({ api: ADD_OFFSETS_TO_TXN, version }, {
      transactionalId: "x",
      ...zombie,
      groupId: "g",
    });
    assertEquals(offsets.errorCode, before(2)(version));
    assertEquals(await txn.end(true, version), before(2)(version));
  }
  assertEquals(await txn.end(true, 5), PRODUCER_FENCED);
  assertEquals(await txn.verify([0]), [PRODUCER_FENCED]);
});

Deno.test("a missing partition holds back the others of its transaction", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const txn = new Txn(client, "x");
  await txn.find();
  await txn.init();
  const expected = [
    ERRORS.OPERATION_NOT_ATTEMPTED,
    ERRORS.UNKNOWN_TOPIC_OR_PARTITION,
  ];
  assertEquals(await txn.add([0, 7]), expected);
  assertEquals(await txn.verify([0, 7], { verifyOnly: false }), expected);
  assertEquals((await txn.describe()).transactionState, "Empty");
  assertEquals(await txn.verify([0]), [ERRORS.TRANSACTION_ABORTABLE]);
  assertEquals(await txn.add([0]), [0]);
  assertEquals(await txn.verify([0], { version: 4 }), [0]);
});

Deno.test("what is no transactional id, no timeout or no producer is refused", async () => {
  await using at = await running({ "transaction.max.timeout.ms": "5000" });
  using client = await RawClient.connect(at.port);
  const nobody = new Txn(client, "x");
  // Nobody asked for the coordinator yet: there is no topic.
  assertEquals(await nobody.init(), ERRORS.COORDINATOR_NOT_AVAILABLE);
  for (const version of [0, 6]) {
    const found = await client.call({ api: FIND_COORDINATOR, version: 6 }, {
      keyType: version === 0 ? TRANSACTION : 7,
      coordinatorKeys: [""],
    });
    assertEquals(found.coordinators[0]!.errorCode, ERRORS.INVALID_REQUEST);
  }
  const old = await client.call({ api: FIND_COORDINATOR, version: 1 }, {
    key: "x",
    keyType: TRANSACTION,
  });
  assertEquals([old.errorCode, old.nodeId, old.port], [0, 1, at.port]);
  const { INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT } = ERRORS;
  assertEquals(await new Txn(client, "").init(), INVALID_REQUEST);
  for (const half of [[5, -1], [-1, 5]] as const) {
    const own = { producerId: half[0], producerEpoch: half[1] };
    assertEquals(await nobody.init({ own }), INVALID_REQUEST);
  }
  for (const timeoutMs of [0, -1, 5001]) {
    assertEquals(await nobody.init({ timeoutMs }), INVALID_TRANSACTION_TIMEOUT);
  }
  assertEquals(await nobody.init({ timeoutMs: 5000 }), 0);
  const { errorCode } = await new Txn(client, "y").describe();
  assertEquals(errorCode, ERRORS.TRANSACTIONAL_ID_NOT_FOUND);
  const empty = await new Txn(client, "").describe();
  assertEquals(empty.errorCode, INVALID_REQUEST);
});

Deno.test("transactional ids are listed by state, producer, age and pattern", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const txns = ["orders-1", "orders-2", "payments"]
    .map((id) => new Txn(client, id));
  for (const txn of txns) {
    await txn.find();
    await txn.init();
  }
  await txns[0]!.add([0]);
  const list = async (
    filter: Parameters<
      typeof client.call<
        typeof LIST_TRANSACTIONS.request,
        typeof LIST_TRANSACTIONS.response
      >
    >[1],
    version = 2,
  ) => {
    const answer = await client.call(
      { api: LIST_TRANSACTIONS, version },
      filter,
    );
    return {
      errorCode: answer.errorCode,
      unknown: answer.unknownStateFilters,
      ids: answer.transactionStates.map(({ transactionalId }) =>
        transactionalId
      ).sort(),
    };
  };
  const found = (ids: string[], unknown: string[] = []) => ({
    errorCode: 0,
    unknown,
    ids,
  });
  for (const version of [0, 1, 2]) {
    const all = ["orders-1", "orders-2", "payments"];
    assertEquals(await list({}, version), found(all));
    assertEquals(
      await list({ stateFilters: ["Ongoing", "Nope"] }, version),
      found(["orders-1"], ["Nope"]),
    );
    const producerIdFilters = [txns[2]!.producer.producerId];
    assertEquals(
      await list({ producerIdFilters }, version),
      found(["payments"]),
    );
  }
  assertEquals(
    await list({ stateFilters: ["Ongoing"], durationFilter: 3_600_000 }),
    found([]),
  );
  assertEquals(
    await list({ transactionalIdPattern: "orders-\\d" }),
    found(["orders-1", "orders-2"]),
  );
  assertEquals(await list({ transactionalIdPattern: "orders" }), found([]));
  const bad = await list({ transactionalIdPattern: "(" });
  assertEquals(bad.errorCode, ERRORS.INVALID_REGULAR_EXPRESSION);
});

Deno.test("a transaction that takes too long is aborted and its producer fenced", async () => {
  await using at = await running({
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "20",
  });
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const txn = new Txn(client, "x");
  await txn.find();
  await txn.init({ timeoutMs: 1 });
  await txn.add([0]);
  await txn.reaches("CompleteAbort");
  assertEquals(await txn.end(true, 3), ERRORS.PRODUCER_FENCED);
  assertEquals((await txn.describe()).producerEpoch, 1);
});

Deno.test("transactional ids that nobody uses are forgotten", async () => {
  await using at = await running({
    "transaction.remove.expired.transaction.cleanup.interval.ms": "20",
    "transactional.id.expiration.ms": "1",
  });
  using client = await RawClient.connect(at.port);
  const txn = new Txn(client, "x");
  await txn.find();
  await txn.init();
  await until("the id is gone", async () => {
    const { errorCode } = await txn.describe();
    return errorCode === ERRORS.TRANSACTIONAL_ID_NOT_FOUND;
  });
});

Deno.test("a deleted topic holds no transaction up", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  await create(client, "u");
  const txn = new Txn(client, "x");
  await txn.find();
  await txn.init();
  await txn.add([0]);
  await txn.add([0], { topic: "u" });
  await client.call(latest(DELETE_TOPICS), { topics: [{ name: "u" }] });
  assertEquals(await txn.end(true, 5), 0);
  await txn.reaches("CompleteCommit");
});

Deno.test("__transaction_state is compacted, uncompressed, and made as configured", async () => {
  await using at = await running({
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.segment.bytes": "2097152",
  });
  using client = await RawClient.connect(at.port);
  await new Txn(client, "x").find();
  const { results } = await client.call(latest(DESCRIBE_CONFIGS), {
    resources: [{
      resourceType: 2,
      resourceName: STATE_TOPIC,
      configurationKeys: null,
    }],
  });
  const set = new Map(
    results[0]!.configs.map(({ name, value }) => [name, value]),
  );
  assertEquals(set.get("cleanup.policy"), "compact");
  assertEquals(set.get("compression.type"), "uncompressed");
  assertEquals(set.get("segment.bytes"), "2097152");
  assertEquals(set.get("min.insync.replicas"), "1");
});

Deno.test("transaction.version goes down and up, and records follow", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const level = async (maxVersionLevel: number, upgradeType: number) => {
    const { errorCode } = await client.call(latest(UPDATE_FEATURES), {
      featureUpdates: [{
        feature: "transaction.version",
        maxVersionLevel,
        upgradeType,
      }],
    });
    return errorCode;
  };
  const txn = new Txn(client, "x");
  await txn.find();
  await create(client, "t");
  for (const [to, type] of [[0, 2], [1, 1], [2, 1]] as const) {
    assertEquals(await level(to, type), 0);
    assertEquals(await txn.init(), 0);
    const before = txn.producer.producerEpoch;
    assertEquals(await txn.add([0]), [0]);
    // Another one starts: this one is fenced, its transaction aborted.
    assertEquals(await txn.init(), ERRORS.CONCURRENT_TRANSACTIONS);
    await txn.reaches("CompleteAbort");
    assertEquals((await txn.describe()).producerEpoch, before + 1);
  }
  assertEquals(await level(3, 1), ERRORS.INVALID_UPDATE_VERSION);
});

/** What a crash right after this record leaves in partition 0 of `folder`. */
function leave(
  folder: string,
  stored: Pick<RecordInput, "key" | "value">,
): void {
  const path = `${folder}/${STATE_TOPIC}-0/00000000000000000000.log`;
  const before = Deno.readFileSync(path);
  let offset = 0;
  for (const { nextOffset } of batchesOf(before)) offset = nextOffset;
  const batch = buildBatch([{ timestamp: Date.now(), ...stored }]);
  new BatchView(batch).setBaseOffset(offset);
  Deno.writeFileSync(path, batch, { append: true });
}

/** The end of a transaction that is decided, and has no marker yet. */
function preparedOf(
  { producerId, producerEpoch }: ProducerId,
  { state, nextProducerId }: Pick<Transaction, "state" | "nextProducerId">,
): Transaction {
  return {
    producerId,
    previousProducerId: producerId,
    nextProducerId,
    producerEpoch: nextProducerId === -1 ? producerEpoch + 1 : 32_767,
    lastProducerEpoch: -1,
    timeoutMs: 60_000,
    state,
    partitions: new Map([["t", new Set([0, 1])], ["gone", new Set([0])]]),
    startMs: Date.now(),
    updateMs: Date.now(),
    clientVersion: 2,
  };
}

Deno.test("a broker comes back in every state of its transactions", async () => {
  using folder = temporaryFolder();
  const config = { "transaction.state.log.num.partitions": "1" };
  const first = await start(folder.path, { config });
  const ids = new Map<string, ProducerId>();
  {
    using client = await RawClient.connect(first.address.port);
    await create(client, "t", 2);
    for (const id of ["empty", "ongoing", "committing", "aborting", "moving"]) {
      const txn = new Txn(client, id);
      await txn.find();
      await txn.init();
      if (id !== "empty") await txn.verify([0, 1], { verifyOnly: false });
      ids.set(id, txn.producer);
    }
  }
  await first.stop();
  const prepared = (
    id: string,
    state: "PrepareCommit" | "PrepareAbort",
    nextProducerId = -1,
  ) => {
    const transaction = preparedOf(ids.get(id)!, { state, nextProducerId });
    leave(
      folder.path,
      encodeTransactionRecord({
        type: "Transaction",
        transactionalId: id,
        transaction,
        version: 1,
      }),
    );
  };
  prepared("committing", "PrepareCommit");
  prepared("aborting", "PrepareAbort");
  prepared("moving", "PrepareCommit", 4711);
  Deno.removeSync(`${folder.path}/.kafka_cleanshutdown`);
  const second = await start(folder.path, { config });
  try {
    using client = await RawClient.connect(second.address.port);
    await new Txn(client, "committing").reaches("CompleteCommit");
    await new Txn(client, "aborting").reaches("CompleteAbort");
    const moving = new Txn(client, "moving");
    await moving.reaches("CompleteCommit");
    const { producerId, producerEpoch } = await moving.describe();
    assertEquals([producerId, producerEpoch], [4711, 0]);
    const empty = await new Txn(client, "empty").describe();
    assertEquals(empty.transactionState, "Empty");
    const ongoing = new Txn(client, "ongoing");
    const described = await ongoing.describe();
    assertEquals(described.transactionState, "Ongoing");
    assertEquals(described.topics, [{ topic: "t", partitions: [0, 1] }]);
    ongoing.producer = ids.get("ongoing")!;
    assertEquals(await ongoing.end(true, 5), 0);
    await ongoing.reaches("CompleteCommit");
    assert(ongoing.producer.producerEpoch === 1);
  } finally {
    await second.stop();
  }
});

Deno.test("a record that can't be read costs the ids of its partition, not the broker", async () => {
  using folder = temporaryFolder();
  const config = {
    "transaction.state.log.num.partitions": "2",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "20",
  };
  // One id for each of the two partitions.
  const [lost, kept] = ["b", "a"];
  const first = await start(folder.path, { config });
  {
    using client = await RawClient.connect(first.address.port);
    for (const id of [lost, kept]) {
      const txn = new Txn(client, id!);
      await txn.find();
      assertEquals(await txn.init(), 0);
    }
  }
  await first.stop();
  const value = new Uint8Array(64);
  value[1] = 1; // A version that is known, and a state that is none.
  value.fill(99, 2);
  const { key } = encodeTransactionRecord({
    type: "Transaction",
    transactionalId: lost!,
    transaction: null,
    version: 1,
  });
  leave(folder.path, { key, value });
  Deno.removeSync(`${folder.path}/.kafka_cleanshutdown`);
  const traced = new Set<string>();
  const env = denoEnv({ trace: (_level, message) => traced.add(message) });
  const second = await start(folder.path, { config, env });
  try {
    using client = await RawClient.connect(second.address.port);
    const unreadable = new Txn(client, lost!);
    assertEquals(await unreadable.init(), ERRORS.UNKNOWN_SERVER_ERROR);
    assertEquals(await new Txn(client, kept!).init(), 0);
    assertEquals(await unreadable.init(), ERRORS.UNKNOWN_SERVER_ERROR);
    assert(traced.has("What __transaction_state-0 keeps can't be loaded"));
  } finally {
    await second.stop();
  }
});
