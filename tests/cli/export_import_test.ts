/**
 * `kf export` and `kf import` as the shell sees them: nothing is lost on the
 * way, and a kill in the middle leaves neither gap nor duplicate.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createProducer } from "../../net/client.ts";
import {
  kf,
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import {
  assertSameTopic,
  contents,
  countIn,
  cutShort,
  done,
  importCutShort,
  writeMany,
} from "./moved_topics.ts";

/** A topic of three partitions with whatever a record may hold. */
async function writeNasty(address: string): Promise<void> {
  const cluster = ["-b", address];
  await done(kf(["topic", "create", "nasty", "-p", "3", ...cluster]));
  const producer = createProducer({ "bootstrap.servers": address });
  const all = new Uint8Array(256).map((_, i) => i);
  const fields = [null, "", "text\n\"'\\", "é\u2028", all, Uint8Array.of(0xff)];
  for (const [i, key] of fields.entries()) {
    for (const value of fields) {
      await producer.send({
        topic: "nasty",
        partition: i % 3,
        key,
        value,
        headers: [["h", value], ["h", key], ["", null], ["\ufeffö", "2"]],
        timestamp: [0, 1, 1_700_000_000_000][i % 3],
      });
    }
  }
  await producer.close();
}

/** Lines by partition: between partitions the order is nobody's business. */
function byPartition(file: string): string[][] {
  const lines = Deno.readTextFileSync(file).split("\n");
  assertEquals(lines.pop(), "", "the last line is whole");
  const found: string[][] = [[], [], []];
  for (const line of lines) found[JSON.parse(line).partition]!.push(line);
  return found;
}

Deno.test("export and import lose nothing, by a file and by a pipe", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const { address } = broker;
  await writeNasty(address);
  const original = await contents(broker, "nasty", 3);
  const file = `${folder.path}/nasty.jsonl`;
  const cluster = ["-b", address];
  await done(kf(["export", "nasty", file, ...cluster]));
  await done(kf(["import", "by-file", file, "-p", "3", ...cluster]));
  assertEquals(await contents(broker, "by-file", 3), original);
  const piped = await done(kf(["export", "nasty", ...cluster]));
  const stdin = { stdin: piped };
  await done(kf(["import", "by-pipe", "-p", "3", ...cluster], stdin));
  assertEquals(await contents(broker, "by-pipe", 3), original);
  assertEquals(
    [...Deno.readDirSync(folder.path)].length,
    2,
    "no state is left",
  );
});

Deno.test("a folder keeps a topic's configuration too, and both ways go on after a kill", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const { address } = broker;
  const cluster = ["-b", address];
  await writeMany(address, 150_000);
  const set = ["--set", "max.message.bytes=2000000"];
  await done(kf(["topic", "config", "many", ...set, ...cluster]));
  const kept = `${folder.path}/kept`;
  const write = ["export", "many", `${kept}/`, ...cluster];
  await cutShort(write, () => statOf(`${kept}/1.jsonl`).size > 500_000);
  await done(kf(write));
  const { topic, line: read } = await importCutShort(address, {
    from: [kept],
    counts: [20_000],
  });
  await done(kf(read));
  await assertSameTopic([broker, topic], [broker, "many"]);
  const config = await done(kf(["topic", "config", topic, ...cluster]));
  assertMatch(config, /max\.message\.bytes +2000000/);
  await done(kf(["gen", "other", "-n", "1", ...cluster]));
  const other = await kf(write.with(1, "other"));
  assertEquals(other.code, 1);
  assertMatch(other.stderr, /it is an export of "many"/);
  const none = await kf(read.with(2, `${folder.path}/`));
  assertEquals(none.code, 1);
  assertMatch(none.stderr, /it holds no topic\.json/);
});

Deno.test("export into import across a killed broker is the topic byte for byte", async () => {
  using folder = temporaryFolder();
  const data = `${folder.path}/d`;
  const broker = await startBrokerProcess({ data });
  const { address, port } = broker;
  const count = 300_000;
  await writeMany(address, count);
  const cluster = ["-b", address];
  const line = [
    [...kfCommand("export", "many"), ...cluster].join(" "),
    [...kfCommand("import", "copy", "-p", "3"), ...cluster].join(" "),
  ].join(" | ");
  const moving = run(["bash", "-c", `set -o pipefail; ${line}`]);
  await until(
    "some have arrived",
    async () => await countIn(address, "copy") > 5_000,
  );
  await broker.end("SIGKILL");
  await using again = await startBrokerProcess({ data, port });
  const { code, stderr } = await moving;
  assertEquals(code, 0, stderr);
  assertEquals(await countIn(address, "copy"), count);
  await assertSameTopic([again, "copy"], [again, "many"]);
});

Deno.test("an export that was killed goes on without gap or duplicate", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const { address } = broker;
  await writeMany(address, 200_000);
  const file = `${folder.path}/many.jsonl`;
  const line = ["export", "many", file, "-b", address, "--format", "json"];
  for (const bytes of [1_000_000, 4_000_000]) {
    await cutShort(line, () => statOf(file).size > bytes);
  }
  // However the kill fell, a torn line is cut off.
  Deno.writeTextFileSync(file, '{"topic":"many","parti', { append: true });
  const rest = JSON.parse(await done(kf(line)));
  assertEquals(rest.isResumed, true);
  await done(kf(["gen", "many", "-n", "10", "-b", address]));
  assertEquals(JSON.parse(await done(kf(line))).records, 10);
  const whole = `${folder.path}/whole.jsonl`;
  await done(kf(["export", "many", whole, "-b", address]));
  assertEquals(byPartition(file), byPartition(whole));
});

function statOf(path: string): { size: number } {
  try {
    return Deno.statSync(path);
  } catch {
    return { size: 0 };
  }
}

Deno.test("an import that was killed goes on without gap or duplicate", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const { address } = broker;
  await writeMany(address, 200_000);
  const file = `${folder.path}/many.jsonl`;
  await done(kf(["export", "many", file, "-b", address]));
  const { topic, line } = await importCutShort(address, {
    from: [file, "-p", "3"],
    counts: [2_000, 40_000],
  });
  await done(kf(line));
  await assertSameTopic([broker, topic], [broker, "many"]);
  assertEquals(statOf(`${file}.import`).size, 0, "the state is gone");
});

Deno.test("an export goes on with nothing but its own topic", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const cluster = ["-b", broker.address];
  const file = `${folder.path}/a.jsonl`;
  const line = ["export", "a", file, ...cluster];
  const write = () => done(kf(["gen", "a", "-n", "9", ...cluster]));
  const refused = async (args: string[], wanted: RegExp) => {
    const before = Deno.readTextFileSync(file);
    const { code, stderr } = await kf(args);
    assertEquals(code, 1, stderr);
    assertMatch(stderr, wanted);
    assertEquals(Deno.readTextFileSync(file), before);
  };
  await write();
  await done(kf(line));
  await done(kf(["gen", "b", "-n", "9", ...cluster]));
  await refused(
    line.with(1, "b"),
    /line 1 is not the next of an export of "b"/,
  );
  const trim = ["topic", "trim", "a", "-y", ...cluster, "--before"];
  await done(kf([...trim, "9"]));
  await done(kf(line));
  await write();
  await done(kf([...trim, "12"]));
  await refused(line, /offset 9 to 12 of partition 0 were deleted/);
  await done(kf(["topic", "delete", "a", "-y", ...cluster]));
  await write();
  await write();
  await refused(line, /is another by now/);
});

Deno.test("an import goes on with nothing but what it has written itself", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const cluster = ["-b", broker.address];
  const lines = Array.from(
    { length: 9 },
    (_, i) => `{"partition":0,"value":"${i}"}\n`,
  );
  const state = `${folder.path}/state`;
  const line = ["import", "t", "--state", state, ...cluster];
  const broken = { stdin: lines.slice(0, 4).join("") + "broken" };
  const first = await kf(line, broken);
  assertEquals(first.code, 1);
  assertMatch(first.stderr, /Cannot import line 5: it is no JSON/);
  await done(kf(line, { stdin: lines.join("") }));
  const read = ["consume", "t", "-e", ...cluster];
  assertEquals(await done(kf(read)), "0\n1\n2\n3\n4\n5\n6\n7\n8\n");
  assertEquals(statOf(state).size, 0);

  assertEquals((await kf(line, broken)).code, 1);
  const elsewhere = await kf(line.with(1, "u"), { stdin: lines.join("") });
  assertMatch(elsewhere.stderr, /it is of another import than into this "u"/);
  await done(kf(["produce", "t", ...cluster], { stdin: "foreign" }));
  const mixed = await kf(line, { stdin: lines.join("") });
  assertEquals([elsewhere.code, mixed.code], [1, 1]);
  assertMatch(mixed.stderr, /somebody else writes to it/);
});

Deno.test("import names the line that fits no partition, export a topic that is missing", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const cluster = ["-b", broker.address];
  const cases: [string, string, RegExp][] = [
    [
      "import t",
      '{"partition":5,"value":null}',
      /line 1: topic "t" has 1 part/,
    ],
    ["import t", '{"value":null}', /line 1: it needs a "partition"/],
    [`import t ${folder.path}/none`, "", /none/],
    [`export none ${folder.path}/out`, "", /"none": no such topic/],
  ];
  for (const [line, stdin, wanted] of cases) {
    const { code, stdout, stderr } = await kf(
      [...line.split(" "), ...cluster],
      { stdin },
    );
    assertEquals([code, stdout], [1, ""], line);
    assertMatch(stderr, wanted);
  }
  assertEquals(statOf(`${folder.path}/out`).size, 0);
});

Deno.test("an interrupted export is said not to be whole, and goes on", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const { address } = broker;
  await writeMany(address, 200_000);
  const file = `${folder.path}/many.jsonl`;
  const line = ["export", "many", file, "-b", address];
  const [program, ...args] = kfCommand(...line);
  const child = new Deno.Command(program!, {
    args,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await until("some is written", () => statOf(file).size > 100_000);
  child.kill("SIGINT");
  const { code, stderr } = await child.output();
  const said = new TextDecoder().decode(stderr);
  // It may have been done before the signal came.
  if (code !== 0) assertMatch(said, /interrupted: the same line goes on/);
  await done(kf(line));
  const lines = byPartition(file).flat();
  assert(lines.length === 200_000, `${lines.length} lines`);
});
