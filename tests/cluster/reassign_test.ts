/**
 * `kf reassign` against a cluster of real nodes: plans that are carried out with
 * all records there, brokers that are emptied, moves that are listed, called
 * off, and left alone when somebody stops watching.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { kfCommand, run, temporaryFolder } from "../fixtures.ts";
import { Cluster } from "./cluster.ts";
import {
  answer,
  ask,
  assertKept,
  becomes,
  fillTopic,
  places,
} from "./operator.ts";

interface Row {
  readonly partition: number;
  readonly to: readonly number[];
  readonly bytes: number;
  readonly outcome: string;
}

Deno.test("a plan that is carried out gives each broker its share and its leaders, with every record", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  const six = Array.from({ length: 6 }, (_, i) => i % 2 ? [1, 2] : [2, 1]);
  await fillTopic(cluster, "t", six);
  const plan = await answer(cluster, "reassign plan");
  assertEquals(plan.rows.version, 1);
  assertMatch(plan.stderr, /broker 3: 0 to 4 replicas, first of 0 to 2\n/);
  assertMatch(plan.stderr, /4 replicas are copied/);
  assertEquals(
    await places(cluster, "t"),
    six.map((ids) => `${ids[0]}:${ids}`),
  );
  const asked = await ask(cluster, "reassign apply -", plan.stdout);
  assertEquals(asked.code, 2);
  assertMatch(asked.stderr, /add -y, or --dry-run/);
  const dry = await answer(cluster, "reassign apply - --dry-run", plan.stdout);
  assert(dry.rows.every((row: Row) => row.outcome === "would move"));
  const done = await answer(cluster, "reassign apply - -y", plan.stdout);
  const copied = (done.rows as Row[]).filter(({ bytes }) => bytes > 0);
  assertEquals(copied.length, 4);
  assert((done.rows as Row[]).every(({ outcome }) => outcome === "moved"));
  const wanted = new Map(
    (done.rows as Row[]).map(({ partition, to }) => [partition, to]),
  );
  await becomes(
    () => places(cluster, "t"),
    six.map((ids, i) => wanted.get(i) ?? ids).map((ids) => `${ids[0]}:${ids}`),
  );
  await assertKept(cluster, "t");
  const again = await answer(cluster, "reassign plan");
  assertEquals(again.rows.partitions, []);
  const repeated = await answer(cluster, "reassign apply - -y", plan.stdout);
  assert(
    (repeated.rows as Row[]).every(({ outcome }) => outcome === "in place"),
  );
});

Deno.test("a broker is emptied, and another replication factor is a plan like any other", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await fillTopic(cluster, "t", [[1, 2], [3, 1], [2, 3]]);
  const dry = await answer(cluster, "reassign drain --broker 3 --dry-run");
  assertEquals(dry.rows.length, 2);
  assertEquals((await places(cluster, "t"))[1], "3:3,1");
  const done = await answer(cluster, "reassign drain --broker 3 -y");
  assertEquals(done.rows.map((row: Row) => row.outcome), ["moved", "moved"]);
  for (const place of await places(cluster, "t")) {
    assert(/^[12]:(1,2|2,1)$/.test(place), place);
  }
  const none = await answer(cluster, "reassign drain --broker 3 -y");
  assertEquals(none.rows, []);
  const three = await answer(cluster, "reassign plan t -r 3");
  await answer(cluster, "reassign apply - -y", three.stdout);
  for (const place of await places(cluster, "t")) {
    assertEquals(place.slice(2).split(",").sort(), ["1", "2", "3"]);
  }
  await assertKept(cluster, "t");
  const full = await ask(cluster, "reassign drain --broker 2 -y");
  assertEquals(full.code, 1);
  assertMatch(full.stderr, /Cannot place 3 replicas of t-0 on 2 brokers/);
  const one = await answer(cluster, "reassign plan t -r 1 --to 2");
  await answer(cluster, "reassign apply - -y", one.stdout);
  assertEquals(await places(cluster, "t"), ["2:2", "2:2", "2:2"]);
  await assertKept(cluster, "t");
});

Deno.test("a move to a broker that is away is listed, left alone at Ctrl-C, and called off", async () => {
  using folder = temporaryFolder();
  await using cluster = await Cluster.start({ nodes: 3 });
  await fillTopic(cluster, "t", [[1], [2]]);
  await cluster.node(3).stop();
  const moves = JSON.stringify({
    version: 1,
    partitions: [
      { topic: "t", partition: 0, replicas: [3] },
      { topic: "t", partition: 1, replicas: [2, 3] },
    ],
  });
  const begun = await answer(cluster, "reassign apply - -y --no-wait", moves);
  assertEquals(begun.rows.map((row: Row) => row.outcome), ["moving", "moving"]);
  const listed = await answer(cluster, "reassign list t");
  const { bytes, ...first } = listed.rows[0];
  assert(bytes > 0);
  assertEquals(first, {
    topic: "t",
    partition: 0,
    replicas: [3, 1],
    addingReplicas: [3],
    removingReplicas: [1],
    copiedBytes: 0,
  });
  assertEquals(listed.rows.length, 2);
  Deno.writeTextFileSync(`${folder.path}/moves.json`, moves);
  const [program, ...args] = kfCommand(
    ...["reassign", "apply", `${folder.path}/moves.json`, "-y", "-v"],
    ...["--throttle", "1m"],
    ...["-b", cluster.addresses],
  );
  const interrupted = await run(
    ["timeout", "--preserve-status", "-s", "INT", "4", program!, ...args],
  );
  assertEquals(interrupted.code, 1);
  assertMatch(interrupted.stderr, /2 moves go on: kf reassign list shows them/);
  assertMatch(interrupted.stderr, /throttled until: kf reassign unthrottle/);
  assertEquals((await answer(cluster, "reassign unthrottle")).rows.length, 3);
  assertMatch(interrupted.stdout, /t +0 +1 +3 .*moving/);
  const back = JSON.stringify({
    partitions: [{ topic: "t", partition: 0, replicas: [1] }],
  });
  const undone = await answer(cluster, "reassign apply - -y", back);
  assertEquals(undone.rows.map((row: Row) => row.outcome), ["moved"]);
  assertEquals((await answer(cluster, "reassign list")).rows.length, 1);
  const one = await answer(cluster, "reassign cancel t:1 --dry-run");
  assertEquals(one.rows, [
    { topic: "t", partition: 1, outcome: "would be called off" },
  ]);
  const all = await answer(cluster, "reassign cancel --all -y");
  assertEquals(all.rows, [{ topic: "t", partition: 1, outcome: "called off" }]);
  assertEquals((await answer(cluster, "reassign list")).rows, []);
  await becomes(() => places(cluster, "t"), ["1:1", "2:2"]);
  await cluster.node(3).start();
  await assertKept(cluster, "t");
});

Deno.test("what is no plan, and what names no partition, is refused before anything moves", async () => {
  await using cluster = await Cluster.start({ nodes: 1 });
  for (
    const [text, why] of [
      ["", /Cannot read "-" as moves: /],
      ["{}", /it has no partitions/],
      ['{"partitions":[{"topic":"t"}]}', /\{"topic":"t"\} is none/],
      [
        '{"partitions":[{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":0,"replicas":[1]}]}',
        /t-0 is there twice/,
      ],
    ] as const
  ) {
    const { code, stderr } = await ask(cluster, "reassign apply - -y", text);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, why);
  }
  await fillTopic(cluster, "t", [[1]]);
  const moves = (partition: number, replicas: number[]) =>
    JSON.stringify({ partitions: [{ topic: "t", partition, replicas }] });
  const missing = await ask(cluster, "reassign apply - -y", moves(7, [1]));
  assertEquals(missing.code, 1);
  assertMatch(missing.stderr, /Cannot move t-7: the topic has no such/);
  const nowhere = await ask(cluster, "reassign apply - -y", moves(0, [9]));
  assertEquals(nowhere.code, 1);
  assertMatch(nowhere.stderr, /Cannot move t-0: .*INVALID_REPLICA_ASSIGNMENT/);
  const away = await ask(cluster, "reassign plan --to 1,9");
  assertEquals(away.code, 1);
  assertMatch(away.stderr, /broker 9: it is not there; the brokers are 1/);
});
