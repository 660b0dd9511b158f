/**
 * Apache Kafka's own exactly-once program against a kf broker, and its dump
 * tool over what that left in the files: markers, aborted transactions,
 * producers; and the other way round, what kf makes of Kafka's. Skipped,
 * saying why, without the jars.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { Log } from "../../core/log/log.ts";
import { LOG_CONFIG } from "../../core/log/log_config_fixture.ts";
import { decodeSnapshot } from "../../core/log/producer_state.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { createAdmin, createProducer } from "../../net/client.ts";
import { PRODUCE } from "../../net/wire/00_produce.ts";
import { ADD_PARTITIONS_TO_TXN } from "../../net/wire/24_add_partitions_to_txn.ts";
import {
  kf,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import { initProducer, records } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import {
  apacheKafkaJars,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: transactional logs: ${jars.reason}`);

const RECORDS = 400;
const CONFIG = {
  ...LOG_CONFIG,
  segmentBytes: 1048576,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 4096,
};

/** Runs one of Kafka's programs to its good end. */
async function done(name: string, args: readonly string[]): Promise<string> {
  const folder = "folder" in jars ? jars.folder : "";
  const { code, stdout, stderr } = await run(kafkaTool(folder, name, args));
  const said = `${name} ${args.join(" ")}\n${stdout.slice(-2000)}${stderr}`;
  assertEquals(code, 0, said);
  return stdout;
}

/** What Kafka's dump tool says of each file of a partition. */
async function dumped(folder: string): Promise<Map<string, string>> {
  const said = new Map<string, string>();
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => /\.(log|index|timeindex|txnindex|snapshot)$/.test(name));
  const decoder = folder.includes("__consumer_offsets")
    ? "--offsets-decoder"
    : "--print-data-log";
  for (const name of names.sort()) {
    const args = ["--files", `${folder}/${name}`, decoder];
    const text = await done("DumpLogSegments", args);
    assertNotMatch(text, /isvalid: false|mismatch|out of order|corrupt/i, name);
    assertNotMatch(text, /Exception|Could not/, name);
    said.set(name, text);
  }
  return said;
}

Deno.test({
  name:
    "TransactionalMessageCopier copies each record once through a kf broker, aborts included, and Kafka's dump tool reads the files",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    await using broker = await startBrokerProcess({
      data,
      args: ["-X", "offsets.topic.num.partitions=1"],
    });
    const cluster = ["-b", broker.address];
    const small = ["-p", "1", "-c", "segment.bytes=1048576"];
    await kf(["topic", "create", "in", "out", ...small, ...cluster]);
    const values = Array.from(
      { length: RECORDS },
      (_, i) => `${i} ${"x".repeat(5000)}`,
    );
    const stdin = values.join("\n") + "\n";
    const filled = await kf(["produce", "in", ...cluster], { stdin });
    assertEquals(filled.code, 0, filled.stderr);
    await done(
      "TransactionalMessageCopier",
      `--input-topic in --input-partition 0 --output-topic out --broker-list ${broker.address} --consumer-group copier --transactional-id copier --transaction-size 5 --enable-random-aborts`
        .split(" "),
    );
    const read = await done(
      "consumer.ConsoleConsumer",
      `--bootstrap-server ${broker.address} --topic out --from-beginning --isolation-level read_committed --max-messages ${RECORDS} --timeout-ms 20000`
        .split(" "),
    );
    assertEquals(read.trim().split("\n"), values);
    assertEquals(await broker.end("SIGTERM"), 0);

    const out = await dumped(`${data}/out-0`);
    const text = [...out.values()].join("");
    assertMatch(text, /endTxnMarker: COMMIT coordinatorEpoch: \d+/);
    const aborted = text.match(/endTxnMarker: ABORT/g)?.length ?? 0;
    const indexed = [...out].filter(([name]) => name.endsWith(".txnindex"))
      .flatMap(([, each]) => each.match(/lastStableOffset: \d+/g) ?? []);
    assertEquals(indexed.length, aborted);
    const offsets = await dumped(`${data}/__consumer_offsets-0`);
    assertMatch([...offsets.values()].join(""), /endTxnMarker: COMMIT/);
    const checked = await kf(["log", "dump", data, "--verify"]);
    assertEquals([checked.code, checked.stdout], [0, ""], checked.stderr);
  },
});

/** Transactions of several producers in one partition, one amid the other. */
async function interleave(bootstrap: string, topic: string): Promise<void> {
  const common = { "bootstrap.servers": bootstrap };
  const admin = createAdmin(common);
  const configs = { "segment.bytes": "1048576" };
  await admin.createTopics([{ name: topic, partitions: 1, configs }]);
  await admin.close();
  const producers = [0, 1, 2, 3].map((n) =>
    createProducer({ ...common, "transactional.id": `${topic} ${n}` })
  );
  for (const each of producers) await each.initTransactions();
  const open = new Set<number>();
  const value = "x".repeat(20_000);
  let random = 1;
  for (let step = 0; step < 250; step++) {
    random = (random * 1103515245 + 12345) % 2 ** 31;
    const [who, what] = [(random >> 16) % 4, (random >> 20) % 4];
    const producer = producers[who]!;
    if (!open.has(who)) {
      producer.beginTransaction();
      open.add(who);
      await producer.send({ topic, value });
    } else if (what < 2) await producer.send({ topic, value });
    else {
      if (what === 2) await producer.commitTransaction();
      else await producer.abortTransaction();
      open.delete(who);
    }
  }
  for (const who of open) await producers[who]!.abortTransaction();
  for (const each of producers) await each.close();
}

Deno.test({
  name:
    "recovery makes of Apache Kafka's segments the aborted transactions and producers that Kafka had noted",
  ignore: isMissing,
  async fn() {
    await using kafka = await startApacheKafka(
      "folder" in jars ? jars.folder : "",
    );
    await interleave(kafka.bootstrap, "t");
    await kafka.stop();
    const theirs = `${kafka.data}/t-0`;
    using copy = temporaryFolder();
    const noted = new Map<string, Uint8Array>();
    for (const { name } of Deno.readDirSync(theirs)) {
      if (/\.(txnindex|snapshot)$/.test(name)) {
        noted.set(name, Deno.readFileSync(`${theirs}/${name}`));
      } else if (name.endsWith(".log")) {
        Deno.copyFileSync(`${theirs}/${name}`, `${copy.path}/${name}`);
      }
    }
    const log = Log.open({
      env: denoEnv({ traceLevel: "error" }),
      folder: copy.path,
      topic: "t",
      partition: 0,
      topicId: "Gmd94rMBRdCEC5P7ytJnvA",
      config: CONFIG,
      recoveryPoint: 0,
      logStartOffset: 0,
      wasClean: false,
    });
    await log.close({ clean: true });
    const indexes = [...noted].filter(([name]) => name.endsWith(".txnindex"));
    assert(indexes.length > 1, "several segments have aborted transactions");
    for (const [name, bytes] of indexes) {
      assertEquals(Deno.readFileSync(`${copy.path}/${name}`), bytes, name);
    }
    const [name, bytes] = [...noted].sort().findLast(([name]) =>
      name.endsWith(".snapshot")
    )!;
    const ours = Deno.readFileSync(`${copy.path}/${name}`);
    assertEquals(producersIn(ours), producersIn(bytes));
  },
});

/** The last entry of each producer: Kafka writes no other. */
function producersIn(snapshot: Uint8Array) {
  const entries = decodeSnapshot(snapshot);
  return [...new Map(entries.map((each) => [each.producerId, each])).values()]
    .sort((a, b) => a.producerId - b.producerId);
}

/** Begins a transaction of id "x" and leaves it to its fate. */
async function leaveOpen(bootstrap: string, value: string): Promise<void> {
  using client = await RawClient.connect(Number(bootstrap.split(":").at(-1)));
  const producer = await initProducer(client);
  const { resultsByTopicV3AndBelow } = await client.call(
    { api: ADD_PARTITIONS_TO_TXN, version: 3 },
    {
      v3AndBelowTransactionalId: "x",
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [{ name: "t", partitions: [0] }],
    },
  );
  const [added] = resultsByTopicV3AndBelow[0]!.resultsByPartition;
  assertEquals(added!.partitionErrorCode, 0);
  const batch = buildBatch(records(value), {
    producerId: producer.producerId,
    producerEpoch: producer.producerEpoch,
    baseSequence: 0,
    isTransactional: true,
  });
  const { responses } = await client.call({ api: PRODUCE, version: 11 }, {
    transactionalId: "x",
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: "t", partitionData: [{ index: 0, records: batch }] }],
  });
  assertEquals(responses[0]!.partitionResponses[0]!.errorCode, 0);
}

/** Whoever takes the id over ends what was left open. */
async function endAndCommit(bootstrap: string, value: string): Promise<void> {
  const producer = createProducer({
    "bootstrap.servers": bootstrap,
    "transactional.id": "x",
  });
  await producer.initTransactions();
  producer.beginTransaction();
  await producer.send({ topic: "t", value: `not ${value}` });
  await producer.abortTransaction();
  producer.beginTransaction();
  await producer.send({ topic: "t", value });
  await producer.commitTransaction();
  await producer.close();
}

/** The committed values of topic t, once `count` are there. */
function committed(bootstrap: string, count: number): Promise<string[]> {
  return until(`${count} are committed`, async () => {
    const args = ["-e", "-o", "earliest", "--read-committed", "-f", "%s\\n"];
    const { stdout } = await kf(["consume", "t", ...args, "-b", bootstrap]);
    const values = stdout.split("\n").filter((value) => value !== "");
    return values.length >= count ? values : undefined;
  });
}

Deno.test({
  name:
    "transactions that Apache Kafka was killed in end on the kf broker that takes its folder over, and the other way round",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const home = folder.path;
    const jarsIn = "folder" in jars ? jars.folder : "";
    let data: string;
    {
      await using kafka = await startApacheKafka(jarsIn, { home });
      const admin = createAdmin({ "bootstrap.servers": kafka.bootstrap });
      await admin.createTopics([{ name: "t", partitions: 1, configs: {} }]);
      await admin.close();
      await endAndCommit(kafka.bootstrap, "by Kafka");
      await leaveOpen(kafka.bootstrap, "left open by Kafka");
      data = kafka.data;
      await kafka.stop("SIGKILL");
    }
    {
      await using broker = await startBrokerProcess({ data });
      const before = ["by Kafka"];
      assertEquals(await committed(broker.address, 1), before);
      await endAndCommit(broker.address, "by kf");
      assertEquals(await committed(broker.address, 2), [...before, "by kf"]);
      await leaveOpen(broker.address, "left open by kf");
      await broker.end("SIGKILL");
    }
    await using kafka = await startApacheKafka(jarsIn, { home });
    const before = ["by Kafka", "by kf"];
    assertEquals(await committed(kafka.bootstrap, 2), before);
    await endAndCommit(kafka.bootstrap, "by Kafka again");
    assertEquals(await committed(kafka.bootstrap, 3), [
      ...before,
      "by Kafka again",
    ]);
  },
});
