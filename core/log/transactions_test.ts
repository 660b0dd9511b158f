/**
 * Transactions in one log on a real disk: what is stable, what is aborted and
 * who has one open, held against a plain list through any history of batches,
 * markers, rolls, deletes, torn tails, stops and kills; and what is refused.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { denoEnv } from "../env/deno_env.ts";
import type { Disk, DiskFile } from "../env/env.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import { batchesOf, BatchView } from "../record/batch.ts";
import type { Log } from "./log.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import type { AppendOptions, LogConfig } from "./log_options.ts";
import { LogFolder } from "./log_folder.ts";
import { UNVERIFIED, type VerificationGuard } from "./producer_state.ts";
import {
  dataBatch,
  type Entry,
  markerBatch,
  replay,
} from "./transactions_fixture.ts";

const CONFIG: LogConfig = {
  ...LOG_CONFIG,
  segmentBytes: 3000,
  indexIntervalBytes: 500,
};
const PLACE = {
  topic: "t",
  partition: 0,
  topicId: "Gmd94rMBRdCEC5P7ytJnvA",
  config: CONFIG,
};
const PRODUCERS = 4;
const env = denoEnv({ traceLevel: "error" });

/** The log under test beside the list of what it holds. */
class World {
  readonly #path: string;
  #folder!: LogFolder;
  log!: Log;
  #entries: Entry[] = [];
  #start = 0;
  #highWatermark = 0;

  constructor(path: string) {
    this.#path = path;
    this.open();
  }

  open(): void {
    this.#folder = LogFolder.open({ env, path: this.#path, nodeId: 1 });
    this.log = this.#folder.openLog(PLACE);
    this.log.assignEpoch(0);
    this.#highWatermark = this.log.logEndOffset;
    this.log.committed(this.#highWatermark);
  }

  async stop(clean: boolean): Promise<void> {
    await this.#folder.close({
      clean,
      brokerEpoch: 1,
      highWatermarks: new Map(),
    });
  }

  /** A kill that took the last bytes of the newest segment with it. */
  async tear(bytes: number): Promise<void> {
    await this.stop(false);
    const logs = [...Deno.readDirSync(`${this.#path}/t-0`)]
      .map(({ name }) => name).filter((name) => name.endsWith(".log")).sort();
    if (logs.length === 0) return;
    const path = `${this.#path}/t-0/${logs.at(-1)}`;
    const size = Deno.statSync(path).size;
    Deno.truncateSync(path, Math.max(0, size - bytes));
    const whole = [...batchesOf(Deno.readFileSync(path))].at(-1)?.nextOffset ??
      parseInt(logs.at(-1)!, 10);
    this.#entries = this.#entries.filter(({ lastOffset }) =>
      lastOffset < whole
    );
    this.#start = Math.min(this.#start, whole);
  }

  get #end(): number {
    return (this.#entries.at(-1)?.lastOffset ?? -1) + 1;
  }

  append(
    { producer, count, isTransactional }: {
      producer: number;
      count: number;
      isTransactional: boolean;
    },
  ): void {
    const { producers } = replay(this.#entries);
    const known = producers.get(producer);
    if (!isTransactional && (known?.openSince ?? -1) >= 0) return;
    const epoch = known?.epoch ?? 0;
    const baseSequence = (known?.lastSequence ?? -1) + 1;
    const firstOffset = this.#end;
    const batch = dataBatch({
      producerId: producer,
      producerEpoch: epoch,
      baseSequence,
      count,
      timestamp: firstOffset,
      isTransactional,
    });
    const guard = isTransactional
      ? this.log.beginVerification(new BatchView(batch), {
        bumpsEpoch: false,
        nowMs: 0,
      })
      : undefined;
    assertEquals(
      guard === undefined,
      !isTransactional || (known?.openSince ?? -1) >= 0,
      "an open transaction needs no verification",
    );
    appendBatch(this.log, batch, { guard });
    this.log.writeStaged();
    this.#entries.push({
      producerId: producer,
      epoch,
      kind: "data",
      isTransactional,
      firstOffset,
      lastOffset: firstOffset + count - 1,
      lastSequence: baseSequence + count - 1,
    });
  }

  end(
    { producer, kind, bumps }: {
      producer: number;
      kind: "commit" | "abort";
      bumps: boolean;
    },
  ): void {
    const { producers } = replay(this.#entries);
    const epoch = (producers.get(producer)?.epoch ?? 0) + (bumps ? 1 : 0);
    const offset = this.#end;
    const batch = markerBatch(producer, epoch, { kind, timestamp: offset });
    appendBatch(this.log, batch, {
      origin: "coordinator",
      transactionVersion: bumps ? 2 : 1,
    });
    this.log.writeStaged();
    this.#entries.push({
      producerId: producer,
      epoch,
      kind,
      isTransactional: true,
      firstOffset: offset,
      lastOffset: offset,
      lastSequence: -1,
    });
  }

  async checkpoint(): Promise<void> {
    await this.log.flush();
    this.#folder.checkpoint(new Map());
  }

  advance(part: number): void {
    this.#highWatermark = this.#between(this.#highWatermark, part);
    this.log.committed(this.#highWatermark);
  }

  deleteBefore(part: number): void {
    const to = this.#start +
      Math.floor((this.#highWatermark - this.#start) * part);
    this.#start = Math.max(this.#start, to);
    this.log.deleteRecordsBefore(this.#start);
    this.#folder.checkpoint(new Map());
  }

  #between(low: number, part: number): number {
    return low + Math.floor((this.#end - low) * part);
  }

  check(): void {
    const { log } = this;
    const { producers, aborted, completed } = replay(this.#entries);
    assertEquals(
      [...log.activeProducers()].sort((a, b) => a.producerId - b.producerId),
      [...producers].sort(([a], [b]) => a - b).map((
        [producerId, { epoch, openSince, ...rest }],
      ) => ({
        producerId,
        producerEpoch: epoch,
        ...rest,
        currentTxnStartOffset: openSince,
      })),
    );
    for (const part of [0, 0.3, 0.7, 1]) {
      const highWatermark = this.#between(this.#highWatermark, part);
      const firsts = [
        ...[...producers.values()].map(({ openSince }) => openSince)
          .filter((since) => since >= 0),
        ...completed.filter(({ lastOffset }) => lastOffset >= highWatermark)
          .map(({ firstOffset }) => firstOffset),
      ];
      assertEquals(
        log.lastStableOffset(highWatermark),
        Math.min(highWatermark, Math.max(this.#start, Math.min(...firsts))),
      );
      const from = this.#between(this.#start, part / 2);
      const to = this.#between(from, 0.5);
      assertEquals(
        log.abortedTransactions(from, to).filter(({ firstOffset }) =>
          firstOffset < to
        ),
        aborted.filter(({ firstOffset, lastOffset }) =>
          lastOffset >= from && firstOffset < to
        ),
      );
    }
  }
}

function appendBatch(
  log: Log,
  batch: Uint8Array,
  options: Partial<AppendOptions> = {},
): void {
  log.appendAsLeader(batch, { leaderEpoch: 0, nowMs: 0, ...options });
}

type Step =
  | {
    readonly type: "append";
    readonly producer: number;
    readonly count: number;
    readonly isTransactional: boolean;
  }
  | {
    readonly type: "end";
    readonly producer: number;
    readonly kind: "commit" | "abort";
    readonly bumps: boolean;
  }
  | { readonly type: "checkpoint" | "clean" | "kill" }
  | { readonly type: "tear"; readonly bytes: number }
  | { readonly type: "advance" | "delete"; readonly part: number };

const producer = fc.integer({ min: 1, max: PRODUCERS });
const part = fc.double({ min: 0, max: 1, noNaN: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("append" as const),
      producer,
      count: fc.integer({ min: 1, max: 20 }),
      isTransactional: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("end" as const),
      producer,
      kind: fc.constantFrom("commit" as const, "abort" as const),
      bumps: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "checkpoint" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "clean" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "kill" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("tear" as const),
      bytes: fc.integer({ min: 1, max: 1500 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom("advance" as const, "delete" as const),
      part,
    }),
  },
);

async function run(world: World, next: Step): Promise<void> {
  switch (next.type) {
    case "append":
      return world.append(next);
    case "end":
      return world.end(next);
    case "checkpoint":
      return await world.checkpoint();
    case "advance":
      return world.advance(next.part);
    case "delete":
      return world.deleteBefore(next.part);
    case "tear":
      await world.tear(next.bytes);
      return world.open();
    default:
      await world.stop(next.type === "clean");
      world.open();
  }
}

Deno.test("what is stable, aborted and open is the same live and after any history of stops, kills and torn tails", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 70 }),
      async (steps) => {
        const path = Deno.makeTempDirSync({ prefix: "kf-txn-" });
        const world = new World(path);
        try {
          for (const next of steps) {
            await run(world, next);
            world.check();
          }
          await world.stop(true);
          world.open();
          world.check();
        } finally {
          await world.stop(false);
          await env.tasks.settled();
          Deno.removeSync(path, { recursive: true });
        }
      },
    ),
    { numRuns: 60 },
  );
});

/** Opens a log in a folder of its own, runs `test`, closes and removes it. */
async function withLog(
  test: (log: Log, disk: FailingDisk) => void,
): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "kf-txn-" });
  const disk = new FailingDisk(env.disk);
  const folder = LogFolder.open({
    env: { ...env, disk: disk.disk },
    path,
    nodeId: 1,
  });
  try {
    const log = folder.openLog(PLACE);
    log.assignEpoch(0);
    test(log, disk);
  } finally {
    await folder.close({
      clean: true,
      brokerEpoch: 1,
      highWatermarks: new Map(),
    });
    await env.tasks.settled();
    Deno.removeSync(path, { recursive: true });
  }
}

/** A disk on which writes, and reads too, fail when they are told to. */
class FailingDisk {
  readonly disk: Disk;
  isFailing = false;
  readsLeft = Infinity;

  constructor(real: Disk) {
    this.disk = {
      ...real,
      open: (path, mode) => this.#wrap(real.open(path, mode)),
    };
  }

  #wrap(file: DiskFile): DiskFile {
    return new Proxy(file, {
      get: (target, name) => {
        const fails = name === "pwriteAll" && this.isFailing ||
          name === "pread" && this.readsLeft-- <= 0;
        if (fails) {
          return () => {
            throw new Error("no space left");
          };
        }
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

function transactional(baseSequence: number, producerEpoch = 0) {
  return dataBatch({
    producerId: 7,
    producerEpoch,
    baseSequence,
    count: 1,
    timestamp: 0,
    isTransactional: true,
  });
}

function begin(log: Log, batch: Uint8Array, bumpsEpoch = false) {
  return log.beginVerification(new BatchView(batch), { bumpsEpoch, nowMs: 0 });
}

function assertRefused(error: ErrorName, fn: () => void): void {
  assertEquals(assertThrows(fn, KafkaError).error, error);
}

Deno.test("a transactional batch is refused unless its transaction is open or verified", () =>
  withLog((log) => {
    assertRefused(
      "INVALID_TXN_STATE",
      () => appendBatch(log, transactional(0)),
    );
    const guard = begin(log, transactional(0));
    appendBatch(log, transactional(0), { guard });
    appendBatch(log, transactional(1));
    assertEquals(begin(log, transactional(2)), undefined);
    assertRefused("INVALID_TXN_STATE", () =>
      appendBatch(
        log,
        dataBatch({
          producerId: 7,
          producerEpoch: 0,
          baseSequence: 2,
          count: 1,
          timestamp: 0,
          isTransactional: false,
        }),
      ));
    appendBatch(log, markerBatch(7, 0, { kind: "commit" }));
    assertRefused(
      "INVALID_TXN_STATE",
      () => appendBatch(log, transactional(2), { guard }),
    );
    appendBatch(log, transactional(2), { guard: UNVERIFIED });
  }));

Deno.test("a marker that comes while a batch is verified takes its guard away", () =>
  withLog((log) => {
    const guard = begin(log, transactional(0));
    appendBatch(log, markerBatch(7, 0, { kind: "abort" }));
    assertRefused(
      "INVALID_TXN_STATE",
      () => appendBatch(log, transactional(0), { guard }),
    );
    const other: VerificationGuard = { ...UNVERIFIED };
    assertRefused(
      "INVALID_TXN_STATE",
      () => appendBatch(log, transactional(0), { guard: other }),
    );
  }));

Deno.test("after a failed verification the batches behind it can't come first", () =>
  withLog((log) => {
    begin(log, transactional(0));
    const guard = begin(log, transactional(1));
    assertRefused(
      "OUT_OF_ORDER_SEQUENCE_NUMBER",
      () => appendBatch(log, transactional(1), { guard }),
    );
    appendBatch(log, transactional(0), { guard });
    appendBatch(log, transactional(1));
  }));

Deno.test("a producer whose epoch grows with each transaction begins with sequence 0", () =>
  withLog((log) => {
    const guard = begin(log, transactional(3), true);
    assertRefused(
      "OUT_OF_ORDER_SEQUENCE_NUMBER",
      () => appendBatch(log, transactional(3), { guard }),
    );
    appendBatch(log, markerBatch(7, 1, { kind: "abort" }));
    const next = begin(log, transactional(1, 1));
    assertRefused(
      "OUT_OF_ORDER_SEQUENCE_NUMBER",
      () => appendBatch(log, transactional(1, 1), { guard: next }),
    );
  }));

Deno.test("markers of older epochs are refused, of the producer's as of the coordinator's", () =>
  withLog((log) => {
    const end = (epoch: number, options: {
      coordinatorEpoch?: number;
      transactionVersion?: number;
    } = {}) =>
      appendBatch(
        log,
        markerBatch(7, epoch, { kind: "abort", ...options }),
        options,
      );
    appendBatch(log, transactional(0, 3), { guard: UNVERIFIED });
    assertRefused("INVALID_PRODUCER_EPOCH", () => end(2));
    assertRefused(
      "INVALID_PRODUCER_EPOCH",
      () => end(3, { transactionVersion: 2 }),
    );
    end(4, { transactionVersion: 2 });
    end(4, { transactionVersion: 2 });
    assertRefused(
      "TRANSACTION_COORDINATOR_FENCED",
      () => end(4, { coordinatorEpoch: 4 }),
    );
    end(4, { coordinatorEpoch: 6 });
    assertRefused(
      "INVALID_PRODUCER_EPOCH",
      () => appendBatch(log, transactional(1, 3), { guard: UNVERIFIED }),
    );
    assertEquals(log.abortedTransactions(0, 100).length, 1);
  }));

Deno.test("a failed write takes back what it said of transactions", () =>
  withLog((log, disk) => {
    appendBatch(log, transactional(0), { guard: UNVERIFIED });
    appendBatch(log, markerBatch(7, 0, { kind: "abort" }));
    appendBatch(log, transactional(1), { guard: UNVERIFIED });
    log.writeStaged();
    const before = [...log.activeProducers()];
    const isolated = [log.lastStableOffset(2), log.lastStableOffset(1)];
    appendBatch(log, markerBatch(7, 0, { kind: "abort" }));
    assertEquals(log.abortedTransactions(0, 100).length, 2);
    disk.isFailing = true;
    assertThrows(() => log.writeStaged());
    disk.isFailing = false;
    assertEquals([...log.activeProducers()], before);
    assertEquals(
      [log.lastStableOffset(2), log.lastStableOffset(1)],
      isolated,
    );
    assertEquals(isolated, [2, 0]);
    assertEquals(log.abortedTransactions(0, 100).length, 1);
    appendBatch(log, markerBatch(7, 0, { kind: "abort" }));
    assertEquals(log.abortedTransactions(0, 100).length, 2);
  }));

Deno.test("a log that can't take a write back nor be read forgets no open transaction", async () => {
  for (let readsLeft = 0; readsLeft < 3; readsLeft++) {
    await withLog((log, disk) => {
      appendBatch(log, transactional(0), { guard: UNVERIFIED });
      log.writeStaged();
      log.committed(1);
      assertEquals(log.lastStableOffset(1), 0);
      appendBatch(log, markerBatch(7, 0, { kind: "commit" }));
      disk.isFailing = true;
      disk.readsLeft = readsLeft;
      assertThrows(() => log.writeStaged());
      disk.isFailing = false;
      disk.readsLeft = Infinity;
      assertEquals(log.lastStableOffset(1), 0, `after ${readsLeft} reads`);
    });
  }
});

Deno.test("a .txnindex that is damaged is made anew", async () => {
  const path = Deno.makeTempDirSync({ prefix: "kf-txn-" });
  const open = () => {
    const folder = LogFolder.open({ env, path, nodeId: 1 });
    return { folder, log: folder.openLog(PLACE) };
  };
  const close = (folder: LogFolder) =>
    folder.close({ clean: true, brokerEpoch: 1, highWatermarks: new Map() });
  try {
    const first = open();
    for (let n = 0; n < 40; n++) {
      appendBatch(first.log, transactional(n), { guard: UNVERIFIED });
      appendBatch(first.log, markerBatch(7, 0, { kind: "abort" }));
    }
    const aborted = first.log.abortedTransactions(0, 80);
    assertEquals(aborted.length, 40);
    await close(first.folder);
    const names = [...Deno.readDirSync(`${path}/t-0`)].map(({ name }) => name)
      .filter((name) => name.endsWith(".txnindex"));
    assert(names.length > 1, "each segment has one");
    for (const [i, name] of names.entries()) {
      const bytes = Deno.readFileSync(`${path}/t-0/${name}`);
      if (i % 2 === 0) bytes[1] = 9;
      const damaged = i % 2 === 0 ? bytes : bytes.slice(0, -1);
      Deno.writeFileSync(`${path}/t-0/${name}`, damaged);
    }
    const second = open();
    assertEquals(second.log.abortedTransactions(0, 80), aborted);
    await close(second.folder);
    // As Apache Kafka leaves a folder: without digests.
    const mark = '{"version":0,"brokerEpoch":1}';
    Deno.writeTextFileSync(`${path}/.kafka_cleanshutdown`, mark);
    for (const name of names.sort().slice(-1)) {
      const bytes = Deno.readFileSync(`${path}/t-0/${name}`);
      // The last marker would lie far behind the log's end.
      bytes[bytes.length - 14] = 1;
      Deno.writeFileSync(`${path}/t-0/${name}`, bytes);
    }
    const third = open();
    assertEquals(third.log.abortedTransactions(0, 80), aborted);
    await close(third.folder);
  } finally {
    await env.tasks.settled();
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("an open transaction keeps its producer from expiring", () =>
  withLog((log) => {
    appendBatch(log, transactional(0), { guard: UNVERIFIED });
    log.expireProducers(1e9, 1);
    assertEquals([...log.activeProducers()].length, 1);
    appendBatch(log, markerBatch(7, 0, { kind: "commit" }));
    log.expireProducers(1e9, 1);
    assertEquals([...log.activeProducers()], []);
  }));

Deno.test("offsets by time pass over markers", () =>
  withLog((log) => {
    appendBatch(log, transactional(0), { guard: UNVERIFIED });
    appendBatch(log, markerBatch(7, 0, { kind: "commit", timestamp: 99 }));
    assertEquals(log.maxTimestamp(), { offset: 0, timestamp: 0 });
    assertEquals(log.offsetForTimestamp(50), undefined);
    const view = new BatchView(log.read(1, {
      maxBytes: 1,
      upperOffset: 2,
      minOneBatch: true,
    }));
    assert(view.isControl);
  }));
