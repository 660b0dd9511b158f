/**
 * Compaction in a running broker: topics and `__consumer_offsets` shrink on
 * the disk, readers see the newest value of each key, and a restart finds
 * what was there.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { batchesOf } from "../../core/record/batch.ts";
import { buildBatch } from "../../core/record/builder.ts";
import type { CodecName } from "../../core/record/compression.ts";
import { decodeRecords } from "../../core/record/record.ts";
import { temporaryFolder, until } from "../../tests/fixtures.ts";
import {
  create,
  fetch,
  latest,
  produce,
  records,
  start,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { OFFSET_COMMIT } from "../wire/08_offset_commit.ts";
import { OFFSET_FETCH } from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../wire/44_incremental_alter_configs.ts";
import type { Broker } from "./broker.ts";

const CONFIG = {
  "log.cleaner.backoff.ms": "20",
  "log.retention.check.interval.ms": "50",
  "offsets.topic.num.partitions": "1",
  "offsets.topic.segment.bytes": "1048576",
};
const COMPACTED = {
  "cleanup.policy": "compact",
  "segment.bytes": "1048576",
  "min.cleanable.dirty.ratio": "0.01",
  "file.delete.delay.ms": "0",
};
const KEYS = 40;
const ROUNDS = 12;
const TEXT = new TextEncoder();

/** Runs `fn` on a broker over `folder`. */
async function on(
  folder: string,
  fn: (client: RawClient, broker: Broker) => Promise<void>,
): Promise<void> {
  const broker = await start(folder, { config: CONFIG });
  try {
    using client = await RawClient.connect(broker.address.port);
    await fn(client, broker);
  } finally {
    await broker.stop();
  }
}

/** Bytes of the partition's `.log` files. */
function bytesOf(folder: string, partition: string): number {
  let sum = 0;
  for (const { name } of Deno.readDirSync(`${folder}/${partition}`)) {
    if (!name.endsWith(".log")) continue;
    sum += Deno.statSync(`${folder}/${partition}/${name}`).size;
  }
  return sum;
}

async function createCompacted(
  client: RawClient,
  name: string,
  configs: Readonly<Record<string, string>> = COMPACTED,
): Promise<void> {
  const { topics } = await client.call(latest(CREATE_TOPICS), {
    topics: [{
      name,
      numPartitions: 1,
      replicationFactor: 1,
      configs: Object.entries(configs).map(([name, value]) => ({
        name,
        value,
      })),
    }],
  });
  assertEquals(topics[0]!.errorCode, 0);
}

/** Text that no codec makes much smaller. */
function noise(round: number, key: number): string {
  let state = round * 1000 + key + 1;
  return Array.from({ length: 10_000 }, () => {
    state = Math.imul(state, 1103515245) + 12345 & 0x7fffffff;
    return String.fromCharCode(33 + (state >>> 16) % 90);
  }).join("");
}

/** Each round writes every key; the last one deletes key 0. Gives the bytes. */
async function fill(
  client: RawClient,
  codec: CodecName,
  ageMsOf = (_round: number) => 0,
): Promise<number> {
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const batch = buildBatch(
      Array.from({ length: KEYS }, (_, key) => ({
        timestamp: Date.now() - ageMsOf(round),
        key: TEXT.encode(`key ${key}`),
        value: key === 0 && round === ROUNDS - 1
          ? null
          : TEXT.encode(`${round} ${noise(round, key)}`),
      })),
      { codec },
    );
    bytes += batch.length;
    assertEquals((await produce(client, batch)).errorCode, 0);
  }
  return bytes;
}

/** Every record of the topic: offset, key and the round of its value. */
async function readAll(
  client: RawClient,
  from = 0,
): Promise<[number, string, string][]> {
  const decoder = new TextDecoder();
  const read: [number, string, string][] = [];
  for (let offset = from;;) {
    const { records, highWatermark } = await fetch(client, { offset });
    if (offset >= highWatermark) return read;
    for (const view of batchesOf(records!)) {
      assert(view.isCrcValid(), "stored bytes have their CRC");
      for (const { offset, key, value } of decodeRecords(view)) {
        const round = value === null
          ? "deleted"
          : decoder.decode(value).split(" ")[0]!;
        read.push([offset, decoder.decode(key!), round]);
      }
      offset = view.nextOffset;
    }
  }
}

function checkNewest(read: Awaited<ReturnType<typeof readAll>>): void {
  const newest = new Map(read.map(([, key, round]) => [key, round]));
  assertEquals(newest.size, KEYS);
  for (const [key, round] of newest) {
    assertEquals(round, key === "key 0" ? "deleted" : `${ROUNDS - 1}`);
  }
  assertEquals(read.at(-1)![0], KEYS * ROUNDS - 1, "offsets stay");
}

for (const codec of ["none", "zstd", "gzip"] as const) {
  Deno.test(`a compacted topic (${codec}) shrinks, and readers see the newest of each key, before and after a restart`, async () => {
    using folder = temporaryFolder();
    let compacted: Awaited<ReturnType<typeof readAll>> = [];
    await on(folder.path, async (client) => {
      await createCompacted(client, "t");
      const written = await fill(client, codec);
      await until(
        "the log is half of what was written",
        () => bytesOf(folder.path, "t-0") < written / 2,
      );
      compacted = await readAll(client);
      assert(compacted.length <= KEYS * ROUNDS / 2);
      checkNewest(compacted);
    });
    await on(folder.path, async (client) => {
      const again = await readAll(client);
      checkNewest(again);
      const before = new Set(compacted.map((record) => record.join()));
      assert(again.every((record) => before.has(record.join())));
      const batch = buildBatch([
        { timestamp: Date.now(), key: TEXT.encode("new"), value: null },
      ]);
      assertEquals((await produce(client, batch)).baseOffset, KEYS * ROUNDS);
    });
    const checkpoint = Deno.readTextFileSync(
      `${folder.path}/cleaner-offset-checkpoint`,
    );
    assert(/^t 0 \d+$/m.test(checkpoint), checkpoint);
  });
}

Deno.test("compact,delete forgets what is too old and compacts the rest", async () => {
  using folder = temporaryFolder();
  await on(folder.path, async (client) => {
    const ratio = "min.cleanable.dirty.ratio";
    await createCompacted(client, "t", {
      ...COMPACTED,
      "cleanup.policy": "compact,delete",
      "retention.ms": "3600000",
      [ratio]: "1",
    });
    const oldRounds = ROUNDS / 2;
    const written = await fill(
      client,
      "none",
      (round) => round < oldRounds ? 7_200_000 : 0,
    );
    const startOffset = async () =>
      (await fetch(client, { offset: KEYS * ROUNDS })).logStartOffset;
    // A segment takes two rounds or three, and its newest record counts.
    const least = KEYS * (oldRounds - 2);
    await until("old segments are gone", async () => {
      return await startOffset() >= least;
    });
    const { responses } = await client.call(latest(INCREMENTAL_ALTER_CONFIGS), {
      resources: [{
        resourceType: 2,
        resourceName: "t",
        configs: [{ name: ratio, configOperation: 0, value: "0.01" }],
      }],
    });
    assertEquals(responses[0]!.errorCode, 0);
    await until(
      "the others are compacted",
      () => bytesOf(folder.path, "t-0") < written / 3,
    );
    checkNewest(await readAll(client, await startOffset()));
  });
});

Deno.test("a record without a key is refused by a compacted topic", async () => {
  using folder = temporaryFolder();
  await on(folder.path, async (client) => {
    await createCompacted(client, "t");
    const refused = await produce(client, buildBatch(records("no key")));
    assertEquals(refused.errorCode, ERRORS.INVALID_RECORD);
  });
});

Deno.test("__consumer_offsets shrinks and keeps what was committed", async () => {
  using folder = temporaryFolder();
  const commits = 900;
  const metadata = "m".repeat(4000);
  await on(folder.path, async (client) => {
    await create(client, "t");
    await client.call(latest(FIND_COORDINATOR), {
      keyType: 0,
      coordinatorKeys: ["g"],
    });
    for (let offset = 1; offset <= commits; offset++) {
      await until("the coordinator has taken it", async () => {
        const { topics } = await client.call({
          api: OFFSET_COMMIT,
          version: 9,
        }, {
          groupId: "g",
          memberId: "",
          generationIdOrMemberEpoch: -1,
          topics: [{
            name: "t",
            partitions: [{
              partitionIndex: 0,
              committedOffset: offset,
              committedMetadata: metadata,
            }],
          }],
        });
        return topics[0]!.partitions[0]!.errorCode === 0;
      });
    }
    await until(
      "two segments are gone",
      () => bytesOf(folder.path, "__consumer_offsets-0") < 1_600_000,
    );
  });
  await on(folder.path, async (client) => {
    const committed = await until("the group is loaded", async () => {
      const { groups } = await client.call({ api: OFFSET_FETCH, version: 9 }, {
        groups: [{ groupId: "g", topics: null }],
      });
      return groups[0]!.topics[0]?.partitions[0];
    });
    assertEquals(committed.committedOffset, commits);
  });
});
