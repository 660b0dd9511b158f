/**
 * What must hold of a pair of replicas, one of kf and one of Apache Kafka, when
 * each dies in turn: nothing acknowledged is lost, what was not is cut off
 * where the logs part, and both end with the same bytes. Owns the steps.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { createProducer } from "../../net/client.ts";
import { run, until } from "../fixtures.ts";
import { kafkaTool } from "./apache_kafka.ts";
import { equalLogs, storedRecords, storedValues } from "./replica_logs.ts";
import { type Pair, readCommitted } from "./replica_suite.ts";
import {
  javaWriter,
  kcatWriter,
  kfWriter,
  more,
  type WriterOptions,
} from "./writers.ts";

const ROUNDS = 2;
/** As many as are under way for both kills. */
const COPIED = 3000;

/** Each of the pair is killed in turn under three producers that want all. */
export async function killInTurn(
  pair: Pair,
  jars: string,
): Promise<void> {
  const topic = await pair.create("kills", { partitions: 2 });
  const options: WriterOptions = {
    bootstrap: pair.cluster.addresses,
    topic,
    jars,
  };
  const writers = [kfWriter(options), kcatWriter(options), javaWriter(options)];
  const [kf, , java] = writers;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const id of [pair.leader, pair.follower]) {
        await Promise.all([kf!, java!].map((writer) => more(writer, 100)));
        await pair.cluster.node(id).kill();
        await Promise.all([kf!, java!].map((writer) => more(writer, 100)));
        await pair.cluster.node(id).start();
        await pair.inSync(topic);
      }
    }
  } finally {
    await Promise.all(writers.map((writer) => writer.end()));
  }
  const folders = [0, 1].map((partition) => pair.folders(topic, partition));
  for (const each of folders) await equalLogs(each);
  for (const [folder] of folders) assertOrder(folder);
  const values = folders.flatMap(([folder]) => storedValues(folder));
  const stored = new Set(values);
  assertEquals(stored.size, values.length, "something is there twice");
  for (const { name, acked, failed } of writers) {
    assertEquals(
      failed.slice(0, 3),
      [],
      `${name} told ${failed.length} errors`,
    );
    assert(acked.length > 400, `${name} has ${acked.length} acknowledged`);
    const lost = acked.filter((value) => !stored.has(value));
    assertEquals(lost, [], `${name} lost records`);
  }
}

/**
 * Java's exactly-once program copies a topic while each of the pair is killed:
 * its groups' and its transactions' coordinators die, too.
 */
export async function copyThroughKills(
  pair: Pair,
  jars: string,
): Promise<void> {
  const [from, to] = [await pair.create("in"), await pair.create("out")];
  const values = Array.from({ length: COPIED }, (_, i) => `${i}`);
  await write(pair, from, { acks: "all", values });
  const copying = run(
    kafkaTool(jars, "TransactionalMessageCopier", [
      ...["--input-topic", from, "--input-partition", "0"],
      ...["--output-topic", to, "--broker-list", pair.cluster.addresses],
      ...["--consumer-group", pair.topic("copiers"), "--group-mode"],
      ...["--transactional-id", pair.topic("copier")],
      ...["--transaction-size", "10", "--enable-random-aborts"],
    ]),
    { timeoutMs: 240_000 },
  );
  let isOver = false;
  copying.then(() => isOver = true);
  const at = { topic: to, partition: 0 };
  const copied = async (count: number) => {
    const [end] = await pair.admin.listOffsets([at], "latest");
    const target = (end!.offset ?? 0) + count;
    await until(`${target} are copied`, async () => {
      const [now] = await pair.admin.listOffsets([at], "latest");
      return isOver || (now!.offset ?? 0) >= target;
    }, 60_000);
  };
  for (const id of [pair.leader, pair.follower]) {
    await copied(100);
    await pair.cluster.node(id).kill();
    await copied(100);
    await pair.cluster.node(id).start();
    await pair.inSync(to);
  }
  const { code, stdout, stderr } = await copying;
  assertEquals(code, 0, stdout.slice(-1000) + stderr.slice(-3000));
  assertEquals(await readCommitted(pair, to, COPIED), values);
  await equalLogs(pair.folders(to));
}

/** Each producer's records are in the order in which it sent them. */
function assertOrder(folder: string): void {
  const last = new Map<number, { readonly name: string; readonly n: number }>();
  for (const { producerId, value } of storedRecords(folder)) {
    // Java's are numbers alone.
    const [, name, number] = /^(\D*)(\d+)$/.exec(value)!;
    const before = last.get(producerId);
    const n = Number(number);
    assertEquals(before?.name ?? name, name, `two have id ${producerId}`);
    assert(n > (before?.n ?? -1), `${value} is behind ${before?.n}`);
    last.set(producerId, { name: name!, n });
  }
}

/**
 * The leader takes records that its standing follower never saw, and dies. The
 * follower leads and takes others; whoever comes back cuts its own off.
 */
export async function divergence(pair: Pair): Promise<void> {
  const topic = await pair.create("divergence", {
    configs: { "unclean.leader.election.enable": "true" },
  });
  const [leader, follower] = [pair.leader, pair.follower]
    .map((id) => pair.cluster.node(id));
  await write(pair, topic, { acks: "all", values: ["both have this"] });
  await equalLogs(pair.folders(topic), 1);
  follower!.signal("SIGSTOP");
  const lost = ["cut 1", "cut 2", "cut 3"];
  try {
    await write(pair, topic, { acks: "1", values: lost });
  } finally {
    await leader!.kill();
    follower!.signal("SIGCONT");
  }
  await until("the follower leads", async () => {
    const [described] = await pair.admin.describeTopics([topic]);
    return described!.partitions[0]?.leader === pair.follower;
  }, 60_000);
  const kept = ["kept 1", "kept 2"];
  await write(pair, topic, { acks: "1", values: kept });
  await leader!.start();
  await pair.inSync(topic);
  const folders = pair.folders(topic);
  await equalLogs(folders, 3);
  // One fetch was under way to the follower, and may have brought a few.
  const [common, ...rest] = storedValues(folders[0]);
  const survived = rest.slice(0, -kept.length);
  assertEquals(common, "both have this");
  assertEquals(survived, lost.slice(0, survived.length));
  assert(survived.length < lost.length, "nothing was cut");
  assertEquals(rest.slice(-kept.length), kept);
}

async function write(
  pair: Pair,
  topic: string,
  { acks, values }: {
    readonly acks: "1" | "all";
    readonly values: readonly string[];
  },
): Promise<void> {
  const producer = createProducer({
    ...pair.config,
    acks,
    "enable.idempotence": false,
  });
  // Few go one at a time, so that there is a batch for each.
  if (values.length < 10) {
    for (const value of values) await producer.send({ topic, value });
  } else {
    await Promise.all(values.map((value) => producer.send({ topic, value })));
  }
  await producer.close();
}
