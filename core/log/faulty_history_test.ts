/**
 * Random histories of a log on a disk whose calls fail now and then, held
 * against a plain list: what an append was acknowledged for is there, at its
 * offset, whatever failed before or after it, and after a kill, too.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type FaultyCall, faultyEnv } from "../../tests/faulty_disk.ts";
import type { DiskErrorCode } from "../env/env.ts";
import { KafkaError } from "../errors.ts";
import { batchesOf } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import { decodeRecords } from "../record/record.ts";
import type { Log, LogConfig } from "./log.ts";
import { LogFolder } from "./log_folder.ts";
import { withOpenFilesMax } from "./open_files.ts";

const CONFIG: LogConfig = {
  segmentBytes: 40_000,
  segmentMs: 1e12,
  segmentJitterMs: 0,
  segmentIndexBytes: 10_000,
  indexIntervalBytes: 500,
  retentionBytes: -1,
  retentionMs: -1,
  flushMessages: Infinity,
  flushMs: Infinity,
  fileDeleteDelayMs: 60_000,
  cleanupPolicy: { compact: false, delete: true },
};
const DECODER = new TextDecoder();

/** From the next call on this fails, so many times. */
interface Trouble {
  readonly call: FaultyCall;
  readonly suffix: string;
  readonly code: DiskErrorCode;
  readonly times: number;
}

/** The log under test beside what it was acknowledged to hold. */
class World {
  readonly #path: string;
  readonly #troubles: { trouble: Trouble; left: number }[] = [];
  readonly #env = faultyEnv((call, path) => this.#failureOf(call, path));
  #folder!: LogFolder;
  #log!: Log;
  /** Values by offset. */
  readonly #values: string[] = [];
  #sequence = 0;
  refused = 0;

  constructor(path: string) {
    this.#path = path;
    this.#open();
  }

  #failureOf(call: FaultyCall, path: string): DiskErrorCode | undefined {
    for (const each of this.#troubles) {
      const { call: due, suffix, code } = each.trouble;
      if (call !== due || !path.includes(suffix) || each.left === 0) continue;
      each.left--;
      return code;
    }
    return undefined;
  }

  #open(): void {
    const disk = withOpenFilesMax(this.#env.disk, 3);
    const env = { ...this.#env, disk };
    this.#folder = LogFolder.open({ env, path: this.#path, nodeId: 1 });
    this.#log = this.#folder.openLog({
      topic: "t",
      partition: 0,
      topicId: "Gmd94rMBRdCEC5P7ytJnvA",
      config: CONFIG,
    });
    this.#log.assignEpoch(0);
  }

  trouble(trouble: Trouble): void {
    this.#troubles.push({ trouble, left: trouble.times });
  }

  /** Appends a batch; what is refused is sent again, as a producer does. */
  append(bytes: number): void {
    const value = `${this.#values.length}:`.padEnd(bytes, "x");
    const batch = () =>
      buildBatch([{
        timestamp: 1000 + this.#values.length,
        key: null,
        value: new TextEncoder().encode(value),
      }], { producerId: 7, producerEpoch: 0, baseSequence: this.#sequence });
    for (let attempt = 0; attempt < 200; attempt++) {
      if (this.#log.isOffline) return;
      try {
        const options = { leaderEpoch: 0, nowMs: 0 };
        const appended = this.#log.appendAsLeader(batch(), options);
        this.#log.writeStaged();
        assertEquals(appended, {
          baseOffset: this.#values.length,
          lastOffset: this.#values.length,
          isDuplicate: false,
        });
        this.#values.push(value);
        this.#sequence++;
        return;
      } catch (error) {
        const isStorage = error instanceof Error &&
          (error.name === "DiskError" ||
            error instanceof KafkaError &&
              error.error === "KAFKA_STORAGE_ERROR");
        if (!isStorage) throw error;
        this.refused++;
      }
    }
    assert(false, "it is refused although the disk is well");
  }

  /** All that is read is what was acknowledged. */
  check(): void {
    this.#troubles.length = 0;
    const read: string[] = [];
    for (let next = 0; next < this.#log.logEndOffset;) {
      const bytes = this.#log.read(next, {
        maxBytes: 10_000,
        upperOffset: Infinity,
        minOneBatch: true,
      });
      for (const view of batchesOf(bytes)) {
        assert(view.isCrcValid());
        assertEquals(view.baseOffset, next, "offsets have no gap");
        for (const { value } of decodeRecords(view)) {
          read.push(DECODER.decode(value!));
        }
        next = view.nextOffset;
      }
    }
    assertEquals(read, this.#values);
  }

  async restart(clean: boolean): Promise<void> {
    this.#troubles.length = 0;
    await this.stop(clean);
    this.#open();
  }

  stop(clean: boolean): Promise<void> {
    return this.#folder.close({
      clean,
      brokerEpoch: 1,
      highWatermarks: new Map(),
    });
  }
}

const STEPS = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        append: fc.oneof(
          fc.integer({ min: 10, max: 3000 }),
          fc.integer({ min: 17_000, max: 30_000 }),
        ),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        trouble: fc.record({
          call: fc.constantFrom("open", "read", "write", "truncate", "sync"),
          suffix: fc.constantFrom(".log", "index", ".snapshot", "t-0"),
          code: fc.constantFrom("NoSpace", "Io", "TooManyFiles"),
          times: fc.integer({ min: 1, max: 8 }),
        }),
      }),
    },
    { weight: 1, arbitrary: fc.constant("check" as const) },
    { weight: 1, arbitrary: fc.record({ restart: fc.boolean() }) },
  ),
  { minLength: 5, maxLength: 60 },
);

Deno.test("what a log was acknowledged for is there, whichever calls of the disk fail", async () => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(STEPS, async (steps) => {
      const path = Deno.makeTempDirSync({ prefix: "kf-faulty-" });
      const world = new World(path);
      try {
        for (const step of steps) {
          if (step === "check") world.check();
          else if ("append" in step) world.append(step.append);
          else if ("trouble" in step) world.trouble(step.trouble);
          else await world.restart(step.restart);
        }
        world.check();
        refused += world.refused;
      } finally {
        await world.stop(false);
        Deno.removeSync(path, { recursive: true });
      }
    }),
    { numRuns: 80, endOnFailure: false },
  );
  assert(refused > 0, "nothing was refused");
});
