/**
 * Single calls of the disk that fail under a running broker: what is refused,
 * what goes on, what is over for good, and that nothing that was acknowledged
 * is lost by it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { type Fault, faultyEnv } from "../../tests/faulty_disk.ts";
import { temporaryFolder, until } from "../../tests/fixtures.ts";
import {
  create,
  fetch,
  initProducer,
  produce,
  records,
  start,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { PRODUCE } from "../wire/00_produce.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import type { Broker } from "./broker.ts";

const LOG_OF_T = /\/t-0\/\d+\.log$/;
const STORAGE = ERRORS.KAFKA_STORAGE_ERROR;

interface Faulty {
  readonly client: RawClient;
  readonly broker: Broker;
  readonly path: string;
  /** What fails from now on; nothing when undefined. */
  fault: Fault | undefined;
}

/** A broker with topics "t" and "u" on a disk that can be made fail. */
async function withFaulty(
  config: Readonly<Record<string, string>>,
  test: (at: Faulty) => Promise<void>,
): Promise<void> {
  using folder = temporaryFolder();
  const at: { -readonly [Key in keyof Faulty]?: Faulty[Key] } = {};
  const env = faultyEnv((call, path) => at.fault?.(call, path));
  const broker = await start(folder.path, { env, config });
  try {
    using client = await RawClient.connect(broker.address.port);
    for (const topic of ["t", "u"]) {
      assertEquals((await create(client, topic)).errorCode, 0);
    }
    at.path = folder.path;
    at.client = client;
    at.broker = broker;
    await test(at as Faulty);
  } finally {
    await broker.stop().catch(() => {});
    await env.tasks.settled();
  }
}

async function codeOf(
  client: RawClient,
  options: { topic?: string; acks?: number } = {},
): Promise<[number, number]> {
  const batch = buildBatch(records("x"));
  const { errorCode, baseOffset } = await produce(client, batch, options);
  return [errorCode, baseOffset];
}

for (const acks of [-1, 1]) {
  Deno.test(`a log that can't be synced takes nothing more, acks ${acks}, and is scanned at the next start`, () =>
    withFaulty({ "log.flush.interval.messages": "1" }, async (at) => {
      const { client, broker, path } = at;
      assertEquals(await codeOf(client, { acks }), [0, 0]);
      at.fault = (call, path) =>
        call === "sync" && LOG_OF_T.test(path) ? "Io" : undefined;
      // With acks 1 nobody waits for a flush: a later one is refused.
      await until("it is refused", async () => {
        const [code] = await codeOf(client, { acks });
        assert(acks === 1 || code === STORAGE);
        return code === STORAGE;
      });
      at.fault = undefined;
      assertEquals(await codeOf(client, { acks }), [STORAGE, -1]);
      assertEquals((await fetch(client)).highWatermark, 1);
      assertEquals(await codeOf(client, { topic: "u" }), [0, 0]);
      client.close();
      await broker.stop();
      const names = [...Deno.readDirSync(path)].map(({ name }) => name);
      assert(!names.includes(".kafka_cleanshutdown"));
      const again = await start(path);
      using other = await RawClient.connect(again.address.port);
      const { highWatermark } = await fetch(other);
      assert(highWatermark >= 1);
      assertEquals(await codeOf(other), [0, highWatermark]);
      other.close();
      await again.stop();
    }));
}

for (const code of ["NoSpace", "Io", "ReadOnly"] as const) {
  Deno.test(`a write that fails with ${code} is refused and leaves no trace`, () =>
    withFaulty({}, async (at) => {
      const { client } = at;
      assertEquals(await codeOf(client), [0, 0]);
      at.fault = (call, path) =>
        call === "write" && LOG_OF_T.test(path) ? code : undefined;
      for (const acks of [-1, 1]) {
        assertEquals(await codeOf(client, { acks }), [STORAGE, -1]);
      }
      const large = buildBatch(records("x".repeat(50_000)));
      assertEquals((await produce(client, large)).errorCode, STORAGE);
      assertEquals((await fetch(client)).highWatermark, 1);
      assertEquals(await codeOf(client, { topic: "u" }), [0, 0]);
      at.fault = undefined;
      assertEquals(await codeOf(client), [0, 1]);
    }));
}

for (const acks of [-1, 1]) {
  Deno.test(`a torn write that can't be cut off is not acknowledged with acks ${acks}, and reads go on`, () =>
    withFaulty({}, async (at) => {
      const { client } = at;
      assertEquals(await codeOf(client), [0, 0]);
      at.fault = (call, path) =>
        call !== "read" && LOG_OF_T.test(path) ? "Io" : undefined;
      assertEquals(await codeOf(client, { acks }), [STORAGE, -1]);
      at.fault = undefined;
      assertEquals(await codeOf(client, { acks }), [STORAGE, -1]);
      const read = await fetch(client);
      assertEquals([read.errorCode, read.highWatermark], [0, 1]);
      assert(read.records!.length > 0);
    }));
}

for (
  const [what, isFailing] of Object.entries<Fault>({
    "the new segment": (call, path) =>
      call === "open" && /\/t-0\/0+[1-9]\d*\.log$/.test(path)
        ? "NoSpace"
        : undefined,
    "an index of the old one": (call, path) =>
      call === "write" && /\/t-0\/\d+\.timeindex(\.tmp)?$/.test(path)
        ? "NoSpace"
        : undefined,
    "the snapshot": (call, path) =>
      call === "write" && /\/t-0\/\d+\.snapshot/.test(path)
        ? "NoSpace"
        : undefined,
  })
) {
  Deno.test(`a roll without room for ${what} is refused, and done when there is`, () =>
    withFaulty({ "log.segment.bytes": "1048576" }, async (at) => {
      const { client } = at;
      const large = () => buildBatch(records("x".repeat(700_000)));
      assertEquals((await produce(client, large())).errorCode, 0);
      at.fault = isFailing;
      for (let i = 0; i < 3; i++) {
        assertEquals((await produce(client, large())).errorCode, STORAGE);
      }
      assertEquals((await fetch(client)).highWatermark, 1);
      at.fault = undefined;
      for (let offset = 1; offset < 4; offset++) {
        const { errorCode, baseOffset } = await produce(client, large());
        assertEquals([errorCode, baseOffset], [0, offset]);
        assertEquals((await fetch(client, { offset })).errorCode, 0);
      }
    }));
}

Deno.test("a partition that can't be read is refused alone, and read when it can be", () =>
  withFaulty({}, async (at) => {
    const { client } = at;
    // Above what is kept at hand for readers at the tail.
    const large = () => buildBatch(records("x".repeat(50_000)));
    for (const topic of ["t", "u"]) {
      assertEquals((await produce(client, large(), { topic })).errorCode, 0);
    }
    const both = async () => {
      const { responses, errorCode } = await client.call(
        { api: FETCH, version: 12 },
        {
          maxWaitMs: 0,
          minBytes: 1,
          topics: ["t", "u"].map((topic) => ({
            topic,
            partitions: [{ partition: 0, partitionMaxBytes: 1_000_000 }],
          })),
        },
      );
      assertEquals(errorCode, 0);
      return responses.flatMap(({ partitions }) =>
        partitions.map(({ errorCode, records }) => [
          errorCode,
          (records?.length ?? 0) > 0,
        ])
      );
    };
    const byTime = async () => {
      const { topics } = await client.call({ api: LIST_OFFSETS, version: 7 }, {
        replicaId: -1,
        topics: ["t", "u"].map((name) => ({
          name,
          partitions: [{ partitionIndex: 0, timestamp: 1 }],
        })),
      });
      return topics.map(({ partitions }) => partitions[0]!.errorCode);
    };
    at.fault = (call, path) =>
      call === "read" && LOG_OF_T.test(path) ? "Io" : undefined;
    assertEquals(await both(), [[STORAGE, false], [0, true]]);
    assertEquals(await byTime(), [STORAGE, 0]);
    at.fault = undefined;
    assertEquals(await both(), [[0, true], [0, true]]);
    assertEquals(await byTime(), [0, 0]);
  }));

Deno.test("a write that fails while another partition of the request is verified is told", () =>
  withFaulty({}, async (at) => {
    const { client, broker } = at;
    const { producerId, producerEpoch } = await initProducer(client);
    const batch = (baseSequence: number) =>
      buildBatch(records("x"), {
        producerId,
        producerEpoch,
        baseSequence,
        isTransactional: true,
      });
    const send = async (data: Readonly<Record<string, Uint8Array>>) => {
      const { responses } = await client.call({ api: PRODUCE, version: 12 }, {
        transactionalId: "x",
        acks: -1,
        timeoutMs: 10_000,
        topicData: Object.entries(data).map(([name, records]) => ({
          name,
          partitionData: [{ index: 0, records }],
        })),
      });
      return responses.map(({ partitionResponses }) =>
        partitionResponses[0]!.errorCode
      );
    };
    assertEquals(await send({ t: batch(0) }), [0]);
    const { promise: hasFailed, resolve } = Promise.withResolvers<void>();
    at.fault = (call, path) => {
      if (call !== "write" || !LOG_OF_T.test(path)) return undefined;
      at.fault = undefined;
      resolve();
      return "NoSpace";
    };
    const answers = send({ t: batch(1), u: batch(0) });
    await hasFailed;
    // Another's record gets the offset of the one that was lost.
    using other = await RawClient.connect(broker.address.port);
    assertEquals(await codeOf(other), [0, 1]);
    assertEquals(await answers, [STORAGE, 0]);
    assertEquals(await send({ t: batch(1) }), [0]);
    assertEquals((await fetch(client)).highWatermark, 3);
  }));
