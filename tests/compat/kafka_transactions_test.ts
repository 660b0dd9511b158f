/**
 * Apache Kafka's tools and brokers about the transactions of a kf broker: what
 * `kafka-transactions` lists, describes and aborts, and `__transaction_state`
 * as files that both can go on with. Skipped, saying why, without the jars.
 *
 * @module
 */
import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { buildBatch } from "../../core/record/builder.ts";
import { PRODUCE } from "../../net/wire/00_produce.ts";
import { FIND_COORDINATOR } from "../../net/wire/10_find_coordinator.ts";
import { INIT_PRODUCER_ID } from "../../net/wire/22_init_producer_id.ts";
import { ADD_PARTITIONS_TO_TXN } from "../../net/wire/24_add_partitions_to_txn.ts";
import { createConsumer, createProducer } from "../../net/client.ts";
import { END_TXN } from "../../net/wire/26_end_txn.ts";
import { DESCRIBE_TRANSACTIONS } from "../../net/wire/65_describe_transactions.ts";
import {
  type BrokerProcess,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import { create, latest, records } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import {
  apacheKafkaJars,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: transactions: ${jars.reason}`);

const ONE_STATE = ["-X", "transaction.state.log.num.partitions=1"];

function connect(
  { address }: Pick<BrokerProcess, "address">,
): Promise<RawClient> {
  return RawClient.connect(Number(address.split(":").at(-1)));
}

/** A producer of `transactionalId` that has begun a transaction in `t`. */
async function begin(client: RawClient, transactionalId: string) {
  await until("the coordinator is there", async () => {
    const { coordinators } = await client.call(latest(FIND_COORDINATOR), {
      keyType: 1,
      coordinatorKeys: [transactionalId],
    });
    return coordinators[0]!.errorCode === 0;
  });
  let producerId = -1;
  let producerEpoch = -1;
  await until("the coordinator has loaded its state", async () => {
    const answer = await client.call(
      latest(INIT_PRODUCER_ID),
      { transactionalId, transactionTimeoutMs: 60_000 },
    );
    ({ producerId, producerEpoch } = answer);
    return answer.errorCode === 0;
  });
  const producer = { transactionalId, producerId, producerEpoch };
  const added = await client.call(latest(ADD_PARTITIONS_TO_TXN), {
    transactions: [{ ...producer, topics: [{ name: "t", partitions: [0] }] }],
  });
  const [result] = added.resultsByTransaction[0]!.topicResults;
  assertEquals(result!.resultsByPartition[0]!.partitionErrorCode, 0);
  return producer;
}

/** Appends a record of a transaction to `t`; gives its offset. */
async function append(
  client: RawClient,
  { transactionalId, ...producer }: Awaited<ReturnType<typeof begin>>,
  value: string,
): Promise<number> {
  const batch = buildBatch(records(value), {
    ...producer,
    baseSequence: 0,
    isTransactional: true,
  });
  const { responses } = await client.call({ api: PRODUCE, version: 11 }, {
    transactionalId,
    acks: -1,
    timeoutMs: 5000,
    topicData: [{ name: "t", partitionData: [{ index: 0, records: batch }] }],
  });
  const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!;
  assertEquals(errorCode, 0);
  return baseOffset;
}

async function stateOf(
  client: RawClient,
  transactionalId: string,
): Promise<string> {
  const { transactionStates: [found] } = await client.call(
    latest(DESCRIBE_TRANSACTIONS),
    { transactionalIds: [transactionalId] },
  );
  return found!.transactionState;
}

/** Runs `kafka-transactions` to its good end. */
async function transactions(
  { address }: Pick<BrokerProcess, "address">,
  line: string,
): Promise<string> {
  const folder = "folder" in jars ? jars.folder : "";
  const words = `--bootstrap-server ${address} ${line}`.split(" ");
  const done = await run(kafkaTool(folder, "TransactionsCommand", words));
  assertEquals(done.code, 0, `${line}: ${done.stdout}${done.stderr}`);
  return done.stdout;
}

Deno.test({
  name: "kafka-transactions lists and describes what a kf broker coordinates",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({ data: folder.path });
    using client = await connect(broker);
    await create(client, "t");
    await begin(client, "open");
    const ended = await begin(client, "ended");
    await client.call(latest(END_TXN), { ...ended, committed: true });
    await until(
      "the markers are written",
      async () => await stateOf(client, "ended") === "CompleteCommit",
    );
    const all = await transactions(broker, "list");
    assertMatch(all, /^open\s+1\s+\d+\s+Ongoing/m);
    assertMatch(all, /^ended\s+1\s+\d+\s+CompleteCommit/m);
    const some = await transactions(
      broker,
      "list --transactional-id-pattern op.* --duration-filter 0",
    );
    assertMatch(some, /^open\s/m);
    assertNotMatch(some, /^ended\s/m);
    assertMatch(
      await transactions(broker, "describe --transactional-id open"),
      /\sOngoing\s+60000\s+\d{13}\s+\d+\s+t-0/,
    );
    await transactions(
      broker,
      "forceTerminateTransaction --transactionalId open",
    );
    await until(
      "it is fenced, and its name free",
      async () => await stateOf(client, "open") === "Empty",
    );
  },
});

Deno.test({
  name: "kafka-transactions finds a transaction that hangs, and aborts it",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({
      data: folder.path,
      args: ["-X", "transaction.partition.verification.enable=false"],
    });
    using client = await connect(broker);
    await create(client, "t");
    const { transactionalId, ...producer } = await begin(client, "hanging");
    await client.call(latest(END_TXN), {
      transactionalId,
      ...producer,
      committed: false,
    });
    await until(
      "its coordinator knows of no open one",
      async () => await stateOf(client, transactionalId) === "CompleteAbort",
    );
    // A record of the transaction that comes after its end.
    const late = { ...producer, producerEpoch: producer.producerEpoch + 1 };
    const baseOffset = await append(
      client,
      { transactionalId, ...late },
      "late",
    );
    const hanging = "find-hanging --broker-id 1 --max-transaction-timeout 0";
    const row = new RegExp(
      `^t\\s+0\\s+\\d+\\s+1\\s+\\S+\\s+${baseOffset}\\s`,
      "m",
    );
    assertMatch(await transactions(broker, hanging), row);
    const at = "--topic t --partition 0";
    assertMatch(
      await transactions(broker, `describe-producers ${at}`),
      new RegExp(`^\\d+\\s+1\\s.*\\s${baseOffset}\\s*$`, "m"),
    );
    await transactions(broker, `abort ${at} --start-offset ${baseOffset}`);
    assertMatch(
      await transactions(broker, `describe-producers ${at}`),
      /^\d+\s+1\s.*\sNone\s*$/m,
    );
    assertNotMatch(await transactions(broker, hanging), /^t\s+0\s/m);
  },
});

/** Takes `transactionalId` over, and commits one record to `t`. */
async function commitOne(
  bootstrap: string,
  transactionalId: string,
  value: string,
): Promise<void> {
  const producer = createProducer({
    "bootstrap.servers": bootstrap,
    "transactional.id": transactionalId,
  });
  await producer.initTransactions();
  producer.beginTransaction();
  await producer.send({ topic: "t", partition: 0, value });
  await producer.commitTransaction();
  await producer.close();
}

/** What a reader of committed records finds in `t` once nothing is open. */
async function committedIn(
  bootstrap: string,
  wanted: readonly string[],
): Promise<void> {
  const consumer = createConsumer({
    "bootstrap.servers": bootstrap,
    "isolation.level": "read_committed",
  });
  const at = { topic: "t", partition: 0 };
  consumer.assign([at]);
  consumer.seek(at, "earliest");
  const seen: string[] = [];
  await until("all are read", async () => {
    for (const { records } of await consumer.poll(100)) {
      for (const { value } of records) {
        seen.push(new TextDecoder().decode(value!));
      }
    }
    return seen.length >= wanted.length;
  });
  await consumer.close();
  assertEquals(seen, wanted);
}

Deno.test({
  name:
    "transactions that were open on Apache Kafka are ended by kf on its folder, and the other way round",
  ignore: isMissing,
  async fn() {
    if (isMissing) return;
    using folder = temporaryFolder();
    const home = folder.path;
    let data: string;
    {
      await using kafka = await startApacheKafka(jars.folder, { home });
      data = kafka.data;
      using client = await connect({ address: kafka.bootstrap });
      await create(client, "t");
      await commitOne(kafka.bootstrap, "ended", "kept");
      await append(client, await begin(client, "carried"), "lost");
      await kafka.stop("SIGKILL");
    }
    {
      await using broker = await startBrokerProcess({ data });
      using client = await connect(broker);
      assertEquals(await stateOf(client, "ended"), "CompleteCommit");
      assertEquals(await stateOf(client, "carried"), "Ongoing");
      await commitOne(broker.address, "carried", "of the heir");
      await committedIn(broker.address, ["kept", "of the heir"]);
      await append(client, await begin(client, "returned"), "lost, too");
      assertEquals(await broker.end("SIGTERM"), 0);
    }
    await using kafka = await startApacheKafka(jars.folder, { home });
    const address = kafka.bootstrap;
    using client = await connect({ address });
    await until(
      "Apache Kafka has loaded its coordinators",
      async () => await stateOf(client, "returned") === "Ongoing",
    );
    const listed = await transactions({ address }, "list");
    assertMatch(listed, /^carried\s.*\sCompleteCommit/m);
    await commitOne(address, "returned", "at home");
    await committedIn(address, ["kept", "of the heir", "at home"]);
  },
});

Deno.test({
  name: "Kafka's DumpLogSegments decodes __transaction_state",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    await using broker = await startBrokerProcess({ data, args: ONE_STATE });
    {
      using client = await connect(broker);
      await create(client, "t");
      const producer = await begin(client, "x");
      await client.call(latest(END_TXN), { ...producer, committed: true });
      await until(
        "the markers are written",
        async () => await stateOf(client, "x") === "CompleteCommit",
      );
    }
    assertEquals(await broker.end("SIGTERM"), 0);
    const dumped = await run(kafkaTool(
      "folder" in jars ? jars.folder : "",
      "DumpLogSegments",
      [
        "--transaction-log-decoder",
        "--files",
        `${data}/__transaction_state-0/${"0".repeat(20)}.log`,
      ],
    ));
    assertEquals(dumped.code, 0, dumped.stderr);
    assertNotMatch(dumped.stdout, /isvalid: false/);
    const states = [...dumped.stdout.matchAll(
      /key: (\{.*\}) payload: (\{.*\})$/gm,
    )].map(([, key, payload]) => {
      assertEquals(JSON.parse(key!).data, { transactionalId: "x" });
      const { version, data } = JSON.parse(payload!);
      assertEquals(version, "1");
      return [
        data.transactionStatus,
        data.producerEpoch,
        data.transactionPartitions,
      ];
    });
    const partitions = [{ topic: "t", partitionIds: [0] }];
    assertEquals(states, [
      ["Empty", 0, null],
      ["Ongoing", 0, partitions],
      ["PrepareCommit", 1, partitions],
      ["CompleteCommit", 1, []],
    ]);
  },
});
