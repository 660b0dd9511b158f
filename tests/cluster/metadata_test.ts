/**
 * The metadata of several nodes: they elect a controller, register with it,
 * pass on what is asked of them, and go on when the controller is gone.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Admin, createAdmin, type NewTopic } from "../../net/client.ts";
import { CREATE_TOPICS } from "../../net/wire/19_create_topics.ts";
import { done } from "../cli/moved_topics.ts";
import { latest } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import { kf, until } from "../fixtures.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";

/** An admin client that knows one node to begin with. */
function adminOf(node: ClusterNode): Admin & AsyncDisposable {
  const admin = createAdmin({
    "bootstrap.servers": `127.0.0.1:${node.port}`,
    "metadata.max.age.ms": 200,
    "reconnect.backoff.max.ms": 100,
  });
  return Object.assign(admin, { [Symbol.asyncDispose]: () => admin.close() });
}

async function create(admin: Admin, topic: NewTopic): Promise<void> {
  const [created] = await admin.createTopics([topic]);
  // It was done before, if the controller moved before it could say so.
  const isThere = created?.error === undefined ||
    created.error.error === "TOPIC_ALREADY_EXISTS";
  assert(isThere, created?.error?.message);
}

/** Resolves when that is what the node tells: the news spreads. */
async function sees(node: ClusterNode, ids: readonly number[]): Promise<void> {
  await using admin = adminOf(node);
  await until(`node ${node.id} tells of nodes ${ids}`, async () => {
    const { nodes } = await admin.describeCluster();
    return nodes.map(({ nodeId }) => nodeId).sort().join() === ids.join();
  });
}

async function leadersSeenBy(node: ClusterNode, topic: string) {
  await using admin = adminOf(node);
  const [described] = await admin.describeTopics([topic]);
  return described!.partitions.map(({ leader }) => leader);
}

Deno.test("three nodes elect a controller and register, and each does for clients what it decides", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  for (const node of cluster.nodes) {
    await sees(node, [1, 2, 3]);
    await using admin = adminOf(node);
    const name = `t${node.id}`;
    await create(admin, { name, partitions: 6, replicationFactor: 3 });
    const { voters, leaderId } = await admin.describeMetadataQuorum();
    assertEquals(voters.map(({ nodeId }) => nodeId), [1, 2, 3]);
    assert(leaderId > 0);
  }
  for (const node of cluster.nodes) {
    for (const name of ["t1", "t2", "t3"]) {
      const leaders = await until(
        `node ${node.id} knows ${name}`,
        () => leadersSeenBy(node, name).catch(() => undefined),
      );
      assertEquals(new Set(leaders), new Set([1, 2, 3]));
    }
  }
});

Deno.test("kf topic config shows what it has just changed, whichever broker it asks", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await using admin = adminOf(cluster.node(1));
  await create(admin, { name: "t", partitions: 1, replicationFactor: 1 });
  for (const [i, { port }] of cluster.nodes.entries()) {
    const change = async (...flags: string[]) => {
      const args = ["topic", "config", "t", ...flags, "--format=json"];
      const told = await done(kf([...args, "-b", `127.0.0.1:${port}`]));
      const [{ value, isDefault }] = JSON.parse(told);
      return isDefault ? "default" : value;
    };
    assertEquals(await change("--set", `retention.ms=${i}000`), `${i}000`);
    assertEquals(await change("--unset", "retention.ms"), "default");
  }
});

Deno.test("a broker that stops hands over, the others go on, and it comes back to a controller that moved", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  const [one, two, three] = cluster.nodes as [
    ClusterNode,
    ClusterNode,
    ClusterNode,
  ];
  await using admin = adminOf(one);
  await create(admin, { name: "t", partitions: 6, replicationFactor: 3 });
  // Each in turn, so that the controller is among them.
  for (const node of [one, two, three]) {
    const other = node === one ? two : one;
    await node.stop();
    await until(
      `node ${other.id} knows that ${node.id} leads nothing`,
      async () => {
        const leaders = await leadersSeenBy(other, "t").catch(() => [node.id]);
        return leaders.every((leader) => leader > 0 && leader !== node.id);
      },
    );
    await using asked = adminOf(other);
    const name = `without-${node.id}`;
    // A broker that is away may be given a replica, and leads nothing.
    await create(asked, { name, partitions: 2, replicationFactor: 3 });
    await node.start();
    await sees(node, [1, 2, 3]);
    assertEquals((await leadersSeenBy(node, name)).includes(node.id), false);
    await until("all are in sync again", async () => {
      const described = await asked.describeTopics(["t", name]);
      return described.flatMap(({ partitions }) => partitions)
        .every(({ isr }) => isr.length === 3);
    });
  }
});

Deno.test("what a held controller was asked through another broker is done by the next one", async () => {
  await using cluster = await Cluster.start({
    nodes: 3,
    asProcesses: true,
    // No heartbeat finds out that the link to it is of no use.
    config: {
      "broker.heartbeat.interval.ms": "50000",
      "broker.session.timeout.ms": "150000",
    },
  });
  await using admin = adminOf(cluster.node(1));
  const { leaderId } = await admin.describeMetadataQuorum();
  const { pid } = cluster.node(leaderId);
  const other = cluster.node(leaderId % 3 + 1);
  using client = await RawClient.connect(other.port);
  const create = (name: string) =>
    client.call(latest(CREATE_TOPICS), {
      topics: [{
        name,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [],
      }],
    });
  await create("before");
  Deno.kill(pid!, "SIGSTOP");
  try {
    const answer = await create("meanwhile");
    assertEquals(answer.topics[0]?.errorCode, 0);
  } finally {
    Deno.kill(pid!, "SIGCONT");
  }
});

Deno.test("a node without a majority says what to look at, and serves once there is one", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  const [one, two, three] = cluster.nodes as [
    ClusterNode,
    ClusterNode,
    ClusterNode,
  ];
  await Promise.all([one, two, three].map((node) => node.stop()));
  const starting = one.start();
  await until(
    "it says that it reaches no controller",
    () => one.told.some((line) => line.includes("controller can't be reached")),
  );
  await two.start();
  await starting;
  await sees(one, [1, 2]);
});

Deno.test("kf cluster health tells what is short of replicas, and what was never replicated", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  const one = cluster.node(1);
  await using admin = adminOf(one);
  const inSync = { "min.insync.replicas": "2" };
  await create(admin, {
    name: "two",
    assignments: [[3, 1], [1, 2]],
    configs: inSync,
  });
  await create(admin, { name: "one", assignments: [[1]], configs: inSync });
  const health = async () => {
    const { code, stdout, stderr } = await kf(
      ["cluster", "health", "-b", cluster.addresses, "--format", "json"],
    );
    return { code, told: stderr, ...JSON.parse(stdout) };
  };
  const before = await health();
  assertEquals(
    [before.code, before.nodes, before.partitions, before.unreplicated],
    [0, 3, 3, 1],
  );
  assertEquals([before.underReplicated, before.underMinIsr], [0, 0]);
  assertStringIncludes(before.told, "on one broker alone: 1 partition (one-0)");
  await cluster.node(3).stop();
  const after = await until("that is seen", async () => {
    const now = await health();
    return now.underMinIsr === 1 ? now : undefined;
  });
  assertEquals([after.code, after.nodes, after.underReplicated], [0, 2, 1]);
  assertStringIncludes(
    after.told,
    "short of replicas in sync: 1 partition (two-0); broker 3 is away",
  );
  assertStringIncludes(
    after.told,
    "under min.insync.replicas: 1 partition (two-0); acks=all is refused",
  );
  await cluster.node(3).start();
  await until("3 is back", async () => (await health()).underReplicated === 0);
  await one.stop();
  const hurt = await until("1 is missed", async () => {
    const now = await health();
    return now.withoutLeader === 1 ? now : undefined;
  });
  assertEquals([hurt.code, hurt.isReady], [1, false]);
  assertEquals(hurt.offline, [{ topic: "one", partition: 0, waitsFor: [1] }]);
  assertStringIncludes(
    hurt.told,
    "one-0 has no leader: it waits for broker 1; kf leader elect one:0 --unclean",
  );
  await one.start();
  await until("all is well", async () => (await health()).code === 0);
});
