/**
 * A `kf pipe` that is believed dead, and gets its partition back from a member
 * that left a transaction open: it ends that one, whose offsets would keep it
 * from reading until the transaction times out.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  createAdmin,
  createConsumer,
  createProducer,
} from "../../net/client.ts";
import {
  kf,
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";

const GROUP = "kf-pipe.in.out";
const COUNT = 10;

/** Numbered records, and no others before them. */
async function produce(address: string, from: number): Promise<void> {
  const producer = createProducer({ "bootstrap.servers": address });
  for (let n = from; n < from + COUNT; n++) {
    await producer.send({ topic: "in", value: `${n}` });
  }
  await producer.close();
}

async function come(address: string): Promise<string[]> {
  const read = await kf(
    ["consume", "out", "-e", "--read-committed", "-b", address],
  );
  return read.stdout.split("\n").filter(Boolean);
}

/** Takes the partition over, begins a transaction with its offset, and is gone. */
async function interlude(address: string): Promise<AsyncDisposable> {
  const consumer = createConsumer({
    "bootstrap.servers": address,
    "group.id": GROUP,
    "enable.auto.commit": false,
  });
  consumer.subscribe(["in"]);
  let offset = -1;
  await until("it reads what the other one can't", async () => {
    for (const { records } of await consumer.poll(200)) {
      offset = records.at(-1)!.offset + 1;
    }
    return offset > 0;
  });
  const producer = createProducer({
    "bootstrap.servers": address,
    "transactional.id": `${GROUP}.in-0`,
    "transaction.timeout.ms": 600_000,
  });
  await producer.initTransactions();
  producer.beginTransaction();
  await producer.send({ topic: "out", value: "never" });
  await producer.sendOffsetsToTransaction(
    [{ topic: "in", partition: 0, offset }],
    consumer.groupMetadata(),
  );
  await consumer.close();
  // What is never ended by its owner: to be closed only when all is over.
  return { [Symbol.asyncDispose]: () => producer.close({ timeoutMs: 0 }) };
}

Deno.test("a pipe that gets its partition back ends what was begun in between", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: `${folder.path}/data`,
    args: ["-X", "group.min.session.timeout.ms=500"],
  });
  const { address } = broker;
  const admin = createAdmin({ "bootstrap.servers": address });
  await admin.createTopics([{ name: "in", partitions: 1 }]);
  await admin.close();
  await produce(address, 0);
  const [program, ...args] = kfCommand(
    ...["pipe", "--from", "in", "--to", "out", "-b", address],
    ...["-X", "consumer.session.timeout.ms=1000"],
    ...["-X", "consumer.heartbeat.interval.ms=200", "--", "cat"],
  );
  const pipe = new Deno.Command(program!, { args, stdin: "null" }).spawn();
  try {
    await until(
      "it works",
      async () => (await come(address)).length === COUNT,
    );
    await run(["kill", "-STOP", `${pipe.pid}`]);
    await produce(address, COUNT);
    await using _open = await interlude(address);
    await run(["kill", "-CONT", `${pipe.pid}`]);
    const wanted = Array.from({ length: 2 * COUNT }, (_, n) => `${n}`);
    await until(
      "it goes on",
      async () => (await come(address)).length >= wanted.length,
    );
    assertEquals(await come(address), wanted);
  } finally {
    pipe.kill("SIGTERM");
    assertEquals((await pipe.status).code, 0);
  }
});
