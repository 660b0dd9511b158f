/**
 * Fetch sessions: what a request names, given what the broker acknowledged.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { FetchSession, type WantedPartition } from "./fetch_session.ts";

function wanted(partition: number, fetchOffset: number): WantedPartition {
  return {
    topic: "t",
    partition,
    topicId: undefined,
    fetchOffset,
    currentLeaderEpoch: 1,
    partitionMaxBytes: 10,
  };
}

Deno.test("a session names only what changed", () => {
  const session = new FetchSession();
  const first = session.next([wanted(0, 0), wanted(1, 0)]);
  assertEquals([first.sessionId, first.sessionEpoch], [0, 0]);
  assertEquals(first.changed.length, 2);
  session.answered(9);
  const second = session.next([wanted(0, 5), wanted(1, 0)]);
  assertEquals([second.sessionId, second.sessionEpoch], [9, 1]);
  assertEquals(second.changed, [wanted(0, 5)]);
  session.answered(9);
  const third = session.next([wanted(0, 5)]);
  assertEquals(third.sessionEpoch, 2);
  assertEquals(third.changed, []);
  assertEquals(third.forgotten, [wanted(1, 0)]);
});

Deno.test("a broker without sessions gets full requests", () => {
  const session = new FetchSession();
  session.next([wanted(0, 0)]);
  session.answered(0);
  const next = session.next([wanted(0, 0)]);
  assertEquals([next.sessionId, next.sessionEpoch], [0, 0]);
  assertEquals(next.changed.length, 1);
});

Deno.test("reset() begins anew with a full request", () => {
  const session = new FetchSession();
  session.next([wanted(0, 0)]);
  session.answered(9);
  session.reset();
  const next = session.next([wanted(0, 0)]);
  assertEquals([next.sessionId, next.sessionEpoch], [0, 0]);
  assertEquals(next.changed.length, 1);
});
