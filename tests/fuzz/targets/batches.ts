/**
 * What a producer sends, through the broker's checks and into a log: a refusal
 * or a batch that is whole, can be read, and comes back from the disk as it
 * was, also after a recovery.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  resolveBrokerConfig,
  resolveTopicConfig,
} from "../../../core/config/resolve.ts";
import { denoEnv } from "../../../core/env/deno_env.ts";
import { KafkaError } from "../../../core/errors.ts";
import { Log } from "../../../core/log/log.ts";
import { batchesOf, BatchView } from "../../../core/record/batch.ts";
import { decodeRecords } from "../../../core/record/record.ts";
import {
  type ValidateOptions,
  validateProduced,
} from "../../../core/record/validate.ts";
import { NOW_MS, someBatch } from "../batches.ts";
import { type FuzzTarget, headed, headOf, varyBody } from "../target.ts";

const INFLATED_BYTES_MAX = 4 * 1024 * 1024;
const DAY_MS = 86_400_000;
/** Appended batches after which the log is opened anew from its files. */
const REOPEN_AFTER = 50;

const OPTIONS: ValidateOptions = {
  maxMessageBytes: 1048588,
  segmentBytes: 1 << 20,
  isCompacted: false,
  timestampType: "CreateTime",
  nowMs: NOW_MS,
  beforeMaxMs: Infinity,
  afterMaxMs: DAY_MS,
  compressionType: "producer",
  inflatedBytesMax: INFLATED_BYTES_MAX,
};

const MODES: Readonly<Record<string, Partial<ValidateOptions>>> = {
  plain: {},
  compacted: { isCompacted: true },
  appendTime: { timestampType: "LogAppendTime" },
  zstd: { compressionType: "zstd" },
  lz4: { compressionType: "lz4" },
  gzip: { compressionType: "gzip" },
  snappy: { compressionType: "snappy" },
  uncompressed: { compressionType: "uncompressed" },
  old: { produceVersion: 3, beforeMaxMs: 1000, afterMaxMs: 1000 },
};

export const batches: FuzzTarget = {
  name: "batches",
  extraBytesMax: 8 * INFLATED_BYTES_MAX,
  generate: (chance) =>
    headed(chance.pick(Object.keys(MODES)), someBatch(chance)),
  vary: varyBody,
  run(input) {
    const { head, body } = headOf(input);
    const mode = Object.hasOwn(MODES, head) ? MODES[head] : undefined;
    if (mode === undefined) return;
    const result = validateProduced(body.slice(), { ...OPTIONS, ...mode });
    if (!result.ok) {
      assert(result.message.length < 1000, "a refusal is a sentence");
      return;
    }
    assert(result.view.isCrcValid(), "what is appended has its CRC");
    const records = decodeRecords(result.view);
    assertEquals(records.length, result.view.recordCount);
    return (kept ??= new KeptLog()).append(result.bytes);
  },
  async close() {
    await kept?.end();
    kept = undefined;
  },
};

/** A log on the disk, and what was appended to it. */
class KeptLog {
  readonly #folder = Deno.makeTempDirSync({ prefix: "kf-fuzz-" });
  readonly #records: Uint8Array[] = [];
  #log = openAt(this.#folder);

  async append(batch: Uint8Array): Promise<void> {
    try {
      const { isDuplicate } = this.#log.appendAsLeader(batch, {
        leaderEpoch: 0,
        nowMs: NOW_MS,
      });
      this.#log.writeStaged();
      if (isDuplicate) return;
    } catch (error) {
      // A sequence that doesn't follow is refused here.
      if (error instanceof KafkaError) return;
      throw error;
    }
    this.#records.push(new BatchView(batch).records.slice());
    if (this.#records.length % REOPEN_AFTER === 0) await this.#reopen();
  }

  /** Opens the log as after a crash, and reads all of it. */
  async #reopen(): Promise<void> {
    const end = this.#log.logEndOffset;
    await this.#log.close({ clean: false });
    this.#log = openAt(this.#folder);
    assertEquals(this.#log.logEndOffset, end, "recovery keeps every batch");
    let i = 0;
    for (let at = 0; at < end;) {
      const read = this.#log.read(at, {
        maxBytes: 1 << 20,
        upperOffset: end,
        minOneBatch: true,
      });
      for (const view of batchesOf(read)) {
        assert(view.isCrcValid(), "what is read has its CRC");
        assertEquals(view.records, this.#records[i++]);
        at = view.nextOffset;
      }
    }
  }

  async end(): Promise<void> {
    await this.#reopen();
    await this.#log.close({ clean: true });
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

function openAt(folder: string): Log {
  const config = resolveTopicConfig(
    new Map([["segment.bytes", String(1 << 20)]]),
    resolveBrokerConfig(),
  );
  return Log.open({
    env: denoEnv({ traceLevel: "error" }),
    folder,
    topic: "t",
    partition: 0,
    topicId: "AAAAAAAAAAAAAAAAAAAAAQ",
    config,
    recoveryPoint: 0,
    logStartOffset: 0,
    wasClean: false,
  });
}

let kept: KeptLog | undefined;
