/**
 * What must hold of a pair of replicas, one of kf and one of Apache Kafka, when
 * each dies in turn: nothing acknowledged is lost, what was not is cut off
 * where the logs part, and both end with the same bytes. Owns the steps.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { createProducer } from "../../net/client.ts";
import { until } from "../fixtures.ts";
import { equalLogs, storedRecords, storedValues } from "./replica_logs.ts";
import type { Pair } from "./replica_suite.ts";
import {
  javaWriter,
  kcatWriter,
  kfWriter,
  more,
  type WriterOptions,
} from "./writers.ts";

const ROUNDS = 2;

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
  // One at a time, so that there is a batch for each.
  for (const value of values) await producer.send({ topic, value });
  await producer.close();
}
