/**
 * Apache Kafka's own command-line tools against a kf broker and its files.
 * Skipped, saying why, where Java or the jars can't be had.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import {
  type BrokerProcess,
  type Finished,
  kf,
  run,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";
import {
  apacheKafkaJars,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";
import { type Tool, TOOLS } from "./kafka_tools.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: Kafka's tools: ${jars.reason}`);

/** Runs a tool by the name of its class. */
function tool(
  name: Tool,
  args: readonly string[],
  stdin?: string,
): Promise<Finished> {
  const folder = "folder" in jars ? jars.folder : "";
  return run(
    kafkaTool(folder, `${TOOLS[name].within}${name}`, args),
    stdin === undefined ? {} : { stdin },
  );
}

/** A tool's call and what it must print. */
type Step = readonly [name: Tool, line: string, printed: RegExp];

const GROUPS = "ConsumerGroupCommand";

/** In order: each builds on those before it. */
const STEPS: readonly Step[] = [
  [
    "TopicCommand",
    "--create --topic t --partitions 2 --replication-factor 1",
    /Created topic t/,
  ],
  ["TopicCommand", "--list", /^t$/m],
  ["TopicCommand", "--describe --topic t", /PartitionCount: 2\s+Replication/],
  ["TopicCommand", "--alter --topic t --partitions 3", /(?:)/],
  ["TopicCommand", "--describe", /Topic: t\s+Partition: 2\s+Leader: 1/],
  [
    "ConfigCommand",
    "--alter --entity-type topics --entity-name t --add-config retention.ms=7200000",
    /Completed updating config for topic t/,
  ],
  [
    "ConfigCommand",
    "--describe --entity-type topics --entity-name t",
    /retention\.ms=7200000/,
  ],
  [
    "VerifiableProducer",
    "--topic t --max-messages 50",
    /"sent":50,"acked":50/,
  ],
  [
    "ProducerPerformance",
    "--topic t --num-records 500 --record-size 50 --throughput -1",
    /500 records sent/,
  ],
  [
    "ConsoleConsumer",
    "--topic t --from-beginning --max-messages 550 --group console",
    /Processed a total of 550 messages/,
  ],
  [
    "VerifiableConsumer",
    "--topic t --group-id verified --max-messages 20 --reset-policy earliest",
    /"offsets_committed".*"success":true/,
  ],
  ["GetOffsetShell", "--topic t", /t:0:\d+\nt:1:\d+\nt:2:\d+/],
  [GROUPS, "--list", /^console$/m],
  [GROUPS, "--describe --group console", /console\s+t\s+2\s+\d+\s+\d+\s+0/],
  [GROUPS, "--delete-offsets --group console --topic t", /t\s+2\s+Successful/],
  [
    GROUPS,
    "--reset-offsets --group verified --topic t --to-earliest --execute",
    /verified\s+t\s+0\s+0/,
  ],
  [GROUPS, "--delete --group console --group verified", /was successful/],
  ["LogDirsCommand", "--describe", /"partition":"t-\d","size":[1-9]/],
  ["MetadataQuorumCommand", "describe --status", /LeaderId:\s+1\n/],
  ["MetadataQuorumCommand", "describe --replication", /1\s+\S+\s+\d+\s+0\s/],
  [
    "LeaderElectionCommand",
    "--election-type preferred --topic t --partition 0",
    /Valid replica already elected/,
  ],
  ["FeatureCommand", "describe", /metadata\.version.*Finalized\S+ 4\.1-IV1/],
  [
    "FeatureCommand",
    "upgrade --feature metadata.version=28",
    /upgraded to 28/,
  ],
  [
    "FeatureCommand",
    "downgrade --feature metadata.version=27",
    /downgraded to 27/,
  ],
  // Of one partition: which of several is filled is the producer's choice.
  [
    "ProducerPerformance",
    "--topic one --num-records 5 --record-size 50 --throughput -1",
    /5 records sent/,
  ],
  [
    "TransactionsCommand",
    "describe-producers --topic one --partition 0",
    /ProducerId\s+ProducerEpoch.*\n\d+\s+0\s/,
  ],
  ["BrokerApiVersionsCommand", "", /DescribeQuorum\(55\): 0 to 2/],
  ["TopicCommand", "--delete --topic t", /(?:)/],
];

async function step(
  broker: BrokerProcess,
  [name, line, printed]: Step,
): Promise<void> {
  const bootstrap = ["--bootstrap-server", broker.address];
  const done = await tool(
    name,
    [...bootstrap, ...line.split(" ")]
      .filter((word) => word !== ""),
  );
  const said = `${name} ${line}\n${done.stdout}${done.stderr}`;
  assertEquals(done.code, 0, said);
  assertMatch(done.stdout + done.stderr, printed, said);
}

Deno.test({
  name:
    "Kafka's tools create, fill, read, describe, change and delete on a kf broker",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({ data: folder.path });
    for (const each of STEPS) await step(broker, each);
  },
});

Deno.test({
  name: "Kafka's tools delete records and take what the console types",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({
      data: `${folder.path}/data`,
    });
    const bootstrap = ["--bootstrap-server", broker.address];
    const typed = await tool(
      "ConsoleProducer",
      [...bootstrap, "--topic", "t", "--reader-property", "parse.key=true"],
      "a\t1\nb\t2\nc\t3\n",
    );
    assertEquals(typed.code, 0, typed.stderr);
    const file = `${folder.path}/offsets.json`;
    Deno.writeTextFileSync(
      file,
      JSON.stringify({
        version: 1,
        partitions: [{ topic: "t", partition: 0, offset: 2 }],
      }),
    );
    const deleted = await tool("DeleteRecordsCommand", [
      ...bootstrap,
      "--offset-json-file",
      file,
    ]);
    assertMatch(deleted.stdout, /t-0\s+low_watermark: 2/, deleted.stderr);
    const read = await kf(
      ["consume", "t", "-e", "-f", "%o %k=%v\\n", "-b", broker.address],
    );
    assertEquals([read.stderr, read.stdout], ["", "2 c=3\n"]);
  },
});

Deno.test({
  name: "Kafka's reassignment tool finds that all is where it should be",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({
      data: `${folder.path}/data`,
    });
    await kf(["topic", "create", "t", "-b", broker.address]);
    const file = `${folder.path}/moves.json`;
    Deno.writeTextFileSync(
      file,
      JSON.stringify({
        version: 1,
        partitions: [{ topic: "t", partition: 0, replicas: [1] }],
      }),
    );
    for (
      const [verb, printed] of [
        ["--execute", /Successfully started partition reassignment for t-0/],
        ["--verify", /Reassignment of partition t-0 is completed/],
        ["--cancel", /None of the specified partition moves are active/],
      ] as const
    ) {
      await step(broker, [
        "ReassignPartitionsCommand",
        `${verb} --reassignment-json-file ${file}`,
        printed,
      ]);
    }
  },
});

const ALICE = "--entity-type users --entity-name alice";

/** What kafka-configs says of quotas and credentials. */
const CREDENTIAL_STEPS: readonly (readonly [line: string, printed: RegExp])[] =
  [
    [`--alter ${ALICE} --add-config producer_byte_rate=1024`, /Completed/],
    [
      `--alter ${ALICE} --add-config SCRAM-SHA-256=[iterations=8192,password=secret]`,
      /Completed/,
    ],
    [`--alter ${ALICE} --add-config SCRAM-SHA-512=[password=secret]`, /Compl/],
    [
      `--describe ${ALICE}`,
      /producer_byte_rate=1024\.0\n.*SCRAM-SHA-256=iterations=8192, SCRAM-SHA-512=iterations=4096/,
    ],
    [`--alter ${ALICE} --delete-config SCRAM-SHA-512`, /Completed/],
    [
      `--alter ${ALICE} --entity-type clients --entity-name app --add-config consumer_byte_rate=2048`,
      /Completed/,
    ],
    [
      `--describe ${ALICE} --entity-type clients --entity-name app`,
      /user-principal 'alice', client-id 'app' are consumer_byte_rate=2048/,
    ],
    [
      "--alter --entity-type clients --entity-default --add-config request_percentage=25.5",
      /Completed/,
    ],
    [
      "--describe --entity-type clients",
      /default client-id are request_percentage=25\.5/,
    ],
    [
      "--alter --entity-type ips --entity-name 127.0.0.1 --add-config connection_creation_rate=10",
      /Completed/,
    ],
    [
      "--describe --entity-type ips",
      /ip '127\.0\.0\.1' are connection_creation_rate=10/,
    ],
    [`--alter ${ALICE} --delete-config producer_byte_rate`, /Completed/],
  ];

Deno.test({
  name:
    "kafka-configs sets quotas and credentials, which DumpLogSegments reads from log and snapshot",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    await using broker = await startBrokerProcess({
      data,
      args: ["-X", "metadata.log.max.record.bytes.between.snapshots=1"],
    });
    for (const [line, printed] of CREDENTIAL_STEPS) {
      await step(broker, ["ConfigCommand", line, printed]);
    }
    assertEquals(await broker.end("SIGTERM"), 0);
    const metadata = `${data}/__cluster_metadata-0`;
    const snapshot = [...Deno.readDirSync(metadata)].map(({ name }) => name)
      .filter((name) => name.endsWith(".checkpoint")).sort().at(-1)!;
    const dumped = async (name: string) => {
      const { code, stdout, stderr } = await tool("DumpLogSegments", [
        "--cluster-metadata-decoder",
        "--files",
        `${metadata}/${name}`,
      ]);
      assertEquals(code, 0, stderr);
      assertNotMatch(stdout + stderr, /Exception|Could not/);
      const found = stdout.match(/"(REMOVE_)?(CLIENT_QUOTA|USER_SCRAM)\w+"/g);
      return (found ?? []).map((type) => type.slice(1, -1)).sort();
    };
    const quota = "CLIENT_QUOTA_RECORD";
    const scram = "USER_SCRAM_CREDENTIAL_RECORD";
    assertEquals(await dumped(`${"0".repeat(20)}.log`), [
      ...Array(5).fill(quota),
      `REMOVE_${scram}`,
      scram,
      scram,
    ]);
    assertEquals(await dumped(snapshot), [quota, quota, quota, scram]);
  },
});

/** Every file below `folder` that the dump tool knows, with its decoder. */
function* dumps(folder: string): Generator<string[]> {
  for (const { name: partition, isDirectory } of Deno.readDirSync(folder)) {
    if (!isDirectory) continue;
    const decoder = partition.startsWith("__cluster_metadata")
      ? ["--cluster-metadata-decoder"]
      : partition.startsWith("__consumer_offsets")
      ? ["--offsets-decoder"]
      : ["--print-data-log"];
    const files = [...Deno.readDirSync(`${folder}/${partition}`)]
      .map(({ name }) => `${folder}/${partition}/${name}`)
      .filter((path) => /\.(log|index|timeindex|snapshot)$/.test(path))
      // Most offsets partitions hold nothing: a dump of each takes a second.
      .filter((path) => Deno.statSync(path).size > 0);
    if (files.length > 0) yield [...decoder, "--files", files.join(",")];
  }
}

Deno.test({
  name:
    "Kafka's DumpLogSegments reads a stopped broker's files without a complaint, and counts as kf log dump",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    await using broker = await startBrokerProcess({
      data,
      args: [
        "-X",
        "log.segment.bytes=1048576",
        "-X",
        "log.index.interval.bytes=512",
      ],
    });
    const lines = Array.from({ length: 40_000 }, (_, i) => `k${i}:value ${i}\n`)
      .join("");
    for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
      const args = ["produce", "t", "-z", codec, "-K", ":", "-b"];
      const done = await kf([...args, broker.address], { stdin: lines });
      assertEquals(done.code, 0, done.stderr);
    }
    await kf(["consume", "t", "-e", "-g", "g", "-b", broker.address]);
    assertEquals(await broker.end("SIGTERM"), 0);
    let batches = 0;
    let records = 0;
    for (const args of dumps(data)) {
      const { code, stdout, stderr } = await tool("DumpLogSegments", args);
      const said = `${args.join(" ")}\n${stderr}`;
      assertEquals(code, 0, said);
      assertNotMatch(stdout, /isvalid: false|mismatch|out of order|corrupt/i);
      assertNotMatch(stdout + stderr, /Exception|Could not/, said);
      batches += stdout.match(/isvalid: true/g)?.length ?? 0;
      for (
        const [, count] of stdout.matchAll(/^baseOffset: .* count: (\d+) /gm)
      ) {
        records += Number(count);
      }
    }
    assert(batches > 20, `${batches} batches were seen`);
    const dumped = await kf(["log", "dump", data, "--format", "json"]);
    assertEquals(dumped.code, 0, dumped.stderr);
    const rows = dumped.stdout.trim().split("\n").map((row) => JSON.parse(row))
      .filter(({ kind }) => kind === "batch");
    assertEquals(
      [rows.length, rows.reduce((sum, { count }) => sum + count, 0)],
      [batches, records],
    );
  },
});

Deno.test({
  name:
    "kf log dump tells the transactions that Apache Kafka indexed as aborted",
  ignore: isMissing,
  async fn() {
    if (isMissing) return;
    await using kafka = await startApacheKafka(jars.folder);
    const cluster = ["-b", kafka.bootstrap];
    const configs = ["-c", "segment.bytes=1048576"];
    await kf([
      "topic",
      "create",
      "in",
      "out",
      "-p",
      "1",
      ...configs,
      ...cluster,
    ]);
    const lines = `${"x".repeat(5000)}\n`.repeat(400);
    const filled = await kf(["produce", "in", ...cluster], { stdin: lines });
    assertEquals(filled.code, 0, filled.stderr);
    const copied = await run(kafkaTool(
      jars.folder,
      "TransactionalMessageCopier",
      `--input-topic in --input-partition 0 --output-topic out --broker-list ${kafka.bootstrap} --consumer-group copier --transactional-id copier --transaction-size 5 --enable-random-aborts`
        .split(" "),
    ));
    assertEquals(copied.code, 0, copied.stderr);
    await kafka.stop();
    const folder = `${kafka.data}/out-0`;
    const dumped = await kf(["log", "dump", folder, "--format", "json"]);
    const rows = dumped.stdout.trim().split("\n").map((row) => JSON.parse(row));
    const aborted = rows.filter(({ kind }) => kind === "txnindex");
    assertEquals(
      aborted.map(({ producerId, lastOffset }) => [producerId, lastOffset]),
      rows.filter(({ control }) => control?.includes("ABORT"))
        .map(({ producerId, lastOffset }) => [producerId, lastOffset]),
    );
    assert(aborted.every((row) => row.firstOffset < row.lastOffset));
    assert(rows.some(({ control }) => control?.includes("COMMIT")));
    const verified = await kf(["log", "dump", folder, "--verify"]);
    assertEquals([verified.code, verified.stdout], [0, ""], verified.stderr);
  },
});
