/**
 * Random histories of a log on a real disk, held against a plain list: appends
 * of idempotent producers, rolls, flushes, deletes, clean stops and kills in
 * any order. What was written is there afterwards, whatever happened.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { denoEnv } from "../env/deno_env.ts";
import { batchesOf } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import { decodeRecords } from "../record/record.ts";
import type { Log } from "./log.ts";
import type { LogConfig } from "./log_options.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import { LogFolder } from "./log_folder.ts";

const CONFIG: LogConfig = {
  ...LOG_CONFIG,
  segmentBytes: 60_000,
  indexIntervalBytes: 500,
};
const TOPIC_ID = "Gmd94rMBRdCEC5P7ytJnvA";
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const env = denoEnv({ traceLevel: "error" });

/** The log under test beside what it must hold. */
class World {
  readonly #path: string;
  #folder!: LogFolder;
  log!: Log;
  /** Values by offset. */
  values: string[] = [];
  start = 0;
  /** Next sequence by producer. */
  readonly #sequences = [0, 0, 0];
  /** The last five batches of each producer, as it sent them, oldest first. */
  readonly #sent: { batch: Uint8Array; offset: number }[][] = [[], [], []];

  constructor(path: string) {
    this.#path = path;
    this.open();
  }

  open(): void {
    this.#folder = LogFolder.open({ env, path: this.#path, nodeId: 1 });
    this.log = this.#folder.openLog({
      topic: "t",
      partition: 0,
      topicId: TOPIC_ID,
      config: CONFIG,
    });
    this.log.assignEpoch(0);
  }

  async stop(clean: boolean): Promise<void> {
    await this.#folder.close({
      clean,
      brokerEpoch: 1,
      highWatermarks: new Map(),
    });
  }

  append(
    { producer, count, bytes }: {
      producer: number;
      count: number;
      bytes: number;
    },
  ): void {
    const values = Array.from(
      { length: count },
      (_, i) => `${this.values.length + i}:`.padEnd(bytes, "x"),
    );
    const batch = buildBatch(
      values.map((value, i) => ({
        timestamp: 1000 + this.values.length + i,
        key: null,
        value: ENCODER.encode(value),
      })),
      {
        producerId: producer,
        producerEpoch: 0,
        baseSequence: this.#sequences[producer]!,
      },
    );
    const copy = batch.slice();
    const appended = this.log.appendAsLeader(batch, {
      leaderEpoch: 0,
      nowMs: 0,
    });
    assertEquals(appended, {
      baseOffset: this.values.length,
      lastOffset: this.values.length + count - 1,
      isDuplicate: false,
    });
    const sent = this.#sent[producer]!;
    sent.push({ batch: copy, offset: this.values.length });
    if (sent.length > 5) sent.shift();
    this.#sequences[producer]! += count;
    this.values.push(...values);
    this.log.writeStaged();
  }

  /** All that a producer may have in flight again, as if it got no answer. */
  retry(): void {
    for (const { batch, offset } of this.#sent.flat()) {
      if (offset < this.start) continue;
      const appended = this.log.appendAsLeader(batch.slice(), {
        leaderEpoch: 0,
        nowMs: 0,
      });
      assertEquals(
        [appended.isDuplicate, appended.baseOffset],
        [true, offset],
      );
    }
  }

  async checkpoint(): Promise<void> {
    await this.log.flush();
    this.#folder.checkpoint(new Map());
  }

  deleteBefore(part: number): void {
    const end = this.values.length;
    this.start += Math.floor((end - this.start) * part);
    this.log.deleteRecordsBefore(this.start);
    this.#folder.checkpoint(new Map());
  }

  check(): void {
    const { log, values, start } = this;
    assertEquals([log.logStartOffset, log.logEndOffset], [
      start,
      values.length,
    ]);
    let next = start;
    while (next < values.length) {
      const bytes = log.read(next, {
        maxBytes: 20_000,
        upperOffset: Infinity,
        minOneBatch: true,
      });
      const before = next;
      for (const view of batchesOf(bytes)) {
        assert(view.isCrcValid(), "a stored batch has its CRC");
        for (const { offset, value } of decodeRecords(view)) {
          assertEquals(DECODER.decode(value!), values[offset]);
        }
        assert(view.baseOffset <= next, "nothing is left out");
        next = view.nextOffset;
      }
      assert(next > before, "a read below the end gives a batch");
    }
  }

  checkTimes(): void {
    for (let i = 0; i < 5; i++) {
      const offset = this.start +
        Math.floor((this.values.length - this.start) * i / 5);
      if (offset >= this.values.length) return;
      assertEquals(this.log.offsetForTimestamp(1000 + offset)?.offset, offset);
    }
    assertEquals(
      this.log.offsetForTimestamp(1000 + this.values.length),
      undefined,
    );
  }
}

type Step =
  | {
    readonly type: "append";
    readonly producer: number;
    readonly count: number;
    readonly bytes: number;
  }
  | { readonly type: "retry" | "checkpoint" | "clean" | "kill" }
  | { readonly type: "delete"; readonly part: number };

const command: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constant("append" as const),
      producer: fc.nat(2),
      count: fc.integer({ min: 1, max: 40 }),
      bytes: fc.constantFrom(12, 100, 900),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: "retry" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "checkpoint" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "clean" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "kill" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("delete" as const),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
);

/** Histories that failed once. */
const KEPT: [Step[]][] = [
  // Recovery left frozen segments without their last time index entry.
  [[
    { type: "append", producer: 0, count: 35, bytes: 100 },
    { type: "append", producer: 0, count: 32, bytes: 900 },
    { type: "append", producer: 0, count: 4, bytes: 12 },
    { type: "append", producer: 0, count: 27, bytes: 900 },
    { type: "append", producer: 0, count: 20, bytes: 100 },
    { type: "append", producer: 0, count: 1, bytes: 12 },
    { type: "kill" },
    { type: "clean" },
    { type: "checkpoint" },
  ]],
  // A scan told of an epoch from before the log's start, which then was believed.
  [[
    { type: "append", producer: 0, count: 2, bytes: 12 },
    { type: "delete", part: 0.5 },
    { type: "kill" },
    { type: "append", producer: 0, count: 1, bytes: 12 },
    { type: "append", producer: 0, count: 1, bytes: 12 },
    { type: "clean" },
    { type: "checkpoint" },
    { type: "kill" },
  ]],
];

Deno.test("a log holds what was written through any history of stops and kills", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { minLength: 5, maxLength: 60 }),
      async (commands) => {
        const path = Deno.makeTempDirSync({ prefix: "kf-history-" });
        const world = new World(path);
        try {
          for (const step of commands) {
            if (step.type === "append") world.append(step);
            else if (step.type === "retry") world.retry();
            else if (step.type === "checkpoint") await world.checkpoint();
            else if (step.type === "delete") world.deleteBefore(step.part);
            else {
              await world.stop(step.type === "clean");
              world.open();
              world.check();
              world.retry();
            }
          }
          world.check();
          world.checkTimes();
        } finally {
          await world.stop(false);
          await env.tasks.settled();
          Deno.removeSync(path, { recursive: true });
        }
      },
    ),
    { numRuns: 60, examples: KEPT },
  );
});
