/**
 * Random commits of one group, plain and in transactions of several producers:
 * what counts is the latest commit of those that are decided, whatever order
 * transactions end in and however often the coordinator restarts.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { GroupWorld } from "./group_world.ts";

const PARTITIONS = 2;

interface Commit {
  readonly producerId: number | undefined;
  readonly partition: number;
  readonly offset: number;
  isDecided: boolean;
}

/** The coordinator beside the list of all commits. */
class World {
  readonly #world = new GroupWorld();
  #commits: Commit[] = [];

  async run({ what, who, partition, offset }: Step): Promise<void> {
    const at = { topic: "t", partition };
    if (what === "restart") this.#world.restart();
    else if (what === "delete") {
      const deleted = { groupId: "g", offsets: [at] };
      this.#world.submit({ type: "DeleteOffsets", ...deleted }, () => {});
      this.#commits = this.#commits.filter((each) =>
        each.partition !== partition
      );
    } else if (what === "plain" || what === "transactional") {
      const producerId = what === "plain" ? undefined : who;
      const transaction = { producerId: who, producerEpoch: 0 };
      this.#world.submit({
        type: "OffsetCommit",
        groupId: "g",
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
        knowsEpochs: true,
        ...(producerId === undefined
          ? {}
          : { transaction: { ...transaction, guard: undefined } }),
        offsets: [{ ...at, offset, leaderEpoch: -1, metadata: "" }],
      }, (reply) => assertEquals(reply, { errors: ["NONE"] }));
      const isDecided = producerId === undefined;
      this.#commits.push({ producerId, partition, offset, isDecided });
    } else this.#end(who, what === "commit");
    await this.#world.settle();
    await this.#check();
  }

  #end(producerId: number, committed: boolean): void {
    this.#world.submit({
      type: "EndTransaction",
      marker: {
        producerId,
        producerEpoch: 0,
        committed,
        coordinatorEpoch: 0,
        transactionVersion: 1,
      },
    }, () => {});
    this.#commits = this.#commits.filter((each) =>
      committed || each.isDecided || each.producerId !== producerId
    );
    for (const each of this.#commits) {
      if (each.producerId === producerId) each.isDecided = true;
    }
  }

  async #check(): Promise<void> {
    for (const requireStable of [false, true]) {
      const expected = Array.from({ length: PARTITIONS }, (_, partition) => {
        const commits = this.#commits.filter((each) =>
          each.partition === partition
        );
        const isUnstable = requireStable &&
          commits.some(({ isDecided }) => !isDecided);
        const latest = commits.findLast(({ isDecided }) => isDecided);
        return isUnstable ? "unstable" : latest?.offset;
      });
      let actual: unknown;
      this.#world.submit({
        type: "OffsetFetch",
        groupId: "g",
        memberId: null,
        memberEpoch: -1,
        requireStable,
        topics: [{ topic: "t", partitions: [0, 1] }],
      }, (reply) => {
        if (reply === null || !("topics" in reply)) return;
        actual = reply.topics[0]!.partitions
          .map(({ committed, isUnstable }) =>
            isUnstable ? "unstable" : committed?.offset
          );
      });
      await this.#world.settle();
      assertEquals(actual, expected);
    }
  }
}

const step = fc.record({
  what: fc.oneof(
    { weight: 2, arbitrary: fc.constant("plain" as const) },
    { weight: 5, arbitrary: fc.constant("transactional" as const) },
    { weight: 2, arbitrary: fc.constantFrom("commit" as const, "abort") },
    { weight: 1, arbitrary: fc.constantFrom("restart" as const, "delete") },
  ),
  who: fc.nat(2),
  partition: fc.nat(PARTITIONS - 1),
  offset: fc.nat(1000),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

Deno.test("of the commits that are decided the latest counts, whatever order transactions end in", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 50 }),
      async (steps) => {
        const world = new World();
        for (const each of steps) await world.run(each);
      },
    ),
    { numRuns: 200 },
  );
});
