/**
 * `kf copy` as the shell sees it, in one cluster and between two.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  kf,
  kfCommand,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import {
  assertSameTopic,
  countIn,
  cutShort,
  done,
  writeMany,
} from "./moved_topics.ts";

Deno.test("copy makes a topic like the other, and then adds what came since", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const cluster = ["-b", broker.address];
  await writeMany(broker.address, 3_000);
  const set = ["--set", "retention.ms=3600000"];
  await done(kf(["topic", "config", "many", ...set, ...cluster]));
  const line = ["copy", "many", "copy", "--format", "json", ...cluster];
  const first = JSON.parse(await done(kf(line)));
  assertEquals([first.records, first.isResumed], [3_000, false]);
  const config = await done(kf(["topic", "config", "copy", ...cluster]));
  assertMatch(config, /retention\.ms +3600000/);
  assertEquals(JSON.parse(await done(kf(line))).records, 0);
  const nulls = { stdin: '{"key":"k","value":null,"headers":[["a",null]]}' };
  const envelope = ["--envelope", "json"];
  await done(kf(["produce", "many", ...envelope, ...cluster], nulls));
  const more = JSON.parse(await done(kf(line)));
  assertEquals([more.records, more.isResumed], [1, true]);
  await assertSameTopic([broker, "copy"], [broker, "many"]);
  const lag = ["group", "lag", first.group, "--format", "json", ...cluster];
  const lags: { lag: number }[] = JSON.parse(await done(kf(lag)));
  assertEquals(lags.map((each) => each.lag), [0, 0, 0]);
});

Deno.test("a copy between clusters, killed over and over, has neither gap nor duplicate", async () => {
  using folder = temporaryFolder();
  await using one = await startBrokerProcess({ data: `${folder.path}/1` });
  await using two = await startBrokerProcess({ data: `${folder.path}/2` });
  await writeMany(one.address, 200_000);
  const line = [
    ...["copy", "many", "many", "-b", one.address],
    ...["--to-brokers", two.address, "-X", "producer.compression.type=lz4"],
  ];
  for (const count of [1_000, 30_000, 80_000]) {
    await cutShort(
      line,
      async () => await countIn(two.address, "many") > count,
    );
  }
  await done(kf(line));
  await assertSameTopic([two, "many"], [one, "many"]);
});

Deno.test("copy --follow goes on with what comes, over a broker's death, until stopped", async () => {
  using folder = temporaryFolder();
  const broker = await startBrokerProcess({ data: folder.path });
  const { address, port } = broker;
  await writeMany(address, 1_000);
  const cluster = ["-b", address];
  const [program, ...args] = kfCommand("copy", "many", "copy", "--follow");
  const child = new Deno.Command(program!, {
    args: [...args, ...cluster],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  await until(
    "all is copied",
    async () => await countIn(address, "copy") === 1_000,
  );
  await broker.end("SIGKILL");
  await using again = await startBrokerProcess({ data: folder.path, port });
  await done(kf(["gen", "many", "-n", "500", ...cluster]));
  await until(
    "the rest is copied",
    async () => await countIn(address, "copy") === 1_500,
  );
  child.kill("SIGINT");
  const { code, stdout } = await child.output();
  assertEquals(code, 0);
  assertMatch(new TextDecoder().decode(stdout), /1500/);
  await assertSameTopic([again, "copy"], [again, "many"]);
});

Deno.test("copy refuses a target that others write to, itself, and a group of something else", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const cluster = ["-b", broker.address];
  await done(kf(["gen", "a", "-n", "20", ...cluster]));
  await done(kf(["copy", "a", "b", ...cluster]));
  await done(kf(["gen", "a", "-n", "20", "--seed", "1", ...cluster]));
  await done(kf(["gen", "b", "-n", "1", "--seed", "2", ...cluster]));
  await done(kf(["consume", "a", "-e", "-g", "readers", ...cluster]));
  await done(kf(["topic", "create", "wide", "-p", "2", ...cluster]));
  const cases: [string, number, RegExp][] = [
    ["a b", 1, /somebody else writes to it/],
    ["a a", 2, /into itself/],
    ["wide a", 1, /2 partitions: "a" has 1/],
    ["a c -g readers", 1, /group "readers": it is of another copy/],
    ["none c", 1, /"none": no such topic/],
    ["a c -X linger.ms=1", 2, /producer\.linger\.ms/],
    ["a", 2, /FROM TO/],
  ];
  for (const [rest, code, wanted] of cases) {
    const { stdout, stderr, ...found } = await kf(
      ["copy", ...rest.split(" "), ...cluster],
    );
    assertEquals([found.code, stdout], [code, ""], stderr);
    assertMatch(stderr, wanted);
  }
  assertEquals(await countIn(broker.address, "b"), 21);
  const trim = ["topic", "trim", "a", "--before", "30", "-y"];
  await done(kf([...trim, ...cluster]));
  const gap = await kf(["copy", "a", "b", ...cluster]);
  assertEquals(gap.code, 1);
  assertMatch(gap.stderr, /offset 20 to 30 of partition 0 were deleted/);
  assert(await countIn(broker.address, "b") === 21);
});
