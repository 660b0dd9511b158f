/**
 * Apache Kafka's own exactly-once program against a kf broker, and its dump
 * tool over what that left in the files: markers, aborted transactions,
 * producers. Skipped, saying why, without the jars.
 *
 * @module
 */
import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { kf, run, startBrokerProcess, temporaryFolder } from "../fixtures.ts";
import { apacheKafkaJars, kafkaTool } from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: transactional logs: ${jars.reason}`);

const RECORDS = 400;

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
