/**
 * A cluster that grows while it is used: nodes join by the address of one of
 * it, take over what is given to them, and start again by themselves.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Admin,
  createAdmin,
  createConsumer,
  createProducer,
} from "../../net/client.ts";
import { kf, temporaryFolder, until } from "../fixtures.ts";
import { freePorts } from "../ports.ts";
import { running, start } from "../raw_broker.ts";
import { Cluster } from "./cluster.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const TOPIC = "load";
const PARTITIONS = 6;
const FREE = "127.0.0.1:0";

/** Writes numbers and reads them until it is told to end. */
function load(common: Record<string, string | number>) {
  const producer = createProducer({ ...common, acks: "all" });
  const consumer = createConsumer({
    ...common,
    "group.id": "g",
    "auto.offset.reset": "earliest",
  });
  consumer.subscribe([TOPIC]);
  const acked: string[] = [];
  const read: string[] = [];
  const errors: unknown[] = [];
  let isOver = false;
  let isWritten = false;
  const writing = (async () => {
    for (let i = 0; !isOver; i++) {
      const value = String(i);
      try {
        const partition = i % PARTITIONS;
        const bytes = ENCODER.encode(value);
        await producer.send({ topic: TOPIC, partition, value: bytes });
        acked.push(value);
      } catch (error) {
        errors.push(error);
      }
    }
  })();
  const reading = (async () => {
    while (!isWritten || read.length < acked.length && errors.length === 0) {
      try {
        for (const { records } of await consumer.poll(100)) {
          for (const { value } of records) read.push(DECODER.decode(value!));
        }
        await consumer.commit();
      } catch (error) {
        errors.push(error);
      }
    }
  })();
  return {
    acked,
    read,
    errors,
    async end() {
      isOver = true;
      await writing;
      isWritten = true;
      await reading;
      await producer.close();
      await consumer.close();
    },
  };
}

/** The moves of all partitions of the load to brokers 4, 5 and 6. */
const MOVES = Array.from({ length: PARTITIONS }, (_, partition) => ({
  topic: TOPIC,
  partition,
  replicas: [0, 1, 2].map((i) => 4 + (partition + i) % 3),
}));

async function replicasOf(admin: Admin, topic: string) {
  const [described] = await admin.describeTopics([topic]);
  return described!.partitions;
}

function newOnesLead(admin: Admin): Promise<unknown> {
  return until("the new ones lead", async () => {
    const partitions = await replicasOf(admin, TOPIC);
    return partitions.length === PARTITIONS &&
      partitions.every(({ leader }) => leader > 3);
  });
}

Deno.test("three brokers become six under load, and no error reaches who writes or reads", async () => {
  await using cluster = await Cluster.start({
    nodes: 3,
    config: { "min.insync.replicas": "2" },
  });
  const common = {
    "bootstrap.servers": cluster.addresses,
    "metadata.max.age.ms": 500,
    "reconnect.backoff.max.ms": 200,
  };
  const admin = createAdmin(common);
  try {
    await admin.createTopics([
      { name: TOPIC, partitions: PARTITIONS, replicationFactor: 3 },
    ]);
    const running = load(common);
    await until("some is read", () => running.read.length > 100);
    const joined = [1, 2, 3].map(() => cluster.join("--listen", FREE));
    // All at once: each finds an id of its own.
    await Promise.all(joined.map((node) => node.start()));
    await until("six brokers serve", async () => {
      const { nodes } = await admin.describeCluster();
      return nodes.map(({ nodeId }) => nodeId).sort().join() === "1,2,3,4,5,6";
    });
    await admin.createTopics([
      { name: "new", partitions: 12, replicationFactor: 3 },
    ]);
    const placed = await until("the new topic is known", async () => {
      const partitions = await replicasOf(admin, "new");
      return partitions.length === 12 ? partitions : undefined;
    });
    const holders = placed.flatMap(({ replicas }) => replicas);
    assertEquals([...new Set(holders)].sort(), [1, 2, 3, 4, 5, 6]);

    const moved = await admin.alterPartitionReassignments(MOVES);
    assert(moved.every(({ error }) => error === undefined));
    await newOnesLead(admin);
    const { length } = running.acked;
    await until("it goes on", () => running.acked.length > length + 100);
    await running.end();
    assertEquals(running.errors, []);
    const { acked, read } = running;
    assertEquals(read.sort(), acked.sort(), "each record once");

    // Without --join, by what its folder knows.
    await joined[0]!.stop();
    await joined[0]!.start();
    await newOnesLead(admin);
  } finally {
    await admin.close();
  }
});

Deno.test("a broker that ran alone lets others join once it is started as they are told", async () => {
  await using cluster = await Cluster.start({ nodes: 1 });
  using folder = temporaryFolder();
  const [port] = freePorts(2);
  const address = `127.0.0.1:${port}`;
  const alone = await start(folder.path, {
    config: { listeners: `PLAINTEXT://${address}` },
  });
  const join = ["broker", "--join", address, "--data", `${folder.path}/d`];
  const { stderr } = await kf([...join, "--listen", FREE, "--http", "off"]);
  await alone.stop();
  const told = Array.from(stderr.matchAll(/ -X ([a-z.]+)=(\S+)/g))
    .map(([, key, value]) => [key!, value!]);
  assertEquals(told.length, 2, stderr);
  const first = await start(folder.path, { config: Object.fromEntries(told) });
  const second = cluster.join("--join", address, "--listen", FREE);
  const admin = createAdmin({ "bootstrap.servers": address });
  try {
    await second.start();
    await admin.createTopics([{ name: TOPIC, replicationFactor: 2 }]);
    const { nodes } = await admin.describeCluster();
    assertEquals(nodes.map(({ nodeId }) => nodeId), [1, 2]);
    // Nobody asks for anything: what is written keeps who follows at pace.
    const ends = async () => {
      const { voters, observers } = await admin.describeMetadataQuorum();
      return [...voters, ...observers].map(({ logEndOffset }) => logEndOffset);
    };
    const [before] = await ends();
    await until("an idle quorum moves on", async () => {
      const all = await ends();
      return all.length === 2 && all.every((end) => end >= before! + 4);
    });
  } finally {
    await admin.close();
    await second.stop();
    await first.stop();
  }
});

Deno.test("a node that can't join says why, and leaves nothing behind", async () => {
  await using cluster = await Cluster.start({ nodes: 1 });
  await using other = await Cluster.start({ nodes: 1 });
  using folder = temporaryFolder();
  const at = cluster.addresses;
  const refused = async (why: RegExp, ...flags: string[]) => {
    const data = ["--data", `${folder.path}/d`, "--http", "off"];
    const all = ["broker", "--join", at, "--listen", FREE, ...data, ...flags];
    const { code, stderr } = await kf(all);
    assertMatch(stderr, why);
    assert(code > 0);
    assertEquals([...Deno.readDirSync(folder.path)], []);
  };
  await refused(/nothing listens there.*--join/, "--join", "127.0.0.1:1");
  await using plain = await running({});
  await refused(
    /tells no address of theirs.*controller\.listener\.names=CONTROLLER/,
    ...["--join", `127.0.0.1:${plain.port}`],
  );
  await refused(/node id 1 is a controller's/, "--node-id", "1");
  await refused(
    /no listener OTHER for replication, only PLAINTEXT/,
    ...["-X", "inter.broker.listener.name=OTHER"],
    ...["-X", "listener.security.protocol.map=OTHER:PLAINTEXT"],
    ...["--listen", `OTHER://${FREE}`],
  );
  await refused(
    /belongs to cluster .*, not to AAAAAAAAAAAAAAAAAAAABA/,
    ...["--cluster-id", "AAAAAAAAAAAAAAAAAAAABA"],
  );
  await refused(/say with advertised\.listeners/, "--listen", "0.0.0.0:0");
  await refused(/--join starts a broker/, "-X", "process.roles=controller");

  const node = cluster.join("--listen", FREE, "--node-id", "7");
  await node.start();
  await refused(/node id 7 is in use/, "--node-id", "7");
  await node.stop();
  await refused(
    /belongs to cluster .*; name another folder with --data/,
    ...["--data", node.data, "--join", other.addresses],
  );
});
