/**
 * What a follower asks a leader for, in a session that the leader may forget.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { until } from "../../tests/fixtures.ts";
import { type Uuid, uuidFromRandom } from "../../core/bytes/uuid.ts";
import type { Env } from "../../core/env/env.ts";
import { denoEnv } from "../../core/env/deno_env.ts";
import { type ErrorName, ERRORS } from "../../core/errors.ts";
import type { FetchTarget } from "../../core/partition/follower.ts";
import type { Input } from "../../core/schema/schema.ts";
import type { Link } from "../link/link.ts";
import type { FETCH } from "../wire/01_fetch.ts";
import { ReplicaFetcher } from "./replica_fetcher.ts";

type FetchBody = Input<typeof FETCH.request>;

/** A replica that takes nothing in, and asks for `offset`. */
class Still {
  readonly topic = "t";
  readonly topicId: Uuid;
  readonly index: number;
  readonly isSettling = false;
  readonly isHeldBack = false;
  offset = 0;

  constructor(topicId: Uuid, index: number) {
    this.topicId = topicId;
    this.index = index;
  }

  fetchTarget(): FetchTarget {
    return {
      leader: 1,
      leaderEpoch: 0,
      offset: this.offset,
      lastFetchedEpoch: -1,
      logStartOffset: 0,
      highWatermark: 0,
    };
  }

  followerAnswer() {
    return "nothing" as const;
  }

  startOver() {
    return "nothing" as const;
  }
}

/** A leader that answers when it is told to. */
class SlowLeader {
  readonly error = undefined;
  readonly asked: string[] = [];
  #answer: ((answer: unknown) => void) | undefined;

  request(_api: unknown, body: FetchBody): Promise<unknown> {
    const of = (partitions: readonly unknown[] = []) => partitions.join();
    const changed = of(
      body.topics?.flatMap(({ partitions = [] }) =>
        partitions.map(({ partition, fetchOffset }) =>
          `${partition}@${fetchOffset}`
        )
      ),
    );
    const forgotten = of(
      body.forgottenTopicsData?.flatMap(({ partitions }) => partitions ?? []),
    );
    const { sessionId, sessionEpoch } = body;
    this.asked.push(`${sessionId} ${sessionEpoch}: ${changed} -${forgotten}`);
    return new Promise((resolve) => this.#answer = resolve);
  }

  answer(sessionId: number, error: ErrorName = "NONE"): void {
    const answer = { errorCode: ERRORS[error], sessionId, responses: [] };
    this.#answer!(answer);
  }

  close(): void {
    this.#answer?.({ errorCode: 0, sessionId: 0, responses: [] });
  }
}

function fetcherFrom(leader: () => SlowLeader, env: Env): ReplicaFetcher {
  return new ReplicaFetcher({
    env,
    leaderId: 1,
    nodeId: 2,
    brokerEpoch: () => 5,
    limits: () => ({
      minBytes: 1,
      maxWaitMs: 500,
      partitionBytesMax: 1000,
      responseBytesMax: 1000,
      backoffMs: 1000,
      requestTimeoutMs: 1000,
    }),
    connect: () => Promise.resolve(leader() as unknown as Link),
    fetchVersionMax: () => 18,
  });
}

Deno.test("a leader that is another process is asked anew, whatever the one before still owes", async () => {
  const env = denoEnv();
  const leaders = [new SlowLeader(), new SlowLeader()];
  const left = leaders.values();
  const fetcher = fetcherFrom(() => left.next().value!, env);
  fetcher.follow(new Still(uuidFromRandom(env.random), 0));
  const areAsked = (id: number) => () => leaders[id]!.asked.length === 1;
  await until("the first is asked", areAsked(0));
  fetcher.hangUp();
  await until("the second is asked", areAsked(1));
  assertEquals(leaders[1]!.asked, ["0 0: 0@0 -"]);
  fetcher.close();
  await env.tasks.settled();
});

Deno.test("a follower names what changed, all of it again once the leader forgot, and what it doesn't want any more", async () => {
  const env = denoEnv();
  const leader = new SlowLeader();
  const topicId = uuidFromRandom(env.random);
  const [a, b] = [new Still(topicId, 0), new Still(topicId, 1)];
  const fetcher = fetcherFrom(() => leader, env);
  const asked = async (count: number) => {
    await until(`${count} are asked`, () => leader.asked.length === count);
    return leader.asked.at(-1);
  };
  fetcher.follow(a);
  fetcher.follow(b);
  assertEquals(await asked(1), "0 0: 0@0 -");
  a.offset = 3;
  leader.answer(7);
  assertEquals(await asked(2), "7 1: 0@3,1@0 -");
  leader.answer(7);
  assertEquals(await asked(3), "7 2:  -");
  leader.answer(0, "FETCH_SESSION_ID_NOT_FOUND");
  assertEquals(await asked(4), "7 0: 0@3,1@0 -");
  fetcher.unfollow(b);
  leader.answer(8);
  assertEquals(await asked(5), "8 1:  -1");
  // A leader that has no room for sessions is asked in full.
  leader.answer(0);
  assertEquals(await asked(6), "0 0: 0@3 -");
  fetcher.close();
  await env.tasks.settled();
});
