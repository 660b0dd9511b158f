/**
 * One node grows to three voters in place, as docs/OPERATIONS.md tells it, and
 * the first one may go; and voters are added and removed by hand.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import {
  createAdmin,
  createConsumer,
  createProducer,
} from "../../net/client.ts";
import { kf, until } from "../fixtures.ts";
import { Cluster, ProcessNode, QUICK } from "./cluster.ts";
import { freePorts } from "../ports.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

interface Machines extends AsyncDisposable {
  readonly nodes: readonly [ProcessNode, ProcessNode, ProcessNode];
  readonly addresses: string;
  /** Where the controller of node 1, 2, … is reached. */
  controller(id: number): string;
  /** What the guide has a node's config say. */
  asMember(id: number): Record<string, string>;
}

/** Three machines; on the first one runs a broker as `kf broker` starts it. */
function machines(): Machines {
  const folder = Deno.makeTempDirSync({ prefix: "kf-growth-" });
  const ports = freePorts(6);
  const controller = (id: number) => `127.0.0.1:${ports[2 + id]}`;
  const node = (id: number) =>
    new ProcessNode(id, ports[id - 1]!, {
      "node.id": String(id),
      "log.dirs": `${folder}/${id}`,
      "listeners": `PLAINTEXT://127.0.0.1:${ports[id - 1]}`,
      ...QUICK,
    });
  const nodes = [node(1), node(2), node(3)] as const;
  return {
    nodes,
    addresses: nodes.map(({ port }) => `127.0.0.1:${port}`).join(),
    controller,
    asMember: (id) => ({
      "listeners": `PLAINTEXT://127.0.0.1:${ports[id - 1]},CONTROLLER://${
        controller(id)
      }`,
      "controller.listener.names": "CONTROLLER",
      "controller.quorum.bootstrap.servers": [1, 2, 3].map(controller).join(),
    }),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(nodes.map((each) => each.end()));
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

async function produce(
  addresses: string,
  { topic, value }: { readonly topic: string; readonly value: string },
): Promise<void> {
  const producer = createProducer({
    "bootstrap.servers": addresses,
    acks: "all",
  });
  try {
    await producer.send({ topic, value: ENCODER.encode(value) });
  } finally {
    await producer.close();
  }
}

async function valuesOf(addresses: string, topic: string): Promise<string[]> {
  const consumer = createConsumer({
    "bootstrap.servers": addresses,
    "auto.offset.reset": "earliest",
  });
  try {
    consumer.assign([{ topic, partition: 0 }]);
    return await until("a record is read", async () => {
      const found = (await consumer.poll(100))
        .flatMap(({ records }) => records)
        .map(({ value }) => DECODER.decode(value!));
      return found.length > 0 ? found : undefined;
    });
  } finally {
    await consumer.close();
  }
}

/** The ids that vote, as `kf cluster quorum` shows them. */
async function votersBy(addresses: string): Promise<string> {
  const { stdout } = await kf(
    ["cluster", "quorum", "-b", addresses, "--format", "json"],
  );
  const { replicas } = JSON.parse(stdout || '{"replicas":[]}') as {
    replicas: { nodeId: number; role: string }[];
  };
  return replicas.filter(({ role }) => role !== "observer")
    .map(({ nodeId }) => nodeId).join();
}

Deno.test("a folder of one node becomes one of three voters, and the cluster outlives the first", async () => {
  await using grown = machines();
  const { nodes: [one, two, three], addresses } = grown;
  const first = `127.0.0.1:${one.port}`;
  const others = `127.0.0.1:${two.port},127.0.0.1:${three.port}`;
  await one.start();
  await produce(first, { topic: "before", value: "kept" });
  const { stdout } = await kf(
    ["cluster", "info", "-b", first, "--format", "json"],
  );
  const { clusterId } = JSON.parse(stdout);

  await one.stop();
  one.reconfigure(grown.asMember(1));
  await one.start();
  assertEquals(await valuesOf(first, "before"), ["kept"]);
  assertEquals(await votersBy(first), "1");
  for (const node of [two, three]) {
    node.reconfigure({
      ...grown.asMember(node.id),
      "kf.cluster.id": clusterId,
      "controller.quorum.auto.join.enable": "true",
      // They look twice in so long whether there is something to tell.
      "controller.quorum.fetch.timeout.ms": "1000",
    });
  }
  await Promise.all([two.start(), three.start()]);
  await until(
    "all three vote",
    async () => await votersBy(addresses) === "1,2,3",
  );
  const admin = createAdmin({ "bootstrap.servers": addresses });
  try {
    await admin.createTopics([{
      name: "after",
      partitions: 1,
      replicationFactor: 3,
      configs: { "min.insync.replicas": "2" },
    }]);
  } finally {
    await admin.close();
  }
  await produce(addresses, { topic: "after", value: "replicated" });

  await one.kill();
  await until("the others decide without it", async () => {
    const { code } = await kf(["topic", "create", "late", "-b", others]);
    return code === 0;
  });
  await produce(others, { topic: "after", value: "and on" });
  assertEquals(await valuesOf(others, "after"), ["replicated", "and on"]);
  await one.start();
  assertEquals(await valuesOf(addresses, "before"), ["kept"]);
});

Deno.test("kf cluster quorum adds a controller that follows, and removes the one that leads", async () => {
  await using grown = machines();
  const { nodes: [one, two], addresses } = grown;
  one.reconfigure({
    ...grown.asMember(1),
    "controller.quorum.bootstrap.servers": grown.controller(1),
    "kf.cluster.id": "4L6g3nShT-eMCtK--X86sw",
  });
  two.reconfigure({
    ...grown.asMember(2),
    "kf.cluster.id": "4L6g3nShT-eMCtK--X86sw",
  });
  await Promise.all([one.start(), two.start()]);
  const quorum = (...args: string[]) =>
    kf(["cluster", "quorum", "-b", addresses, ...args]);
  assertEquals(await votersBy(addresses), "1");
  const added = await quorum("--add", `2@${grown.controller(2)}`);
  assertEquals([added.code, added.stderr], [0, ""]);
  assertMatch(added.stdout, /\n\s*2\s+voter\s/);
  const again = await quorum("--add", `2@${grown.controller(2)}`);
  assertEquals(again.code, 1);
  assertMatch(again.stderr, /no observer with this id/);
  const removed = await quorum("--remove", "1");
  assertEquals([removed.code, removed.stderr], [0, ""]);
  await until(
    "node 2 votes alone",
    async () => await votersBy(addresses) === "2",
  );
  const unknown = await quorum("--remove", "1");
  assertMatch(unknown.stderr, /it doesn't vote/);
  // The first one is an ordinary broker now, without it nothing stops.
  await one.stop();
  assertEquals(await votersBy(addresses), "2");
});

Deno.test("configured voters become ones that may change, and the config is read no more", async () => {
  await using cluster = await Cluster.start({
    nodes: 3,
    config: { "controller.quorum.fetch.timeout.ms": "1000" },
  });
  const { addresses } = cluster;
  const at = ["-b", addresses];
  const upgrade = await until("kraft.version is raised", async () => {
    const { code, stdout, stderr } = await kf(
      ["cluster", "features", "--upgrade", "kraft.version=1", ...at],
    );
    if (code === 0) return stdout;
    // A voter tells its leader of itself some time after the election.
    assertMatch(stderr, /has not yet told the leader|still waits/);
  });
  assertMatch(upgrade, /kraft\.version\s+1\s+0-1/);
  const lower = await kf(
    ["cluster", "features", "--downgrade", "kraft.version=0", ...at],
  );
  assertEquals(lower.code, 1);
  assertMatch(lower.stderr, /can't be lowered/);
  await until("the one that may lead is removed", async () => {
    const { code } = await kf(["cluster", "quorum", "--remove", "1", ...at]);
    return code === 0;
  });
  await until(
    "two vote",
    async () => await votersBy(addresses) === "2,3",
  );
  await Promise.all(cluster.nodes.map((node) => node.stop()));
  await Promise.all(cluster.nodes.map((node) => node.start()));
  assertEquals(await votersBy(addresses), "2,3");
});
