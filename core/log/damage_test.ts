/**
 * Bits that flip in segments that no start looks at, where a batch's CRC
 * doesn't reach: whoever reads is given what is there or told that it is
 * damaged, and nothing is passed over.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { denoEnv } from "../env/deno_env.ts";
import { KafkaError } from "../errors.ts";
import { AT, batchesOf, type BatchView } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import { decodeRecords } from "../record/record.ts";
import { Log } from "./log.ts";
import type { LogConfig } from "./log_options.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";

const CONFIG: LogConfig = {
  ...LOG_CONFIG,
  segmentBytes: 500,
};
const ENV = denoEnv({ traceLevel: "error" });
const DECODER = new TextDecoder();
const BATCHES = 16;
const PER_BATCH = 2;

function open(folder: string, config: Partial<LogConfig> = {}): Log {
  return Log.open({
    topic: "t",
    partition: 0,
    topicId: "Gmd94rMBRdCEC5P7ytJnvA",
    recoveryPoint: Infinity,
    logStartOffset: 0,
    env: ENV,
    folder,
    config: { ...CONFIG, ...config },
    wasClean: true,
  });
}

/** A log whose every record tells its offset, stopped cleanly. */
async function filled(folder: string): Promise<void> {
  const log = open(folder);
  log.assignEpoch(3);
  for (let i = 0; i < BATCHES; i++) {
    const batch = buildBatch(
      Array.from({ length: PER_BATCH }, (_, j) => ({
        timestamp: 1000 + i,
        key: null,
        value: new TextEncoder().encode(String(i * PER_BATCH + j)),
      })),
    );
    log.appendAsLeader(batch, { leaderEpoch: 3, nowMs: 0 });
  }
  await log.close({ clean: true });
}

async function withFolder(
  test: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "kf-damage-" });
  try {
    await filled(folder);
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A bit of a batch in a segment that is not the last one. */
interface Flip {
  readonly path: string;
  readonly position: number;
  readonly bit: number;
}

/** Each batch, at each of the bits from byte `from` up to `to` of its header. */
function* flips(folder: string, from: number, to: number): Generator<Flip> {
  const log = open(folder);
  const places = log.segments.slice(0, -1).flatMap((segment) =>
    Array.from(segment.batchesFrom(0), ({ position }) => ({
      path: `${segment.path}.log`,
      position,
    }))
  );
  log.close({ clean: false });
  for (const { path, position } of places) {
    for (let bit = 0; bit < (to - from) * 8; bit++) {
      const byte = position + from + (bit >> 3);
      yield { path, position: byte, bit: bit & 7 };
    }
  }
}

function flip({ path, position, bit }: Flip): void {
  const bytes = Deno.readFileSync(path);
  bytes[position]! ^= 1 << bit;
  Deno.writeFileSync(path, bytes);
}

/** Runs `test` with each flip in turn, which is taken back behind it. */
async function withEach(
  folder: string,
  { from, to }: { readonly from: number; readonly to: number },
  test: (log: Log, what: string) => void,
): Promise<void> {
  for (const each of [...flips(folder, from, to)]) {
    flip(each);
    const log = open(folder);
    test(log, JSON.stringify(each));
    await log.close({ clean: false });
    flip(each);
  }
}

/** What is read at an offset; undefined when it is told to be damaged. */
function read(log: Log, offset: number, maxBytes: number) {
  try {
    const upperOffset = Infinity;
    const asked = { maxBytes, upperOffset, minOneBatch: true };
    return [...batchesOf(log.read(offset, asked))];
  } catch (error) {
    assert(error instanceof KafkaError, `${error}`);
    assertEquals(error.error, "CORRUPT_MESSAGE");
    return undefined;
  }
}

function valueAt(batches: readonly BatchView[], offset: number) {
  const found = decodeRecords(batches[0]!).find((record) =>
    record.offset === offset
  );
  return found && DECODER.decode(found.value!);
}

const END = BATCHES * PER_BATCH;

for (
  const [field, from, to] of [
    ["offset", AT.baseOffset, AT.batchLength],
    ["length", AT.batchLength, AT.partitionLeaderEpoch],
    ["magic", AT.magic, AT.crc],
  ] as const
) {
  Deno.test(`a flipped bit of a batch's ${field} hides nothing behind an empty answer`, () =>
    withFolder((folder) =>
      withEach(folder, { from, to }, (log, what) => {
        assertEquals(log.logEndOffset, END, "a clean start looks at the end");
        let isTold = false;
        for (let offset = 0; offset < END; offset++) {
          const batches = read(log, offset, 1);
          isTold ||= batches === undefined;
          if (batches === undefined || field === "length") continue;
          assertEquals(valueAt(batches, offset), String(offset), what);
        }
        // A length that is too large may end where another batch begins.
        if (field !== "length") assert(isTold, what);
      })
    ));

  Deno.test(`a reader meets what lies before a flipped bit of a batch's ${field}, then the damage`, () =>
    withFolder((folder) =>
      withEach(folder, { from, to }, (log, what) => {
        for (const maxBytes of [1, 700]) {
          let next = 0;
          for (let batches; next < END;) {
            if ((batches = read(log, next, maxBytes)) === undefined) break;
            assert(batches.length > 0, `nothing at ${next}, ${what}`);
            for (const batch of batches) {
              if (!batch.isCrcValid()) return;
              assertEquals(batch.baseOffset, next, what);
              next = batch.nextOffset;
            }
          }
          assert(next < END, `no damage was met, ${what}`);
        }
      })
    ));
}

Deno.test("a flipped bit of a batch's leader epoch keeps nobody from reading", () =>
  withFolder((folder) =>
    withEach(
      folder,
      { from: AT.partitionLeaderEpoch, to: AT.magic },
      (log, what) => {
        for (let offset = 0; offset < END; offset++) {
          const batches = read(log, offset, 1);
          assert(batches !== undefined, what);
          assertEquals(valueAt(batches, offset), String(offset), what);
        }
      },
    )
  ));

Deno.test("a look-up by time finds the right offset or tells the damage", () =>
  withFolder((folder) =>
    withEach(
      folder,
      { from: AT.baseOffset, to: AT.batchLength },
      (log, what) => {
        for (let i = 0; i < BATCHES; i += 3) {
          try {
            const found = log.offsetForTimestamp(1000 + i);
            const isSkipped = found !== undefined && found.offset > i * 2;
            assert(found !== undefined && !isSkipped, what);
          } catch (error) {
            assert(error instanceof KafkaError, `${error}`);
          }
        }
      },
    )
  ));

Deno.test("a damaged segment that is old goes in the end, and those behind it", () =>
  withFolder(async (folder) => {
    const log = open(folder, { retentionMs: 1000 });
    const path = `${log.segments[1]!.path}.log`;
    await log.close({ clean: false });
    const bytes = Deno.readFileSync(path);
    for (let i = AT.magic; i < bytes.length; i++) bytes[i] = 0;
    Deno.writeFileSync(path, bytes);
    const damaged = open(folder, { retentionMs: 1000 });
    assertThrows(() => damaged.segments[1]!.readNextOffset(), KafkaError);
    const later = { nowMs: 1e15, highWatermark: END };
    damaged.applyRetention(later);
    assertEquals(damaged.segments.length, 1);
    await damaged.close({ clean: false });
  }));
