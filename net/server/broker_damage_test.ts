/**
 * A broker on a folder whose metadata are damaged: it refuses with a sentence
 * or starts, and no record of a topic is deleted for it.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { KafkaError } from "../../core/errors.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { temporaryFolder } from "../../tests/fixtures.ts";
import {
  create,
  latest,
  produce,
  records,
  start,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";

const LOG = "00000000000000000000.log";

/** A cleanly stopped broker's folder with a record in topic `t`. */
async function filled(folder: string): Promise<Uint8Array> {
  const broker = await start(folder);
  {
    using client = await RawClient.connect(broker.address.port);
    await create(client, "t");
    await produce(client, buildBatch(records("kept")));
  }
  await broker.stop();
  return Deno.readFileSync(`${folder}/t-0/${LOG}`);
}

function foldersOf(folder: string, topic: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.startsWith(`${topic}-0`)).sort();
}

Deno.test("a metadata log that lost what was durable is refused, and nothing is cut", async () => {
  using folder = temporaryFolder();
  const kept = await filled(folder.path);
  const path = `${folder.path}/__cluster_metadata-0/${LOG}`;
  const whole = Deno.readFileSync(path);
  const flipped = whole.slice();
  flipped[Math.floor(whole.length / 2)]! ^= 1;
  for (const wasClean of [true, false]) {
    if (!wasClean) Deno.removeSync(`${folder.path}/.kafka_cleanshutdown`);
    for (const damaged of [flipped, whole.subarray(0, -100)]) {
      Deno.writeFileSync(path, damaged);
      await assertRejects(
        () => start(folder.path),
        KafkaError,
        "__cluster_metadata-0",
      );
      assertEquals(Deno.readFileSync(path), damaged);
      assertEquals(Deno.readFileSync(`${folder.path}/t-0/${LOG}`), kept);
      if (wasClean) {
        Deno.writeTextFileSync(`${folder.path}/.kafka_cleanshutdown`, "{}");
      }
    }
  }
  Deno.writeFileSync(path, whole);
  await (await start(folder.path)).stop();
});

Deno.test("records stay when the files beside them that tell of epochs and high watermarks are gone", async () => {
  for (const wasClean of [true, false]) {
    using folder = temporaryFolder();
    const kept = await filled(folder.path);
    const epochs = `${folder.path}/t-0/leader-epoch-checkpoint`;
    Deno.removeSync(epochs);
    Deno.removeSync(`${folder.path}/replication-offset-checkpoint`);
    if (!wasClean) Deno.removeSync(`${folder.path}/.kafka_cleanshutdown`);
    await (await start(folder.path)).stop();
    assertEquals(Deno.readFileSync(`${folder.path}/t-0/${LOG}`), kept);
    assertMatch(Deno.readTextFileSync(epochs), /^0 0$/m);
  }
});

Deno.test("a folder that no topic claims is set aside, one of a deleted topic goes", async () => {
  using folder = temporaryFolder();
  const kept = await filled(folder.path);
  const id = `${folder.path}/t-0/partition.metadata`;
  const right = Deno.readTextFileSync(id);
  Deno.writeTextFileSync(id, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAqQ");
  let broker = await start(folder.path);
  const [fresh, stray] = foldersOf(folder.path, "t");
  assertEquals(fresh, "t-0");
  assert(stray?.endsWith("-stray"), `${stray} is set aside`);
  assertEquals(Deno.readFileSync(`${folder.path}/${stray}/${LOG}`), kept);
  {
    using client = await RawClient.connect(broker.address.port);
    await client.call(latest(DELETE_TOPICS), {
      topics: [{ name: "t" }],
      timeoutMs: 5000,
    });
  }
  await broker.stop();
  // As a crash between the record and the deletion leaves it.
  Deno.mkdirSync(`${folder.path}/t-0`);
  Deno.writeTextFileSync(id, right);
  broker = await start(folder.path);
  await broker.stop();
  assertEquals(foldersOf(folder.path, "t"), [stray!]);
});

Deno.test("records of a folder without a topic id are set aside after a crash, and used after a clean stop", async () => {
  using folder = temporaryFolder();
  const kept = await filled(folder.path);
  const id = `${folder.path}/t-0/partition.metadata`;
  Deno.removeSync(id);
  await (await start(folder.path)).stop();
  assertEquals(foldersOf(folder.path, "t"), ["t-0"]);
  assertEquals(Deno.readFileSync(`${folder.path}/t-0/${LOG}`), kept);
  Deno.removeSync(id);
  Deno.removeSync(`${folder.path}/.kafka_cleanshutdown`);
  await (await start(folder.path)).stop();
  const [fresh, stray] = foldersOf(folder.path, "t");
  assertEquals(fresh, "t-0");
  assert(stray?.endsWith("-stray"), `${stray} is set aside`);
  assertEquals(Deno.readFileSync(`${folder.path}/${stray}/${LOG}`), kept);
});
