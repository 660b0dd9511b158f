/**
 * Moves of partitions among several brokers: what is under way, done or
 * called off, and what is refused.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { METADATA_TOPIC_ID } from "../bytes/uuid.ts";
import { resolveBrokerConfig } from "../config/resolve.ts";
import { Controller } from "./controller.ts";
import type { PartitionImage } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";

const FOLDER = "AAAAAAAAAAAAAAAAAAAACQ";

/** A controller with brokers 1 to 3 and partition 0 of "t". */
function world(
  partition: Partial<Pick<PartitionImage, "replicas" | "isr" | "leader">>,
) {
  const config = resolveBrokerConfig(new Map());
  const random = { u32: () => 0, bytes: (n: number) => new Uint8Array(n) };
  const clock = { monoMs: () => 0 };
  const controller = new Controller({ config: () => config, random, clock });
  const replicas = partition.replicas ?? [1];
  const records: MetadataRecord[] = [
    ...[1, 2, 3].map((brokerId) =>
      metadataRecord("RegisterBroker", {
        brokerId,
        rack: null,
        fenced: false,
        logDirs: [FOLDER],
      })
    ),
    metadataRecord("Topic", { name: "t", topicId: METADATA_TOPIC_ID }),
    metadataRecord("Partition", {
      partitionId: 0,
      topicId: METADATA_TOPIC_ID,
      isr: replicas,
      leader: replicas[0]!,
      leaderEpoch: 0,
      partitionEpoch: 0,
      directories: replicas.map(() => FOLDER),
      ...partition,
      replicas,
    }),
  ];
  for (const record of records) controller.apply(record);
  const move = (
    replicas: number[] | null,
    { allowReplicationFactorChange = true, times = 1 } = {},
  ) => {
    const { records, reply } = controller.decide({
      type: "alterPartitionReassignments",
      topics: [{
        name: "t",
        partitions: Array(times).fill({ partitionIndex: 0, replicas }),
      }],
      allowReplicationFactorChange,
    }, { nextOffset: 0 });
    for (const record of records) controller.apply(record);
    assert(reply.type === "alterPartitionReassignments");
    return reply.topics[0]!.partitions.map(({ error }) => error).join();
  };
  const shown = () => {
    const found = controller.image.partition("t", 0)!;
    const { replicas, isr, addingReplicas, removingReplicas } = found;
    return `${replicas} isr ${isr} +${addingReplicas} -${removingReplicas}` +
      ` led by ${found.leader} in ${found.leaderEpoch}`;
  };
  return { controller, move, shown };
}

Deno.test("a move waits for the replicas that it adds, and can be called off", () => {
  const { controller, move, shown } = world({ replicas: [1, 2] });
  assertEquals(move([3, 1]), "NONE");
  assertEquals(shown(), "3,1,2 isr 1,2 +3 -2 led by 1 in 0");
  assertEquals(controller.image.partition("t", 0)!.directories.length, 3);
  assertEquals(move([3, 1]), "NONE");
  assertEquals(shown(), "3,1,2 isr 1,2 +3 -2 led by 1 in 0");
  assertEquals(move(null), "NONE");
  assertEquals(shown(), "1,2 isr 1,2 + - led by 1 in 1");
  assertEquals(move(null), "NO_REASSIGNMENT_IN_PROGRESS");
});

Deno.test("another move takes the place of the one under way", () => {
  const { move, shown } = world({ replicas: [1] });
  assertEquals(move([2, 3]), "NONE");
  assertEquals(shown(), "2,3,1 isr 1 +2,3 -1 led by 1 in 0");
  assertEquals(move([2, 1]), "NONE");
  assertEquals(shown(), "2,1,3 isr 1 +2 -3 led by 1 in 0");
  assertEquals(move([1]), "NONE");
  assertEquals(shown(), "1 isr 1 + - led by 1 in 1");
});

Deno.test("a move that adds nobody is done at once, under a leader who stays", () => {
  const { move, shown } = world({ replicas: [1, 2, 3] });
  assertEquals(move([3, 1, 2]), "NONE");
  assertEquals(shown(), "3,1,2 isr 1,2,3 + - led by 1 in 0");
  assertEquals(move([3, 2], { times: 2 }), "NONE,NONE");
  assertEquals(shown(), "3,2 isr 2,3 + - led by 3 in 1");
  assertEquals(move([3]), "NONE");
  assertEquals(shown(), "3 isr 3 + - led by 3 in 2");
});

Deno.test("the last replica in sync is not removed before another is", () => {
  const { move, shown } = world({ replicas: [1, 2], isr: [1] });
  assertEquals(move([2]), "NONE");
  assertEquals(shown(), "2,1 isr 1 + -1 led by 1 in 0");
});

Deno.test("a move to nobody, to strangers, to one twice, or of another width, is refused", () => {
  const { move, shown } = world({ replicas: [1, 2] });
  const before = shown();
  assertEquals(move([]), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(move([1, 9]), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(move([1, 1]), "INVALID_REPLICA_ASSIGNMENT");
  const allowReplicationFactorChange = false;
  assertEquals(
    move([1], { allowReplicationFactorChange }),
    "INVALID_REPLICATION_FACTOR",
  );
  assertEquals(shown(), before);
  assertEquals(move([2, 3], { allowReplicationFactorChange }), "NONE");
  assertEquals(move([1, 3], { allowReplicationFactorChange }), "NONE");
  assertEquals(
    move([3], { allowReplicationFactorChange }),
    "INVALID_REPLICATION_FACTOR",
  );
});

Deno.test("going back to replicas that aren't in sync loses records, and must be allowed", () => {
  const { controller, move, shown } = world({ replicas: [1, 2] });
  assertEquals(move([3, 1]), "NONE");
  const only = metadataRecord("PartitionChange", {
    partitionId: 0,
    topicId: METADATA_TOPIC_ID,
    isr: [3],
    leader: 3,
  });
  controller.apply(only);
  assertEquals(move(null), "INVALID_REPLICA_ASSIGNMENT");
  controller.apply(metadataRecord("Config", {
    resourceType: 2,
    resourceName: "t",
    name: "unclean.leader.election.enable",
    value: "true",
  }));
  assertEquals(move(null), "NONE");
  assertEquals(shown(), "1,2 isr 1 + - led by 1 in 2");
  const { leaderRecoveryState } = controller.image.partition("t", 0)!;
  assertEquals(leaderRecoveryState, 1);
});
