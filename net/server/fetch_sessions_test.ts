/**
 * Fetch sessions (KIP-227), request by request.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { complete } from "../../core/schema/complete.ts";
import { FETCH, type FetchRequest } from "../wire/01_fetch.ts";
import {
  type FetchResult,
  FetchSessions,
  type FetchTarget,
  type PartitionAnswer,
} from "./fetch_sessions.ts";

const VERSION = 12;

function sessions(slots = 10): FetchSessions {
  let next = 0;
  const random = {
    u32: () => ++next * 1_000_003,
    bytes: (n: number) => new Uint8Array(n),
  };
  return new FetchSessions({ random, slots });
}

function request(
  [sessionId, sessionEpoch]: readonly [number, number],
  { fetched = [], forgotten = [] }: {
    fetched?: readonly (readonly [number, number, highWatermark?: number])[];
    forgotten?: readonly number[];
  } = {},
): FetchRequest {
  return complete(FETCH.request, {
    sessionId,
    sessionEpoch,
    topics: [{
      topic: "t",
      partitions: fetched.map(([partition, fetchOffset, highWatermark]) => ({
        partition,
        fetchOffset,
        partitionMaxBytes: 100,
        ...highWatermark === undefined ? {} : { highWatermark },
      })),
    }],
    forgottenTopicsData: [{ topic: "t", partitions: forgotten }],
  });
}

function answered(
  targets: readonly FetchTarget[],
  answers: Readonly<Record<number, Partial<PartitionAnswer>>> = {},
): FetchResult[] {
  return targets.map((target) => ({
    target,
    answer: {
      partitionIndex: target.partition,
      errorCode: 0,
      highWatermark: 5,
      logStartOffset: 0,
      records: new Uint8Array(0),
      ...answers[target.partition],
    },
  }));
}

function partitionsOf(targets: readonly FetchTarget[]): number[] {
  return targets.map(({ partition }) => partition);
}

const NOW = { version: VERSION, nowMs: 1000 };

/** A session over partitions 0 to 2 that has said high watermark 5. */
function opened(all: FetchSessions): number {
  const full = request([0, 0], { fetched: [[0, 0], [1, 0], [2, 0]] });
  const context = all.open(full, NOW);
  return context.finish(answered(context.targets)).sessionId;
}

Deno.test("without a session everything is answered", () => {
  const context = sessions().open(request([0, -1], { fetched: [[0, 0]] }), NOW);
  const { sessionId, results } = context.finish(answered(context.targets));
  assertEquals([sessionId, results.length], [0, 1]);
});

Deno.test("an incremental answer holds only what is new", () => {
  const all = sessions();
  const id = opened(all);
  const quiet = all.open(request([id, 1]), NOW);
  assertEquals(partitionsOf(quiet.targets), [0, 1, 2]);
  assertEquals(quiet.finish(answered(quiet.targets)).results, []);
  const busy = all.open(request([id, 2]), NOW);
  const { results } = busy.finish(
    answered(busy.targets, { 1: { highWatermark: 6 } }),
  );
  assertEquals(results.map(({ target }) => target.partition), [1]);
});

Deno.test("a partition that gave data goes to the end", () => {
  const all = sessions();
  const id = opened(all);
  const first = all.open(request([id, 1]), NOW);
  first.finish(answered(first.targets, { 0: { records: new Uint8Array(9) } }));
  const second = all.open(request([id, 2]), NOW);
  assertEquals(partitionsOf(second.targets), [1, 2, 0]);
});

Deno.test("requests change and forget partitions of the session", () => {
  const all = sessions();
  const id = opened(all);
  const context = all.open(
    request([id, 1], { fetched: [[1, 7], [3, 0]], forgotten: [0] }),
    NOW,
  );
  assertEquals(
    context.targets.map((target) => [target.partition, target.fetchOffset]),
    [[1, 7], [2, 0], [3, 0]],
  );
});

Deno.test("what is committed is said again to a follower that had to cut, until it knows", () => {
  const all = sessions();
  const id = opened(all);
  const saidOf = (
    epoch: number,
    fetchOffset: number,
    highWatermark: number,
  ) => {
    const fetched = [[1, fetchOffset, highWatermark]] as const;
    const { targets, finish } = all.open(
      request([id, epoch], { fetched }),
      NOW,
    );
    const answer = {
      highWatermark: 6,
      ...fetchOffset > 6 ? { divergingEpoch: { epoch: 0, endOffset: 6 } } : {},
    };
    const { results } = finish(answered(targets, { 1: answer }));
    return partitionsOf(results.map(({ target }) => target));
  };
  assertEquals(saidOf(1, 8, 5), [1], "it has to cut");
  assertEquals(saidOf(2, 6, 5), [1], "it has cut, and can learn");
  assertEquals(saidOf(3, 6, 6), [], "it knows");
  assertEquals(saidOf(4, 5, 5), [], "it lacks what it would have to know");
});

Deno.test("an error is said again until it is over, then its end is said", () => {
  const all = sessions();
  const id = opened(all);
  for (const epoch of [1, 2]) {
    const context = all.open(request([id, epoch]), NOW);
    const { results } = context.finish(
      answered(context.targets, { 2: { errorCode: 3, highWatermark: -1 } }),
    );
    assertEquals(results.length, 1);
  }
  const healed = all.open(request([id, 3]), NOW);
  assertEquals(healed.finish(answered(healed.targets)).results.length, 1);
});

Deno.test("unknown sessions and wrong epochs are refused by name", () => {
  const all = sessions();
  const id = opened(all);
  const errorOf = (id: number, epoch: number, version = VERSION) =>
    all.open(request([id, epoch]), { version, nowMs: 1000 }).error;
  assertEquals(errorOf(id + 1, 1), "FETCH_SESSION_ID_NOT_FOUND");
  assertEquals(errorOf(id, 2), "INVALID_FETCH_SESSION_EPOCH");
  assertEquals(errorOf(id, 1, 13), "FETCH_SESSION_TOPIC_ID_ERROR");
  assertEquals(errorOf(id, 1), undefined);
});

Deno.test("epoch -1 ends a session, epoch 0 replaces it", () => {
  const all = sessions();
  const first = opened(all);
  const context = all.open(request([first, 0], { fetched: [[0, 0]] }), NOW);
  const { sessionId } = context.finish(answered(context.targets));
  assertEquals([sessionId !== first, all.count], [true, 1]);
  all.open(request([sessionId, -1]), NOW);
  assertEquals(all.count, 0);
});

Deno.test("a session that forgets everything ends", () => {
  const all = sessions();
  const id = opened(all);
  all.open(request([id, 1], { forgotten: [0, 1, 2] }), NOW);
  assertEquals(all.count, 0);
});

Deno.test("without room a session is refused unless one is stale or smaller", () => {
  const all = sessions(1);
  opened(all);
  const tryAt = (nowMs: number, fetched: [number, number][]) => {
    const moment = { version: VERSION, nowMs };
    const context = all.open(request([0, 0], { fetched }), moment);
    return context.finish(answered(context.targets)).sessionId !== 0;
  };
  assertEquals(tryAt(2000, [[0, 0]]), false);
  assertEquals(tryAt(2000 + 120_000, [[0, 0]]), true);
  assertEquals(all.count, 1);
});
