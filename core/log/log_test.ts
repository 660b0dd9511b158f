/**
 * Rolling, retention, flushing and epochs of one log on a real disk.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { faultyEnv } from "../../tests/faulty_disk.ts";
import { ReadBuffers } from "../bytes/read_buffers.ts";
import { denoEnv } from "../env/deno_env.ts";
import { DiskError } from "../env/env.ts";
import { KafkaError } from "../errors.ts";
import { BatchView } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import { Log } from "./log.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import type { LogConfig, LogEnv } from "./log_options.ts";

const CONFIG: LogConfig = {
  ...LOG_CONFIG,
  segmentBytes: 1_000_000,
  indexIntervalBytes: 4096,
};
const PLACE = {
  topic: "t",
  partition: 0,
  topicId: "Gmd94rMBRdCEC5P7ytJnvA",
  recoveryPoint: 0,
  logStartOffset: 0,
};
const ENV = denoEnv({ traceLevel: "error" });

/** Opens a log in a folder of its own, runs `test`, closes and removes it. */
async function withLog(
  config: Partial<LogConfig>,
  test: (log: Log, folder: string) => Promise<void> | void,
  env: LogEnv = ENV,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "kf-log-" });
  const log = Log.open({
    ...PLACE,
    env,
    folder,
    config: { ...CONFIG, ...config },
    wasClean: true,
  });
  log.assignEpoch(0);
  try {
    await test(log, folder);
  } finally {
    await log.close({ clean: true });
    Deno.removeSync(folder, { recursive: true });
  }
}

function append(log: Log, timestamp: number, bytes = 100): number {
  const value = new Uint8Array(bytes);
  const batch = buildBatch([{ timestamp, key: null, value }]);
  const { lastOffset } = log.appendAsLeader(batch, {
    leaderEpoch: 0,
    nowMs: timestamp,
  });
  return lastOffset;
}

function baseOffsets(folder: string): number[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".log")).map((name) => parseInt(name, 10))
    .sort((a, b) => a - b);
}

Deno.test("a segment rolls when the next batch does not fit", () =>
  withLog({ segmentBytes: 1000 }, (log, folder) => {
    for (let i = 0; i < 10; i++) append(log, i);
    log.writeStaged();
    const bases = baseOffsets(folder);
    assert(bases.length > 1, `${bases}`);
    for (const base of bases) {
      const size = Deno.statSync(
        `${folder}/${String(base).padStart(20, "0")}.log`,
      ).size;
      assert(size <= 1000, `${size} bytes`);
    }
  }));

Deno.test("a segment rolls when records are segment.ms newer than its first", () =>
  withLog({ segmentMs: 1000 }, (log, folder) => {
    for (const timestamp of [0, 500, 1000, 1001, 1500, 2002]) {
      append(log, timestamp);
    }
    assertEquals(baseOffsets(folder), [0, 3, 5]);
  }));

Deno.test("a segment rolls when its index is full", () =>
  withLog({ segmentIndexBytes: 40, indexIntervalBytes: 1 }, (log, folder) => {
    for (let i = 0; i < 20; i++) append(log, i);
    assert(baseOffsets(folder).length > 3);
  }));

Deno.test("retention by time deletes whole segments, the active one after a roll", () =>
  withLog({ segmentBytes: 500, retentionMs: 1000 }, (log, folder) => {
    for (let i = 0; i < 10; i++) append(log, i * 100);
    const before = baseOffsets(folder);
    log.applyRetention({ nowMs: 1500, highWatermark: log.logEndOffset });
    assert(log.logStartOffset > 0 && log.logStartOffset <= 6);
    assertEquals(
      baseOffsets(folder),
      before.filter((base) => base >= log.logStartOffset),
    );
    log.applyRetention({ nowMs: 10_000, highWatermark: log.logEndOffset });
    assertEquals([log.logStartOffset, log.logEndOffset], [10, 10]);
    assertEquals(append(log, 10_000), 10);
  }));

Deno.test("retention lets some of many segments go at a time, and nothing of the rest be read", () =>
  withLog({ segmentBytes: 500, retentionBytes: 0 }, (log) => {
    for (let i = 0; i < 100; i++) append(log, i);
    const bounds = { nowMs: 0, highWatermark: log.logEndOffset };
    const asked = { maxBytes: 100, upperOffset: 100, minOneBatch: true };
    for (let hasMore = true; hasMore;) {
      const { length: before } = log.segments;
      hasMore = log.applyRetention(bounds);
      const { length } = log.segments;
      assert(length < before && before - length <= 4, `${before} to ${length}`);
      const start = log.segments.at(-1)!.baseOffset;
      assertEquals(log.logStartOffset, start);
      assertThrows(() => log.read(start - 1, asked), KafkaError);
    }
    assertEquals(log.segments.length, 1);
  }));

Deno.test("records that are deleted on purpose are gone from the disk at once", () =>
  withLog({ segmentBytes: 500 }, (log, folder) => {
    for (let i = 0; i < 100; i++) append(log, i);
    log.deleteRecordsBefore(log.logEndOffset);
    assertEquals(baseOffsets(folder).length, 1);
    assertEquals([log.logStartOffset, log.logEndOffset], [100, 100]);
  }));

Deno.test("a time index that is damaged makes no young segment old", async () => {
  const config = { segmentBytes: 500, retentionMs: 1000 };
  await withLog(config, async (log, folder) => {
    for (let i = 0; i < 10; i++) append(log, 5000 + i);
    await log.close({ clean: true });
    for (const { name } of Deno.readDirSync(folder)) {
      if (!name.endsWith(".timeindex")) continue;
      const path = `${folder}/${name}`;
      const bytes = Deno.readFileSync(path);
      // The first bytes of each time: 4096 ms less make a whole retention.
      for (let at = 6; at < bytes.length; at += 12) bytes[at]! &= 0x0f;
      Deno.writeFileSync(path, bytes);
    }
    const again = Log.open({
      ...PLACE,
      env: ENV,
      folder,
      config: { ...CONFIG, ...config },
      wasClean: true,
    });
    again.applyRetention({ nowMs: 5500, highWatermark: again.logEndOffset });
    assertEquals(again.logStartOffset, 0);
    again.applyRetention({ nowMs: 7000, highWatermark: again.logEndOffset });
    assert(again.logStartOffset > 0);
    await again.close({ clean: true });
  });
});

Deno.test("retention never passes the high watermark", () =>
  withLog({ segmentBytes: 500, retentionMs: 1000 }, (log) => {
    for (let i = 0; i < 10; i++) append(log, i);
    log.applyRetention({ nowMs: 1e9, highWatermark: 4 });
    assert(log.logStartOffset <= 4);
  }));

Deno.test("retention by size keeps at least retention.bytes", () =>
  withLog({ segmentBytes: 500, retentionBytes: 900 }, (log) => {
    for (let i = 0; i < 30; i++) append(log, i);
    const bounds = { nowMs: 0, highWatermark: log.logEndOffset };
    for (let hasMore = true; hasMore;) hasMore = log.applyRetention(bounds);
    assert(log.logStartOffset > 0);
    assert(log.sizeInBytes >= 900 && log.sizeInBytes < 900 + 500);
    assertThrows(
      () => log.read(0, { maxBytes: 100, upperOffset: 30, minOneBatch: true }),
      KafkaError,
    );
  }));

Deno.test("a compacted topic's segments don't go by time", () =>
  withLog({
    segmentBytes: 500,
    retentionMs: 1,
    cleanupPolicy: { compact: true, delete: false },
  }, (log) => {
    for (let i = 0; i < 10; i++) append(log, i);
    log.applyRetention({ nowMs: 1e9, highWatermark: log.logEndOffset });
    assertEquals(log.logStartOffset, 0);
  }));

Deno.test("settledOffset waits for the flush that flush.messages owes", () =>
  withLog({ flushMessages: 2 }, async (log) => {
    append(log, 0);
    log.writeStaged();
    assertEquals([log.settledOffset, log.flushedOffset], [1, 0]);
    const settled = Promise.withResolvers<void>();
    log.onSettled(settled.resolve);
    append(log, 1);
    log.writeStaged();
    assertEquals(log.settledOffset, 0, "a flush is owed");
    await settled.promise;
    assertEquals([log.settledOffset, log.flushedOffset], [2, 2]);
  }));

Deno.test("flush() covers what was appended before it, in one sync for many", () =>
  withLog({}, async (log) => {
    const flushes = [];
    for (let i = 0; i < 20; i++) {
      append(log, i);
      flushes.push(log.flush());
    }
    await Promise.all(flushes);
    assertEquals(log.flushedOffset, 20);
  }));

Deno.test("a leader epoch ends where the next one begins", () =>
  withLog({}, (log) => {
    append(log, 0);
    append(log, 1);
    log.assignEpoch(3);
    append(log, 2);
    assertEquals(log.latestEpoch, 3);
    assertEquals(log.endOffsetForEpoch(0), { epoch: 0, endOffset: 2 });
    assertEquals(log.endOffsetForEpoch(2), { epoch: 0, endOffset: 2 });
    assertEquals(log.endOffsetForEpoch(3), { epoch: 3, endOffset: 3 });
    assertEquals(log.endOffsetForEpoch(9), { epoch: -1, endOffset: -1 });
  }));

Deno.test("a read gives whole batches up to its limit, and at least one", () =>
  withLog({}, (log) => {
    for (let i = 0; i < 10; i++) append(log, i, 20_000);
    const read = (maxBytes: number, minOneBatch: boolean) =>
      log.read(3, { maxBytes, upperOffset: 8, minOneBatch });
    assertEquals(read(100, false).length, 0);
    const one = read(100, true);
    assertEquals(one.length, new BatchView(one).sizeInBytes);
    assertEquals(new BatchView(one).baseOffset, 3);
    assertEquals(read(1e6, true).length, 5 * one.length);
    assertEquals(read(2.5 * one.length, true).length, 2 * one.length);
  }));

Deno.test("a clean close leaves the file of an index without entries, as Kafka's tools want it", async () => {
  await withLog({}, async (log, folder) => {
    append(log, 1);
    await log.close({ clean: true });
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assert(files.some((name) => name.endsWith(".index")), `${files}`);
  });
});

Deno.test("retention deletes what is old even where there is no room to roll", async () => {
  let isFull = false;
  const env = faultyEnv((call, path) =>
    isFull && call === "write" && path.includes(".snapshot")
      ? "NoSpace"
      : undefined
  );
  await withLog({ segmentBytes: 500, retentionMs: 1000 }, (log, folder) => {
    for (let i = 0; i < 10; i++) append(log, i * 100);
    const segments = baseOffsets(folder).length;
    isFull = true;
    const retain = () =>
      log.applyRetention({ nowMs: 1e9, highWatermark: log.logEndOffset });
    assertThrows(retain, DiskError, "NoSpace");
    assert(segments > 2 && baseOffsets(folder).length === 1);
    isFull = false;
    retain();
    assertEquals([log.logStartOffset, log.logEndOffset], [10, 10]);
  }, env);
});

Deno.test("what a crash left unflushed settles without another append", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "kf-log-" });
  const config = { ...CONFIG, flushMessages: 1 };
  const open = () =>
    Log.open({ ...PLACE, folder, config, wasClean: false, env: ENV });
  try {
    const killed = open();
    killed.assignEpoch(0);
    append(killed, 1);
    killed.writeStaged();
    await killed.close({ clean: false });
    const log = open();
    assertEquals([log.settledOffset, log.logEndOffset], [0, 1]);
    const settled = Promise.withResolvers<void>();
    log.onSettled(settled.resolve);
    await settled.promise;
    assertEquals(log.settledOffset, 1);
    await log.close({ clean: true });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("an index with a wrong entry hides no record", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "kf-log-" });
  const open = () =>
    Log.open({
      env: ENV,
      folder,
      topic: "t",
      partition: 0,
      topicId: "Gmd94rMBRdCEC5P7ytJnvA",
      config: { ...CONFIG, indexIntervalBytes: 100 },
      recoveryPoint: 0,
      logStartOffset: 0,
      wasClean: true,
    });
  let log = open();
  for (let i = 0; i < 40; i++) append(log, i);
  await log.close({ clean: true });
  const path = `${folder}/00000000000000000000.index`;
  const whole = Deno.readFileSync(path);
  const last = new DataView(whole.buffer).getInt32(whole.length - 4);
  for (const position of [last, last - 7, -1, 0x7fffffff]) {
    const bytes = whole.slice();
    const view = new DataView(bytes.buffer);
    for (let at = 8; at < bytes.length - 8; at += 8) {
      view.setInt32(at + 4, position);
    }
    Deno.writeFileSync(path, bytes);
    log = open();
    for (let offset = 39; offset >= 0; offset--) {
      const read = log.read(offset, {
        maxBytes: 1,
        upperOffset: Infinity,
        minOneBatch: true,
      });
      assertEquals(new BatchView(read).baseOffset, offset);
    }
    await log.close({ clean: false });
  }
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a read into a buffer that another one filled shows what is in the log only", async () => {
  await withLog({ segmentBytes: 300_000 }, (log) => {
    for (let i = 0; i < 40; i++) append(log, i, 20_000);
    const buffers = new ReadBuffers();
    const asked = { maxBytes: 100_000, upperOffset: 35, minOneBatch: true };
    let used = 0;
    for (let offset = 0; offset < 40; offset++) {
      const into = buffers.lend(104_096).fill(0xee);
      buffers.giveBack(into);
      const read = log.read(offset, { ...asked, buffers });
      if (read.buffer === into.buffer) used++;
      assertEquals(read, log.read(offset, asked));
      buffers.giveBack(read);
    }
    assert(used > 20, `${used} reads used it`);
  });
});

Deno.test("a look-up by time goes on behind a batch whose records of that time lie before the log's start", async () => {
  await withLog({}, (log) => {
    const batch = buildBatch([50, 10].map((timestamp) => ({
      timestamp,
      key: null,
      value: new Uint8Array(10),
    })));
    log.appendAsLeader(batch, { leaderEpoch: 0, nowMs: 0 });
    append(log, 40);
    assertEquals(log.offsetForTimestamp(30)?.offset, 0);
    log.deleteRecordsBefore(1);
    assertEquals(log.offsetForTimestamp(30)?.offset, 2);
  });
});

Deno.test("a segment that could not be begun leaves no file between others", async () => {
  let isFull = false;
  const env = faultyEnv((call, path) =>
    isFull && call === "truncate" && /0[1-9]\d*\.log$/.test(path)
      ? "NoSpace"
      : undefined
  );
  await withLog({ segmentBytes: 600 }, (log, folder) => {
    append(log, 0);
    append(log, 1, 200);
    log.writeStaged();
    isFull = true;
    assertThrows(() => append(log, 2, 300), DiskError, "NoSpace");
    assertEquals(baseOffsets(folder), [0]);
    isFull = false;
    append(log, 2, 10);
    append(log, 3, 300);
    assertEquals(baseOffsets(folder), [0, 3]);
  }, env);
});
