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
import type { Log } from "./log.ts";
import type { LogConfig } from "./log_options.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import { LogFolder } from "./log_folder.ts";
import { withOpenFilesMax } from "./open_files.ts";

const CONFIG: LogConfig = {
  ...LOG_CONFIG,
  segmentBytes: 40_000,
  indexIntervalBytes: 500,
};
const APPEND = { leaderEpoch: 0, nowMs: 0 };
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

  /** The next value of the list. */
  #value(bytes: number): string {
    return `${this.#values.length}:`.padEnd(bytes, "x");
  }

  /** It in a batch, with the sequence that belongs there. */
  #batch(bytes: number): Uint8Array {
    return buildBatch([{
      timestamp: 1000 + this.#values.length,
      key: null,
      value: new TextEncoder().encode(this.#value(bytes)),
    }], {
      producerId: 7,
      producerEpoch: 0,
      baseSequence: this.#values.length,
    });
  }

  /** Counts a refusal; any other failure is thrown. */
  #refuse(error: unknown): void {
    const isStorage = error instanceof Error && error.name === "DiskError" ||
      error instanceof KafkaError && error.error === "KAFKA_STORAGE_ERROR";
    if (!isStorage) throw error;
    this.refused++;
  }

  /** Appends a batch; what is refused is sent again, as a producer does. */
  append(bytes: number): void {
    for (let attempt = 0; attempt < 200; attempt++) {
      if (this.#log.isOffline) return;
      try {
        const appended = this.#log.appendAsLeader(this.#batch(bytes), APPEND);
        this.#log.writeStaged();
        assertEquals(appended, {
          baseOffset: this.#values.length,
          lastOffset: this.#values.length,
          isDuplicate: false,
        });
        this.#values.push(this.#value(bytes));
        return;
      } catch (error) {
        this.#refuse(error);
      }
    }
    assert(false, "it is refused although the disk is well");
  }

  /** Appends several batches that one write serves; who is refused is not there. */
  gather(count: number, bytes: number): void {
    if (this.#log.isOffline) return;
    const acknowledged = this.#values.length;
    try {
      for (let i = 0; i < count; i++) {
        this.#log.appendAsLeader(this.#batch(bytes), APPEND);
        this.#values.push(this.#value(bytes));
      }
      this.#log.writeStaged();
    } catch (error) {
      this.#refuse(error);
      this.#settle();
      const { logEndOffset } = this.#log;
      assert(logEndOffset >= acknowledged, "it takes nothing back");
      // What was written before the failure is there, whoever was told.
      this.#values.length = Math.min(this.#values.length, logEndOffset);
    }
  }

  /** What is gathered is written, or taken back. */
  #settle(): void {
    try {
      this.#log.writeStaged();
    } catch (error) {
      this.#refuse(error);
    }
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
    // A sync that failed before is told at a clean stop, which is none then.
    await this.stop(clean).catch((error) => this.#refuse(error));
    this.#open();
    // Of a write that failed for good a whole batch may have got through.
    this.#found();
  }

  /** Takes in what is there beyond what was acknowledged. */
  #found(): void {
    const { logEndOffset } = this.#log;
    const known = this.#values.length;
    assert(logEndOffset >= known, `${logEndOffset} of ${known} are left`);
    if (logEndOffset === known) return;
    const bytes = this.#log.read(known, {
      maxBytes: 1e6,
      upperOffset: Infinity,
      minOneBatch: true,
    });
    for (const view of batchesOf(bytes)) {
      for (const { offset, value } of decodeRecords(view)) {
        if (offset < known) continue;
        const text = DECODER.decode(value!);
        assert(text.startsWith(`${offset}:`), text);
        this.#values.push(text);
      }
    }
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
        gather: fc.integer({ min: 1, max: 30 }),
        bytes: fc.integer({ min: 10, max: 8000 }),
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
          else if ("gather" in step) world.gather(step.gather, step.bytes);
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
    { numRuns: 60, endOnFailure: false },
  );
  assert(refused > 0, "nothing was refused");
});
