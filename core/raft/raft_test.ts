/**
 * The quorum's state machine, transition by transition.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { ZERO_UUID } from "../bytes/uuid.ts";
import { KafkaError } from "../errors.ts";
import { InvariantError } from "../invariant.ts";
import type { ElectionState, RaftOptions } from "./contract.ts";
import type { ReplicaLog } from "./divergence.ts";
import type { FetchAnswer, RaftMessageOf } from "./messages.ts";
import { Raft } from "./raft.ts";
import type { QuorumEntry } from "./voter_history.ts";
import { KRAFT_VERSIONS, type VoterNode } from "./voter_set.ts";

const TIMEOUTS = { electionMs: 1000, fetchMs: 2000, backoffMaxMs: 1000 };

const nodeOf = (id: number): VoterNode => ({
  id,
  directoryId: ZERO_UUID,
  endpoints: [],
  kraftVersions: KRAFT_VERSIONS,
});

interface Log extends ReplicaLog {
  logEndOffset: number;
  lastEpoch: number;
  quorum: QuorumEntry;
}

interface Made {
  readonly raft: Raft;
  readonly log: Log;
}

/** Node 1 of voters 1, 2 and 3, at time 0; elections take 1000 ms. */
function make(options: {
  readonly voters?: readonly number[];
  readonly persisted?: ElectionState;
  readonly log?: { readonly lastEpoch: number; readonly logEndOffset: number };
  readonly canReach?: RaftOptions["canReach"];
  readonly bootstrapServers?: number;
} = {}): Made {
  const { voters = [1, 2, 3], persisted, canReach = () => true } = options;
  const log: Log = {
    logStartOffset: 0,
    oldestSnapshot: undefined,
    newestSnapshot: undefined,
    quorum: {
      offset: -1,
      kraftVersion: 0,
      voters: voters.map(nodeOf),
      previous: [],
    },
    ...options.log ?? { lastEpoch: -1, logEndOffset: 0 },
    endOffsetForEpoch: (epoch) =>
      epoch === log.lastEpoch
        ? { epoch, endOffset: log.logEndOffset }
        : { epoch: -1, endOffset: -1 },
  };
  const raft = new Raft({
    own: nodeOf(1),
    isJoining: false,
    bootstrapServers: options.bootstrapServers ?? 0,
    persisted,
    log,
    random: { u32: () => 0 },
    timeouts: TIMEOUTS,
    nowMs: 0,
    canReach,
  });
  return { raft, log };
}

/** Persists what is to be persisted. */
function persist(raft: Raft): ElectionState | undefined {
  const { persist } = raft.ready();
  if (persist !== undefined) raft.step({ type: "persisted" });
  return persist;
}

const append = ({ raft, log }: Made, endOffset: number) => {
  log.logEndOffset = endOffset;
  log.lastEpoch = raft.epoch;
  raft.step({ type: "appended" });
};

const asked = (epoch: number, options: {
  readonly isPreVote?: boolean;
  readonly id?: number;
  readonly lastEpoch?: number;
  readonly endOffset?: number;
} = {}) => {
  const { isPreVote = false, id = 2, lastEpoch = 0, endOffset = 0 } = options;
  const candidate = { id, directoryId: ZERO_UUID };
  return {
    isPreVote,
    epoch,
    candidate,
    voter: undefined,
    lastEpoch,
    endOffset,
  };
};

const votes = (raft: Raft) => raft.takeMessages() as RaftMessageOf<"vote">[];

const granted = (epoch: number, isGranted = true) =>
  ({ error: "NONE", leaderId: -1, epoch, isGranted }) as const;

/** Has node 1 elected by node 2 and its epoch begun. */
function elected(made: Made): Made {
  const { raft, log } = made;
  raft.tick(raft.nextTickMs);
  raft.voteAnswered(votes(raft)[0]!, granted(raft.epoch));
  persist(raft);
  raft.voteAnswered(votes(raft)[0]!, granted(raft.epoch));
  persist(raft);
  append(made, log.logEndOffset + 1);
  return made;
}

/** Has node 1 follow node 2 in epoch 5. */
function following(options: Parameters<typeof make>[0] = {}): Made {
  const made = make({
    persisted: { leaderId: 2, epoch: 5, votedId: 3 },
    ...options,
  });
  assertEquals(made.raft.role, "follower");
  return made;
}

const fetchOf = (raft: Raft) =>
  raft.takeMessages()[0] as RaftMessageOf<"fetch">;

const fetched = (answer: Partial<FetchAnswer> = {}): FetchAnswer => ({
  error: "NONE",
  leaderId: 2,
  epoch: 5,
  highWatermark: -1,
  ...answer,
});

Deno.test("the only voter votes, persists, leads, persists, then writes", () => {
  const made = make({ voters: [1] });
  const { raft, log } = made;
  assertEquals(raft.ready().persist, { leaderId: -1, epoch: 1, votedId: 1 });
  assertEquals(raft.ready().startEpoch, undefined);
  raft.step({ type: "persisted" });
  assertEquals(raft.role, "leader");
  assertEquals(raft.ready().persist, { leaderId: 1, epoch: 1, votedId: 1 });
  assertThrows(() => raft.requireLeader(), KafkaError);
  raft.step({ type: "persisted" });
  assertThrows(() => raft.requireLeader(), KafkaError);
  assertEquals(raft.ready().startEpoch, 1);
  append(made, 1);
  raft.requireLeader();
  assertEquals(raft.ready().startEpoch, undefined);
  assertEquals(raft.ready().syncTo, log.logEndOffset);
  assertEquals([raft.nextTickMs, raft.takeMessages()], [Infinity, []]);
});

Deno.test("the high watermark waits for the sync, and for a record of the epoch", () => {
  const made = make({ voters: [1], log: { lastEpoch: 3, logEndOffset: 10 } });
  const { raft } = made;
  persist(raft);
  persist(raft);
  assertEquals(raft.epoch, 4);
  raft.step({ type: "synced", endOffset: 10 });
  assertEquals(raft.highWatermark, -1);
  append(made, 12);
  assertEquals(raft.highWatermark, -1);
  raft.step({ type: "synced", endOffset: 11 });
  assertEquals(raft.highWatermark, 11);
  raft.step({ type: "synced", endOffset: 12 });
  assertEquals(raft.highWatermark, 12);
});

Deno.test("the role after a restart follows from what was persisted", () => {
  const role = (leaderId: number, votedId: number, lastEpoch: number) => {
    const persisted = { leaderId, votedId, epoch: 5 };
    const { raft } = make({ persisted, log: { lastEpoch, logEndOffset: 9 } });
    return [raft.role, raft.epoch, raft.ready().persist?.epoch];
  };
  assertEquals(role(1, 1, 5), ["resigned", 5, undefined]);
  assertEquals(role(-1, 1, 4), ["candidate", 5, undefined]);
  assertEquals(role(-1, -1, 4), ["unattached", 5, undefined]);
  assertEquals(role(2, 1, 5), ["follower", 5, undefined]);
  assertEquals(role(1, 1, 7), ["unattached", 7, 7]);
  const { raft } = make({
    persisted: { leaderId: 2, epoch: 5, votedId: 1 },
    canReach: () => false,
  });
  assertEquals([raft.role, raft.leaderId], ["unattached", 2]);
});

Deno.test("without a leader: a pre-vote that changes nothing, then a vote", () => {
  const { raft } = make();
  assertEquals([raft.role, raft.nextTickMs], ["unattached", 1000]);
  raft.tick(1000);
  assertEquals([raft.role, raft.epoch], ["prospective", 0]);
  assertEquals(raft.ready().persist, undefined);
  const [first] = votes(raft);
  assertEquals([first!.isPreVote, first!.to, first!.epoch], [true, 2, 0]);
  assertEquals(raft.takeMessages(), []);
  raft.voteAnswered(first!, granted(0));
  assertEquals(raft.role, "candidate");
  assertEquals(raft.takeMessages(), []);
  assertEquals(persist(raft), { leaderId: -1, epoch: 1, votedId: 1 });
  const [vote] = votes(raft);
  assertEquals([vote!.isPreVote, vote!.epoch], [false, 1]);
  raft.voteAnswered(vote!, granted(1));
  assertEquals(persist(raft), { leaderId: 1, epoch: 1, votedId: 1 });
  assertEquals([raft.role, raft.ready().startEpoch], ["leader", 1]);
});

Deno.test("a voter that knows no pre-votes makes a prospective one stand", () => {
  const { raft } = make();
  raft.tick(1000);
  const answer = { error: "UNSUPPORTED_VERSION", leaderId: -1, epoch: -1 };
  raft.voteAnswered(votes(raft)[0]!, {
    ...answer,
    error: "UNSUPPORTED_VERSION",
    isGranted: false,
  });
  assertEquals([raft.role, raft.epoch], ["candidate", 1]);
});

Deno.test("a prospective one that a majority refuses goes back to its leader", () => {
  const { raft } = following();
  raft.tick(2000);
  assertEquals([raft.role, raft.leaderId], ["prospective", 2]);
  for (const vote of votes(raft)) raft.voteAnswered(vote, granted(5, false));
  assertEquals([raft.role, raft.epoch, raft.leaderId], ["follower", 5, 2]);
  assertEquals(raft.ready().persist, undefined);
  const alone = make().raft;
  alone.tick(1000);
  for (const vote of votes(alone)) alone.voteAnswered(vote, granted(0, false));
  assertEquals([alone.role, alone.nextTickMs], ["unattached", 2000]);
  alone.tick(2000);
  assertEquals(alone.role, "prospective");
  alone.tick(3000);
  assertEquals(alone.role, "unattached");
});

Deno.test("a candidate waits its timer out, whoever refuses", () => {
  const { raft } = make({ persisted: { leaderId: -1, epoch: 5, votedId: 1 } });
  for (const vote of votes(raft)) raft.voteAnswered(vote, granted(5, false));
  assertEquals([raft.role, raft.takeMessages()], ["candidate", []]);
  raft.tick(1000);
  assertEquals([raft.role, raft.epoch], ["prospective", 5]);
});

Deno.test("one vote an epoch, for a log as long as this one, kept over restarts", () => {
  const log = { lastEpoch: 4, logEndOffset: 9 };
  const { raft } = make({
    persisted: { leaderId: -1, epoch: 5, votedId: -1 },
    log,
  });
  const ask = (endOffset: number, id = 2, lastEpoch = 4) =>
    raft.vote(asked(5, { id, lastEpoch, endOffset })).isGranted;
  assertEquals([ask(8), ask(100, 2, 3)], [false, false]);
  assertEquals([ask(9), ask(9, 3), ask(9)], [true, false, true]);
  const persisted = persist(raft)!;
  assertEquals(persisted, { leaderId: -1, epoch: 5, votedId: 2 });
  const again = make({ persisted, log }).raft;
  assertEquals(again.vote(asked(5, { id: 3, lastEpoch: 4, endOffset: 9 })), {
    error: "NONE",
    leaderId: -1,
    epoch: 5,
    isGranted: false,
  });
});

Deno.test("a follower refuses votes, and pre-votes once it has fetched", () => {
  const { raft } = following();
  const ask = (isPreVote: boolean) =>
    raft.vote(asked(5, { isPreVote })).isGranted;
  assertEquals([ask(false), ask(true)], [false, true]);
  raft.fetchAnswered(fetchOf(raft), fetched());
  assertEquals(ask(true), false);
  assertEquals(raft.role, "follower");
});

Deno.test("wrong votes are told why", () => {
  const { raft } = make({ persisted: { leaderId: -1, epoch: 5, votedId: -1 } });
  assertEquals(raft.vote(asked(4)).error, "FENCED_LEADER_EPOCH");
  assertEquals(raft.vote(asked(5, { lastEpoch: 5 })).error, "INVALID_REQUEST");
  const voter = { id: 9, directoryId: ZERO_UUID };
  const { error } = raft.vote({ ...asked(6), voter });
  assertEquals([error, raft.epoch], ["INVALID_VOTER_KEY", 6]);
  assertEquals(raft.beginQuorumEpoch({ leaderId: 2, epoch: 6, voter }), {
    error: "INVALID_VOTER_KEY",
    leaderId: 2,
    epoch: 6,
  });
});

Deno.test("a higher epoch keeps the election timer and forgets the vote", () => {
  const { raft } = make({ persisted: { leaderId: -1, epoch: 5, votedId: 3 } });
  raft.tick(600);
  raft.vote(asked(7, { lastEpoch: 6, isPreVote: true }));
  assertEquals(persist(raft), { leaderId: -1, epoch: 7, votedId: -1 });
  assertEquals(raft.nextTickMs, 1000);
});

Deno.test("a leader tells the voters, counts durable majorities, and serves", () => {
  const made = elected(make());
  const { raft } = made;
  const begin = raft.takeMessages();
  assertEquals(begin.map(({ type, to }) => [type, to]), [
    ["beginQuorumEpoch", 2],
  ]);
  append(made, 4);
  const fetch = (id: number, offset: number, epoch = 1) =>
    raft.fetch({
      replica: { id, directoryId: ZERO_UUID },
      epoch,
      offset,
      lastFetchedEpoch: offset === 0 ? 0 : 1,
    });
  assertEquals(fetch(2, 3), { type: "records" });
  assertEquals([raft.highWatermark, raft.leaderHighWatermark], [-1, -1]);
  raft.step({ type: "synced", endOffset: 4 });
  assertEquals(raft.highWatermark, 3);
  // An observer is no voter.
  fetch(7, 4);
  assertEquals(raft.highWatermark, 3);
  fetch(3, 4);
  assertEquals(raft.highWatermark, 4);
  assertEquals(fetch(3, 9), { type: "diverging", epoch: 1, endOffset: 4 });
  const error = (epoch: number) => fetch(3, 4, epoch);
  assertEquals(error(0), { type: "refused", error: "FENCED_LEADER_EPOCH" });
  assertEquals(error(2), { type: "refused", error: "UNKNOWN_LEADER_EPOCH" });
});

Deno.test("a leader that no majority fetches from resigns and tells so", () => {
  const made = elected(make());
  const { raft } = made;
  const startMs = raft.nextTickMs;
  raft.fetch({
    replica: { id: 3, directoryId: ZERO_UUID },
    epoch: 1,
    offset: 1,
    lastFetchedEpoch: 1,
  });
  raft.tick(startMs + 2999);
  assertEquals(raft.role, "leader");
  raft.tick(startMs + 3001);
  assertEquals([raft.role, raft.leaderId], ["resigned", 1]);
  assertEquals(raft.ready().persist, undefined);
  const [end] = raft.takeMessages();
  assertEquals(end, {
    type: "endQuorumEpoch",
    to: 2,
    epoch: 1,
    successors: [3, 2],
  });
  assertThrows(() => raft.requireLeader(), KafkaError);
  raft.tick(raft.nextTickMs);
  assertEquals([raft.role, raft.epoch, raft.leaderId], ["unattached", 2, -1]);
});

Deno.test("the first successor of a resigned leader does not wait", () => {
  const waits = (successors: readonly number[]) => {
    const { raft } = following();
    raft.endQuorumEpoch({ leaderId: 2, epoch: 5, successors });
    return raft.nextTickMs;
  };
  assertEquals(waits([1, 3]), 0);
  assertEquals(waits([3, 1]), 500);
  assertEquals(waits([4, 3, 1]), 500);
  assertEquals(waits([3]), 1000);
});

Deno.test("a follower fetches again once what it got is durable", () => {
  const made = following();
  const { raft } = made;
  const fetch = fetchOf(raft);
  assertEquals(fetch, {
    type: "fetch",
    to: 2,
    epoch: 5,
    offset: 0,
    lastFetchedEpoch: 0,
    highWatermark: -1,
  });
  const answer = fetched({ highWatermark: 2 });
  assertEquals(raft.fetchAnswered(fetch, answer), { type: "append" });
  append(made, 3);
  assertEquals([raft.takeMessages(), raft.ready().syncTo], [[], 3]);
  raft.step({ type: "synced", endOffset: 3 });
  assertEquals([raft.highWatermark, fetchOf(raft).offset], [2, 3]);
});

Deno.test("a follower goes back to where the logs part, never below what is committed", () => {
  const made = following({ log: { lastEpoch: 4, logEndOffset: 9 } });
  const { raft, log } = made;
  const diverging = { epoch: 4, endOffset: 7 };
  assertEquals(
    raft.fetchAnswered(fetchOf(raft), fetched({ diverging })),
    { type: "truncate", endOffset: 7 },
  );
  log.logEndOffset = 7;
  raft.step({ type: "truncated" });
  raft.fetchAnswered(fetchOf(raft), fetched({ highWatermark: 7 }));
  assertEquals(raft.highWatermark, 7);
  const fetch = fetchOf(raft);
  assertThrows(
    () =>
      raft.fetchAnswered(
        fetch,
        fetched({ diverging: { epoch: 4, endOffset: 6 } }),
      ),
    InvariantError,
    "committed",
  );
});

Deno.test("a snapshot is fetched piece by piece, and again when it is lost", () => {
  const { raft, log } = following();
  const id = { endOffset: 40, epoch: 3 };
  raft.fetchAnswered(fetchOf(raft), fetched({ snapshotId: id }));
  const piece = () => raft.takeMessages()[0] as RaftMessageOf<"fetchSnapshot">;
  const first = piece();
  assertEquals([first.type, first.position], ["fetchSnapshot", 0]);
  const answer = { error: "NONE", leaderId: 2, epoch: 5 } as const;
  assertEquals(raft.snapshotAnswered(first, { ...answer, bytes: 100 }), true);
  const second = piece();
  assertEquals(second.position, 100);
  assertEquals(raft.snapshotAnswered(second, { ...answer, bytes: 20 }), true);
  log.logEndOffset = 40;
  log.lastEpoch = 3;
  raft.step({ type: "snapshotLoaded" });
  const fetch = fetchOf(raft);
  assertEquals([fetch.offset, fetch.lastFetchedEpoch], [40, 3]);
  assertEquals(raft.highWatermark, 40);
  raft.fetchAnswered(
    fetch,
    fetched({ snapshotId: { endOffset: 50, epoch: 3 } }),
  );
  raft.snapshotAnswered(piece(), {
    ...answer,
    error: "SNAPSHOT_NOT_FOUND",
    bytes: 0,
  });
  raft.tick(20);
  assertEquals(fetchOf(raft).type, "fetch");
});

Deno.test("whoever knows the leader tells: others follow and persist it", () => {
  const { raft } = make();
  const fetch = fetchOf(raft);
  const answer = fetched({ error: "FENCED_LEADER_EPOCH", leaderId: 3 });
  assertEquals(raft.fetchAnswered(fetch, answer), { type: "nothing" });
  assertEquals([raft.role, raft.leaderId, raft.epoch], ["follower", 3, 5]);
  assertEquals(raft.takeMessages(), []);
  assertEquals(persist(raft), { leaderId: 3, epoch: 5, votedId: -1 });
  assertEquals(fetchOf(raft).to, 3);
});

Deno.test("two leaders of one epoch are fatal", () => {
  const { raft } = following();
  assertThrows(
    () => raft.beginQuorumEpoch({ leaderId: 3, epoch: 5, voter: undefined }),
    InvariantError,
    "one leader",
  );
});

Deno.test("an observer follows without timers, and never stands", () => {
  const { raft } = make({
    voters: [2, 3],
    persisted: { leaderId: 2, epoch: 5, votedId: -1 },
  });
  assertEquals([raft.role, raft.nextTickMs], ["follower", Infinity]);
  raft.step({ type: "failed", message: fetchOf(raft) });
  // While its leader is left alone it asks somebody else.
  assertEquals(fetchOf(raft).to, 3);
});

Deno.test("a new leader doesn't wait for who never answers", () => {
  const { raft } = make();
  raft.tick(raft.nextTickMs);
  const [toNew, toHeld] = votes(raft);
  assertEquals([toNew?.to, toHeld?.to], [2, 3]);
  raft.beginQuorumEpoch({ leaderId: 2, epoch: 1, voter: undefined });
  persist(raft);
  // Its answer to the vote comes first, and 3, which is held, isn't asked.
  assertEquals(raft.takeMessages(), []);
  raft.voteAnswered(toNew!, { ...granted(1, false), leaderId: 2 });
  assertEquals(fetchOf(raft).to, 2);
});

Deno.test("a leader that failed once is asked again, whoever was asked meanwhile and is silent", () => {
  const { raft } = following();
  raft.step({ type: "failed", message: fetchOf(raft) });
  const other = fetchOf(raft);
  assertEquals(other.to, 3);
  raft.tick(raft.nextTickMs);
  const fetch = fetchOf(raft);
  assertEquals(fetch.to, 2);
  assertEquals(raft.fetchAnswered(other, fetched()), { type: "nothing" });
  assertEquals(raft.takeMessages(), []);
  assertEquals(raft.fetchAnswered(fetch, fetched()), { type: "append" });
});

Deno.test("a leader that was asked as a bootstrap server, too, is heard once", () => {
  const { raft, log } = make({ voters: [], bootstrapServers: 1 });
  const fetch = () => raft.takeMessages()[0] as RaftMessageOf<"fetch">;
  const served: FetchAnswer = {
    error: "NONE",
    leaderId: 2,
    epoch: 5,
    highWatermark: 1,
  };
  raft.vote(asked(5));
  persist(raft);
  const late = fetch();
  assertEquals([late.to, late.epoch], [-2, 5]);
  raft.beginQuorumEpoch({ leaderId: 2, epoch: 5, voter: undefined });
  persist(raft);
  const first = fetch();
  assertEquals([first.to, first.epoch], [2, 5]);
  assertEquals(raft.fetchAnswered(first, served), {
    type: "append",
  });
  append({ raft, log }, 1);
  assertEquals(raft.fetchAnswered(late, served), { type: "nothing" });
});

Deno.test("an observer whose leader fell silent grants pre-votes again: it may vote by now", () => {
  const made = make({ voters: [2, 3] });
  const { raft } = made;
  raft.beginQuorumEpoch({ leaderId: 2, epoch: 5, voter: undefined });
  persist(raft);
  const fetch = raft.takeMessages()[0] as RaftMessageOf<"fetch">;
  raft.fetchAnswered(fetch, {
    error: "NONE",
    leaderId: 2,
    epoch: 5,
    highWatermark: 0,
  });
  const preVote = () => raft.vote(asked(5, { isPreVote: true, id: 3 }));
  assertEquals(preVote().isGranted, false);
  raft.tick(TIMEOUTS.fetchMs);
  assertEquals([raft.role, preVote().isGranted], ["follower", true]);
});
