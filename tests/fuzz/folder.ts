/**
 * A data folder as a broker leaves it: topics of several segments and codecs,
 * an idempotent producer, offsets and members of groups, a metadata snapshot.
 * Owns the making of it, in memory; it checks nothing.
 *
 * @module
 */
import { buildBatch } from "../../core/record/builder.ts";
import { CODEC_NAMES } from "../../core/record/compression.ts";
import { OFFSET_COMMIT } from "../../net/wire/08_offset_commit.ts";
import { CREATE_TOPICS } from "../../net/wire/19_create_topics.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "../../net/wire/68_consumer_group_heartbeat.ts";
import { until } from "../fixtures.ts";
import { hurried, latest, produce, start } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import { NOW_MS } from "./batches.ts";

/** Files by their path in the folder. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** How the broker ended whose folder it is. */
export const ENDINGS = ["clean", "killed", "scratch"] as const;

/** One of {@linkcode ENDINGS}; `scratch` is scanned from the first byte. */
export type Ending = typeof ENDINGS[number];

/** What brokers on such a folder are configured with. */
export const FOLDER_CONFIG = {
  "offsets.topic.num.partitions": "1",
  "metadata.log.max.record.bytes.between.snapshots": "1",
};

const HURRY = 2000;
const SEGMENT_MS = 1000;
const BATCHES = 10;
const CLEAN_MARK = ".kafka_cleanshutdown";
const RECOVERY_POINTS = "recovery-point-offset-checkpoint";

/** Makes the folder once per ending. */
export async function makeFolders(): Promise<ReadonlyMap<Ending, Files>> {
  const folder = Deno.makeTempDirSync({ prefix: "kf-fuzz-" });
  try {
    const env = hurried(HURRY);
    const broker = await start(folder, { env, config: FOLDER_CONFIG });
    using client = await RawClient.connect(broker.address.port);
    await fill(client);
    await until(
      "there is a metadata snapshot",
      () =>
        [...filesIn(folder).keys()].some((path) =>
          /\d\.checkpoint$/.test(path)
        ),
    );
    const killed = filesIn(folder);
    await broker.stop();
    await env.tasks.settled();
    const clean = filesIn(folder);
    const scratch = new Map(clean);
    scratch.delete(CLEAN_MARK);
    scratch.delete(RECOVERY_POINTS);
    return new Map([["clean", clean], ["killed", killed], [
      "scratch",
      scratch,
    ]]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function fill(client: RawClient): Promise<void> {
  await client.call(latest(CREATE_TOPICS), {
    topics: [{
      name: "t",
      numPartitions: 2,
      replicationFactor: 1,
      configs: [
        { name: "segment.ms", value: String(SEGMENT_MS) },
        { name: "index.interval.bytes", value: "100" },
        {
          name: "message.timestamp.after.max.ms",
          value: "9223372036854775807",
        },
      ],
    }],
    timeoutMs: 5000,
  });
  for (let i = 0; i < BATCHES; i++) {
    await produce(client, batchOf(i), { topic: "t", index: i % 2 });
  }
  await client.call({ api: OFFSET_COMMIT, version: 9 }, {
    groupId: "g",
    topics: [{
      name: "t",
      partitions: [{ partitionIndex: 0, committedOffset: 3 }],
    }],
  });
  await client.call(latest(CONSUMER_GROUP_HEARTBEAT), {
    groupId: "h",
    memberId: "m",
    memberEpoch: 0,
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: ["t"],
    topicPartitions: [],
  });
}

/** The i-th batch; every other one of a partition begins a segment. */
function batchOf(i: number): Uint8Array {
  const count = 4;
  const records = Array.from({ length: count }, (_, n) => ({
    timestamp: NOW_MS + Math.floor(i / 4) * 2 * SEGMENT_MS + n,
    key: new TextEncoder().encode(`k${n}`),
    value: new TextEncoder().encode(`value ${i} ${n} `.repeat(6)),
  }));
  return buildBatch(records, {
    codec: CODEC_NAMES[i % CODEC_NAMES.length]!,
    producerId: 7,
    producerEpoch: 0,
    baseSequence: Math.floor(i / 2) * count,
  });
}

/** Every file below `folder`, but the lock. */
function filesIn(folder: string, below = ""): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const { name, isDirectory } of Deno.readDirSync(`${folder}/${below}`)) {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) {
      for (const [inner, bytes] of filesIn(folder, path)) {
        files.set(inner, bytes);
      }
    } else if (name !== ".lock") {
      files.set(path, Deno.readFileSync(`${folder}/${path}`));
    }
  }
  return files;
}
