/**
 * Fetch sessions: what a request names, given what the broker acknowledged.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { FetchSession } from "./fetch_session.ts";

interface Wanted {
  readonly partition: number;
  readonly offset: number;
}

function wanted(partition: number, offset: number): Wanted {
  return { partition, offset };
}

function newSession(): FetchSession<Wanted> {
  return new FetchSession<Wanted>({
    keyOf: ({ partition }) => String(partition),
    isSame: (a, b) => a.offset === b.offset,
  });
}

Deno.test("a session names only what changed", () => {
  const session = newSession();
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
  const session = newSession();
  session.next([wanted(0, 0)]);
  session.answered(0);
  const next = session.next([wanted(0, 0)]);
  assertEquals([next.sessionId, next.sessionEpoch], [0, 0]);
  assertEquals(next.changed.length, 1);
});

Deno.test("after reset() a full request ends the session and begins another", () => {
  const session = newSession();
  session.next([wanted(0, 0)]);
  session.answered(9);
  session.reset();
  const next = session.next([wanted(0, 0)]);
  assertEquals([next.sessionId, next.sessionEpoch], [9, 0]);
  assertEquals(next.changed.length, 1);
  assertEquals(next.forgotten, []);
  session.answered(12);
  const last = session.next([wanted(0, 0)]);
  assertEquals([last.sessionId, last.sessionEpoch], [12, 1]);
  assertEquals(last.changed, []);
});
