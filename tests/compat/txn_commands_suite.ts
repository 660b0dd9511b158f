/**
 * What `kf txn` and `kf dlq` promise, as commands against whichever broker is
 * given. Owns no broker.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { buildBatch } from "../../core/record/builder.ts";
import { createAdmin, createProducer } from "../../net/client.ts";
import { PRODUCE } from "../../net/wire/00_produce.ts";
import { INIT_PRODUCER_ID } from "../../net/wire/22_init_producer_id.ts";
import { type Finished, kf, until } from "../fixtures.ts";
import { RawClient } from "../raw_client.ts";

interface Bench {
  readonly bootstrap: string;
  run(line: string, options?: { stdin?: string }): Promise<Finished>;
  /** The JSON of one that must succeed. */
  json(line: string): Promise<unknown>;
}

async function openAndAborted({ bootstrap, run, json }: Bench): Promise<void> {
  const producer = createProducer({
    "bootstrap.servers": bootstrap,
    "transactional.id": "left-open",
  });
  await producer.initTransactions();
  producer.beginTransaction();
  await producer.send({ topic: "made", value: "open" });
  const [listed] = await json("txn list --state Ongoing") as {
    transactionalId: string;
    producerId: number;
  }[];
  assertEquals(listed?.transactionalId, "left-open");
  assertEquals(await json("txn list --state PrepareCommit"), []);
  assertEquals(await json("txn list --running 1h"), []);
  const [described] = await json("txn describe left-open") as {
    state: string;
    partitions: unknown[];
  }[];
  const partitions = [{ topic: "made", partition: 0 }];
  assertEquals(described?.state, "Ongoing");
  assertEquals(described?.partitions, partitions);
  const [known] = await json("txn describe --producers made:0") as {
    producerId: number;
    transactionStartOffset: number;
  }[];
  assertEquals(known?.producerId, listed?.producerId);
  assertEquals(known?.transactionStartOffset, 0);
  assertEquals((await run("txn abort left-open")).code, 2);
  const what = { transactionalId: "left-open", producerId: known!.producerId };
  assertEquals(await json("txn abort left-open --dry-run"), {
    ...what,
    partitions,
    aborted: false,
  });
  assertEquals(await json("txn abort left-open -y"), {
    ...what,
    partitions,
    aborted: true,
  });
  const again = await run("txn abort left-open -y");
  assertEquals(again.code, 1);
  assertMatch(again.stderr, /none is open/);
  const outcome = await producer.commitTransaction()
    .catch(({ error }) => error);
  assertEquals(outcome, "PRODUCER_FENCED");
  await producer.close();
  assertEquals((await run("txn describe no-such-id")).code, 1);
  for (
    const wrong of [
      "txn describe",
      "txn describe x --producers made:0",
      "txn describe --producers made",
      "txn abort -y",
      "txn abort x --hanging made:0 --start-offset 1 -y",
      "txn abort --hanging made:0 -y",
    ]
  ) assertEquals((await run(wrong)).code, 2, wrong);
}

/** Records of a transaction that no coordinator has ever heard of. */
async function hanging({ bootstrap, run, json }: Bench): Promise<void> {
  const topic = "hung";
  const admin = createAdmin({ "bootstrap.servers": bootstrap });
  await admin.createTopics([{ name: topic }]);
  await admin.close();
  using client = await RawClient.connect(Number(bootstrap.split(":")[1]));
  const { producerId, producerEpoch } = await client.call(
    { api: INIT_PRODUCER_ID, version: 4 },
    { transactionalId: null, transactionTimeoutMs: 60_000 },
  );
  const records = buildBatch(
    [{ timestamp: 1, key: null, value: new TextEncoder().encode("hung") }],
    { producerId, producerEpoch, baseSequence: 0, isTransactional: true },
  );
  await until("the broker took it", async () => {
    const { responses } = await client.call({ api: PRODUCE, version: 9 }, {
      transactionalId: "ghost",
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    });
    return responses[0]!.partitionResponses[0]!.errorCode === 0;
  });
  const consume = `consume ${topic} -e --read-committed`;
  await run(`produce ${topic}`, { stdin: "behind it\n" });
  assertEquals((await run(consume)).stdout, "");
  const abort = `txn abort --hanging ${topic}:0 --start-offset`;
  assertEquals((await run(`${abort} 1 -y`)).code, 1);
  assertEquals(await json(`${abort} 0 -y`), {
    transactionalId: null,
    producerId,
    partitions: [{ topic, partition: 0 }],
    aborted: true,
  });
  await until(
    "readers go on",
    async () => (await run(consume)).stdout === "behind it\n",
  );
}

async function deadLetters({ run, json }: Bench): Promise<void> {
  await run("topic create letters origin -p 2");
  const letter = "produce letters -H a=b -H kf.dlq.topic=origin " +
    "-H kf.dlq.error=why -H kf.dlq.partition=1 --timestamp @77 -k key";
  await run(letter, { stdin: "one\ntwo\n" });
  const answer = (redriven: boolean) => [
    { topic: "origin", records: 2, redriven },
  ];
  const redrive = "dlq redrive letters";
  assertEquals(await json(`${redrive} --dry-run`), answer(false));
  assertEquals(await json(redrive), answer(true));
  assertEquals(await json(redrive), []);
  assertEquals(await json(`${redrive} --dry-run`), []);
  const read = "consume origin -e --read-committed -f %p|%k|%v|%h|%T\\n";
  assertEquals(
    (await run(read)).stdout,
    "1|key|one|a=b|77\n1|key|two|a=b|77\n",
  );
  await run("produce letters", { stdin: "no letter\n" });
  const foreign = await run(redrive);
  assertEquals(foreign.code, 1);
  assertMatch(foreign.stderr, /offset \d+: it is no dead letter of kf pipe/);
}

/** Runs all of it; the broker must take records of unverified transactions. */
export async function txnCommandsSuite(
  t: Deno.TestContext,
  bootstrap: string,
): Promise<void> {
  const run: Bench["run"] = (line, options) =>
    kf([...line.split(" "), "-b", bootstrap], options);
  const bench: Bench = {
    bootstrap,
    run,
    async json(line) {
      const { code, stdout, stderr } = await run(`${line} --format json`);
      assertEquals(code, 0, stderr);
      return JSON.parse(stdout);
    },
  };
  const steps = {
    "a transaction left open is found and aborted": openAndAborted,
    "a hanging transaction is aborted where it hangs": hanging,
    "dead letters go back once, as they were": deadLetters,
  };
  for (const [name, step] of Object.entries(steps)) {
    await t.step(name, () => step(bench));
  }
}
