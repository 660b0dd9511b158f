/**
 * Which records `kf consume` prints, and in which order: every flag that
 * selects, of the real command in real pipes.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ProducerRecord } from "../../net/client.ts";
import { kf, kfCommand, run, until } from "../fixtures.ts";
import { type Bench, done, startBench } from "./command_bench.ts";

const ORDERS: readonly ProducerRecord[] = [
  { key: "eu-1", value: '{"total":120,"user":{"id":7}}', trace: "abc" },
  { key: "us-1", value: '{"total":50}', trace: "xyz" },
  { key: null, value: "not json", trace: null },
  { key: "eu-2", value: null, trace: "abc" },
  { key: "eu-3", value: '{"total":"many"}', trace: "b" },
].map(({ key, value, trace }, i) => ({
  topic: "orders",
  partition: 0,
  timestamp: 1000 + i,
  key,
  value,
  headers: [["trace", trace]],
}));

Deno.test("consume --filter and --where print what all of them hold for", async () => {
  await using bench = await startBench();
  await bench.produce(ORDERS);
  const cases: [string[], string][] = [
    [["--filter", "k:^eu"], "0 3 4"],
    [["--filter", "k:^(eu-1|us-1)$"], "0 1"],
    [["--filter", "v:total"], "0 1 4"],
    [["--filter", "v:(?i)TOTAL.:\\d"], "0 1"],
    [["--filter", "h:trace=^a"], "0 3"],
    [["--filter", "h:none=."], ""],
    [["--filter", "k:^eu", "--filter", "v:1"], "0"],
    [["--where", "value.total > 80"], "0"],
    [["--where", 'key =~ "^eu" and value != null'], "0 4"],
    [["--where", "value == null"], "3"],
    [["--where", "value.user.id in [7, 8]"], "0"],
    [["--where", 'headers.trace == "abc"'], "0 3"],
    [["--where", "offset >= 2 and timestamp < 1004"], "2 3"],
    [["--where", 'value contains "json"'], "2"],
    [["--where", "value.total > 10", "--filter", "k:us"], "1"],
    [["--where", "value.total < 0"], ""],
  ];
  for (const [flags, wanted] of cases) {
    const args = ["consume", "orders", "-e", "-f", "%o\\n", ...flags];
    const offsets = done(await bench.kf(args)).trimEnd().replaceAll("\n", " ");
    assertEquals(offsets, wanted, flags.join(" "));
  }
  const first = await bench.kf("consume orders -n 1 --filter k:us -f %o");
  assertEquals(done(first), "1", "a limit counts what is printed");
  const none = await bench.kf(
    "consume orders -e --filter k:no --require-match",
  );
  assertEquals([none.code, none.stdout], [1, ""]);
});

Deno.test("a group goes on behind records that a filter left out", async () => {
  await using bench = await startBench();
  await bench.produce(ORDERS);
  const read = ["consume", "orders", "-g", "g", "-e", "-f", "%o\\n"];
  const some = await bench.kf([...read, "--where", "offset == 1"]);
  assertEquals(done(some), "1\n");
  assertEquals(done(await bench.kf(read)), "", "all were looked at");
  const limited = ["consume", "orders", "-g", "h", "-f", "%o\\n", "-n", "1"];
  const first = await bench.kf([...limited, "--filter", "k:us"]);
  assertEquals(done(first), "1\n");
  assertEquals(done(await bench.kf([...limited, "-e"])), "2\n");
});

Deno.test("selections that are wrong exit 2 and say where and why", async () => {
  const cases: [string[], RegExp][] = [
    [["--filter", "eu"], /write k:REGEX, v:REGEX or h:NAME=REGEX/],
    [["--filter", "h:trace"], /h:NAME=REGEX/],
    [["--filter", "k:(a"], /column 1: the group has no "\)"/],
    [["--filter", "k:(a)\\1"], /back-references are refused/],
    [["--where", "valeu.total > 1"], /column 1: unknown name "valeu"/],
    [["--where", "value.total = 1"], /column 13: compare with ==/],
    [["--tail", "0"], /from 1/],
    [["--tail", "3", "-o", "5"], /--offset together with --tail/],
    [["--tail", "3", "--latest-per-key"], /together with/],
    [["--from", "1", "-o", "5"], /--offset together with --from/],
    [["--from", "soon"], /start, end, N, -N or @time/],
    [["--order", "timestamp"], /add -e or --to/],
    [["--order", "size", "-e"], /timestamp/],
    [
      ["-g", "g", "--order", "timestamp", "-e"],
      /--group together with --order/,
    ],
    [["-g", "g", "--tail", "3"], /--group together with --tail/],
    [["-g", "g", "--latest-per-key"], /--group together with/],
    [["-g", "g", "--key", "k"], /--group together with --key/],
    [["-g", "g", "-r", "-p", "0"], /--group together with --partitions/],
    [["-g", "g", "-r", "--topic", "[[:alpha:]]+"], /-r in a group/],
    [["-g", "g", "-r", "--topic", "(?i)a"], /-r in a group/],
    [["-r", "--topic", "(a"], /Cannot use -r with "\(a"/],
    [["-f", "%v", "--json-value"], /--print together with --json-value/],
  ];
  for (const [flags, wanted] of cases) {
    const topics = flags.includes("--topic") ? [] : ["t"];
    const args = ["consume", ...topics, ...flags, "-b", "127.0.0.1:1"];
    const { code, stdout, stderr } = await kf(args);
    assertEquals([code, stdout], [2, ""], `${flags.join(" ")}: ${stderr}`);
    assertMatch(stderr, wanted);
  }
});

Deno.test("consume reads from and to an offset, a time, or so long ago", async () => {
  await using bench = await startBench();
  const nowMs = Date.now();
  const ages = [7_200_000, 3_000_000, 120_000, 1000];
  await bench.produce(ages.map((age, i) => ({
    topic: "t",
    partition: 0,
    value: String(i),
    timestamp: nowMs - age,
  })));
  const cases: [string, string][] = [
    ["--from 1 --to 3", "1 2"],
    ["--from -2 -e", "2 3"],
    ["--from -1h -e", "1 2 3"],
    ["--from @-1h --to -90s", "1 2"],
    ["-o -1.5h --to @-1m", "1 2"],
    [`--from @${nowMs - 120_000} -e`, "2 3"],
    [`--from ${new Date(nowMs - 3_000_000).toISOString()} --to end`, "1 2 3"],
    ["--to 2", "0 1"],
    ["--from start --to end", "0 1 2 3"],
  ];
  for (const [flags, wanted] of cases) {
    const read = done(await bench.kf(`consume t ${flags}`));
    assertEquals(read.trimEnd().replaceAll("\n", " "), wanted, flags);
  }
});

Deno.test("consume -r reads the topics whose whole names match", async () => {
  await using bench = await startBench();
  await bench.produce(["log-a", "log-b", "my-log-c"].map((topic) => ({
    topic,
    value: topic,
  })));
  const read = async (line: string) =>
    done(await bench.kf(line)).trimEnd().split("\n").sort().join(" ");
  assertEquals(await read("consume -r log-.* -e"), "log-a log-b");
  assertEquals(await read("consume -r log-a .*-c -e"), "log-a my-log-c");
  assertEquals(await read("consume -r -t .*og-[ab] -e"), "log-a log-b");
  assertEquals(await read("consume -r log-.* -g g -n 2"), "log-a log-b");
  const none = await bench.kf("consume -r other.* -e");
  assertEquals([none.code, none.stdout], [1, ""]);
  assertMatch(none.stderr, /none matches "other\.\*" as a whole/);
  const bare = await bench.kf("consume -r -e");
  assertEquals(bare.code, 2);
});

Deno.test("consume --key reads the one partition where the key lies", async () => {
  await using bench = await startBench();
  done(await bench.kf("topic create keyed -p 7"));
  const keys = Array.from({ length: 30 }, (_, i) => `key-${i % 10}`);
  await bench.produce(keys.map((key, i) => ({
    topic: "keyed",
    key,
    value: String(i),
  })));
  const read = done(await bench.kf("consume keyed --key key-3 -e"));
  assertEquals(read, "3\n13\n23\n");
  const tail = done(await bench.kf("consume keyed --key key-3 --tail 2"));
  assertEquals(tail, "13\n23\n");
  const none = await bench.kf("consume keyed --key key-77 -e");
  assertEquals(done(none), "");
  const { partition } = JSON.parse(
    done(await bench.kf("consume keyed --key key-3 -n 1 -J")),
  );
  const elsewhere = `consume keyed --key key-3 -e -p ${(partition + 1) % 7}`;
  assertEquals(done(await bench.kf(elsewhere)), "");
});

Deno.test("consume --json-value nests JSON and keeps every digit of it", async () => {
  await using bench = await startBench();
  const values = [
    '{"id": 12345678901234567890, "n":1.0}',
    '{\n "a": [1,\r\n2]\n}',
    '"text"',
    "not json",
    "",
    null,
    Uint8Array.of(0xff),
  ];
  await bench.produce(values.map((value) => ({
    topic: "t",
    partition: 0,
    value,
  })));
  const lines = done(await bench.kf("consume t -e --json-value"))
    .trimEnd().split("\n");
  assertEquals(lines.length, values.length);
  assert(lines[0]!.includes('"value":{"id": 12345678901234567890, "n":1.0},'));
  assertEquals(
    lines.map((line) => JSON.parse(line).value).slice(1),
    [{ a: [1, 2] }, "text", "not json", "", null, { base64: "/w==" }],
  );
});

/** Three partitions whose times interleave; offsets count within each. */
async function produceInterleaved(bench: Bench): Promise<void> {
  done(await bench.kf("topic create times -p 3"));
  await bench.produce(Array.from({ length: 30 }, (_, i) => ({
    topic: "times",
    partition: i % 3,
    key: `k${i % 5}`,
    value: i % 10 === 4 ? null : String(i),
    timestamp: 1000 + i,
  })));
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => String(from + i + 1000));

Deno.test("consume --order timestamp merges partitions by time", async () => {
  await using bench = await startBench();
  await produceInterleaved(bench);
  const read = async (flags: string) =>
    done(await bench.kf(`consume times --order timestamp -f %T; ${flags}`))
      .split(";").slice(0, -1);
  assertEquals(await read("-e"), numbers(0, 30));
  assertEquals(await read("-e -n 4"), numbers(0, 4));
  assertEquals(await read("--from 2 --to 4"), numbers(6, 12));
  assertEquals(await read("-p 0 --to 2"), ["1000", "1003"]);
  assertEquals(await read("-e --filter v:^1$"), ["1001"]);
  done(await bench.kf("topic create empty -p 2"));
  const empty = await bench.kf("consume times empty --order timestamp -e -f x");
  assertEquals(done(empty).length, 30);
});

Deno.test("a merge by time holds little, however uneven the partitions are", async () => {
  await using bench = await startBench();
  done(await bench.kf("topic create uneven -p 2"));
  // All of partition 0, more than a merge holds, comes after partition 1.
  const large = new Uint8Array(100_000);
  const small = new Uint8Array(10);
  for (let i = 0; i < 800; i += 100) {
    await bench.produce(Array.from({ length: 200 }, (_, j) => ({
      topic: "uneven",
      partition: j % 2,
      value: j % 2 === 0 ? large : small,
      timestamp: (j % 2 === 0 ? 1_000_000 : 0) + i + j,
    })));
  }
  const read = await bench.kf("consume uneven --order timestamp -e -f %p");
  assertEquals(done(read), "1".repeat(800) + "0".repeat(800));
});

Deno.test("consume --tail prints the last records of all partitions by time", async () => {
  await using bench = await startBench();
  await produceInterleaved(bench);
  const read = async (flags: string) =>
    done(await bench.kf(`consume times -f %T; ${flags}`))
      .split(";").slice(0, -1);
  assertEquals(await read("--tail 4"), numbers(26, 30));
  assertEquals(await read("--tail 100"), numbers(0, 30));
  assertEquals(await read("--tail 4 -n 1"), numbers(26, 27));
  assertEquals(await read("--tail 2 --to 5"), numbers(13, 15));
  assertEquals(await read("--tail 2 -p 1"), ["1025", "1028"]);
  // What is wanted lies far before the end: it is looked for farther back.
  assertEquals(await read("--tail 1 --filter v:^7$"), ["1007"]);
  assertEquals(await read("--tail 2 --filter k:k2"), ["1022", "1027"]);
});

Deno.test("consume --latest-per-key prints what a compacted topic would hold", async () => {
  await using bench = await startBench();
  await produceInterleaved(bench);
  await bench.produce([
    { topic: "times", partition: 0, key: null, value: "keyless" },
    { topic: "times", partition: 0, key: "", value: "", timestamp: 1100 },
  ]);
  const read = async (flags: string) =>
    done(await bench.kf(`consume times --latest-per-key -f %k=%v; ${flags}`));
  // Key k4's latest record, the 30th, is no tombstone; the 25th was.
  assertEquals(
    await read("--order timestamp"),
    "k0=25;k1=26;k2=27;k3=28;k4=29;=;",
  );
  const asked = await read("--where value>'26'&&value<'29'");
  assertEquals(asked.split(";").sort(), ["", "k2=27", "k3=28"]);
  assertEquals(await read("--filter v:^20$"), "", "20 is not k0's latest");
  const until = "--to 9 --order timestamp";
  assertEquals(await read(until), "k2=22;k3=23;k0=25;k1=26;", "k4 was gone");
});

Deno.test("a reader that goes away ends every selection with 0", async () => {
  await using bench = await startBench();
  await bench.produce(Array.from({ length: 3000 }, (_, i) => ({
    topic: "t",
    partition: 0,
    key: `k${i}`,
    value: `value-${i}`.repeat(20),
    timestamp: i,
  })));
  for (
    const flags of [
      "-e --filter v:value",
      "-e --where offset>=0",
      "--tail 2500",
      "--latest-per-key",
      "-e --order timestamp",
      "-e --json-value",
    ]
  ) {
    const words = `consume t ${flags} -b ${bench.broker.address}`.split(" ");
    const line = [...kfCommand(...words)].map((word) => `'${word}'`).join(" ");
    const { stdout } = await run([
      "bash",
      "-c",
      `${line} | head -n 1 > /dev/null; echo \${PIPESTATUS[0]}`,
    ]);
    assertEquals(stdout, "0\n", flags);
  }
});

Deno.test("consume -e of a topic that is not there fails at once, and makes none", async () => {
  await using bench = await startBench();
  await bench.produce([{ topic: "nums", value: "1" }]);
  for (
    const line of ["numms -e", "nums numms -e -g g", "numms --tail 3"]
  ) {
    const { code, stdout, stderr } = await bench.kf(`consume ${line}`);
    assertEquals(
      [code, stdout, stderr],
      [
        1,
        "",
        'kf: Cannot describe topic "numms": no such topic (UNKNOWN_TOPIC_OR_PARTITION)\n',
      ],
      line,
    );
  }
  const topics = done(await bench.kf("topic list --format tsv"));
  assertEquals(topics.match(/^num\w*/gm), ["nums"]);
});

Deno.test({
  name: "what idles before a pipe ends soon after its last reader",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using bench = await startBench();
    const { address, folder } = bench;
    const command = (line: string) =>
      kfCommand(...line.split(" "), "-b", address)
        .map((word) => `'${word}'`).join(" ");
    done(await bench.kf("produce t", { stdin: "1\n" }));
    for (const line of ["consume t", "consume t -g g", "group lag g --watch"]) {
      const { stdout, stderr } = await run([
        "bash",
        "-c",
        `${command(line)} | head -n 1 > /dev/null; echo \${PIPESTATUS[0]}`,
      ]);
      assertEquals([stdout, stderr], ["0\n", ""], line);
    }
    const lag = done(await bench.kf("group lag g --format tsv"));
    assertMatch(lag, /^t\t0\t1\t1\t0\t/m);
    // The first reader leaves the pipe to another one, which goes on.
    const handed = run([
      "bash",
      "-c",
      `${command("consume t")} | { read -r; cat <&0 > rest & echo $! > pid; }
      echo \${PIPESTATUS[0]}`,
    ], { cwd: folder });
    const pid = await until("the second one reads", () => {
      try {
        return Number(Deno.readTextFileSync(`${folder}/pid`));
      } catch {
        return undefined;
      }
    });
    done(await bench.kf("produce t", { stdin: "2\n" }));
    await until(
      "it has the next record",
      () => Deno.readTextFileSync(`${folder}/rest`) === "2\n",
    );
    Deno.kill(pid, "SIGTERM");
    assertEquals((await handed).stdout, "0\n");
  },
});

Deno.test("consume in a group says that nothing listens, and ends", async () => {
  const line = "consume t -g g --timeout 1s -b 127.0.0.1:1".split(" ");
  const { code, stdout, stderr } = await kf(line);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^kf: .*127\.0\.0\.1:1.*nothing listens there.*\n$/);
});

Deno.test("--timeout bounds a server that takes connections and says nothing", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) taken.push(connection);
  })();
  const { port } = listener.addr as Deno.NetAddr;
  for (const verb of ["topic list", "consume t -e", "produce t"]) {
    const line = `${verb} --timeout 1s -b 127.0.0.1:${port}`;
    const { code, stdout, stderr } = await kf(line.split(" "), {
      stdin: "x\n",
      timeoutMs: 8000,
    });
    assertEquals([code, stdout], [1, ""], `${verb}: ${stderr}`);
    assertMatch(stderr, /^kf: .*Is it a Kafka broker\?.*\n$/, verb);
  }
  for (const connection of taken) connection.close();
  listener.close();
  await accepting;
});

Deno.test("a member for whom there is no partition ends with -e, whoever divides them", async () => {
  await using bench = await startBench();
  done(await bench.kf("produce t", { stdin: "1\n2\n" }));
  for (const protocol of ["classic", "consumer"]) {
    const line = `consume t -g ${protocol} --group-protocol ${protocol}`;
    const [program, ...args] = kfCommand(
      ...line.split(" "),
      "-b",
      bench.address,
    );
    const owner = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = owner.stdout.getReader();
    await reader.read();
    const spare = await bench.kf(`${line} -e --idle-timeout 30s`, {
      timeoutMs: 25_000,
    });
    owner.kill("SIGTERM");
    await reader.cancel();
    assertEquals((await owner.status).code, 0);
    assertEquals([spare.code, spare.stdout, spare.stderr], [0, "", ""]);
    const none = await bench.kf(
      `consume -r no.such.* -g ${protocol}-r -e --group-protocol ${protocol}`,
      { timeoutMs: 25_000 },
    );
    assertEquals([none.code, none.stdout, none.stderr], [0, "", ""]);
  }
});

Deno.test("consume prints JSON where that is the format, unless it is told how to print", async () => {
  await using bench = await startBench();
  done(await bench.kf("produce t", { stdin: "v\n" }));
  for (const [flags, env] of [["--format json", ""], ["", "json"]] as const) {
    const line = `consume t -e ${flags}`.trim();
    const options = { env: { KF_FORMAT: env } };
    assertEquals(JSON.parse(done(await bench.kf(line, options))).value, "v");
    const own = await bench.kf([...line.split(" "), "-f", "%v;"], options);
    assertEquals(done(own), "v;");
  }
});
