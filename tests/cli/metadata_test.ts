/**
 * `kf metadata` of the real command over the folder of a real broker: the tree
 * with and without snapshots, and a shell that reads a pipe.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type BrokerProcess,
  type Finished,
  kf,
  kfCommand,
  run,
  type RunOptions,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";

/** A broker with a topic of two partitions, a config and a deleted topic. */
interface Bench extends AsyncDisposable {
  readonly data: string;
  readonly broker: BrokerProcess;
  /** Runs `kf metadata …` over its folder. */
  metadata(args: string, options?: RunOptions): Promise<Finished>;
  admin(args: string): Promise<void>;
}

async function startBench(...args: string[]): Promise<Bench> {
  const folder = temporaryFolder();
  const data = `${folder.path}/data`;
  const broker = await startBrokerProcess({ data, args });
  const admin = async (line: string) => {
    const done = await kf([...line.split(" "), "-b", broker.address]);
    assertEquals(done.code, 0, done.stderr);
  };
  await admin("topic create events -p 2 -c retention.ms=7200000");
  await admin("topic create gone");
  await admin("topic delete gone -y");
  return {
    data,
    broker,
    admin,
    metadata: (line, options) =>
      kf(["metadata", ...line.split(" "), "--data", data], options),
    async [Symbol.asyncDispose]() {
      await broker.end("SIGKILL");
      folder[Symbol.dispose]();
    },
  };
}

/** The files of the metadata log, with what would show a change. */
function filesOf(data: string): string[] {
  const folder = `${data}/__cluster_metadata-0`;
  return [...Deno.readDirSync(folder)].map(({ name }) => {
    const { mtime } = Deno.statSync(`${folder}/${name}`);
    return `${name} ${mtime?.getTime()} ${
      Deno.readFileSync(`${folder}/${name}`)
    }`;
  }).sort();
}

Deno.test("kf metadata ls, cat and find show the cluster of a broker that runs, and once it has stopped", async () => {
  await using bench = await startBench();
  const check = async () => {
    const before = filesOf(bench.data);
    const root = await bench.metadata("ls");
    assertEquals(
      [root.stdout.trim().replaceAll("\n", " "), root.stderr],
      [
        "acls brokers clientQuotas configs controllers delegationTokens features producerIds scram topics",
        "",
      ],
    );
    assertEquals((await bench.metadata("ls /topics")).stdout, "events\n");
    const partition = JSON.parse(
      (await bench.metadata("cat /topics/events/1")).stdout,
    );
    assertEquals(
      [partition.replicas, partition.isr, partition.leader],
      [[1], [1], 1],
    );
    const configs = await bench.metadata("cat /configs/topic/events");
    // Off a terminal a value is one line, however much is in it.
    assertEquals(configs.stdout, '{"retention.ms":"7200000"}\n');
    const found = await bench.metadata("find retention.*");
    assertEquals(found.stdout, "/configs/topic/events/retention.ms\n");
    const features = await bench.metadata("cat /features --format json");
    assert(JSON.parse(features.stdout)["metadata.version"] > 0);
    assertEquals(filesOf(bench.data), before);
  };
  await check();
  const running = await bench.metadata("cat /brokers/1/fenced");
  assertEquals(running.stdout, "false\n");
  assertEquals(await bench.broker.end(), 0);
  await check();
});

Deno.test("kf metadata takes the newest whole snapshot and the log after it", async () => {
  await using bench = await startBench(
    "-X",
    "metadata.log.max.record.bytes.between.snapshots=600",
  );
  for (const name of ["a", "b", "c", "d"]) {
    await bench.admin(`topic create ${name} -p 3`);
  }
  assertEquals(await bench.broker.end(), 0);
  const folder = `${bench.data}/__cluster_metadata-0`;
  const snapshots = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".checkpoint")).sort();
  assertEquals(snapshots.length, 2, "as many are kept");
  const all = await bench.metadata("cat");
  assertEquals(
    Object.keys(JSON.parse(all.stdout).topics),
    ["a", "b", "c", "d", "events"],
  );
  const newest = `${folder}/${snapshots[1]}`;
  const one = await kf(["metadata", "cat", "/features", "--data", newest]);
  assertEquals(
    JSON.parse(one.stdout),
    JSON.parse(all.stdout).features,
    one.stderr,
  );
  const size = Deno.statSync(newest).size;
  Deno.truncateSync(newest, size - 10);
  const older = await bench.metadata("cat");
  assertEquals([older.stdout, older.stderr], [all.stdout, ""]);
  const log = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".log")).sort().at(-1)!;
  const end = Deno.statSync(`${folder}/${log}`).size;
  Deno.truncateSync(`${folder}/${log}`, end - 3);
  const torn = await bench.metadata("ls /topics");
  assertEquals(torn.code, 0);
  assertMatch(torn.stderr, /missing: what follows byte \d+ of ".*\.log": /);
});

Deno.test("kf metadata shell walks the tree by the lines of a pipe", async () => {
  await using bench = await startBench();
  const stdin = [
    "pwd",
    "cd topics/events",
    "pwd",
    "",
    "ls",
    "cat 1/leader",
    "cd ../../configs",
    "find *.ms .",
    "cd",
    "pwd",
    "help",
  ].join("\n");
  const { code, stdout, stderr } = await bench.metadata("shell", { stdin });
  assertEquals([code, stderr], [0, ""]);
  assertEquals(
    stdout.split("\n").slice(0, 8),
    [
      "/",
      "/topics/events",
      "0",
      "1",
      "topicId",
      "1",
      "/configs/topic/events/retention.ms",
      "/",
    ],
  );
  assertMatch(stdout, /^find NAME \[PATH\] /m);
});

Deno.test("a line that fails in kf metadata shell is told, and those after it are read up to exit", async () => {
  await using bench = await startBench();
  const { code, stdout, stderr } = await bench.metadata("shell", {
    stdin: "ls nowhere\nfly\ncd features/metadata.version\nls a b\npwd\n",
  });
  assertEquals([code, stdout], [1, "/\n"]);
  assertEquals(
    stderr.split("\n").slice(0, 4).map((line) => line.slice(0, 26)),
    [
      'kf: Cannot find "/nowhere"',
      'kf: Cannot run "fly": help',
      'kf: Cannot go to "/feature',
      'kf: Cannot run "ls a b": l',
    ],
  );
  const left = await bench.metadata("shell", { stdin: "pwd\nexit\nfly\n" });
  assertEquals([left.code, left.stdout, left.stderr], [0, "/\n", ""]);
});

Deno.test("kf metadata ends well when the reader of its pipe has gone", async () => {
  await using bench = await startBench();
  const base = kfCommand("metadata", "shell", "--data", bench.data).join(" ");
  const done = await run([
    "bash",
    "-c",
    `yes cat | head -500 | ${base} | head -1; exit \${PIPESTATUS[2]}`,
  ]);
  assertEquals([done.code, done.stderr], [0, ""]);
  assertEquals(done.stdout.split("\n").length, 2);
  assert("topics" in JSON.parse(done.stdout));
});

Deno.test("kf metadata says when there is no metadata, or nothing at a path", async () => {
  using folder = temporaryFolder();
  const nowhere = await kf(["metadata", "ls"], { cwd: folder.path });
  assertEquals([nowhere.code, nowhere.stdout], [1, ""]);
  assertMatch(nowhere.stderr, /in "kf-data": there is no such folder/);
  const empty = await kf(["metadata", "ls", "--data", folder.path]);
  assertEquals(empty.code, 1);
  assertMatch(empty.stderr, /no __cluster_metadata-0 is in it/);
  await using bench = await startBench();
  const path = await bench.metadata("cat /topics/event");
  assertEquals([path.code, path.stdout], [1, ""]);
  assertMatch(path.stderr, /there is no "event" in \/topics/);
});
