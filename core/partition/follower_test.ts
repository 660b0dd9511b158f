/**
 * A follower whose disk refuses what its leader sent, whose leader's disk does,
 * or whose log has no epochs or a gap.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { faultyEnv } from "../../tests/faulty_disk.ts";
import { temporaryFolder } from "../../tests/fixtures.ts";
import {
  resolveBrokerConfig,
  resolveTopicConfig,
  type TopicConfig,
} from "../config/resolve.ts";
import { KafkaError } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { LogFolder } from "../log/log_folder.ts";
import { BatchView } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import { Partition, type PartitionState } from "./partition.ts";

const TOPIC_ID = "Gmd94rMBRdCEC5P7ytJnvA";
const STATE: PartitionState = {
  leader: 1,
  leaderEpoch: 0,
  partitionEpoch: 0,
  replicas: [1, 2],
  isr: [1, 2],
};

/** Broker 2, which has one replica, on a disk that fills up when it is told to. */
class Broker implements AsyncDisposable {
  readonly #temporary = temporaryFolder();
  readonly #config: TopicConfig;
  readonly #env = faultyEnv((call, path) =>
    this.isFull && call === "write" && path.endsWith(".log")
      ? "NoSpace"
      : undefined
  );
  #folder!: LogFolder;
  log!: Log;
  isFull = false;

  constructor(config: Partial<TopicConfig> = {}) {
    const defaults = resolveTopicConfig(new Map(), resolveBrokerConfig());
    this.#config = { ...defaults, ...config };
    this.#open();
  }

  #open(): void {
    const { path } = this.#temporary;
    this.#folder = LogFolder.open({ env: this.#env, path, nodeId: 2 });
    const place = { topic: "t", partition: 0, topicId: TOPIC_ID };
    this.log = this.#folder.openLog({ ...place, config: this.#config });
  }

  /** The replica as the metadata have it. */
  replica(state: PartitionState, highWatermark = 0): Partition {
    return new Partition({
      log: this.log,
      topicId: TOPIC_ID,
      config: this.#config,
      host: {
        nodeId: 2,
        brokerEpoch: 1,
        lagMaxMs: 1_000,
        nowMs: () => 0,
        isEligible: () => true,
      },
      state,
      highWatermark,
    });
  }

  /** It is killed, and starts again. */
  async restart(meanwhile: () => void): Promise<void> {
    await this.#stop();
    meanwhile();
    this.#open();
  }

  #stop(): Promise<void> {
    const highWatermarks = new Map();
    return this.#folder.close({ clean: false, brokerEpoch: 1, highWatermarks });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    this.#temporary[Symbol.dispose]();
  }
}

function batchOf(bytes: number, partitionLeaderEpoch = 0) {
  const record = { key: null, value: new Uint8Array(bytes), timestamp: 0 };
  return buildBatch([record], { partitionLeaderEpoch });
}

Deno.test("what a full disk refuses of a leader's records is not taken for committed", async () => {
  await using broker = new Broker();
  const { log } = broker;
  const replica = broker.replica(STATE);
  const take = () =>
    replica.followerAnswer(replica.fetchTarget()!, {
      highWatermark: 1,
      logStartOffset: 0,
      divergingEpoch: undefined,
      records: batchOf(1),
    });
  broker.isFull = true;
  assertThrows(take, KafkaError, "NoSpace");
  assertEquals([log.logEndOffset, replica.highWatermark], [0, 0]);
  broker.isFull = false;
  assertEquals(take(), "appended");
  assertEquals([log.logEndOffset, replica.highWatermark], [1, 1]);
});

Deno.test("what a full disk refuses of a batch that a log begins anew within is not committed", async () => {
  await using broker = new Broker();
  const { log } = broker;
  log.truncateFullyAndStartAt(2);
  const replica = broker.replica(STATE, 2);
  const record = { key: null, value: null, timestamp: 0 };
  const records = buildBatch([record, record, record]);
  new BatchView(records).setBaseOffset(1);
  const take = () =>
    replica.followerAnswer(replica.fetchTarget()!, {
      highWatermark: 4,
      logStartOffset: 0,
      divergingEpoch: undefined,
      records,
    });
  broker.isFull = true;
  assertThrows(take, KafkaError, "NoSpace");
  assertEquals([log.logEndOffset, replica.highWatermark], [1, 1]);
  broker.isFull = false;
  assertEquals(take(), "appended");
  assertEquals([log.logEndOffset, replica.highWatermark], [4, 4]);
});

Deno.test("a follower is given nothing that the disk may still refuse", async () => {
  await using broker = new Broker();
  const { log } = broker;
  const replica = broker.replica({ ...STATE, leader: 2 });
  const options = { acks: -1, nowMs: 0, produceVersion: 9 };
  const given = () =>
    replica.read(0, {
      maxBytes: 1_000,
      isolation: "log_end",
      minOneBatch: true,
    }).length;
  replica.produce(batchOf(10), options);
  assertEquals([log.logEndOffset, given(), log.isRefused], [1, 0, false]);
  broker.isFull = true;
  assertThrows(() => log.writeStaged(), KafkaError, "NoSpace");
  assertEquals([log.logEndOffset, log.isRefused], [0, true]);
  broker.isFull = false;
  const other = batchOf(20);
  replica.produce(other, options);
  assertEquals([log.logEndOffset, given()], [1, 0]);
  log.writeStaged();
  assertEquals([given(), log.isRefused], [other.length, false]);
});

Deno.test("a log without epochs is cut for a leader's sake, and stays as long as nobody leads", async () => {
  await using broker = new Broker();
  const { log } = broker;
  // As a broker from before there were epochs wrote it.
  log.appendAsFollower(batchOf(1, -1));
  log.writeStaged();
  const replica = broker.replica({ ...STATE, leader: -1, leaderEpoch: 3 });
  assertEquals([log.latestEpoch, log.logEndOffset], [-1, 1]);
  replica.update({ ...STATE, leaderEpoch: 4 });
  assertEquals(log.logEndOffset, 0);
});

for (
  const [what, { leader, replicas }] of [
    ["cut for a leader's sake", { leader: 1, replicas: [1, 2] }],
    ["cut by who leads others", { leader: 2, replicas: [1, 2] }],
    ["kept by an only replica", { leader: 2, replicas: [2] }],
  ] as const
) {
  Deno.test(`a gap that power made is ${what}, and kept as long as nobody leads`, async () => {
    await using broker = new Broker({ segmentBytes: 200 });
    for (let offset = 0; offset < 6; offset++) {
      const batch = batchOf(20);
      new BatchView(batch).setBaseOffset(offset);
      broker.log.appendAsFollower(batch);
    }
    broker.log.writeStaged();
    const [first, second] = broker.log.segments;
    const gap = second!.baseOffset - 1;
    await broker.restart(() =>
      Deno.truncateSync(`${first!.path}.log`, gap * batchOf(20).length)
    );
    const { log } = broker;
    const state = { ...STATE, replicas, leader: -1, leaderEpoch: 3 };
    const replica = broker.replica(state, 5);
    assertEquals([log.logEndOffset, replica.highWatermark], [6, 5]);
    replica.update({ ...state, leader, leaderEpoch: 4 });
    assertEquals(
      [log.logEndOffset, replica.highWatermark],
      replicas.length > 1 ? [gap, gap] : [6, 6],
    );
    const { endOffset } = log.endOffsetForEpoch(3);
    assertEquals(endOffset, leader === 1 ? -1 : log.logEndOffset);
  });
}
