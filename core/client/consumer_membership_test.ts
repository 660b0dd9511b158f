/**
 * Membership in a group whose partitions the broker divides: what heartbeats
 * say, and which steps follow from their answers.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type ErrorName, ERRORS, isRetriable } from "../errors.ts";
import {
  brokerPattern,
  ConsumerMembership,
  type MemberIdentity,
} from "./consumer_membership.ts";

const NAMES = new Map([["A", "a"], ["B", "b"]]);

function joined(identity: Partial<MemberIdentity> = {}): ConsumerMembership {
  const membership = new ConsumerMembership({
    groupId: "g",
    memberId: "m",
    instanceId: null,
    rackId: "r",
    rebalanceTimeoutMs: 9,
    serverAssignor: "range",
    ...identity,
  });
  membership.subscribe({ topics: ["a", "b"], pattern: null });
  membership.join();
  return membership;
}

/** A heartbeat, and an answer that assigns `text`, e.g. `A-0,1 B-2`. */
function beat(membership: ConsumerMembership, epoch: number, text?: string) {
  const said = membership.heartbeat();
  membership.answered({
    memberEpoch: epoch,
    heartbeatIntervalMs: 100,
    assignment: text === undefined ? null : {
      topicPartitions: text.split(" ").filter((topic) => topic !== "").map(
        (topic) => ({
          topicId: topic.split("-")[0]!,
          partitions: topic.split("-")[1]!.split(",").map(Number),
        }),
      ),
    },
  });
  return said;
}

/** The next step as text, taken unless told otherwise. */
function step(
  membership: ConsumerMembership,
  names: ReadonlyMap<string, string> = NAMES,
): string {
  const found = membership.reconciliation((id) => names.get(id));
  if (!found) return "nothing";
  membership.acknowledge(found);
  const text = (sign: string, list: typeof found.added) =>
    list.map(({ topic, partition }) => `${sign}${topic}-${partition}`);
  return [
    ...text("-", found.revoked),
    ...text("+", found.added),
    ...(found.lacksNames ? ["?"] : []),
  ].join(" ");
}

const SHORT = {
  groupId: "g",
  memberId: "m",
  instanceId: null,
};
const FULL = {
  ...SHORT,
  rackId: "r",
  rebalanceTimeoutMs: 9,
  serverAssignor: "range",
  subscribedTopicNames: ["a", "b"],
};

Deno.test("a member joins in full, owns what it is given, and says so once", () => {
  const membership = joined();
  assertEquals(beat(membership, 1, "A-0,1"), {
    ...FULL,
    memberEpoch: 0,
    topicPartitions: [],
  });
  assertEquals(membership.isDue, false);
  assertEquals(step(membership), "+a-0 +a-1");
  assertEquals(membership.isDue, true);
  assertEquals(beat(membership, 2), {
    ...SHORT,
    memberEpoch: 1,
    topicPartitions: [{ topicId: "A", partitions: [0, 1] }],
  });
  assertEquals(membership.isDue, false);
  assertEquals(step(membership), "nothing");
  assertEquals(beat(membership, 2), { ...SHORT, memberEpoch: 2 });
  assertEquals(membership.committedEpoch, 2);
});

Deno.test("partitions that go are given up before others are heard of", () => {
  const membership = joined();
  beat(membership, 1, "A-0,1");
  step(membership);
  beat(membership, 1, "A-1");
  assertEquals(step(membership), "-a-0");
  assertEquals(beat(membership, 2, "A-1 B-0").topicPartitions, [
    { topicId: "A", partitions: [1] },
  ]);
  assertEquals(step(membership), "+b-0");
  assertEquals(beat(membership, 2).topicPartitions, [
    { topicId: "A", partitions: [1] },
    { topicId: "B", partitions: [0] },
  ]);
});

Deno.test("what is owned while a heartbeat is under way goes with the next", () => {
  const membership = joined();
  beat(membership, 1, "A-0");
  membership.heartbeat();
  step(membership);
  membership.answered({
    memberEpoch: 1,
    heartbeatIntervalMs: 100,
    assignment: null,
  });
  assertEquals(membership.isDue, true);
  assertEquals(beat(membership, 1).topicPartitions, [
    { topicId: "A", partitions: [0] },
  ]);
});

Deno.test("after a heartbeat that failed everything is told again", () => {
  const membership = joined();
  beat(membership, 1, "A-0");
  step(membership);
  membership.heartbeat();
  assertEquals(membership.refused("NETWORK_EXCEPTION", true), "retry");
  assertEquals(beat(membership, 2, "A-0"), {
    ...FULL,
    memberEpoch: 1,
    topicPartitions: [{ topicId: "A", partitions: [0] }],
  });
  assertEquals(step(membership), "nothing");
  assertEquals(beat(membership, 2), { ...SHORT, memberEpoch: 2 });
});

Deno.test("a fenced member abandons what it has and joins with nothing", () => {
  for (const error of ["FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID"] as const) {
    const membership = joined();
    beat(membership, 7, "A-0");
    step(membership);
    membership.heartbeat();
    assertEquals(membership.refused(error, false), "lost");
    assertEquals([membership.isIn, membership.isDue], [false, false]);
    assertEquals(step(membership), "nothing");
    membership.join();
    assertEquals(membership.state, "lost", "partitions are still held");
    membership.abandoned();
    membership.join();
    assertEquals(membership.committedEpoch, 7);
    assertEquals(beat(membership, 9, "A-0"), {
      ...FULL,
      memberEpoch: 0,
      topicPartitions: [],
    });
    assertEquals(step(membership), "+a-0");
  }
});

Deno.test("refusals are retried, mean a new start, or are final", () => {
  const verdicts: Partial<Record<ErrorName, string>> = {
    COORDINATOR_LOAD_IN_PROGRESS: "retry",
    COORDINATOR_NOT_AVAILABLE: "retry",
    FENCED_INSTANCE_ID: "failed",
    FENCED_MEMBER_EPOCH: "lost",
    GROUP_AUTHORIZATION_FAILED: "failed",
    GROUP_MAX_SIZE_REACHED: "failed",
    INVALID_REGULAR_EXPRESSION: "failed",
    INVALID_REQUEST: "failed",
    NETWORK_EXCEPTION: "retry",
    NOT_COORDINATOR: "retry",
    UNKNOWN_MEMBER_ID: "lost",
    UNRELEASED_INSTANCE_ID: "failed",
    UNSUPPORTED_ASSIGNOR: "failed",
    UNSUPPORTED_VERSION: "failed",
  };
  for (const [name, wanted] of Object.entries(verdicts)) {
    const error = name as ErrorName;
    const membership = joined();
    membership.heartbeat();
    const isTransient = isRetriable(ERRORS[error]);
    assertEquals(membership.refused(error, isTransient), wanted, error);
    assertEquals(membership.isIn, wanted === "retry", error);
  }
});

Deno.test("a topic without a known name is taken when its name is there", () => {
  const membership = joined();
  beat(membership, 1, "A-0 B-0");
  assertEquals(step(membership, new Map([["A", "a"]])), "+a-0 ?");
  assertEquals(beat(membership, 1).topicPartitions, [
    { topicId: "A", partitions: [0] },
  ]);
  assertEquals(step(membership, new Map([["A", "a"]])), "?");
  assertEquals(step(membership), "+b-0");
  assertEquals(step(membership), "nothing");
});

Deno.test("a topic made anew under its name is another one", () => {
  const membership = joined();
  beat(membership, 1, "A-0");
  step(membership);
  beat(membership, 2, "C-0");
  const names = new Map([["A", "a"], ["C", "a"]]);
  assertEquals(step(membership, names), "-a-0 +a-0");
});

Deno.test("a new subscription is told once, a pattern is taken back", () => {
  const membership = joined();
  beat(membership, 1, "");
  membership.subscribe({ topics: ["a", "b"], pattern: null });
  assertEquals(membership.isDue, false);
  membership.subscribe({ topics: [], pattern: ".*x" });
  assertEquals(membership.isDue, true);
  assertEquals(beat(membership, 2), {
    ...SHORT,
    memberEpoch: 1,
    subscribedTopicNames: [],
    subscribedTopicRegex: ".*x",
  });
  membership.subscribe({ topics: ["c"], pattern: null });
  assertEquals(beat(membership, 3), {
    ...SHORT,
    memberEpoch: 2,
    subscribedTopicNames: ["c"],
    subscribedTopicRegex: "",
  });
  assertEquals(membership.isDue, false);
});

Deno.test("members leave for good, static ones for a while, idle ones in between", () => {
  const member = joined();
  beat(member, 3, "A-0");
  assertEquals(member.leave(), { ...SHORT, memberEpoch: -1 });
  assertEquals(member.leave(), undefined);
  const fixed = joined({ instanceId: "i" });
  beat(fixed, 3);
  assertEquals(fixed.leave(), { ...SHORT, memberEpoch: -2, instanceId: "i" });
  const idle = joined();
  beat(idle, 3, "A-0");
  step(idle);
  assertEquals(idle.retire(), { ...SHORT, memberEpoch: -1 });
  assertEquals(idle.state, "lost");
});

Deno.test("an answer that comes after the end changes nothing", () => {
  const membership = joined();
  membership.heartbeat();
  membership.leave();
  membership.answered({
    memberEpoch: 5,
    heartbeatIntervalMs: 1,
    assignment: { topicPartitions: [] },
  });
  assertEquals([membership.state, membership.committedEpoch], ["out", -1]);
});

Deno.test("a pattern matches whole names as test() matches parts of them", () => {
  for (const pattern of [/^a/, /b$/i, /x|y/, /^a$|^b/]) {
    const text = brokerPattern(pattern);
    const [, flags = "", source = ""] = /^(?:\(\?(\w+)\))?(.*)$/.exec(text)!;
    const whole = new RegExp(`^(?:${source})$`, flags);
    for (const name of ["a", "b", "ab", "B", "xa", "cab", "y", "cyb", ""]) {
      assertEquals(whole.test(name), pattern.test(name), `${text} on ${name}`);
    }
  }
  assert(brokerPattern(/a/gi).startsWith("(?i)"));
});
