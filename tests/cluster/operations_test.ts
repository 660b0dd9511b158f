/**
 * What docs/OPERATIONS.md tells operators to do, done: the same commands
 * against real processes, some of which are killed or lose their folder.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { kf, until } from "../fixtures.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";
import {
  answer,
  ask,
  assertKept,
  becomes,
  createTopic,
  fillTopic,
  leaders,
  places,
  RECORDS,
} from "./operator.ts";

const IN_SYNC = "cluster health --wait --in-sync";
const TWO = { "min.insync.replicas": "2" };

/** Ids of the brokers that serve. */
async function serving(cluster: Cluster): Promise<number[]> {
  const { rows } = await answer(cluster, "cluster info");
  return rows.nodes.map(({ nodeId }: { nodeId: number }) => nodeId);
}

function serves(cluster: Cluster, ids: readonly number[]): Promise<unknown> {
  return until(
    `${ids} serve`,
    async () => `${await serving(cluster).catch(() => [])}` === `${ids}`,
  );
}

function loseFolder(node: ClusterNode): void {
  Deno.removeSync(node.folder, { recursive: true });
}

Deno.test("a rolling restart: writers lose nothing, and everyone leads what they did", async () => {
  await using cluster = await Cluster.start({ nodes: 3, asProcesses: true });
  const three = [[1, 2, 3], [2, 3, 1], [3, 1, 2]];
  await createTopic(cluster, "t", three, TWO);
  // As long as the restarts take, and then some.
  let isOver = false;
  const ledgers: string[] = [];
  const writing = (async () => {
    while (!isOver) {
      const line = "verify produce t -n 300 --rate 100";
      ledgers.push((await answer2(cluster, line)).stdout);
    }
  })();
  for (const node of cluster.nodes) {
    await node.stop();
    await node.start();
    await answer(cluster, IN_SYNC);
  }
  isOver = true;
  await writing;
  await answer(cluster, "leader elect --all");
  assertEquals(
    await places(cluster, "t"),
    three.map((ids) => `${ids[0]}:${ids}`),
  );
  for (const ledger of ledgers) {
    const { rows } = await answer2(cluster, "verify consume t", ledger);
    assertEquals(rows.violations, [], JSON.stringify(rows));
  }
});

/** The answer of a line whose JSON is lines. */
async function answer2(cluster: Cluster, line: string, stdin = "") {
  const { code, stdout, stderr } = await ask(cluster, line, stdin);
  assertEquals(code, 0, `${line}: ${stderr}`);
  return { stdout, rows: JSON.parse(stdout.trim().split("\n").at(-1)!) };
}

Deno.test("a broker that lost its folder comes back under its id, and copies everything", async () => {
  await using cluster = await Cluster.start({ nodes: 3, asProcesses: true });
  await fillTopic(cluster, "t", [[3, 1, 2], [1, 2, 3]], TWO);
  const lost = cluster.node(3);
  await lost.kill();
  loseFolder(lost);
  await becomes(() => leaders(cluster, "t"), ["1/1,2", "1/1,2"]);
  await lost.start();
  await answer(cluster, IN_SYNC);
  assertEquals(await leaders(cluster, "t"), ["1/1,2,3", "1/1,2,3"]);
  await answer(cluster, "leader elect --all");
  await becomes(() => leaders(cluster, "t"), ["3/1,2,3", "1/1,2,3"]);
  // What it leads now it serves from its new folder.
  await assertKept(cluster, "t");
});

Deno.test("a broker that is gone for good is replaced by one with another id", async () => {
  await using cluster = await Cluster.start({ nodes: 3, asProcesses: true });
  await fillTopic(cluster, "t", [[3, 1], [1, 2]]);
  await cluster.node(3).kill();
  loseFolder(cluster.node(3));
  await serves(cluster, [1, 2]);
  await cluster.join("--node-id", "4", "--listen", "127.0.0.1:0").start();
  await serves(cluster, [1, 2, 4]);
  await answer(cluster, "reassign drain --broker 3 -y");
  const removed = await answer(cluster, "cluster remove 3 -y");
  assertEquals(removed.rows, { nodeId: 3, removed: true });
  await answer(cluster, IN_SYNC);
  const [first, second] = await places(cluster, "t");
  assertMatch(first!, /^[14]:(1,4|4,1)$/);
  assertEquals(second, "1:1,2");
  await assertKept(cluster, "t");
});

Deno.test("a cluster grows: new brokers get their share, at the speed that is allowed", async () => {
  await using cluster = await Cluster.start({ nodes: 3, asProcesses: true });
  const ten = Array.from({ length: 10 }, (_, i) => {
    return [i, i + 1, i + 2].map((each) => each % 3 + 1);
  });
  await fillTopic(cluster, "t", ten, TWO);
  await cluster.join("--node-id", "4", "--listen", "127.0.0.1:0").start();
  await cluster.join("--node-id", "5", "--listen", "127.0.0.1:0").start();
  await serves(cluster, [1, 2, 3, 4, 5]);
  const plan = await answer(cluster, "reassign plan");
  assertMatch(plan.stderr, /broker 5: 0 to 6 replicas, first of 0 to 2/);
  await answer(cluster, "reassign apply - -y --throttle 50m", plan.stdout);
  const after = await places(cluster, "t");
  for (const id of [1, 2, 3, 4, 5]) {
    const own = after.filter((place) =>
      /:(.*)/.exec(place)![1]!.includes(`${id}`)
    );
    assertEquals(own.length, 6, `${after}`);
    assertEquals(
      after.filter((place) => place.startsWith(`${id}:`)).length,
      2,
      `${after}`,
    );
  }
  await assertKept(cluster, "t");
});

/** Replica 1 alone has the last records, and is killed; 2 and 3 run. */
async function loseAllInSync(cluster: Cluster): Promise<void> {
  await fillTopic(cluster, "t", [[1, 2]]);
  await cluster.node(2).kill();
  await becomes(() => leaders(cluster, "t"), ["1/1"]);
  const late = await ask(cluster, "produce t", "late\n");
  assertEquals(late.code, 0, late.stderr);
  await cluster.node(1).kill();
  await cluster.node(2).start();
  await until("nobody leads", async () => {
    const [now] = await leaders(cluster, "t").catch(() => []);
    return now?.startsWith("-1/");
  });
  const health = await ask(cluster, "cluster health");
  assertEquals(health.code, 1);
  assertMatch(health.stderr, /t-0 has no leader: it waits for broker 1; /);
}

async function valuesOf({ addresses }: Cluster): Promise<string[]> {
  const { code, stdout, stderr } = await kf(
    ["consume", "t", "-e", "-f", "%v\\n", "-b", addresses],
  );
  assertEquals(code, 0, stderr);
  return stdout.trim().split("\n");
}

Deno.test("when all in sync are lost, whoever waits for the last one loses nothing", async () => {
  await using cluster = await Cluster.start({ nodes: 3, asProcesses: true });
  await loseAllInSync(cluster);
  await cluster.node(1).start();
  await answer(cluster, IN_SYNC);
  const values = await valuesOf(cluster);
  assertEquals(values.length, 301);
  assertEquals(values.at(-1), "late");
});

Deno.test("when all in sync are lost for good, an unclean election gives up what only they had", async () => {
  await using cluster = await Cluster.start({ nodes: 3, asProcesses: true });
  await loseAllInSync(cluster);
  const refused = await ask(cluster, "leader elect t");
  assertEquals(refused.code, 1);
  const asked = await ask(cluster, "leader elect t --unclean");
  assertEquals(asked.code, 2);
  const elected = await answer(cluster, "leader elect t --unclean -y");
  assertEquals(elected.rows[0].after, 2);
  const values = await valuesOf(cluster);
  assertEquals(values.length, 300);
  assert(!values.includes("late"));
  // Whoever led comes back as a follower, and gives up what it alone had.
  await cluster.node(1).start();
  await answer(cluster, IN_SYNC);
  await assertKept(cluster, "t");
});

Deno.test("three replicas of a topic take three times the disk, wherever they are", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await fillTopic(cluster, "one", [[1]]);
  await fillTopic(cluster, "three", [[1, 2, 3]]);
  await answer(cluster, IN_SYNC);
  const bytesOf = async (topic: string): Promise<number> => {
    const { rows } = await answer(cluster, `logdirs ${topic}`);
    return rows.flatMap((folder: Folder) => folder.replicas)
      .reduce((sum: number, each: Replica) => sum + each.sizeInBytes, 0);
  };
  const [one, three] = [await bytesOf("one"), await bytesOf("three")];
  assert(one >= RECORDS.length, `${one}`);
  // Batches differ by how records happened to come together.
  assert(three > 2.5 * one && three < 3.5 * one, `${one} and ${three}`);
  const more = await answer(cluster, "reassign plan one -r 3");
  await answer(cluster, "reassign apply - -y", more.stdout);
  assertEquals(await bytesOf("one"), 3 * one);
});

interface Replica {
  readonly sizeInBytes: number;
}

interface Folder {
  readonly replicas: readonly Replica[];
}
