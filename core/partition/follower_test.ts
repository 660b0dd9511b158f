/**
 * A follower whose disk refuses what its leader sent, or whose log has no epochs
 * or a gap.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { faultyEnv } from "../../tests/faulty_disk.ts";
import { temporaryFolder } from "../../tests/fixtures.ts";
import { resolveBrokerConfig, resolveTopicConfig } from "../config/resolve.ts";
import { KafkaError } from "../errors.ts";
import { LogFolder } from "../log/log_folder.ts";
import { BatchView } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import { Partition } from "./partition.ts";

const TOPIC_ID = "Gmd94rMBRdCEC5P7ytJnvA";
const PLACE = { topic: "t", partition: 0, topicId: TOPIC_ID };
const HOST = {
  nodeId: 2,
  brokerEpoch: 1,
  lagMaxMs: 1_000,
  nowMs: () => 0,
  isEligible: () => true,
};

Deno.test("what a full disk refuses of a leader's records is not taken for committed", async () => {
  using temporary = temporaryFolder();
  let isFull = false;
  const env = faultyEnv((call, path) =>
    isFull && call === "write" && path.endsWith(".log") ? "NoSpace" : undefined
  );
  const folder = LogFolder.open({ env, path: temporary.path, nodeId: 2 });
  const config = resolveTopicConfig(new Map(), resolveBrokerConfig());
  const partition = new Partition({
    log: folder.openLog({ ...PLACE, config }),
    topicId: TOPIC_ID,
    config,
    host: HOST,
    state: {
      leader: 1,
      leaderEpoch: 0,
      partitionEpoch: 0,
      replicas: [1, 2],
      isr: [1, 2],
    },
    highWatermark: 0,
  });
  const take = () =>
    partition.followerAnswer(partition.fetchTarget()!, {
      highWatermark: 1,
      logStartOffset: 0,
      divergingEpoch: undefined,
      records: buildBatch([{
        key: null,
        value: new Uint8Array(1),
        timestamp: 0,
      }], {
        partitionLeaderEpoch: 0,
      }),
    });
  isFull = true;
  assertThrows(take, KafkaError, "NoSpace");
  assertEquals([partition.log.logEndOffset, partition.highWatermark], [0, 0]);
  isFull = false;
  assertEquals(take(), "appended");
  assertEquals([partition.log.logEndOffset, partition.highWatermark], [1, 1]);
  await folder.close({
    clean: true,
    brokerEpoch: 1,
    highWatermarks: new Map(),
  });
});

Deno.test("a follower is given nothing that the disk may still refuse", async () => {
  using temporary = temporaryFolder();
  let isFull = false;
  const env = faultyEnv((call, path) =>
    isFull && call === "write" && path.endsWith(".log") ? "NoSpace" : undefined
  );
  const folder = LogFolder.open({ env, path: temporary.path, nodeId: 2 });
  const config = resolveTopicConfig(new Map(), resolveBrokerConfig());
  const log = folder.openLog({ ...PLACE, config });
  const partition = new Partition({
    log,
    topicId: TOPIC_ID,
    config,
    host: HOST,
    state: {
      leader: 2,
      leaderEpoch: 0,
      partitionEpoch: 0,
      replicas: [1, 2],
      isr: [1, 2],
    },
    highWatermark: 0,
  });
  const produce = (bytes: number) => {
    const record = { key: null, value: new Uint8Array(bytes), timestamp: 0 };
    const options = { acks: -1, nowMs: 0, produceVersion: 9 };
    partition.produce(buildBatch([record]), options);
  };
  const given = () =>
    partition.read(0, {
      maxBytes: 1_000,
      isolation: "log_end",
      minOneBatch: true,
    }).length;
  produce(10);
  assertEquals([log.logEndOffset, given(), log.isRefused], [1, 0, false]);
  isFull = true;
  assertThrows(() => log.writeStaged(), KafkaError, "NoSpace");
  assertEquals([log.logEndOffset, log.isRefused], [0, true]);
  isFull = false;
  produce(20);
  assertEquals([log.logEndOffset, given()], [1, 0]);
  log.writeStaged();
  assertEquals([given() > 80, log.isRefused], [true, false]);
  await folder.close({
    clean: true,
    brokerEpoch: 1,
    highWatermarks: new Map(),
  });
});

Deno.test("a log without epochs is cut for a leader's sake, and stays as long as nobody leads", async () => {
  using temporary = temporaryFolder();
  const env = faultyEnv(() => undefined);
  const folder = LogFolder.open({ env, path: temporary.path, nodeId: 2 });
  const config = resolveTopicConfig(new Map(), resolveBrokerConfig());
  const log = folder.openLog({ ...PLACE, config });
  // As a broker from before there were epochs wrote it.
  const batch = buildBatch([{ key: null, value: null, timestamp: 0 }], {
    partitionLeaderEpoch: -1,
  });
  log.appendAsFollower(batch);
  log.writeStaged();
  const state = { leader: -1, leaderEpoch: 3, partitionEpoch: 4 };
  const both = { replicas: [1, 2], isr: [1, 2] };
  const partition = new Partition({
    log,
    topicId: TOPIC_ID,
    config,
    host: HOST,
    state: { ...state, ...both },
    highWatermark: 0,
  });
  assertEquals([log.latestEpoch, log.logEndOffset], [-1, 1]);
  partition.update({
    ...both,
    leader: 1,
    leaderEpoch: 4,
    partitionEpoch: 5,
  });
  assertEquals(log.logEndOffset, 0);
  await folder.close({
    clean: true,
    brokerEpoch: 1,
    highWatermarks: new Map(),
  });
});

for (const leader of [1, 2]) {
  const what = leader === 1 ? "cut for a leader's sake" : "kept by who leads";
  Deno.test(`a gap that power made is ${what}, and kept as long as nobody leads`, async () => {
    using temporary = temporaryFolder();
    const env = faultyEnv(() => undefined);
    const open = () => LogFolder.open({ env, path: temporary.path, nodeId: 2 });
    const stop = { clean: false, brokerEpoch: 1, highWatermarks: new Map() };
    const config = {
      ...resolveTopicConfig(new Map(), resolveBrokerConfig()),
      segmentBytes: 200,
    };
    const before = open();
    const written = before.openLog({ ...PLACE, config });
    for (let offset = 0; offset < 6; offset++) {
      const record = { key: null, value: new Uint8Array(20), timestamp: 0 };
      const batch = buildBatch([record], { partitionLeaderEpoch: 0 });
      new BatchView(batch).setBaseOffset(offset);
      written.appendAsFollower(batch);
    }
    written.writeStaged();
    const [first, second] = written.segments;
    const gap = second!.baseOffset - 1;
    await before.close(stop);
    const bytes = Deno.statSync(`${first!.path}.log`).size;
    Deno.truncateSync(`${first!.path}.log`, bytes * gap / (gap + 1));
    const folder = open();
    const log = folder.openLog({ ...PLACE, config });
    const state = { replicas: [1, 2], isr: [1, 2], partitionEpoch: 4 };
    const partition = new Partition({
      log,
      topicId: TOPIC_ID,
      config,
      host: HOST,
      state: { ...state, leader: -1, leaderEpoch: 3 },
      highWatermark: 5,
    });
    assertEquals([log.logEndOffset, partition.highWatermark], [6, 5]);
    partition.update({ ...state, leader, leaderEpoch: 4 });
    assertEquals(
      [log.logEndOffset, partition.highWatermark],
      leader === 1 ? [gap, gap] : [6, 5],
    );
    await folder.close(stop);
  });
}
