/**
 * The quorum's state machine with one voter.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { KafkaError } from "../errors.ts";
import { Raft, type RaftOptions } from "./raft.ts";

const FRESH: RaftOptions = {
  nodeId: 1,
  persisted: undefined,
  lastEpoch: -1,
  endOffset: 0,
};

function elected(options: RaftOptions): Raft {
  const raft = new Raft(options);
  raft.tick();
  raft.step({ type: "persisted" });
  raft.step({ type: "persisted" });
  return raft;
}

Deno.test("the only voter votes, persists, leads, persists, then writes", () => {
  const raft = new Raft(FRESH);
  raft.tick();
  assertEquals(raft.ready().persist, { leaderId: -1, epoch: 1, votedId: 1 });
  assertEquals(raft.ready().startEpoch, undefined);
  raft.step({ type: "persisted" });
  assertEquals(raft.role, "leader");
  assertEquals(raft.ready().persist, { leaderId: 1, epoch: 1, votedId: 1 });
  assertThrows(() => raft.requireLeader(), KafkaError);
  raft.step({ type: "persisted" });
  raft.requireLeader();
  assertEquals(raft.ready(), {
    persist: undefined,
    startEpoch: 1,
    syncTo: undefined,
    highWatermark: -1,
  });
  raft.step({ type: "appended", endOffset: 1 });
  assertEquals(raft.ready().startEpoch, undefined);
  assertEquals(raft.ready().syncTo, 1);
});

Deno.test("the high watermark waits for the sync, and for a record of the epoch", () => {
  const raft = elected({ ...FRESH, endOffset: 10, lastEpoch: 3 });
  assertEquals(raft.epoch, 4);
  raft.step({ type: "synced", endOffset: 10 });
  assertEquals(raft.highWatermark, -1);
  raft.step({ type: "appended", endOffset: 12 });
  assertEquals(raft.highWatermark, -1);
  raft.step({ type: "synced", endOffset: 11 });
  assertEquals(raft.highWatermark, 11);
  raft.step({ type: "synced", endOffset: 12 });
  assertEquals(raft.highWatermark, 12);
});

Deno.test("the role after a restart follows from what was persisted", () => {
  const role = (leaderId: number, votedId: number, lastEpoch: number) =>
    new Raft({
      ...FRESH,
      persisted: { leaderId, votedId, epoch: 5 },
      lastEpoch,
    }).role;
  assertEquals(role(1, 1, 5), "resigned");
  assertEquals(role(-1, 1, 4), "candidate");
  assertEquals(role(-1, -1, 4), "unattached");
  assertEquals(role(1, 1, 6), "unattached");
});

Deno.test("a leader that resigned appends no more", () => {
  const raft = elected(FRESH);
  raft.step({ type: "resign" });
  const error = assertThrows(() => raft.requireLeader(), KafkaError);
  assertEquals(error.error, "NOT_CONTROLLER");
});
