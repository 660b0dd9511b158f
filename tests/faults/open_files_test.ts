/**
 * A real broker that may open fewer files than it has partitions, and one
 * whose descriptors are all taken by connections. Both go on.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  createAdmin,
  createConsumer,
  createProducer,
} from "../../net/client.ts";
import {
  type BrokerProcess,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";

const PARTITIONS = 1000;
const OPEN_FILES = 256;

/** What runs a command that may open no more than `files`. */
function limitedTo(files: number): string[] {
  return ["sh", "-c", `ulimit -n ${files}; exec "$@"`, "sh"];
}

/** Descriptors that process `pid` has open. */
function openFilesOf(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** What a broker on `data` has open when nobody asks it for anything. */
async function idleOpenFiles(data: string): Promise<number> {
  await using broker = await startBrokerProcess({ data });
  const count = openFilesOf(broker.pid);
  await broker.end("SIGTERM");
  return count;
}

/** Writes one record to each partition. */
async function writeAll(servers: string, value: string): Promise<void> {
  const producer = createProducer({ "bootstrap.servers": servers });
  try {
    await Promise.all(
      Array.from(
        { length: PARTITIONS },
        (_, partition) => producer.send({ topic: "wide", partition, value }),
      ),
    );
  } finally {
    await producer.close();
  }
}

/** Values by partition, of all that is there. */
async function readAll(
  servers: string,
  count: number,
): Promise<Map<number, string[]>> {
  const consumer = createConsumer({
    "bootstrap.servers": servers,
    "auto.offset.reset": "earliest",
  });
  const read = new Map<number, string[]>();
  try {
    consumer.assign(
      Array.from({ length: PARTITIONS }, (_, partition) => ({
        topic: "wide",
        partition,
      })),
    );
    for (let got = 0; got < count;) {
      for (const { partition, records } of await consumer.poll(10_000)) {
        got += records.length;
        const values = records.map(({ value }) =>
          new TextDecoder().decode(value!)
        );
        read.set(partition, [...read.get(partition) ?? [], ...values]);
      }
    }
    return read;
  } finally {
    await consumer.close();
  }
}

Deno.test({
  name:
    "a thousand partitions are written and read by a broker that may open 256 files",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    const start = () =>
      startBrokerProcess({ data, under: limitedTo(OPEN_FILES) });
    const expected = (...values: string[]) =>
      new Map(
        Array.from({ length: PARTITIONS }, (_, partition) => [
          partition,
          values,
        ]),
      );
    const sorted = (read: Map<number, string[]>) =>
      new Map([...read].sort(([a], [b]) => a - b));
    {
      await using broker = await start();
      const admin = createAdmin({ "bootstrap.servers": broker.address });
      await admin.createTopics([{ name: "wide", partitions: PARTITIONS }]);
      await admin.close();
      await writeAll(broker.address, "a");
      await writeAll(broker.address, "b");
      assertEquals(
        sorted(await readAll(broker.address, 2 * PARTITIONS)),
        expected("a", "b"),
      );
      assert(openFilesOf(broker.pid) < OPEN_FILES);
      await broker.end("SIGKILL");
    }
    await using broker = await start();
    await writeAll(broker.address, "c");
    assertEquals(
      sorted(await readAll(broker.address, 3 * PARTITIONS)),
      expected("a", "b", "c"),
    );
    const code = await broker.end("SIGTERM");
    assertEquals(code, 0, broker.stderr().slice(-2000));
    assert(!broker.stderr().includes("ERROR"), broker.stderr());
  },
});

/** More connections than `broker` can take; gone with the scope. */
async function flood({ port }: BrokerProcess): Promise<Disposable> {
  const connections: Deno.TcpConn[] = [];
  for (let i = 0; i < 2 * OPEN_FILES; i++) {
    connections.push(await Deno.connect({ port }));
  }
  return {
    [Symbol.dispose]() {
      for (const connection of connections) connection.close();
    },
  };
}

/** Writes a record through connections of its own; gives its offset. */
async function write(servers: string, topic: string): Promise<number> {
  const producer = createProducer({ "bootstrap.servers": servers });
  try {
    return (await producer.send({ topic, value: "x" })).offset;
  } finally {
    await producer.close();
  }
}

Deno.test({
  name: "a flood of connections leaves a broker its files",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({
      data: `${folder.path}/data`,
      under: limitedTo(OPEN_FILES),
    });
    const { address } = broker;
    const producer = createProducer({ "bootstrap.servers": address });
    try {
      await producer.send({ topic: "t", value: "before" });
      using _ = await flood(broker);
      await producer.send({ topic: "t", value: "during" });
      await producer.send({ topic: "new", value: "during" });
    } finally {
      await producer.close();
    }
    assertEquals(await write(address, "t"), 2);
    assertEquals(await broker.end("SIGTERM"), 0);
  },
});

Deno.test({
  name:
    "a broker without a descriptor for the next connection takes it when there is one",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    const files = await idleOpenFiles(data) + 6;
    await using broker = await startBrokerProcess({
      data,
      under: limitedTo(files),
    });
    assertEquals(await write(broker.address, "t"), 0);
    {
      using _ = await flood(broker);
      await until(
        "no descriptor is left",
        () => openFilesOf(broker.pid) >= files - 1,
      );
    }
    assertEquals(await write(broker.address, "t"), 1);
    assertEquals(await broker.end("SIGTERM"), 0);
  },
});
