/**
 * The order of transactional batches while coordinators are asked, with
 * coordinators that answer when the test says so.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  resolveBrokerConfig,
  resolveTopicConfig,
} from "../../core/config/resolve.ts";
import { denoEnv } from "../../core/env/deno_env.ts";
import { type ErrorName, KafkaError } from "../../core/errors.ts";
import { Log } from "../../core/log/log.ts";
import { Partition } from "../../core/partition/partition.ts";
import { ReplicationQuota } from "../../core/partition/replication_quota.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { records } from "../../tests/raw_broker.ts";
import { HostedPartition } from "./hosted_partition.ts";
import { BrokerStats } from "./stats.ts";
import { Turn } from "./turn.ts";
import { type Admission, Verification } from "./verification.ts";

const TOPIC_ID = "Gmd94rMBRdCEC5P7ytJnvA";
/** Room for four of the batches here. */
const BYTES_MAX = 300;
const env = denoEnv({ traceLevel: "error" });

/** One question to the coordinator, answered by the test. */
interface Question {
  readonly partitions: readonly string[];
  readonly verifyOnly: boolean;
  answer(...errors: ErrorName[]): void;
  fail(error: Error): void;
}

const UNLIMITED = new ReplicationQuota(
  () => ({ bytesPerSecond: Infinity, windows: 11, windowMs: 1000 }),
  () => 0,
);

/** Nobody follows, and nobody is told. */
const ALONE = {
  quotas: { leader: UNLIMITED, follower: UNLIMITED },
  events: { onProposal: () => {}, onFollowed: () => {} },
};

/** Partitions, a verification, and what it asked and let append. */
class World {
  readonly hosted: HostedPartition[] = [];
  readonly questions: Question[] = [];
  /** What became of each batch, by its name. */
  readonly ends: string[] = [];
  readonly #verification: Verification;

  constructor(folder: string, config: Record<string, string> = {}) {
    const broker = resolveBrokerConfig(
      new Map(Object.entries({ "log.dirs": folder, ...config })),
    );
    const topicConfig = resolveTopicConfig(new Map(), broker);
    for (const partition of [0, 1]) {
      const log = Log.open({
        env,
        folder: `${folder}/t-${partition}`,
        topic: "t",
        partition,
        topicId: TOPIC_ID,
        config: topicConfig,
        recoveryPoint: 0,
        logStartOffset: 0,
        wasClean: true,
      });
      this.hosted.push(
        new HostedPartition(
          new Partition({
            log,
            topicId: TOPIC_ID,
            config: topicConfig,
            host: {
              nodeId: 1,
              brokerEpoch: 1,
              lagMaxMs: 1000,
              nowMs: () => 0,
              isEligible: () => false,
            },
            state: {
              leader: 1,
              leaderEpoch: 0,
              partitionEpoch: 0,
              replicas: [1],
              isr: [1],
            },
            highWatermark: 0,
          }),
          {
            turn: new Turn(env),
            trace: env.trace,
            traffic: new BrokerStats().traffic,
            replicated: new BrokerStats().replication,
            ...ALONE,
          },
        ),
      );
    }
    this.#verification = new Verification({
      config: broker,
      env,
      transactions: {
        verify: ({ partitions, verifyOnly }) => {
          const { promise, resolve, reject } = Promise.withResolvers<
            ErrorName[]
          >();
          this.questions.push({
            partitions: partitions.map((each) =>
              `${each.topic}-${each.partition}`
            ),
            verifyOnly,
            answer: (...errors) => resolve(errors),
            fail: reject,
          });
          return promise;
        },
      },
    }, { bytesMax: BYTES_MAX });
  }

  /** Sends a batch of one record to each of `to`. */
  send(
    name: string,
    { sequence = 0, producerId = 7, to = [0], bumpsEpoch = false } = {},
  ): Promise<unknown> | undefined {
    const producer = {
      transactionalId: "x",
      producerId,
      producerEpoch: 0,
      bumpsEpoch,
    };
    const batches = to.map((at) => ({
      hosted: this.hosted[at]!,
      bytes: buildBatch(records(name), {
        ...producer,
        baseSequence: sequence,
        isTransactional: true,
      }),
    }));
    const pending = this.#verification.admit(
      producer,
      batches,
      (i, bytes, admission) =>
        this.ends.push(`${name}: ${this.#append(to[i]!, bytes, admission)}`),
    );
    // As the broker's receive memory: used again once the handler returned.
    for (const { bytes } of batches) bytes.fill(0);
    return pending;
  }

  #append(at: number, bytes: Uint8Array, admission: Admission): string {
    if ("error" in admission) return admission.error;
    const produced = this.hosted[at]!.produce(bytes, {
      acks: 1,
      nowMs: Date.now(),
      produceVersion: 12,
      guard: admission.guard,
    });
    return produced.ok ? `at ${produced.baseOffset}` : produced.error;
  }

  endTransaction(): void {
    this.hosted[0]!.appendMarker({
      producerId: 7,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      committed: false,
      transactionVersion: 1,
    }, 0);
  }
}

async function withWorld(
  test: (world: World) => Promise<void>,
  config?: Record<string, string>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "kf-verify-" });
  const world = new World(folder, config);
  try {
    await test(world);
  } finally {
    for (const { partition } of world.hosted) {
      await partition.log.close({ clean: true });
    }
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a coordinator is asked once per partition and transaction, for all partitions of a request", () =>
  withWorld(async (world) => {
    const pending = world.send("a", { to: [0, 1] });
    assertEquals(
      world.questions.map(({ partitions }) => partitions),
      [["t-0", "t-1"]],
    );
    assertEquals(world.ends, []);
    world.questions[0]!.answer("NONE", "INVALID_TXN_STATE");
    await pending;
    assertEquals(world.ends, ["a: at 0", "a: INVALID_TXN_STATE"]);
    assertEquals(world.send("b", { sequence: 1 }), undefined);
    assertEquals(world.ends.slice(2), ["b: at 1"]);
  }));

Deno.test("batches behind one that is verified wait, and keep their order", () =>
  withWorld(async (world) => {
    const pending = [0, 1, 2].map((sequence) =>
      world.send(`${sequence}`, { sequence })
    );
    const other = world.send("other", { producerId: 8 });
    assertEquals(world.questions.length, 2);
    world.questions[1]!.answer("NONE");
    await other;
    assertEquals(world.ends, ["other: at 0"]);
    world.questions[0]!.answer("NONE");
    await Promise.all(pending);
    assertEquals(world.ends.slice(1), ["0: at 1", "1: at 2", "2: at 3"]);
    assertEquals(world.questions.length, 2);
    assertEquals(world.send("3", { sequence: 3 }), undefined);
  }));

Deno.test("when a batch fails its verification, those behind it don't take its place", () =>
  withWorld(async (world) => {
    const first = world.send("0");
    const second = world.send("1", { sequence: 1 });
    world.questions[0]!.fail(new KafkaError("NOT_COORDINATOR", "elsewhere"));
    await first;
    while (world.questions.length < 2) await Promise.resolve();
    world.questions[1]!.answer("NONE");
    await second;
    assertEquals(world.ends, [
      "0: NOT_COORDINATOR",
      "1: OUT_OF_ORDER_SEQUENCE_NUMBER",
    ]);
    const again = world.send("0");
    world.questions[2]!.answer("NONE");
    await again;
    assertEquals(world.ends.slice(2), ["0: at 0"]);
  }));

Deno.test("a marker that comes before the coordinator's answer makes the answer void", () =>
  withWorld(async (world) => {
    const pending = world.send("a");
    world.endTransaction();
    world.questions[0]!.answer("NONE");
    await pending;
    assertEquals(world.ends, ["a: INVALID_TXN_STATE"]);
  }));

Deno.test("without verification nobody is asked, unless it adds the partitions", () =>
  withWorld(async (world) => {
    assertEquals(world.send("a"), undefined);
    assertEquals(world.ends, ["a: at 0"]);
    const pending = world.send("b", { producerId: 8, bumpsEpoch: true });
    assertEquals(world.questions[0]!.verifyOnly, false);
    world.questions[0]!.answer("NONE");
    await pending;
    assertEquals(world.ends, ["a: at 0", "b: at 1"]);
  }, { "transaction.partition.verification.enable": "false" }));

Deno.test("batches that are too much to be held are refused, to be sent again", () =>
  withWorld(async (world) => {
    const pending = [0, 1, 2, 3, 4].map((sequence) =>
      world.send(`${sequence}`, { sequence })
    );
    assertEquals(world.ends, ["4: NOT_ENOUGH_REPLICAS"]);
    assertEquals(pending[4], undefined);
    world.questions[0]!.answer("NONE");
    await Promise.all(pending);
    assertEquals(world.ends.slice(1), [
      "0: at 0",
      "1: at 1",
      "2: at 2",
      "3: at 3",
    ]);
    assertEquals(world.send("4", { sequence: 4 }), undefined);
    const other = world.send("other", { producerId: 8 });
    world.questions[1]!.answer("NONE");
    await other;
    assertEquals(world.ends.slice(5), ["4: at 4", "other: at 5"]);
  }));
