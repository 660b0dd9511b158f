/**
 * What a dead broker costs the controller: to decide who takes over, and to
 * apply that, among few partitions and many. What it held must count, not what
 * there is.
 *
 * @module
 */
import { resolveBrokerConfig } from "../core/config/resolve.ts";
import {
  Controller,
  type ControllerInput,
} from "../core/metadata/controller.ts";
import { supportedFeatures } from "../core/metadata/features.ts";
import { placeReplicas } from "../core/metadata/placement.ts";
import { seededRandom } from "../tests/metadata_cluster.ts";

const PARTITIONS_PER_TOPIC = 1_000;
const uuid = (id: number) =>
  `AAAAAAAAAAAAAAAAAAA${String.fromCharCode(65 + id % 26)}${
    String.fromCharCode(65 + Math.floor(id / 26))
  }w`;

/** Brokers that serve, and topics with three replicas on them. */
function cluster(brokers: number, topics: number) {
  const clock = { nowMs: 0, monoMs: () => clock.nowMs };
  const config = resolveBrokerConfig(new Map());
  const random = seededRandom();
  const controller = new Controller({ config: () => config, random, clock });
  let nextOffset = 0;
  const run = (input: ControllerInput) => {
    const decision = controller.decide(input, { nextOffset });
    for (const record of decision.records) controller.apply(record);
    nextOffset += decision.records.length;
    return decision;
  };
  run({ type: "bootstrap" });
  for (let brokerId = 0; brokerId < brokers; brokerId++) {
    run({
      type: "registerBroker",
      brokerId,
      incarnationId: uuid(brokerId),
      endPoints: [],
      features: supportedFeatures(),
      rack: `rack ${brokerId % 3}`,
      logDirs: [uuid(brokerId)],
      previousBrokerEpoch: -1,
    });
    run({
      type: "brokerHeartbeat",
      brokerId,
      brokerEpoch: controller.image.broker(brokerId)!.epoch,
      currentMetadataOffset: nextOffset,
      wantFence: false,
      wantShutDown: false,
      offlineLogDirs: [],
      cordonedLogDirs: null,
    });
  }
  for (let i = 0; i < topics; i++) {
    run({
      type: "createTopics",
      topics: [{
        name: `topic-${i}`,
        numPartitions: PARTITIONS_PER_TOPIC,
        replicationFactor: 3,
        assignments: [],
        configs: [],
      }],
      validateOnly: false,
    });
  }
  clock.nowMs = 10_000;
  const held = [...controller.image.partitionsOf(0)].length;
  return { controller, held };
}

/** As many partitions on a broker, among as many others, and many more. */
for (const [brokers, topics] of [[3, 5], [60, 100], [120, 200]] as const) {
  const { controller, held } = cluster(brokers, topics);
  const name = `${held} of ${topics * PARTITIONS_PER_TOPIC} partitions`;
  Deno.bench(`decide that a broker with ${name} is dead`, () => {
    controller.decide({ type: "fenceStale" }, { nextOffset: 1 });
  });
}

const { u32 } = seededRandom();
const brokers = Array.from({ length: 100 }, (_, id) => ({
  id,
  rack: `rack ${id % 3}`,
  isFenced: false,
}));
Deno.bench("place 10,000 partitions, 3 replicas, 100 brokers", () => {
  placeReplicas(brokers, { partitions: 10_000, replicationFactor: 3, u32 });
});
