/**
 * When a leader lets the voters change, and which of them it counts.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { ReplicaLog } from "./divergence.ts";
import { Raft } from "./raft.ts";
import type { ChangeRefusal, GrantedChange } from "./voter_changes.ts";
import { VoterHistory } from "./voter_history.ts";
import { KRAFT_VERSIONS, type VoterNode } from "./voter_set.ts";

const nodeOf = (id: number, directoryId = `directory-${id}`): VoterNode => ({
  id,
  directoryId,
  endpoints: [{ name: "CONTROLLER", host: "h", port: id }],
  kraftVersions: KRAFT_VERSIONS,
});

/** Node 1 leads the voters `ids` in epoch 1; nothing is committed yet. */
function leading(ids: readonly number[], kraftVersion = 1) {
  const voters = ids.map((id) => nodeOf(id));
  const history = new VoterHistory({ kraftVersion, voters });
  const log: ReplicaLog & { logEndOffset: number; lastEpoch: number } = {
    logStartOffset: 0,
    logEndOffset: 0,
    lastEpoch: -1,
    oldestSnapshot: undefined,
    newestSnapshot: undefined,
    get quorum() {
      return history.latest;
    },
    endOffsetForEpoch: (epoch: number) => ({
      epoch,
      endOffset: log.logEndOffset,
    }),
  };
  const raft = new Raft({
    own: nodeOf(1),
    isJoining: false,
    bootstrapServers: 0,
    persisted: { leaderId: -1, epoch: 1, votedId: 1 },
    log,
    random: { u32: () => 0 },
    timeouts: { electionMs: 1000, fetchMs: 2000, backoffMaxMs: 1000 },
    nowMs: 0,
    canReach: () => true,
  });
  const append = (change?: readonly VoterNode[]) => {
    const offset = log.logEndOffset++;
    log.lastEpoch = raft.epoch;
    if (change) history.append(offset, { voters: change });
    raft.step({ type: "appended" });
    raft.step({ type: "synced", endOffset: log.logEndOffset });
  };
  const persist = () => {
    if (raft.ready().persist) raft.step({ type: "persisted" });
  };
  persist();
  for (const message of raft.takeMessages()) {
    if (message.type !== "vote") continue;
    const answer = { error: "NONE", leaderId: -1, epoch: raft.epoch } as const;
    raft.voteAnswered(message, { ...answer, isGranted: true });
  }
  persist();
  append();
  const fetch = (replica: VoterNode) =>
    raft.fetch({
      replica,
      epoch: raft.epoch,
      offset: log.logEndOffset,
      lastFetchedEpoch: raft.epoch,
    });
  return { raft, append, fetch };
}

const errorOf = (verdict: GrantedChange | ChangeRefusal) =>
  "error" in verdict ? verdict.error : verdict.voters?.map(({ id }) => id);

Deno.test("a new leader changes no voters before it has committed something", () => {
  const { raft, fetch } = leading([1, 2, 3]);
  const remove = { type: "remove", voter: nodeOf(3) } as const;
  assertEquals(raft.isActive, true);
  assertEquals(errorOf(raft.changes.decide(remove)), "REQUEST_TIMED_OUT");
  fetch(nodeOf(2));
  assertEquals(errorOf(raft.changes.decide(remove)), [1, 2]);
});

Deno.test("one change follows the other, and a voter is added when it has caught up", () => {
  const { raft, append, fetch } = leading([1]);
  const add = { type: "add", voter: nodeOf(2) } as const;
  assertEquals(errorOf(raft.changes.decide(add)), "REQUEST_TIMED_OUT");
  fetch(nodeOf(2, "another"));
  assertEquals(errorOf(raft.changes.decide(add)), "REQUEST_TIMED_OUT");
  fetch(nodeOf(2));
  assertEquals(errorOf(raft.changes.decide(add)), [1, 2]);
  append([nodeOf(1), nodeOf(2)]);
  const next = { type: "add", voter: nodeOf(3) } as const;
  fetch(nodeOf(3));
  assertEquals(errorOf(raft.changes.decide(next)), "REQUEST_TIMED_OUT");
  fetch(nodeOf(2));
  assertEquals(errorOf(raft.changes.decide(next)), [1, 2, 3]);
  assertEquals(errorOf(raft.changes.decide(add)), "DUPLICATE_VOTER");
  const old = { ...nodeOf(4), kraftVersions: { min: 0, max: 0 } };
  assertEquals(
    errorOf(raft.changes.decide({ type: "add", voter: old })),
    "INVALID_REQUEST",
  );
});

Deno.test("a voter counts from its directory only", () => {
  const { raft, append, fetch } = leading([1, 2]);
  fetch(nodeOf(2, "another"));
  assertEquals(raft.highWatermark, -1);
  fetch(nodeOf(2));
  assertEquals(raft.highWatermark, 1);
  append();
  fetch(nodeOf(2, "another"));
  assertEquals(raft.highWatermark, 1);
});

Deno.test("a leader that is removed counts no more, and resigns when that is committed", () => {
  const { raft, append, fetch } = leading([1, 2, 3]);
  fetch(nodeOf(2));
  append([nodeOf(2), nodeOf(3)]);
  fetch(nodeOf(2));
  assertEquals([raft.highWatermark, raft.role], [1, "leader"]);
  fetch(nodeOf(3));
  assertEquals([raft.highWatermark, raft.role], [2, "resigned"]);
  raft.tick(raft.nextTickMs);
  assertEquals([raft.role, raft.nextTickMs], ["unattached", Infinity]);
});

Deno.test("kraft.version is raised once each voter has told of itself", () => {
  const { raft, fetch } = leading([1, 2], 0);
  assertEquals(errorOf(raft.changes.upgrade(1)), "REQUEST_TIMED_OUT");
  fetch(nodeOf(2));
  assertEquals(
    errorOf(raft.changes.decide({ type: "add", voter: nodeOf(3) })),
    "UNSUPPORTED_VERSION",
  );
  assertEquals(errorOf(raft.changes.upgrade(1)), "INVALID_UPDATE_VERSION");
  const told = { type: "update", voter: nodeOf(3), isReachable: true } as const;
  const nowhere = { ...told, isReachable: false };
  assertEquals(errorOf(raft.changes.decide(nowhere)), "INVALID_REQUEST");
  assertEquals(errorOf(raft.changes.decide(told)), "VOTER_NOT_FOUND");
  assertEquals(
    errorOf(raft.changes.decide({ ...told, voter: nodeOf(2) })),
    undefined,
  );
  assertEquals(errorOf(raft.changes.upgrade(1)), [1, 2]);
  assertEquals(errorOf(raft.changes.upgrade(0)), undefined);
  assertEquals(errorOf(raft.changes.upgrade(2)), "INVALID_UPDATE_VERSION");
});
