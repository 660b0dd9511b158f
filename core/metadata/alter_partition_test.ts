/**
 * ISRs that leaders propose: which are taken, which are refused and how, and
 * what a taken one finishes.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { replicated } from "../../tests/metadata_cluster.ts";
import { KafkaError } from "../errors.ts";

Deno.test("a leader shrinks and grows its ISR, and is told the new state", () => {
  const cluster = replicated();
  const shrunk = cluster.propose([1, 2]);
  assertEquals(shrunk.error, "NONE");
  assertEquals(shrunk.partition, cluster.partition());
  assertEquals(shrunk.partition!.isr, [1, 2]);
  assertEquals([shrunk.partition!.leaderEpoch, cluster.records.length], [0, 1]);
  assertEquals(cluster.propose([1, 2, 3]).partition!.partitionEpoch, 2);
  const same = cluster.propose([1, 2, 3]);
  assertEquals([same.error, cluster.records], ["NONE", []]);
});

Deno.test("a proposal is refused for the first thing that is wrong with it", () => {
  const cluster = replicated();
  cluster.propose([1, 2]);
  cluster.propose([1, 2, 3]);
  const error = (...args: Parameters<typeof cluster.propose>) =>
    cluster.propose(...args).error;
  assertEquals(error([9], { leaderEpoch: 1, from: 2 }), "NOT_CONTROLLER");
  assertEquals(error([9], { partitionEpoch: 3, from: 2 }), "NOT_CONTROLLER");
  assertEquals(error([9], { leaderEpoch: -1, from: 2 }), "FENCED_LEADER_EPOCH");
  assertEquals(error([9], { partitionEpoch: 1, from: 2 }), "INVALID_REQUEST");
  assertEquals(error([9], { partitionEpoch: 1 }), "INVALID_UPDATE_VERSION");
  assertEquals(error([1, 9]), "INVALID_REQUEST");
  assertEquals(error([1, 1]), "INVALID_REQUEST");
  assertEquals(error([2, 3]), "INVALID_REQUEST");
  assertEquals(error([1], { leaderRecoveryState: 1 }), "INVALID_REQUEST");
  assertEquals(error([1, 2], { epochs: { 2: 0 } }), "INELIGIBLE_REPLICA");
  assertEquals(error([1, 2], { epochs: { 2: -1 } }), "NONE");
  assertEquals(error([1, 2], { index: 7 }), "UNKNOWN_TOPIC_OR_PARTITION");
  assertEquals(
    error([1, 2], { topicId: "AAAAAAAAAAAAAAAAAAAA_w" }),
    "UNKNOWN_TOPIC_ID",
  );
  const stale = assertThrows(
    () => cluster.propose([1], { brokerEpoch: 0 }),
    KafkaError,
  );
  assertEquals(stale.error, "STALE_BROKER_EPOCH");
});

Deno.test("brokers that are fenced, leave or are gone can't be in sync", () => {
  const cluster = replicated();
  cluster.heartbeat(2, { wantFence: true });
  cluster.create([{
    name: "u",
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: [3] }],
  }]);
  cluster.heartbeat(3, { wantShutDown: true });
  assertEquals(cluster.partition().isr, [1]);
  assertEquals(cluster.propose([1, 2]).error, "INELIGIBLE_REPLICA");
  assertEquals(cluster.propose([1, 3]).error, "INELIGIBLE_REPLICA");
  cluster.run({ type: "unregisterBroker", brokerId: 2 });
  assertEquals(
    cluster.propose([1, 2], { epochs: { 2: -1 } }).error,
    "INELIGIBLE_REPLICA",
  );
});

Deno.test("a leader that wasn't in sync says that it has recovered before others join", () => {
  const cluster = replicated({ "unclean.leader.election.enable": "true" });
  for (const id of [3, 2, 1]) cluster.heartbeat(id, { wantFence: true });
  cluster.clearElr();
  for (const id of [3, 2]) cluster.heartbeat(id);
  assertEquals(cluster.partition().leaderRecoveryState, 1);
  const recovering = { from: 3, leaderRecoveryState: 1 };
  assertEquals(cluster.propose([3, 2], recovering).error, "INVALID_REQUEST");
  assertEquals(cluster.propose([3], recovering).error, "NONE");
  assertEquals(cluster.propose([3, 2], { from: 3 }).error, "NONE");
  assertEquals(cluster.partition().leaderRecoveryState, 0);
});

Deno.test("the last replica that was to come finishes a move, under the same leader or another", () => {
  const cluster = replicated();
  for (const id of [4, 5]) cluster.join(`AAAAAAAAAAAAAAAAAAAA${id}w`, id);
  for (const id of [1, 2, 3, 4, 5]) cluster.heartbeat(id);
  assertEquals(cluster.move([1, 4, 5]), "NONE");
  assertEquals(cluster.propose([1, 2, 3, 4]).partition!.addingReplicas, [4, 5]);
  const done = cluster.propose([1, 2, 3, 4, 5]).partition!;
  assertEquals([done.replicas, done.isr], [[1, 4, 5], [1, 4, 5]]);
  assertEquals([done.leader, done.leaderEpoch], [1, 1]);
  assertEquals(cluster.move([2, 5]), "NONE");
  assertEquals(cluster.propose([1, 4, 5, 2]).error, "NEW_LEADER_ELECTED");
  const { replicas, leader, leaderEpoch, removingReplicas } = cluster
    .partition();
  assertEquals([replicas, leader, leaderEpoch], [[2, 5], 2, 2]);
  assertEquals(removingReplicas, []);
});

Deno.test("a move to fewer replicas waits until all that stay are in sync", () => {
  const cluster = replicated();
  cluster.propose([1, 2]);
  assertEquals(cluster.move([1, 3]), "NONE");
  assertEquals(cluster.partition().removingReplicas, [2]);
  assertEquals(cluster.propose([1, 2, 3]).partition!.replicas, [1, 3]);
});

Deno.test("a leader that leaves hands over as soon as another is in sync", () => {
  const cluster = replicated();
  cluster.propose([1]);
  cluster.heartbeat(1, { wantShutDown: true });
  assertEquals(cluster.partition().leader, -1);
  assertEquals(cluster.partition().eligibleLeaderReplicas, [1]);
});
