/**
 * What `Delivery` commits when a group refuses it for a while.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { KafkaError } from "../core/errors.ts";
import type { Consumer, ConsumerRecord } from "../net/client.ts";
import { Delivery } from "./delivery.ts";

/** A delivery of records that aren't printed; what it commits, and is told. */
function delivering(verdicts: (KafkaError | undefined)[]) {
  const commits: string[] = [];
  const consumer = {
    commit(offsets: readonly { partition: number; offset: number }[]) {
      commits.push(offsets.map((at) => `${at.partition}:${at.offset}`).join());
      const verdict = verdicts.shift();
      return verdict === undefined
        ? Promise.resolve()
        : Promise.reject(verdict);
    },
  } as unknown as Consumer;
  const delivery = new Delivery(consumer, { print: () => {}, limit: Infinity });
  const deliver = (partition: number, offset: number) => {
    const record = { topic: "t", partition, offset, leaderEpoch: 0 };
    delivery.write([record as ConsumerRecord], Infinity);
    delivery.flush();
  };
  return { delivery, deliver, commits };
}

Deno.test("what a rebalance refuses is committed later, with what came since", async () => {
  const busy = new KafkaError("REBALANCE_IN_PROGRESS", "busy");
  const { delivery, deliver, commits } = delivering([busy, busy]);
  deliver(0, 4);
  deliver(1, 7);
  assertEquals(await delivery.commit(), false);
  deliver(0, 5);
  assertEquals(await delivery.commit(), false);
  delivery.forget([{ topic: "t", partition: 1 }]);
  assertEquals(await delivery.commit(), true);
  assertEquals(await delivery.commit(), true);
  assertEquals(commits, ["0:5,1:8", "0:6,1:8", "0:6"]);
});

Deno.test("what a commit is refused for otherwise is said", async () => {
  const why = new KafkaError("GROUP_AUTHORIZATION_FAILED", "no");
  const { delivery, deliver } = delivering([why]);
  deliver(0, 4);
  await assertRejects(() => delivery.commit(), KafkaError, "no");
});
