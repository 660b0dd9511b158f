/**
 * The checker against histories written by hand: each anomaly is seen, and
 * what Kafka allows is not taken for one.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { check } from "./checker.ts";
import type {
  History,
  Poll,
  Seen,
  Send,
  TopicPromise,
  Transaction,
} from "./history.ts";

const TOPIC: TopicPromise = {
  name: "t",
  isDurable: false,
  isRetained: false,
  isChurned: false,
};

function send(value: string, offset: number, more: Partial<Send> = {}): Send {
  return {
    producer: "p",
    isIdempotent: true,
    inFlightMax: 1,
    topic: "t",
    value,
    invokeMs: 10,
    transaction: undefined,
    partition: 0,
    ending: "ok",
    endMs: 20,
    offset,
    ...more,
  };
}

function poll(records: readonly Seen[], more: Partial<Poll> = {}): Poll {
  return {
    consumer: "c",
    group: "other",
    topic: "t",
    partition: 0,
    atMs: 30,
    assignment: 1,
    highWatermark: 100,
    records,
    ...more,
  };
}

function seen(values: string, start = 0): Seen[] {
  return [...values].map((value, i) => ({ offset: start + i, value }));
}

/** Names of the anomalies of a history in which a log holds `values`. */
function judged(values: string, more: Partial<History>, start = 0): string[] {
  const records = seen(values, start);
  const history: History = {
    topics: [TOPIC],
    groups: new Map(),
    committedReaders: new Set(["other"]),
    isAllDurable: false,
    transactions: [],
    sends: records.map(({ offset, value }) => send(value, offset)),
    polls: [],
    commits: [],
    changes: [],
    endsMs: [],
    powerLossesMs: [],
    logs: new Map([["t-0", { start, end: start + values.length, records }]]),
    committed: new Map(),
    ...more,
  };
  return [...new Set(check(history).map(({ name }) => name))];
}

Deno.test("what is as it should be is no anomaly", () => {
  assertEquals(
    judged("abc", { polls: [poll(seen("ab")), poll(seen("c", 2))] }),
    [],
  );
});

Deno.test("an acknowledged record must be there", () => {
  const plain = { isIdempotent: false, inFlightMax: 5 };
  const sends = [send("a", 0), send("b", 1), send("x", 1, plain)];
  assertEquals(judged("ab", { sends }), ["inconsistent-offsets", "lost-write"]);
  assertEquals(judged("a", { sends: sends.slice(0, 2) }), ["unseen"]);
});

Deno.test("who leads without being in sync lacks what was sent before, and of that partition only", () => {
  const sends = [send("a", 0), send("b", 1)];
  const uncleanMs = (name: string) => new Map([[name, 25]]);
  assertEquals(judged("a", { sends, uncleanMs: uncleanMs("t-0") }), []);
  assertEquals(judged("a", { sends, uncleanMs: uncleanMs("t-1") }), ["unseen"]);
  const late = [send("a", 0), send("b", 1, { invokeMs: 26 })];
  assertEquals(judged("a", { sends: late, uncleanMs: uncleanMs("t-0") }), [
    "unseen",
  ]);
});

Deno.test("power takes what nothing has flushed, and nothing else", () => {
  const powerLossesMs = [25];
  const sends = [send("a", 0), send("b", 1), send("c", 2)];
  assertEquals(judged("a", { sends, powerLossesMs }), []);
  const topics = [{ ...TOPIC, isDurable: true }];
  assertEquals(judged("a", { sends, powerLossesMs, topics }), ["unseen"]);
  const records = [{ offset: 0, value: "a" }, { offset: 2, value: "c" }];
  const logs = new Map([["t-0", { start: 0, end: 3, records }]]);
  assertEquals(judged("", { sends, powerLossesMs, logs }), []);
  assertEquals(judged("", { sends, powerLossesMs, logs, topics }), [
    "int-poll-skip",
    "lost-write",
  ]);
});

Deno.test("a value of an idempotent producer lies at one offset", () => {
  const sends = [send("a", 0)];
  assertEquals(judged("aa", { sends }), ["duplicate"]);
  const plain = [send("a", 0, { isIdempotent: false })];
  assertEquals(judged("aa", { sends: plain }), []);
});

Deno.test("nothing is read that was refused or never sent", () => {
  const sends = [send("a", 0, { ending: "fail" })];
  assertEquals(judged("a", { sends }), ["G1a"]);
  assertEquals(judged("a", { sends: [] }), ["phantom"]);
});

Deno.test("a consumer goes on where it was", () => {
  const polls = (...all: Seen[][]) => all.map((records) => poll(records));
  assertEquals(judged("abc", { polls: polls(seen("ab"), seen("b", 1)) }), [
    "nonmonotonic-poll",
  ]);
  assertEquals(judged("abc", { polls: polls(seen("a"), seen("c", 2)) }), [
    "poll-skip",
  ]);
  const again = [poll(seen("ab")), poll(seen("b", 1), { assignment: 2 })];
  assertEquals(judged("abc", { polls: again }), []);
});

Deno.test("the high watermark rises, and nothing beyond it is read", () => {
  const polls = [
    poll(seen("a"), { highWatermark: 3 }),
    poll(seen("b", 1), { highWatermark: 2 }),
  ];
  assertEquals(judged("abc", { polls }), ["high-watermark-fell"]);
  assertEquals(
    judged("abc", { polls: [poll(seen("ab"), { highWatermark: 1 })] }),
    ["precommitted-read"],
  );
});

Deno.test("sends lie in their order, but for plain ones of several in flight", () => {
  const sends = [send("b", 1), send("a", 0)];
  assertEquals(judged("ab", { sends }), ["nonmonotonic-send"]);
  const plain = sends.map((each) => ({ ...each, isIdempotent: false }));
  assertEquals(judged("ab", { sends: plain }), ["nonmonotonic-send"]);
  const many = plain.map((each) => ({ ...each, inFlightMax: 5 }));
  assertEquals(judged("ab", { sends: many }), []);
});

Deno.test("a group reads everything, and keeps what it committed", () => {
  const groups = new Map([["g", ["t"]]]);
  const polls = [poll(seen("a"), { group: "g" })];
  assertEquals(judged("ab", { groups, polls }), ["unseen"]);
  const commits = [{
    group: "g",
    invokeMs: 30,
    offsets: new Map([["t-0", 2]]),
    ending: "ok" as const,
  }];
  const committed = new Map([["g", new Map([["t-0", 1]])]]);
  assertEquals(judged("ab", { commits, committed }), ["lost-commit"]);
});

Deno.test("a topic is there when somebody was told so", () => {
  const created = {
    change: "create",
    topic: "t",
    partitions: 2,
    invokeMs: 1,
    endMs: 2,
  } as const;
  assertEquals(judged("a", { changes: [{ ...created, ending: "ok" }] }), [
    "lost-topic",
  ]);
  assertEquals(
    judged("a", { changes: [{ ...created, ending: "ok", partitions: 1 }] }),
    [],
  );
});

function transaction(more: Partial<Transaction> = {}): Transaction {
  return {
    id: "w",
    number: 1,
    commitsOffset: true,
    ending: "ok",
    endingMs: 15,
    endMs: 20,
    ...more,
  };
}

Deno.test("a transaction is there as a whole, or not at all", () => {
  const info = transaction({ ending: "info" });
  const of = (value: string, offset: number) =>
    send(value, offset, { transaction: info, ending: "info" });
  const sends = [of("a", 0), of("b", 1)];
  assertEquals(judged("ab", { sends }), []);
  assertEquals(judged("", { sends }), []);
  assertEquals(judged("a", { sends }), ["torn-transaction"]);
});

Deno.test("aborted records are read by those alone who read everything", () => {
  const aborted = transaction({ ending: "fail" });
  const sends = [send("a", 0, { transaction: aborted, ending: "fail" })];
  const polls = [poll(seen("a"))];
  assertEquals(judged("", { sends, polls }), ["G1a", "unseen"]);
  const committedReaders = new Set<string>();
  assertEquals(judged("", { sends, polls, committedReaders }), []);
});

Deno.test("an offset is of the transaction that was committed last", () => {
  const transactions = [
    transaction(),
    transaction({ number: 2, endingMs: 30, endMs: 40 }),
    transaction({ number: 3, ending: "fail", endingMs: 50, endMs: 60 }),
  ];
  const withOffset = (offset: number) =>
    judged("", {
      transactions,
      committed: new Map([["of-w", new Map([["t-0", offset]])]]),
    });
  assertEquals(withOffset(2), []);
  assertEquals(withOffset(1), ["lost-commit"]);
  assertEquals(withOffset(3), ["G1a"]);
});

Deno.test("what is compacted away was superseded, or was a tombstone", () => {
  const topics = [{ ...TOPIC, isCompacted: true }];
  const keyed = (value: string, offset: number, more: Partial<Send> = {}) =>
    send(value, offset, { key: "k", ...more });
  const gone = { isTombstone: true };
  const both = [keyed("a", 0), keyed("b", 1)];
  const logs = new Map([["t-0", { start: 1, end: 2, records: seen("b", 1) }]]);
  assertEquals(judged("", { sends: both, logs, topics }), []);
  const older = new Map([["t-0", { start: 0, end: 2, records: seen("a") }]]);
  assertEquals(judged("", { sends: both, logs: older, topics }), [
    "lost-write",
  ]);
  const deleted = [keyed("a", 0), keyed("b", 1, gone)];
  const empty = new Map([["t-0", { start: 2, end: 2, records: [] }]]);
  assertEquals(judged("", { sends: deleted, logs: empty, topics }), []);
  const aborted = [
    keyed("a", 0),
    keyed("b", 1, { ...gone, ending: "fail" }),
  ];
  assertEquals(judged("", { sends: aborted, logs: empty, topics }), [
    "lost-write",
  ]);
});

Deno.test("records from before their topic was damaged may be gone, later ones not", () => {
  const sends = [send("a", 0), send("b", 0, { invokeMs: 40, endMs: 50 })];
  const damagesMs = new Map([["t", 30]]);
  assertEquals(judged("b", { sends, damagesMs }), []);
  assertEquals(judged("", { sends, damagesMs }), ["unseen"]);
});
