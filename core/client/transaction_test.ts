/**
 * What a transactional producer may do when, and what errors mean to it.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { type ErrorName, KafkaError } from "../errors.ts";
import { ProducerTransaction } from "./transaction.ts";

const ID = { producerId: 7, producerEpoch: 0 };
const NEXT = { producerId: 7, producerEpoch: 1 };
const UNCHANGED = { producerId: -1, producerEpoch: -1 };
const A0 = { topic: "a", partition: 0 };

function errorOf(name: ErrorName): KafkaError {
  return new KafkaError(name, name);
}

/** A machine whose transaction of `version` is open. */
function opened(version: 1 | 2): ProducerTransaction {
  const machine = new ProducerTransaction("t");
  machine.initialized(ID);
  machine.begin(version);
  return machine;
}

/** Ends what is begun, as whoever carries it does; gives the steps. */
function end(machine: ProducerTransaction, next = UNCHANGED): string[] {
  const steps: string[] = [];
  while (machine.state !== "ready") {
    const step = machine.endStep(false);
    if (step) steps.push(step);
    if (step === "end") machine.ended(next);
    if (step === "bump") machine.initialized(NEXT);
  }
  return steps;
}

Deno.test("version 1 admits a partition once the coordinator has it", () => {
  const machine = opened(1);
  assertEquals(machine.admits(A0), false);
  assertEquals(machine.toAdd, [A0]);
  machine.added([A0]);
  assertEquals([machine.admits(A0), machine.toAdd], [true, []]);
  machine.commit();
  assertEquals(end(machine), ["end"]);
  assertEquals(machine.identity, { ...ID, isTransactional: true });
  machine.begin(1);
  assertEquals(machine.admits(A0), false);
});

Deno.test("version 2 admits at once and takes a new identity at the end", () => {
  const machine = opened(2);
  assertEquals([machine.admits(A0), machine.toAdd], [true, []]);
  assertEquals(machine.lacksGroup("g"), false);
  machine.commit();
  assertEquals(end(machine, NEXT), ["end"]);
  assertEquals(machine.identity?.producerEpoch, 1);
});

Deno.test("a transaction that nothing was sent in ends without a request", () => {
  for (const version of [1, 2] as const) {
    const machine = opened(version);
    machine.commit();
    assertEquals(end(machine), []);
    machine.begin(version);
    if (version === 1) machine.admits(A0);
    machine.abort();
    assertEquals([end(machine), machine.toAdd], [[], []]);
  }
});

Deno.test("a lost record leaves an abort alone", () => {
  const machine = opened(2);
  machine.admits(A0);
  assertEquals(machine.lost(errorOf("MESSAGE_TOO_LARGE")), true);
  assertEquals(machine.lost(errorOf("REQUEST_TIMED_OUT")), false);
  assertEquals(machine.admits(A0), false);
  assertEquals(machine.refusal("append")?.error, "MESSAGE_TOO_LARGE");
  assertThrows(() => machine.commit(), KafkaError, "MESSAGE_TOO_LARGE");
  machine.abort();
  assertEquals(end(machine, NEXT), ["end"]);
  assertEquals(machine.error, undefined);
});

Deno.test("a record lost during the commit spoils it", () => {
  const machine = opened(2);
  machine.admits(A0);
  machine.commit();
  machine.lost(errorOf("REQUEST_TIMED_OUT"));
  assertEquals(machine.state, "abortable");
});

Deno.test("with version 1 a gap in the sequences takes a newer epoch", () => {
  const machine = opened(1);
  machine.added([A0]);
  machine.lost(errorOf("REQUEST_TIMED_OUT"));
  machine.abort();
  assertEquals(machine.endStep(true), "end");
  machine.ended(UNCHANGED);
  assertEquals(machine.endStep(true), "bump");
  machine.initialized(NEXT);
  assertEquals(machine.state, "ready");
});

Deno.test("refused() tells what mends itself, what an abort mends, and what nothing does", () => {
  const verdicts: Partial<Record<ErrorName, string>> = {
    CONCURRENT_TRANSACTIONS: "retry",
    NOT_COORDINATOR: "retry",
    UNKNOWN_TOPIC_OR_PARTITION: "retry",
    TRANSACTION_ABORTABLE: "abortable",
    ILLEGAL_GENERATION: "abortable",
    REBALANCE_IN_PROGRESS: "abortable",
    GROUP_AUTHORIZATION_FAILED: "abortable",
    PRODUCER_FENCED: "fatal",
    INVALID_PRODUCER_EPOCH: "fatal",
    INVALID_TXN_STATE: "fatal",
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "fatal",
  };
  for (const [name, verdict] of Object.entries(verdicts)) {
    const machine = opened(2);
    assertEquals(machine.refused(errorOf(name as ErrorName)), verdict, name);
    const state = verdict === "retry" ? "open" : verdict;
    assertEquals(machine.state, state as typeof machine.state);
  }
});

Deno.test("a fenced producer says so and can do nothing more", () => {
  const machine = opened(2);
  machine.refused(errorOf("INVALID_PRODUCER_EPOCH"));
  assertEquals(machine.error?.error, "PRODUCER_FENCED");
  for (const act of ["commit", "abort"] as const) {
    assertThrows(() => machine[act](), KafkaError, '"t"');
  }
  assertThrows(() => machine.begin(2), KafkaError, "took it over");
  assertEquals(machine.lost(errorOf("REQUEST_TIMED_OUT")), false);
  assertEquals(machine.error?.error, "PRODUCER_FENCED");
});

Deno.test("a refused append with an old epoch can be aborted, which then tells of fencing", () => {
  const machine = opened(2);
  machine.admits(A0);
  machine.lost(errorOf("INVALID_PRODUCER_EPOCH"));
  assertEquals(machine.state, "abortable");
  machine.abort();
  assertEquals(machine.refused(errorOf("INVALID_PRODUCER_EPOCH")), "fatal");
});

Deno.test("an id that the coordinator forgot is replaced, not ended", () => {
  const machine = opened(1);
  machine.admits(A0);
  machine.starting();
  machine.refused(errorOf("INVALID_PRODUCER_ID_MAPPING"));
  machine.abort();
  assertEquals(end(machine), ["bump"]);
});

Deno.test("a commit whose answer is lost can be asked again, not aborted", () => {
  const machine = opened(2);
  machine.admits(A0);
  machine.commit();
  assertThrows(() => machine.abort(), KafkaError, "Commit again");
  machine.commit();
  assertEquals(end(machine, NEXT), ["end"]);
});

Deno.test("an abort of what the coordinator never heard of has nothing to end", () => {
  const machine = opened(1);
  machine.starting();
  machine.gaveUp(errorOf("REQUEST_TIMED_OUT"));
  machine.abort();
  assertEquals(machine.endStep(false), "end");
  assertEquals(machine.wasNeverStarted(errorOf("INVALID_TXN_STATE")), true);
  assertEquals(machine.endStep(false), "bump");
  machine.initialized(NEXT);
  machine.begin(1);
  machine.addedGroup("g");
  assertEquals(machine.lacksGroup("g"), false);
  machine.abort();
  assertEquals(machine.wasNeverStarted(errorOf("INVALID_TXN_STATE")), false);
});
