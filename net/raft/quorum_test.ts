/**
 * The metadata log on disk: starts, crashes, snapshots.
 *
 * @module
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { denoEnv } from "../../core/env/deno_env.ts";
import { KafkaError } from "../../core/errors.ts";
import { BatchView } from "../../core/record/batch.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { Quorum, type QuorumMembership, type RaftLog } from "./quorum.ts";

/** A log in memory that forgets what was not flushed. */
class MemoryLog implements RaftLog {
  readonly isOffline = false;
  logStartOffset = 0;
  latestEpoch = -1;
  durable = 0;
  failure: Error | undefined;
  #batches: BatchView[] = [];

  get logEndOffset(): number {
    return this.#batches.at(-1)?.nextOffset ?? this.logStartOffset;
  }

  appendAsLeader(batch: Uint8Array, { leaderEpoch }: { leaderEpoch: number }) {
    const view = new BatchView(batch);
    view.setBaseOffset(this.logEndOffset);
    view.setPartitionLeaderEpoch(leaderEpoch);
    this.#batches.push(view);
    this.latestEpoch = leaderEpoch;
    return { lastOffset: view.lastOffset };
  }

  epochAt(): number {
    return this.latestEpoch;
  }

  appendAsFollower(): void {}
  truncateTo(): void {}
  endOffsetForEpoch(): { epoch: number; endOffset: number } {
    return { epoch: -1, endOffset: -1 };
  }

  writeStaged(): void {}
  assignEpoch(epoch: number): void {
    this.latestEpoch = epoch;
  }

  read(offset: number): Uint8Array {
    return this.#batches.find((view) => view.nextOffset > offset)!.bytes;
  }

  async flush(): Promise<void> {
    const end = this.logEndOffset;
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    this.durable = end;
  }

  deleteRecordsBefore(offset: number): void {
    this.logStartOffset = offset;
    this.#batches = this.#batches.filter((view) => view.nextOffset > offset);
  }

  truncateFullyAndStartAt(offset: number): void {
    this.#batches = [];
    this.logStartOffset = offset;
  }

  crash(): void {
    this.#batches = this.#batches.filter((view) =>
      view.nextOffset <= this.durable
    );
  }
}

const ALONE: QuorumMembership = {
  clusterId: "cluster",
  directoryId: ZERO_UUID,
  listenerName: "CONTROLLER",
  endpoints: [],
  isFirst: false,
  isJoining: false,
  voters: [{ id: 1, host: "", port: 0 }],
  bootstrapServers: [],
  timeouts: {
    electionMs: 1000,
    fetchMs: 2000,
    backoffMaxMs: 1000,
    requestMs: 2000,
  },
  connect: () => Promise.reject(new Error("nobody is there")),
};

const replayed = (quorum: Quorum) =>
  Array.from(quorum.replay()).flatMap(({ values }) =>
    Array.from(values, (value) => new TextDecoder().decode(value))
  );
const value = (word: string) => new TextEncoder().encode(word);
const batch = (word: string) =>
  buildBatch([{ timestamp: 1, key: null, value: value(word) }], {});

interface Opened {
  readonly quorum: Quorum;
  readonly committed: number[];
  readonly failures: unknown[];
}

function open(
  folder: string,
  log: RaftLog,
  membership: Partial<QuorumMembership> = {},
): Opened {
  const committed: number[] = [];
  const failures: unknown[] = [];
  const quorum = new Quorum({
    env: denoEnv(),
    folder,
    log,
    nodeId: 1,
    ...ALONE,
    ...membership,
    snapshots: { maxBytes: 50, intervalMs: 0 },
    onLeadership: () => {},
    onSnapshotLoaded: () => {},
    onCommitted: (highWatermark) => void committed.push(highWatermark),
    onFailed: (error) => void failures.push(error),
  });
  return { quorum, committed, failures };
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kf-quorum-" });
  try {
    await run(`${folder}/__cluster_metadata-0`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("start() leads a new epoch each time, and commits after the sync", () =>
  inFolder(async (folder) => {
    const log = new MemoryLog();
    const first = open(folder, log);
    await first.quorum.start();
    assertEquals([first.quorum.epoch, first.quorum.highWatermark], [1, 1]);
    assertEquals(first.quorum.append(batch("a")), 1);
    assertEquals(first.quorum.highWatermark, 1);
    await first.quorum.settled();
    assertEquals(first.committed, [1, 2]);
    await first.quorum.close();
    assertThrows(() => first.quorum.append(batch("b")), KafkaError);
    const second = open(folder, log);
    assertEquals(replayed(second.quorum), ["a"]);
    await second.quorum.start();
    assertEquals([second.quorum.epoch, second.quorum.highWatermark], [2, 3]);
  }));

Deno.test("a crash loses nothing that was committed", () =>
  inFolder(async (folder) => {
    const log = new MemoryLog();
    const { quorum } = open(folder, log);
    await quorum.start();
    quorum.append(batch("kept"));
    await quorum.settled();
    quorum.append(batch("lost"));
    log.crash();
    await quorum.settled().catch(() => {});
    assertEquals(replayed(open(folder, log).quorum), ["kept"]);
  }));

Deno.test("what a kill left unsynced is durable before a voter takes part", () =>
  inFolder(async (folder) => {
    const log = new MemoryLog();
    const { quorum } = open(folder, log);
    await quorum.start();
    quorum.append(batch("unsynced"));
    await quorum.settled();
    log.durable = 0;
    const voters = [1, 2].map((id) => ({ id, host: "", port: 0 }));
    const again = open(folder, log, { voters }).quorum;
    await again.start();
    assertEquals(log.durable, log.logEndOffset);
    await again.close();
    await quorum.close();
  }));

Deno.test("snapshots replace the log, and a damaged one falls back", () =>
  inFolder(async (folder) => {
    const log = new MemoryLog();
    const { quorum } = open(folder, log);
    await quorum.start();
    for (const [index, word] of ["a", "b", "c"].entries()) {
      quorum.append(batch(word));
      await quorum.settled();
      assertEquals(quorum.isSnapshotDue, true);
      quorum.writeSnapshot([value(`to ${word}`)], index + 2);
      assertEquals(quorum.isSnapshotDue, false);
    }
    assertEquals(log.logStartOffset, 3);
    const names = () => [...Deno.readDirSync(folder)].map(({ name }) => name);
    const newest = "00000000000000000004-0000000001.checkpoint";
    assertEquals(names().sort(), [
      "00000000000000000003-0000000001.checkpoint",
      newest,
      "quorum-state",
    ]);
    assertEquals(replayed(open(folder, log).quorum), ["to c"]);
    Deno.truncateSync(`${folder}/${newest}`, 150);
    assertEquals(replayed(open(folder, log).quorum), ["to b", "c"]);
  }));

Deno.test("a replay begins with the newest snapshot, not with that of the start", () =>
  inFolder(async (folder) => {
    const log = new MemoryLog();
    const first = open(folder, log).quorum;
    await first.start();
    first.append(batch("a"));
    await first.settled();
    first.writeSnapshot([value("to a")], 2);
    await first.close();
    const { quorum } = open(folder, log);
    assertEquals(replayed(quorum), ["to a"]);
    await quorum.start();
    quorum.append(batch("b"));
    await quorum.settled();
    quorum.writeSnapshot([value("to b")], quorum.highWatermark);
    assertEquals(replayed(quorum), ["to b"]);
    await quorum.close();
  }));

Deno.test("a snapshot from which the log doesn't go on is kept no longer", () =>
  inFolder(async (folder) => {
    const log = new MemoryLog();
    const { quorum } = open(folder, log);
    await quorum.start();
    for (const end of [2, 3]) {
      quorum.append(batch("a"));
      await quorum.settled();
      quorum.writeSnapshot([value(`to ${end}`)], end);
    }
    await quorum.close();
    // As where a fetched snapshot took the place of the log.
    log.truncateFullyAndStartAt(3);
    const again = open(folder, log).quorum;
    assertEquals(replayed(again), ["to 3"]);
    await again.start();
    const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
    assertEquals(names.filter((name) => name.endsWith(".checkpoint")), [
      "00000000000000000003-0000000001.checkpoint",
    ]);
    await again.close();
  }));

Deno.test("a failed sync stops the quorum and commits nothing", () =>
  inFolder(async (folder) => {
    const log = new MemoryLog();
    const { quorum, committed, failures } = open(folder, log);
    await quorum.start();
    log.failure = new Error("EIO");
    quorum.append(batch("a"));
    await quorum.settled();
    assertEquals([committed, failures], [[1], [log.failure]]);
    await assertRejects(
      () => Promise.resolve().then(() => quorum.append(batch("b"))),
      KafkaError,
    );
  }));

Deno.test("a crash before the voters are in the log leaves the only voter what it was", () =>
  inFolder(async (folder) => {
    const log = new MemoryLog();
    const plain = open(folder, log);
    await plain.quorum.start();
    plain.quorum.append(batch("kept"));
    await plain.quorum.close();
    const endpoints = [{ name: "CONTROLLER", host: "h", port: 1 }];
    const among = {
      endpoints,
      voters: [],
      directoryId: "AAAAAAAAAAAAAAAAAAAABA",
      bootstrapServers: [{ host: "h", port: 1 }, { host: "i", port: 1 }],
    };
    for (const _ of [1, 2]) {
      const { quorum } = open(folder, log, among);
      const starting = quorum.start();
      assertEquals(quorum.voters.map(({ id }) => id), [1]);
      // Written, and not yet synced.
      log.crash();
      await starting.catch(() => {});
    }
    const { quorum } = open(folder, log, among);
    await quorum.start();
    assertEquals([quorum.isActive, quorum.kraftVersion], [true, 1]);
    await quorum.close();
    // From now on the log says it, whatever the config does.
    const again = open(folder, log, { ...among, bootstrapServers: [] }).quorum;
    await again.start();
    assertEquals(again.voters[0]?.endpoints, endpoints);
    assertEquals(replayed(open(folder, log, among).quorum), ["kept"]);
  }));
