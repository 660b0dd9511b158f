/**
 * Brokers that come, serve, fall silent and go, and what that does to the
 * partitions which they hold.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  directory,
  incarnation,
  MetadataCluster,
  replicated,
} from "../../tests/metadata_cluster.ts";
import { KafkaError } from "../errors.ts";
import { supportedFeatures } from "./features.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";

function led(cluster: MetadataCluster): string {
  const { leader, isr, leaderEpoch, partitionEpoch } = cluster.partition();
  return `${leader} in ${leaderEpoch}, isr ${isr} in ${partitionEpoch}`;
}

const types = (records: readonly MetadataRecord[]) =>
  records.map(({ type }) => type);

function refusal(attempt: () => unknown): string {
  return assertThrows(attempt, KafkaError).error;
}

Deno.test("a broker that falls silent is fenced, the others take over, and one at a time", () => {
  const cluster = replicated();
  cluster.silence(9_000);
  assertEquals(led(cluster), "1 in 0, isr 1,2,3 in 0");
  for (const id of [2, 3]) cluster.heartbeat(id);
  cluster.silence(1);
  assertEquals(led(cluster), "2 in 1, isr 2,3 in 1");
  assertEquals(cluster.image.broker(1)!.isFenced, true);
  cluster.heartbeat(3);
  cluster.nowMs += 8_999;
  assertEquals(cluster.run({ type: "fenceStale" }).brokerId, -1);
  cluster.nowMs += 1;
  assertEquals(cluster.run({ type: "fenceStale" }).brokerId, 2);
  assertEquals(types(cluster.records), [
    "PartitionChange",
    "BrokerRegistrationChange",
  ]);
  assertEquals(led(cluster), "3 in 2, isr 3 in 2");
});

Deno.test("a controller that just began waits a whole session before it fences", () => {
  const cluster = replicated();
  cluster.takeOver();
  cluster.silence(9_000);
  assertEquals(led(cluster), "1 in 0, isr 1,2,3 in 0");
  cluster.silence(1, [1]);
  assertEquals(led(cluster), "1 in 0, isr 1 in 2");
});

Deno.test("a broker returns unfenced only once it knows what was before it", () => {
  const cluster = replicated();
  cluster.heartbeat(1, { wantFence: true });
  const incarnationId = incarnation(1, 1);
  cluster.nowMs += 10_000;
  const before = cluster.offset;
  assertEquals(cluster.register(1, { incarnationId }), before);
  const last = cluster.offset - 1;
  const late = cluster.heartbeat(1, { currentMetadataOffset: last - 1 });
  assertEquals([late.isCaughtUp, late.isFenced], [false, true]);
  const fenced = cluster.heartbeat(1, { wantFence: true });
  assertEquals([fenced.isCaughtUp, fenced.isFenced], [true, true]);
  const there = cluster.heartbeat(1, { currentMetadataOffset: last });
  assertEquals([there.isCaughtUp, there.isFenced], [true, false]);
  assertEquals(types(cluster.records), ["BrokerRegistrationChange"]);
});

Deno.test("another controller asks for all that it found before it unfences", () => {
  const cluster = replicated();
  cluster.nowMs += 10_000;
  cluster.register(1, { incarnationId: incarnation(1, 1) });
  cluster.takeOver();
  cluster.create([{ name: "u" }]);
  const end = cluster.offset - 1;
  assertEquals(
    cluster.heartbeat(1, { currentMetadataOffset: end - 1 }).isCaughtUp,
    false,
  );
  cluster.create([{ name: "v" }]);
  assertEquals(
    cluster.heartbeat(1, { currentMetadataOffset: end }).isFenced,
    false,
  );
});

Deno.test("a second process of one id is refused while the first is heard of", () => {
  const cluster = replicated();
  const other = { incarnationId: incarnation(1, 1) };
  assertEquals(
    refusal(() => cluster.register(1, other)),
    "DUPLICATE_BROKER_REGISTRATION",
  );
  const epoch = cluster.image.broker(1)!.epoch;
  assertEquals(cluster.register(1, { rack: "r" }), epoch);
  assertEquals(cluster.image.broker(1)!.rack, "r");
  assertEquals(led(cluster), "1 in 0, isr 1,2,3 in 0");
  cluster.nowMs += 9_001;
  cluster.register(1, other);
  assertEquals(types(cluster.records), ["PartitionChange", "RegisterBroker"]);
  assertEquals(led(cluster), "2 in 1, isr 2,3 in 1");
});

Deno.test("a broker that has left in good order may come back at once", () => {
  const cluster = replicated();
  assertEquals(cluster.heartbeat(1, { wantShutDown: true }), {
    type: "brokerHeartbeat",
    isCaughtUp: true,
    isFenced: false,
    shouldShutDown: false,
  });
  cluster.register(1, { incarnationId: incarnation(1, 1) });
  assertEquals(cluster.image.broker(1)!.isInControlledShutdown, false);
});

Deno.test("a broker that leads hands over, and stops once all have seen that", () => {
  const cluster = replicated();
  cluster.heartbeat(1, { wantShutDown: true });
  assertEquals(types(cluster.records), [
    "BrokerRegistrationChange",
    "PartitionChange",
  ]);
  assertEquals(led(cluster), "2 in 1, isr 2,3 in 1");
  const stop = () =>
    cluster.heartbeat(1, { wantShutDown: true }).shouldShutDown;
  assertEquals(stop(), false);
  cluster.heartbeat(2);
  cluster.heartbeat(3, { currentMetadataOffset: cluster.offset - 2 });
  assertEquals(stop(), false);
  cluster.heartbeat(3);
  assertEquals(stop(), true);
  assertEquals(types(cluster.records), ["BrokerRegistrationChange"]);
  assertEquals(cluster.image.broker(1)!.isFenced, true);
});

Deno.test("a broker that leads nothing, or is fenced, stops at once, and may be back at once", () => {
  const cluster = replicated();
  const stop = (id: number) =>
    cluster.heartbeat(id, { wantShutDown: true }).shouldShutDown;
  assertEquals([stop(3), stop(3)], [true, true]);
  assertEquals(cluster.records, []);
  assertEquals(led(cluster), "1 in 0, isr 1,2 in 1");
  cluster.register(3, { incarnationId: incarnation(3, 1) });
  assertEquals(cluster.image.broker(3)!.incarnationId, incarnation(3, 1));
});

Deno.test("the only broker stops as soon as it has seen that it leads no more", () => {
  const cluster = new MetadataCluster();
  cluster.create([{ name: "t" }]);
  const stop = () =>
    cluster.heartbeat(1, { wantShutDown: true }).shouldShutDown;
  assertEquals([stop(), stop()], [false, true]);
});

Deno.test("whoever leaves is not elected, and gets no new replicas in sync", () => {
  const cluster = replicated();
  cluster.heartbeat(2, { wantShutDown: true });
  cluster.heartbeat(3, { wantFence: true });
  cluster.heartbeat(1, { wantFence: true });
  assertEquals(cluster.partition().leader, -1);
  cluster.heartbeat(3);
  assertEquals(led(cluster).slice(0, 2), "-1");
  cluster.heartbeat(1);
  assertEquals(cluster.partition().leader, 1);
});

Deno.test("an unregistered broker is out of every ISR", () => {
  const cluster = replicated();
  cluster.run({ type: "unregisterBroker", brokerId: 1 });
  assertEquals(led(cluster), "2 in 1, isr 2,3 in 1");
  assertEquals(
    refusal(() => cluster.heartbeat(1, { brokerEpoch: 0 })),
    "STALE_BROKER_EPOCH",
  );
});

Deno.test("an unclean leader is elected where the topic allows it, and recovers", () => {
  const cluster = replicated({ "unclean.leader.election.enable": "true" });
  for (const id of [3, 2, 1]) cluster.heartbeat(id, { wantFence: true });
  assertEquals(cluster.partition().leader, -1);
  const { leaderEpoch } = cluster.partition();
  cluster.heartbeat(3);
  const { leader, isr, leaderRecoveryState } = cluster.partition();
  assertEquals([leader, isr, leaderRecoveryState], [3, [3], 1]);
  assertEquals(cluster.partition().leaderEpoch, leaderEpoch + 1);
});

Deno.test("a registration without directories or features that fit is refused", () => {
  const cluster = replicated();
  const attempt = (registration: Parameters<MetadataCluster["register"]>[1]) =>
    refusal(() => cluster.register(4, registration));
  const invalid = "INVALID_REGISTRATION";
  const twice = [directory(4), directory(4)];
  assertEquals(attempt({ logDirs: [] }), invalid);
  assertEquals(attempt({ logDirs: twice }), invalid);
  assertEquals(attempt({ logDirs: ["AAAAAAAAAAAAAAAAAAAAAA"] }), invalid);
  assertEquals(attempt({ features: [] }), invalid);
  const features = supportedFeatures().map((feature) => ({
    ...feature,
    maxSupportedVersion: feature.name === "group.version" ? 0 : 29,
  }));
  assertEquals(attempt({ features }), "UNSUPPORTED_VERSION");
  assertEquals(cluster.image.broker(4), undefined);
});

Deno.test("a level that only a newer Kafka knows keeps no broker out", () => {
  const cluster = new MetadataCluster();
  cluster.controller.apply(
    metadataRecord("FeatureLevel", {
      name: "metadata.version",
      featureLevel: 99,
    }),
  );
  cluster.join(incarnation(2, 0), 2);
  assertEquals(cluster.image.broker(2)!.isFenced, false);
});
