/**
 * `kill -9` of a real broker at random moments while transactions begin, grow
 * and end. Three producers go on through every kill; afterwards every
 * transaction must be there as a whole or not at all, as its producer was
 * told. The number of rounds is `KF_KILL_ROUNDS` (5 when unset), the seed
 * `KF_SEED`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createAdmin } from "../../net/client.ts";
import {
  type BrokerProcess,
  seeded,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";
import { checkWhole, createTopic, Writer } from "./transaction_writers.ts";

const WRITERS = 3;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function killed(transactionVersion: number): Promise<void> {
  const rounds = Number(Deno.env.get("KF_KILL_ROUNDS") ?? 5);
  const seed = Number(Deno.env.get("KF_SEED") ?? Date.now() % 1_000_000);
  // deno-lint-ignore no-console
  console.log(`kill -9 in transactions: ${rounds} rounds, KF_SEED=${seed}`);
  const random = seeded(seed);
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  const args = [
    ...["-X", "transaction.state.log.num.partitions=5"],
    ...["-X", "log.segment.bytes=1048576"],
  ];
  let broker: BrokerProcess = await startBrokerProcess({ data, args });
  const { address, port } = broker;
  try {
    await createTopic({ address });
    if (transactionVersion < 2) await lower(address, transactionVersion);
    const writers = Array.from(
      { length: WRITERS },
      (_, id) => new Writer(id, { address, mayAbort: () => random() < 0.3 }),
    );
    for (let round = 0; round < rounds; round++) {
      await pause(50 + random() * 350);
      await broker.end("SIGKILL");
      broker = await startBrokerProcess({ data, port, args });
    }
    await Promise.all(writers.map((writer) => writer.stop()));
    const told = await checkWhole({ address }, writers);
    // deno-lint-ignore no-console
    console.log(`kill -9 in transactions: ${told}`);
    assertEquals(await broker.end("SIGTERM"), 0);
  } finally {
    await broker[Symbol.asyncDispose]();
  }
}

async function lower(address: string, level: number): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": address });
  const name = "transaction.version";
  await admin.updateFeatures([{ name, level, kind: "downgrade" }]);
  await admin.close();
}

for (const version of [2, 0]) {
  Deno.test(
    `transactions of version ${version} survive kill -9 as a whole or not at all`,
    () => killed(version),
  );
}
