/**
 * Who counts for the high watermark while the controller is asked about it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { faultyEnv } from "../../tests/faulty_disk.ts";
import { temporaryFolder } from "../../tests/fixtures.ts";
import { resolveBrokerConfig, resolveTopicConfig } from "../config/resolve.ts";
import { LogFolder } from "../log/log_folder.ts";
import { buildBatch } from "../record/builder.ts";
import { Partition } from "./partition.ts";

const TOPIC_ID = "Gmd94rMBRdCEC5P7ytJnvA";

Deno.test("who is to join holds the high watermark back until that is decided, however long it lags", async () => {
  using temporary = temporaryFolder();
  const env = faultyEnv(() => undefined);
  const folder = LogFolder.open({ env, path: temporary.path, nodeId: 1 });
  const config = resolveTopicConfig(new Map(), resolveBrokerConfig());
  let nowMs = 0;
  const state = { leader: 1, leaderEpoch: 0, replicas: [1, 2, 3] };
  const place = { topic: "t", partition: 0, topicId: TOPIC_ID };
  const partition = new Partition({
    log: folder.openLog({ ...place, config }),
    topicId: TOPIC_ID,
    config,
    host: {
      nodeId: 1,
      brokerEpoch: 1,
      lagMaxMs: 1_000,
      nowMs: () => nowMs,
      isEligible: () => true,
    },
    state: { ...state, partitionEpoch: 0, isr: [1, 2] },
    highWatermark: 0,
  });
  const fetched = (replicaId: number, offset: number) => {
    const fetch = { replicaId, brokerEpoch: replicaId, logStartOffset: 0 };
    partition.followerFetched({ ...fetch, offset });
    return partition.advance();
  };
  fetched(3, 0);
  const proposal = partition.isrProposal!;
  assertEquals(proposal.newIsr.map(({ brokerId }) => brokerId), [1, 2, 3]);
  const value = { timestamp: 0, key: null, value: new Uint8Array(1) };
  const batch = buildBatch([value]);
  partition.produce(batch, { acks: -1, nowMs, produceVersion: 12 });
  partition.log.writeStaged();
  nowMs = 5_000;
  // The controller may have it in sync already, and may elect it.
  assertEquals([fetched(2, 1), partition.highWatermark], [false, 0]);
  const isr = [1, 2, 3];
  partition.isrAnswered(proposal, {
    error: "NONE",
    leaderEpoch: 0,
    partitionEpoch: 1,
    isr,
  });
  assertEquals([partition.advance(), partition.isr], [false, isr]);
  assertEquals([fetched(3, 1), partition.highWatermark], [true, 1]);
  const highWatermarks = new Map();
  await folder.close({ clean: true, brokerEpoch: 1, highWatermarks });
});
