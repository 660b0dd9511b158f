/**
 * The rules of a partition's metadata see what they forbid.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { BrokerImage, PartitionImage } from "../../core/metadata/image.ts";
import { whyStrange } from "./partition_rules.ts";

const SOUND: PartitionImage = {
  replicas: [1, 2, 3],
  isr: [1, 2],
  removingReplicas: [],
  addingReplicas: [],
  leader: 1,
  leaderRecoveryState: 0,
  leaderEpoch: 4,
  partitionEpoch: 7,
  directories: [],
  eligibleLeaderReplicas: [],
  lastKnownElr: [],
};

function broker(id: number, isFenced: boolean): [number, BrokerImage] {
  return [id, {
    id,
    epoch: 1,
    incarnationId: "",
    endPoints: [],
    features: [],
    rack: null,
    isFenced,
    isInControlledShutdown: false,
    logDirs: [],
    cordonedLogDirs: [],
  }];
}

function judged(
  after: Partial<PartitionImage>,
  before?: Partial<PartitionImage>,
): string | undefined {
  return whyStrange({ ...SOUND, ...after }, {
    before: before && { ...SOUND, ...before },
    brokers: new Map([1, 2, 3].map((id) => broker(id, id === 3))),
  });
}

Deno.test("the rules of a partition see what they forbid", () => {
  assertEquals(judged({}), undefined);
  assertEquals(judged({ isr: [1, 4] }), "who is in sync is no replica");
  assertEquals(judged({ leader: 3 }), "the leader isn't in sync");
  assertEquals(
    judged({ eligibleLeaderReplicas: [2] }),
    "who is in sync is eligible",
  );
  assertEquals(judged({ isr: [1, 3] }), "who is fenced is in sync");
});

Deno.test("the rules of a partition's changes see what they forbid", () => {
  const next = { partitionEpoch: 8 };
  assertEquals(judged({}, {}), undefined);
  assertEquals(
    judged({ isr: [1] }, {}),
    "it changed within a partition epoch",
  );
  assertEquals(
    judged({ ...next, leader: 2 }, {}),
    "another leads in the same epoch",
  );
  const elected = { ...next, leader: 2, leaderEpoch: 5 };
  assertEquals(judged(elected, {}), undefined);
  assertEquals(judged(elected, { eligibleLeaderReplicas: [2] }), undefined);
  assertEquals(
    judged(elected, { isr: [1] }),
    "who leads was neither in sync nor eligible",
  );
  const moving = {
    replicas: [2, 1, 3],
    addingReplicas: [2],
    removingReplicas: [3],
  };
  assertEquals(judged({ ...next, replicas: [2, 1] }, moving), undefined);
  assertEquals(
    judged({ ...next, replicas: [2, 1], isr: [1] }, moving),
    "a move ended before who came was in sync",
  );
  assertEquals(judged({ ...next, isr: [1] }, moving), undefined);
  const replaced = { ...moving, addingReplicas: [], isr: [1] };
  assertEquals(
    judged({ ...next, ...replaced }, { ...moving, removingReplicas: [] }),
    undefined,
  );
});
