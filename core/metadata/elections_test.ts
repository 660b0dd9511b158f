/**
 * Elections that are asked for or come by the clock, and who stays eligible
 * after it left the ISR (KIP-966).
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  incarnation,
  type MetadataCluster,
  replicated,
} from "../../tests/metadata_cluster.ts";
import { KafkaError } from "../errors.ts";
import { RESOURCE_TYPE } from "./image.ts";

function elect(
  cluster: MetadataCluster,
  electionType: number,
  partitions: readonly number[] | null = [0],
): string {
  const { topics } = cluster.run({
    type: "electLeaders",
    electionType,
    topicPartitions: partitions && [{ topic: "t", partitions }],
  });
  return topics.flatMap((topic) => topic.partitions)
    .map(({ error }) => error).join();
}

function ranks(cluster: MetadataCluster): string {
  const { leader, isr, eligibleLeaderReplicas, lastKnownElr } = cluster
    .partition();
  return `${leader} isr ${isr} elr ${eligibleLeaderReplicas} last ${lastKnownElr}`;
}

const fence = (cluster: MetadataCluster, ...ids: number[]) => {
  for (const id of ids) cluster.heartbeat(id, { wantFence: true });
};

Deno.test("the preferred leader leads again when it is asked for and in sync", () => {
  const cluster = replicated();
  fence(cluster, 1);
  assertEquals(elect(cluster, 0), "PREFERRED_LEADER_NOT_AVAILABLE");
  cluster.heartbeat(1);
  assertEquals(elect(cluster, 0), "PREFERRED_LEADER_NOT_AVAILABLE");
  cluster.propose([2, 3, 1], { from: 2 });
  assertEquals(
    elect(cluster, 0, [0, 0, 1]),
    "NONE,NONE,UNKNOWN_TOPIC_OR_PARTITION",
  );
  assertEquals(cluster.records.length, 1);
  assertEquals(cluster.partition().leader, 1);
  assertEquals(elect(cluster, 0), "ELECTION_NOT_NEEDED");
  assertEquals(elect(cluster, 0, null), "");
  const error = assertThrows(() => elect(cluster, 2), KafkaError);
  assertEquals(error.error, "INVALID_REQUEST");
});

Deno.test("preferred leaders lead again by and by", () => {
  const cluster = replicated();
  fence(cluster, 1);
  cluster.heartbeat(1);
  const balance = () => cluster.run({ type: "balanceLeaders" }).elections;
  assertEquals(balance(), 0);
  cluster.propose([2, 3, 1], { from: 2 });
  assertEquals([balance(), balance()], [1, 0]);
  assertEquals(cluster.partition().leader, 1);
});

Deno.test("an unclean election takes whoever lives, when it is asked for", () => {
  const cluster = replicated();
  assertEquals(elect(cluster, 1), "ELECTION_NOT_NEEDED");
  fence(cluster, 3, 2, 1);
  assertEquals(elect(cluster, 1), "ELIGIBLE_LEADERS_NOT_AVAILABLE");
  cluster.clearElr();
  cluster.heartbeat(3);
  assertEquals(cluster.partition().leader, -1);
  assertEquals(elect(cluster, 1, null), "NONE");
  assertEquals(ranks(cluster), "3 isr 3 elr  last ");
  assertEquals(cluster.partition().leaderRecoveryState, 1);
});

Deno.test("an unclean leader is elected by the clock once the topic allows it", () => {
  const cluster = replicated();
  fence(cluster, 3, 2, 1);
  cluster.clearElr();
  cluster.heartbeat(2);
  const round = () => cluster.run({ type: "electUncleanLeaders" }).elections;
  assertEquals(round(), 0);
  assertEquals(
    cluster.alter([["unclean.leader.election.enable", 0, "true"]]),
    "NONE",
  );
  assertEquals([round(), round()], [1, 0]);
  assertEquals(cluster.partition().leader, 2);
});

Deno.test("who leaves an ISR below min.insync.replicas stays eligible, and leads when nobody is in sync", () => {
  const cluster = replicated({ "min.insync.replicas": "2" });
  fence(cluster, 3);
  assertEquals(ranks(cluster), "1 isr 1,2 elr  last ");
  fence(cluster, 2);
  assertEquals(ranks(cluster), "1 isr 1 elr 2 last ");
  fence(cluster, 1);
  assertEquals(ranks(cluster), "-1 isr  elr 2,1 last 1");
  cluster.heartbeat(3);
  assertEquals(ranks(cluster), "-1 isr  elr 2,1 last 1");
  cluster.heartbeat(2);
  assertEquals(ranks(cluster), "2 isr 2 elr 1 last ");
  cluster.propose([2, 3], { from: 2 });
  assertEquals(ranks(cluster), "2 isr 2,3 elr  last ");
});

Deno.test("who stopped uncleanly isn't eligible; the last leader is elected when nobody else can know more", () => {
  const cluster = replicated({ "min.insync.replicas": "2" });
  fence(cluster, 3, 2, 1);
  let restarts = 0;
  const restart = (id: number, previousBrokerEpoch: number) => {
    cluster.nowMs += 10_000;
    cluster.register(id, {
      incarnationId: incarnation(id, ++restarts),
      previousBrokerEpoch,
    });
  };
  restart(2, cluster.image.broker(2)!.epoch);
  assertEquals(ranks(cluster), "-1 isr  elr 2,1 last 1");
  restart(2, -1);
  restart(1, -1);
  assertEquals(ranks(cluster), "-1 isr  elr  last 1");
  cluster.heartbeat(2);
  assertEquals(cluster.partition().leader, -1);
  cluster.heartbeat(1);
  assertEquals(ranks(cluster), "1 isr 1 elr  last ");
  assertEquals(cluster.partition().leaderRecoveryState, 1);
});

Deno.test("another min.insync.replicas clears who is eligible", () => {
  const cluster = replicated({ "min.insync.replicas": "2" });
  fence(cluster, 3, 2);
  const all: [number, string] = [RESOURCE_TYPE.BROKER, ""];
  const key = "min.insync.replicas";
  assertEquals(cluster.alter([[key, 0, "2"]]), "NONE");
  assertEquals(ranks(cluster), "1 isr 1 elr 2 last ");
  assertEquals(cluster.alter([[key, 0, "3"]]), "NONE");
  assertEquals(ranks(cluster), "1 isr 1 elr  last ");
  cluster.heartbeat(2);
  cluster.propose([1, 2]);
  fence(cluster, 2);
  assertEquals(ranks(cluster), "1 isr 1 elr 2 last ");
  assertEquals(cluster.alter([[key, 0, "2"]], all), "NONE");
  assertEquals(ranks(cluster), "1 isr 1 elr  last ");
  assertEquals(cluster.alter([[key, 1, null]], all), "INVALID_CONFIG");
  assertEquals(
    cluster.alter([[key, 0, "2"]], [RESOURCE_TYPE.BROKER, "1"]),
    "INVALID_CONFIG",
  );
});

Deno.test("without the feature the last replica stays in the ISR, and the feature sets what all must agree on", () => {
  const cluster = replicated({ "min.insync.replicas": "2" });
  const level = (maxVersionLevel: number) =>
    cluster.run({
      type: "updateFeatures",
      featureUpdates: [{
        feature: "eligible.leader.replicas.version",
        maxVersionLevel,
        upgradeType: maxVersionLevel === 0 ? 2 : 1,
      }],
      validateOnly: false,
    }).result.error;
  fence(cluster, 3, 2);
  assertEquals(level(0), "NONE");
  fence(cluster, 1);
  assertEquals(ranks(cluster), "-1 isr 1 elr  last ");
  const key = "min.insync.replicas";
  const [all, one]: [number, string][] = [
    [RESOURCE_TYPE.BROKER, ""],
    [RESOURCE_TYPE.BROKER, "1"],
  ];
  assertEquals(cluster.alter([[key, 0, "2"]], one), "NONE");
  assertEquals(cluster.alter([[key, 1, null]], all), "NONE");
  assertEquals(level(1), "NONE");
  const { image } = cluster;
  assertEquals([...image.configs(...all!)], [[key, "1"]]);
  assertEquals([...image.configs(...one!)], []);
});
