/**
 * Log directories: where brokers say that their replicas are, and what is left
 * of a broker of which one has failed.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  assertSnapshotEqual,
  directory,
  incarnation,
  type MetadataCluster,
  replicated,
} from "../../tests/metadata_cluster.ts";
import { KafkaError } from "../errors.ts";
import { metadataRecord } from "./records.ts";

const UNASSIGNED = "AAAAAAAAAAAAAAAAAAAAAA";
const LOST = "AAAAAAAAAAAAAAAAAAAAAQ";
const [FIRST, SECOND] = [directory(3), "AAAAAAAAAAAAAAAAAAAD_w"] as const;

/** Broker 3 comes back with these directories, and serves. */
function comeBack(cluster: MetadataCluster, logDirs: readonly string[]): void {
  cluster.nowMs += 10_000;
  for (const id of [1, 2]) cluster.heartbeat(id);
  const { epoch, incarnationId } = cluster.image.broker(3)!;
  cluster.register(3, {
    incarnationId: incarnation(3, incarnationId === incarnation(3, 1) ? 2 : 1),
    logDirs,
    previousBrokerEpoch: epoch,
  });
  cluster.heartbeat(3);
}

/** What broker 3 says of partition 0 of "t". */
function assign(
  cluster: MetadataCluster,
  id: string,
  { brokerId = 3, brokerEpoch, topicId, index = 0 }: {
    readonly brokerId?: number;
    readonly brokerEpoch?: number;
    readonly topicId?: string;
    readonly index?: number;
  } = {},
): string {
  const { directories } = cluster.run({
    type: "assignReplicasToDirs",
    brokerId,
    brokerEpoch: brokerEpoch ?? cluster.image.broker(brokerId)?.epoch ?? -1,
    directories: [{
      id,
      topics: [{
        topicId: topicId ?? cluster.image.topic("t")!.id,
        partitions: [{ partitionIndex: index }],
      }],
    }],
  });
  assertEquals(directories[0]!.id, id);
  return directories[0]!.topics[0]!.partitions[0]!.error;
}

/** "t" with all three in sync, where broker 3 has two directories. */
function withTwo(configs: Record<string, string> = {}): MetadataCluster {
  const cluster = replicated(configs);
  comeBack(cluster, [FIRST, SECOND]);
  assertEquals(cluster.propose([1, 2, 3]).error, "NONE");
  return cluster;
}

Deno.test("a replica of a broker with several directories is nowhere until it is told", () => {
  const cluster = replicated();
  comeBack(cluster, [FIRST, SECOND]);
  cluster.create([{
    name: "u",
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: [3, 1] }],
  }]);
  const at = { topicId: cluster.image.topic("u")!.id };
  const { leader, directories } = cluster.partition("u");
  assertEquals([leader, directories], [3, [UNASSIGNED, directory(1)]]);
  assertEquals(assign(cluster, SECOND, at), "NONE");
  const after = cluster.partition("u");
  assertEquals(after.directories, [SECOND, directory(1)]);
  assertEquals([after.leader, after.leaderEpoch], [3, 0]);
  assertEquals(assign(cluster, SECOND, at), "NONE");
  assertEquals(cluster.records, []);
  assertSnapshotEqual(cluster.image);
});

Deno.test("what a broker says of replicas that aren't its own is refused, one by one", () => {
  const cluster = withTwo();
  cluster.create([{
    name: "u",
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }],
  }]);
  const { id } = cluster.image.topic("u")!;
  assertEquals(
    assign(cluster, FIRST, { topicId: id }),
    "NOT_LEADER_OR_FOLLOWER",
  );
  assertEquals(
    assign(cluster, FIRST, { index: 7 }),
    "UNKNOWN_TOPIC_OR_PARTITION",
  );
  assertEquals(
    assign(cluster, FIRST, { topicId: "AAAAAAAAAAAAAAAAAAAA_w" }),
    "UNKNOWN_TOPIC_ID",
  );
  assertEquals(cluster.records, []);
  const stale = assertThrows(
    () => assign(cluster, FIRST, { brokerEpoch: 0 }),
    KafkaError,
  );
  assertEquals(stale.error, "STALE_BROKER_EPOCH");
});

Deno.test("metadata of a version without directories take none", () => {
  const cluster = replicated();
  cluster.controller.apply(
    metadataRecord("FeatureLevel", {
      name: "metadata.version",
      featureLevel: 16,
    }),
  );
  const refused = assertThrows(() => assign(cluster, FIRST), KafkaError);
  assertEquals(refused.error, "UNSUPPORTED_VERSION");
});

Deno.test("of a directory that failed others lead, and the rest of the broker goes on", () => {
  const cluster = withTwo();
  cluster.create([1, 2].map((n) => ({
    name: `u${n}`,
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: [3, 1] }],
  })));
  for (const [name, id] of [["u1", FIRST], ["u2", SECOND]] as const) {
    assign(cluster, id, { topicId: cluster.image.topic(name)!.id });
  }
  const failed = { offlineLogDirs: [SECOND, "AAAAAAAAAAAAAAAAAAAAA_w"] };
  assertEquals(cluster.heartbeat(3, failed).isFenced, false);
  assertEquals(cluster.image.broker(3)!.logDirs, [FIRST]);
  const [stays, moved] = [cluster.partition("u1"), cluster.partition("u2")];
  assertEquals([stays.leader, stays.isr], [3, [3, 1]]);
  assertEquals([moved.leader, moved.isr, moved.leaderEpoch], [1, [1], 1]);
  assertEquals(cluster.partition().isr, [1, 2, 3]);
  cluster.heartbeat(3, failed);
  assertEquals(cluster.records, []);
  assertSnapshotEqual(cluster.image);
});

Deno.test("a broker whose directory failed is unfenced by a later heartbeat", () => {
  const cluster = withTwo();
  cluster.heartbeat(3, { wantFence: true });
  const failed = { offlineLogDirs: [FIRST] };
  assertEquals(cluster.heartbeat(3, failed).isFenced, true);
  assertEquals(cluster.image.broker(3)!.logDirs, [SECOND]);
  assertEquals(cluster.heartbeat(3, failed).isFenced, false);
});

Deno.test("a broker without any directory left is fenced until it has one again", () => {
  const cluster = withTwo();
  const all = { offlineLogDirs: [FIRST, SECOND] };
  assertEquals(cluster.heartbeat(3, all).isFenced, true);
  assertEquals(cluster.partition().isr, [1, 2]);
  assertEquals(cluster.heartbeat(3, all).isFenced, true);
  assertEquals(
    cluster.heartbeat(3, { ...all, wantShutDown: true }).shouldShutDown,
    true,
  );
  comeBack(cluster, [SECOND]);
  assertEquals(cluster.image.broker(3)!.isFenced, false);
});

Deno.test("a replica whose only copy is in a directory that failed has no leader until it is back", () => {
  const cluster = withTwo();
  for (const id of [1, 2]) cluster.heartbeat(id, { wantFence: true });
  assertEquals([cluster.partition().leader, cluster.partition().isr], [3, [3]]);
  cluster.heartbeat(3, { offlineLogDirs: [FIRST] });
  const { leader, directories } = cluster.partition();
  assertEquals([leader, directories[2]], [-1, FIRST]);
  comeBack(cluster, [FIRST, SECOND]);
  assertEquals(cluster.partition().leader, 3);
});

Deno.test("a replica in a directory that is lost or unknown is out of sync, a move between two changes nothing", () => {
  const cluster = withTwo();
  assertEquals(assign(cluster, SECOND), "NONE");
  assertEquals(cluster.partition().isr, [1, 2, 3]);
  assertEquals(cluster.partition().directories[2], SECOND);
  assertEquals(assign(cluster, LOST), "NONE");
  assertEquals(cluster.partition().isr, [1, 2]);
  assertEquals(cluster.partition().directories[2], LOST);
});

Deno.test("whoever begins anew in another directory isn't eligible, and may lead once it is in sync", () => {
  const cluster = replicated({ "min.insync.replicas": "3" });
  const emptied = "AAAAAAAAAAAAAAAAAAAE_w";
  comeBack(cluster, [emptied]);
  assertEquals(cluster.partition().isr, [1, 2]);
  assertEquals(cluster.partition().eligibleLeaderReplicas, [3]);
  assertEquals(assign(cluster, emptied), "NONE");
  assertEquals(cluster.partition().eligibleLeaderReplicas, []);
  assertEquals(cluster.partition().directories[2], emptied);
  assertEquals(cluster.propose([1, 2, 3]).error, "NONE");
  for (const id of [1, 2]) cluster.heartbeat(id, { wantFence: true });
  assertEquals(cluster.partition().leader, 3);
});

Deno.test("a broker whose directories are all cordoned gets no new replicas, and keeps what it has", () => {
  const cluster = withTwo();
  const cordon = (...cordonedLogDirs: string[]) =>
    cluster.heartbeat(3, { cordonedLogDirs });
  const create = (name: string, brokerIds: readonly number[]) =>
    cluster.create([{
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [{ partitionIndex: 0, brokerIds }],
    }]).join();
  cordon(FIRST, SECOND);
  assertEquals(cluster.records, [], "metadata.version is too low");
  cluster.controller.apply(metadataRecord("FeatureLevel", {
    name: "metadata.version",
    featureLevel: 30,
  }));
  cordon(FIRST);
  assertEquals(cluster.image.broker(3)!.cordonedLogDirs, [FIRST]);
  assertEquals(create("half", [3]), "NONE");
  cordon(SECOND, FIRST);
  assertSnapshotEqual(cluster.image);
  cordon(FIRST, SECOND);
  assertEquals(cluster.records, []);
  assertEquals(create("none", [3]), "INVALID_REPLICA_ASSIGNMENT");
  const tooMany = [{ name: "wide", replicationFactor: 3 }];
  assertEquals(cluster.create(tooMany), ["INVALID_REPLICATION_FACTOR"]);
  assertEquals(cluster.move([1, 3]), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(cluster.partition().isr, [1, 2, 3]);
  cluster.heartbeat(3);
  assertEquals(cluster.image.broker(3)!.cordonedLogDirs.length, 2);
  // It says of its own that none is, once it has restarted or was told to.
  cordon();
  assertEquals(cluster.image.broker(3)!.cordonedLogDirs, []);
  assertEquals(create("again", [3]), "NONE");
});
