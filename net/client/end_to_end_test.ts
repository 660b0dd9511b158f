/**
 * The clients against a broker in this process, over real sockets: what users
 * meet when topics, members and brokers come and go.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { KafkaError } from "../../core/errors.ts";
import { until } from "../../tests/fixtures.ts";
import { running, start } from "../../tests/raw_broker.ts";
import { denoTransport } from "../tcp/deno_tcp.ts";
import {
  type Connection,
  DialError,
  type Transport,
} from "../tcp/transport.ts";
import { Admin } from "./admin.ts";
import { Consumer } from "./consumer.ts";
import { Producer } from "./producer.ts";

type Config = Record<string, string | number | boolean>;

const DECODER = new TextDecoder();
const BROKER = {
  "group.initial.rebalance.delay.ms": "0",
  "group.min.session.timeout.ms": "100",
};
const T0 = { topic: "t", partition: 0 };

/** Clients of one broker; closed, last first, with the scope. */
function clients(port: number) {
  const env = denoEnv({ traceLevel: "error" });
  const seams = { env, transport: denoTransport() };
  const open: { close(): Promise<void> }[] = [];
  const common = {
    "bootstrap.servers": `127.0.0.1:${port}`,
    "metadata.max.age.ms": 200,
    "reconnect.backoff.max.ms": 100,
  };
  function kept<T extends { close(): Promise<void> }>(client: T): T {
    open.push(client);
    return client;
  }
  return {
    admin: () =>
      kept(new Admin({ "bootstrap.servers": `127.0.0.1:${port}` }, seams)),
    producer: (config: Config = {}) =>
      kept(new Producer({ ...common, ...config }, seams)),
    consumer: (config: Config = {}) =>
      kept(
        new Consumer({
          ...common,
          "auto.offset.reset": "earliest",
          "fetch.max.wait.ms": 50,
          "heartbeat.interval.ms": 50,
          ...config,
        }, seams),
      ),
    async [Symbol.asyncDispose]() {
      for (const client of open.reverse()) await client.close();
      await env.tasks.settled();
    },
  };
}

/** Real sockets until `cut()`; then none, as if the process had died. */
function cuttable(): { transport: Transport; cut(): void } {
  const real = denoTransport();
  const open: Connection[] = [];
  let isCut = false;
  return {
    transport: {
      ...real,
      dial: async (address, signal) => {
        if (isCut) throw new DialError("tcp", "the cable is cut");
        const connection = await real.dial(address, signal);
        open.push(connection);
        return connection;
      },
    },
    cut() {
      isCut = true;
      for (const connection of open) connection.close();
    },
  };
}

/** Polls until `count` values came. */
async function read(consumer: Consumer, count: number): Promise<string[]> {
  const values: string[] = [];
  await until(`${count} records came`, async () => {
    for (const { records } of await consumer.poll(100)) {
      for (const { value } of records) values.push(DECODER.decode(value!));
    }
    return values.length >= count;
  }, 10_000);
  return values;
}

async function sendAll(producer: Producer, values: string) {
  for (const value of values) await producer.send({ ...T0, value });
}

Deno.test("acks 0 and 1 deliver; offsets by place and by time", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  for (const acks of ["0", "1"]) {
    const producer = own.producer({ acks });
    for (const timestamp of [100, 200, 300]) {
      const { offset } = await producer.send({ ...T0, value: acks, timestamp });
      assertEquals(offset < 0, acks === "0");
    }
  }
  const consumer = own.consumer();
  consumer.assign([T0]);
  assertEquals(await read(consumer, 6), [..."000111"]);
  const [first] = await consumer.beginningOffsets([T0]);
  const [end] = await consumer.endOffsets([T0]);
  assertEquals([first?.offset, end?.offset], [0, 6]);
  const [inside] = await consumer.offsetsForTimes([T0], 150);
  const [beyond] = await consumer.offsetsForTimes([T0], 301);
  assertEquals([inside?.offset, inside?.timestamp], [1, 200]);
  assertEquals([beyond?.offset, beyond?.timestamp], [-1, -1]);
});

Deno.test("a position before the log's start follows auto.offset.reset", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  const producer = own.producer();
  await sendAll(producer, "abcd");
  const [deleted] = await own.admin().deleteRecords([{ ...T0, offset: 2 }]);
  assertEquals(deleted?.error, undefined);
  for (const reset of ["earliest", "latest", "none"]) {
    const consumer = own.consumer({ "auto.offset.reset": reset });
    consumer.assign([T0]);
    consumer.seek(T0, 0);
    if (reset === "earliest") {
      assertEquals(await read(consumer, 2), ["c", "d"]);
    } else if (reset === "none") {
      const error = await assertRejects(() => read(consumer, 1), KafkaError);
      assertEquals(error.error, "OFFSET_OUT_OF_RANGE");
    } else {
      await until("the position is reset", async () => {
        await consumer.poll(20);
        return await consumer.position(T0) === 4;
      }, 5000);
    }
  }
});

Deno.test("pause(), resume() and seek() rule what is read next", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  const producer = own.producer();
  await sendAll(producer, "abc");
  const consumer = own.consumer({ "max.poll.records": 1 });
  consumer.assign([T0]);
  assertEquals(await read(consumer, 1), ["a"]);
  consumer.pause([T0]);
  assertEquals(await consumer.poll(150), []);
  consumer.resume([T0]);
  assertEquals(await read(consumer, 2), ["b", "c"]);
  consumer.seek(T0, 1);
  assertEquals(await read(consumer, 2), ["b", "c"]);
  consumer.seek(T0, "latest");
  assertEquals(await consumer.position(T0), 3);
});

Deno.test("a partition where nothing comes does not slow down its neighbours", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  const { admin, producer, consumer } = own;
  await admin().createTopics([{ name: "t", partitions: 3 }]);
  await sendAll(producer({ "linger.ms": 0 }), "abcdefghij");
  // One record per fetch: if one of them waited, reading would take too long.
  const reader = consumer({
    "fetch.max.wait.ms": 20_000,
    "max.partition.fetch.bytes": 1,
  });
  reader.assign([0, 1, 2].map((partition) => ({ topic: "t", partition })));
  assertEquals(await read(reader, 10), [..."abcdefghij"]);
});

Deno.test("a static member returns without a rebalance; its double is fenced", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  await own.admin().createTopics([{ name: "t", partitions: 2 }]);
  const producer = own.producer();
  const group = { "group.id": "g", "group.instance.id": "one" };
  const first = own.consumer(group);
  const other = own.consumer({ "group.id": "g", "group.instance.id": "two" });
  let rounds = 0;
  other.onRebalance({
    assigned: () => {
      rounds++;
    },
  });
  for (const consumer of [first, other]) consumer.subscribe(["t"]);
  await until("each has one partition", async () => {
    await Promise.all([first.poll(20), other.poll(20)]);
    return first.assignment().length === 1 && other.assignment().length === 1;
  }, 5000);
  await sendAll(producer, "a");
  assertEquals(await read(first, 1), ["a"]);
  const roundsBefore = rounds;
  await first.close();
  const second = own.consumer(group);
  second.subscribe(["t"]);
  await sendAll(producer, "b");
  assertEquals(await read(second, 1), ["b"], "the first has committed");
  await other.poll(150);
  assertEquals(rounds, roundsBefore, "the other saw no rebalance");
  const third = own.consumer(group);
  third.subscribe(["t"]);
  await sendAll(producer, "c");
  await read(third, 1);
  const error = await assertRejects(
    () => until("it is fenced", () => second.poll(50).then(() => false), 5000),
    KafkaError,
  );
  assertEquals(error.error, "FENCED_INSTANCE_ID");
});

Deno.test("a pattern takes in a topic that is created later", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  const producer = own.producer();
  await producer.send({ topic: "log-1", value: "a" });
  const consumer = own.consumer({ "group.id": "g" });
  consumer.subscribe(/^log-/);
  assertEquals(await read(consumer, 1), ["a"]);
  await producer.send({ topic: "log-2", value: "b" });
  assertEquals(await read(consumer, 1), ["b"]);
});

Deno.test("a member that goes silent is replaced", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  const group = {
    "group.id": "g",
    "session.timeout.ms": 300,
    "enable.auto.commit": false,
  };
  const producer = own.producer();
  await sendAll(producer, "a");
  const cable = cuttable();
  const env = denoEnv({ traceLevel: "error" });
  const lost = new Consumer({
    ...group,
    "bootstrap.servers": `127.0.0.1:${at.port}`,
    "auto.offset.reset": "earliest",
    "default.api.timeout.ms": 200,
    "request.timeout.ms": 200,
  }, { env, transport: cable.transport });
  lost.subscribe(["t"]);
  assertEquals(await read(lost, 1), ["a"]);
  cable.cut();
  const next = own.consumer(group);
  next.subscribe(["t"]);
  assertEquals(await read(next, 1), ["a"]);
  await lost.close();
  await env.tasks.settled();
});

Deno.test("new partitions are seen by a running producer and consumer", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  const [producer, consumer] = [
    own.producer(),
    own.consumer({
      "group.id": "g",
    }),
  ];
  await sendAll(producer, "a");
  consumer.subscribe(["t"]);
  assertEquals(await read(consumer, 1), ["a"]);
  await own.admin().createPartitions([{ name: "t", count: 2 }]);
  await until(
    "the producer knows",
    async () => (await producer.partitionsFor("t")).length === 2,
    5000,
  );
  await producer.send({ topic: "t", partition: 1, value: "b" });
  assertEquals(await read(consumer, 1), ["b"]);
});

Deno.test("a topic deleted and made anew goes on for producer and consumer", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  const [producer, consumer] = [own.producer(), own.consumer()];
  await sendAll(producer, "ab");
  consumer.assign([T0]);
  assertEquals(await read(consumer, 2), ["a", "b"]);
  const admin = own.admin();
  await admin.deleteTopics(["t"]);
  await admin.createTopics([{ name: "t", partitions: 1 }]);
  await sendAll(producer, "c");
  assertEquals(await read(consumer, 1), ["c"]);
});

Deno.test("a broker that comes back on its port goes on with its clients", async () => {
  await using at = await running(BROKER);
  await using own = clients(at.port);
  const [producer, consumer] = [
    own.producer(),
    own.consumer({
      "group.id": "g",
    }),
  ];
  await sendAll(producer, "a");
  consumer.subscribe(["t"]);
  assertEquals(await read(consumer, 1), ["a"]);
  await at.broker.stop();
  const sent = sendAll(producer, "b");
  const env = denoEnv({ traceLevel: "error" });
  const again = await start(at.folder, {
    env,
    config: { ...BROKER, "listeners": `PLAINTEXT://127.0.0.1:${at.port}` },
  });
  try {
    await sent;
    assertEquals(await read(consumer, 1), ["b"]);
    await consumer.close();
    await producer.close();
  } finally {
    await again.stop();
    await env.tasks.settled();
  }
});
