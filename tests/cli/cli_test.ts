/**
 * The command as the shell sees it: stdout, stderr and exit codes of real
 * processes against a real broker.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  hasProgram,
  kf,
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import { done, startBench } from "./command_bench.ts";

Deno.test("wrong use exits 2 and says what was meant", async () => {
  const cases: [string[], RegExp][] = [
    [["prodce"], /did you mean produce\?/],
    [["topic", "lst"], /did you mean list\?/],
    [["consume", "t", "--grup", "g"], /did you mean --group/],
    [["--hlep"], /^kf: Unknown flag "--hlep", did you mean --help\?\n$/],
    [["--quite", "topic", "list"], /did you mean --quiet/],
    [["topic", "list", "--bootstrap-servr", "b"], /did you mean --brokers/],
    [["consume", "t", "--from-beginning"], /did you mean --offset/],
    [["topic", "--list"], /did you mean kf topic list/],
    [["-p", "3", "topic", "create", "t"], /stand after its name/],
    [["topic", "nothing", "--no"], /Unknown command "nothing": see kf topic/],
    [["toString"], /^kf: Unknown command "toString": see kf --help\n$/],
    [["consume", "t", "-W"], /Unknown flag "-W"/],
    [["consume", "t", "-f", "%y"], /Unknown verb "%y"/],
    [["consume", "t", "-o", "x"], /start, end, N, -N or @time/],
    [["consume", "t", "-X", "no.such.key=1"], /no\.such\.key/],
    [["produce", "t", "-z", "rar"], /gzip/],
    [["produce", "t", "-z", ""], /Cannot use "" for --compression/],
    [["topic", "create", "t", "-p", ""], /Cannot read "" as --partitions/],
    [["broker", "--data", ""], /Cannot use an empty path/],
    [["topic", "delete", "t"], /-y/],
    [["topic", "list", "["], /as a pattern: [^:]*\n$/],
    [["consume", "t", "-o", "@abc 1"], /as a time/],
    [["consume", "t", "-p", "3-1"], /it goes back/],
    [["group", "seek", "g", "--to", "soon"], /earliest, latest, N or @time/],
    [["broker", "-X", "no.such.key=1"], /no\.such\.key/],
    [["broker", "--listen", "nowhere"], /HOST:PORT/],
    [[], /Usage: kf/],
  ];
  using folder = temporaryFolder();
  for (const [args, wanted] of cases) {
    const { code, stdout, stderr } = await kf(args, { cwd: folder.path });
    assertEquals([code, stdout], [2, ""], `kf ${args.join(" ")}: ${stderr}`);
    assertMatch(stderr, wanted);
  }
});

Deno.test("help goes to stdout and names examples and Kafka's script", async () => {
  const help = done(await kf(["consume", "--help"]));
  assertMatch(help, /kafka-console-consumer\.sh/);
  assertMatch(help, /Examples:/);
  const all = JSON.parse(done(await kf(["--help-json"])));
  assert(all.commands.length > 15);
});

Deno.test("a broker that is not there exits 1 and names the step", async () => {
  const away = await kf(["topic", "list", "-b", "127.0.0.1:1"]);
  assertEquals([away.code, away.stdout], [1, ""]);
  assertMatch(away.stderr, /^kf: Cannot connect to 127\.0\.0\.1:1 \(TCP: /);
  assertEquals(away.stderr.split("127.0.0.1:1").length, 2, "said once");
  const lost = await kf([
    "topic",
    "list",
    "-b",
    "no-such-host.invalid:9092",
    "--timeout",
    "1s",
  ]);
  assertEquals(lost.code, 1);
  assertMatch(lost.stderr, /no-such-host\.invalid/);
});

const SLOW_LOOKUP = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *name, const char *port,
                const struct addrinfo *hints, struct addrinfo **found) {
  int (*real)() = (int (*)())dlsym(RTLD_NEXT, "getaddrinfo");
  if (name && !strcmp(name, "slow.invalid")) sleep(20);
  return real(name, port, hints, found);
}
`;

Deno.test("a look-up that takes too long is told from a connection that does", async () => {
  using folder = temporaryFolder();
  const listener = Deno.listen({
    hostname: "127.0.0.1",
    port: 0,
    tcpBacklog: 1,
  });
  // Who connects after these waits: nobody accepts.
  const { port } = listener.addr as Deno.NetAddr;
  const held: Deno.Conn[] = [];
  for (let isFull = false; !isFull;) {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), 300);
    const dialled = Deno.connect({ port, signal: late.signal });
    await dialled.then((conn) => held.push(conn), () => isFull = true);
    clearTimeout(timer);
  }
  const ask = (address: string, env: Record<string, string>) =>
    kf(["topic", "list", "--timeout", "1s", "-b", address], { env });
  const connecting = await ask(`localhost:${port}`, {});
  for (const conn of held) conn.close();
  listener.close();
  assertEquals(
    connecting.stderr,
    `kf: Cannot connect to localhost:${port} (TCP: no connection in time). Check the address, or wait longer with --timeout\n`,
  );
  if (!hasProgram("cc", "--version")) return;
  const [source, library] = [`${folder.path}/l.c`, `${folder.path}/l.so`];
  Deno.writeTextFileSync(source, SLOW_LOOKUP);
  done(await run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"]));
  const looking = await ask("slow.invalid:9092", { LD_PRELOAD: library });
  assertEquals(
    looking.stderr,
    'kf: Cannot connect to slow.invalid:9092 (DNS: no address of "slow.invalid" in time). Check the address, or wait longer with --timeout\n',
  );
});

Deno.test("produce and consume take any bytes through the shell", async () => {
  await using bench = await startBench();
  const binary = new Uint8Array(100_000).map((_, i) => i * 7 % 256);
  const cases: [string, string | Uint8Array, string, string | Uint8Array][] = [
    ["", "a\n\nb", "", "a\n\nb\n"],
    ["", "crlf\r\n", "", "crlf\r\n"],
    ["-D \\r\\n", "one\r\ntwo\r\n", "", "one\ntwo\n"],
    ["-0", "x\ny\0z\0", "-0", "x\ny\0z\0"],
    ["-K :", "k:v:w\nplain\n", "-f %k|%v\\n", "k|v:w\n|plain\n"],
    ["-k key", "v", "-f %k=%v;", "key=v;"],
    ["-Z", "\nv\n", "-f %S\\n", "-1\n1\n"],
    ["-H a=1 -H b=2", "v", "-f %h", "a=1,b=2"],
    [
      "--timestamp 1706700000000",
      "v",
      "-f %T{rfc3339}",
      "2024-01-31T11:20:00.000Z",
    ],
    ["-D --end--", binary, "-D --end--", binary],
  ];
  for (const [i, [write, input, read, wanted]] of cases.entries()) {
    const topic = `bytes-${i}`;
    done(await bench.kf(`produce ${topic} ${write}`.trim(), { stdin: input }));
    const got = await bench.kf(`consume ${topic} -e ${read}`.trim());
    done(got);
    if (typeof wanted === "string") assertEquals(got.stdout, wanted, write);
    else {
      assertEquals(got.stdoutBytes.subarray(0, wanted.length), wanted);
    }
  }
});

Deno.test("produce reads files, and the default topic is named on stderr", async () => {
  await using bench = await startBench();
  Deno.writeTextFileSync(`${bench.folder}/a.txt`, "1\n2\n");
  Deno.writeTextFileSync(`${bench.folder}/b.txt`, "3");
  done(await bench.kf("produce files a.txt b.txt"));
  assertEquals(done(await bench.kf("consume files -e")), "1\n2\n3\n");
  const named = await bench.kf("produce", { stdin: "x\n" });
  assertMatch(named.stderr, /topic "default"/);
  const env = { KF_TOPIC: "files" };
  const read = await bench.kf("consume -e -n1", { env });
  assertEquals(done(read), "1\n");
  assertMatch(read.stderr, /topic "files"/);
  Deno.writeTextFileSync(`${bench.folder}/.kf.yaml`, "topic: default\n");
  assertEquals(done(await bench.kf("consume -e")), "x\n");
  const missing = await bench.kf("produce files nowhere.txt");
  assertEquals(missing.code, 1);
  assertMatch(missing.stderr, /nowhere\.txt/);
  const folder = await bench.kf("produce files data");
  assertEquals(
    [folder.code, folder.stderr],
    [1, 'kf: Cannot read "data": is a directory\n'],
  );
});

Deno.test("produce names records that fail by their line and exits 1", async () => {
  await using bench = await startBench();
  const large = "x".repeat(2_000_000);
  const { code, stderr } = await bench.kf("produce lines", {
    stdin: ["1", large, "3", large, large, "6", large, ""].join("\n"),
  });
  assertEquals(code, 1);
  const [first, others, ...rest] = stderr.split("\n");
  assertMatch(first!, /line 2: .*(MESSAGE|RECORD)_TOO_LARGE/);
  assertEquals(others, "kf: Cannot write line 4-5, 7: the same as line 2");
  assertEquals(rest, [""]);
  assertEquals(done(await bench.kf("consume lines -e")), "1\n3\n6\n");
});

Deno.test("what failed is told by the exit code although nobody reads the answer", async () => {
  await using bench = await startBench();
  done(await bench.kf("topic create a"));
  const line = kfCommand("topic", "create", "a", "b", "-b", bench.address)
    .map((word) => `'${word}'`).join(" ");
  const { stdout, stderr } = await run([
    "bash",
    "-c",
    `${line} | true; echo \${PIPESTATUS[0]}`,
  ]);
  assertEquals(stdout, "1\n");
  assertMatch(stderr, /"a".*TOPIC_ALREADY_EXISTS/);
});

Deno.test("a flag's value may span lines", async () => {
  await using at = await startBench();
  await at.kf("produce t", { stdin: "1\n" });
  const { address } = at.broker;
  const read = await kf(
    ["consume", "t", "-e", "-f", "%v\r\n-\n", "-b", address],
  );
  assertEquals([read.stderr, read.stdout], ["", "1\r\n-\n"]);
});

Deno.test("consume starts and ends where it is told to", async () => {
  await using bench = await startBench();
  const numbers = Array.from({ length: 10 }, (_, i) => `${i}\n`);
  done(await bench.kf("produce n", { stdin: numbers.join("") }));
  const cases: [string, string][] = [
    ["-o 7 -e", "7\n8\n9\n"],
    ["-o -2 -e", "8\n9\n"],
    ["-o end -e", ""],
    ["-o start --to 2", "0\n1\n"],
    ["-n3", "0\n1\n2\n"],
    ["-n0", ""],
    ["-o @1 -e -n1", "0\n"],
    ["-o 100 -e", ""],
    ["-p0 -o 9 -e", "9\n"],
    ["-o 9 --idle-timeout 300ms", "9\n"],
  ];
  for (const [flags, wanted] of cases) {
    assertEquals(done(await bench.kf(`consume n ${flags}`)), wanted, flags);
  }
  const none = await bench.kf("consume n -o end -e --require-match");
  assertEquals(none.code, 1);
  const record = JSON.parse(done(await bench.kf("consume n -n1 -J")));
  assertEquals(record.value, "0");
  assertEquals(record.key, null);
});

Deno.test("a group goes on where its last record was written", async () => {
  await using bench = await startBench();
  done(await bench.kf("produce g", { stdin: "1\n2\n3\n4\n5\n" }));
  assertEquals(done(await bench.kf("consume g -g one -n2")), "1\n2\n");
  assertEquals(done(await bench.kf("consume g -g one -n2")), "3\n4\n");
  const rest = await bench.kf("consume --group one -e");
  assertEquals(done(rest), "5\n");
  assertMatch(rest.stderr, /topic "g"/);
  const lag = JSON.parse(done(await bench.kf("group lag one --format json")));
  assertEquals(lag[0].lag, 0);
});

Deno.test("a reader that goes away ends consume with 0, written records committed", async () => {
  await using bench = await startBench();
  const numbers = Array.from({ length: 200_000 }, (_, i) => `${i}\n`);
  done(await bench.kf("produce pipe", { stdin: numbers.join("") }));
  const [program, ...args] = kfCommand(
    "consume",
    "pipe",
    "-b",
    bench.broker.address,
    "-g",
    "pipe",
  );
  const quoted = [program!, ...args].map((arg) => `'${arg}'`).join(" ");
  const { code, stdout } = await run([
    "bash",
    "-c",
    `${quoted} | head -3; exit \${PIPESTATUS[0]}`,
  ]);
  assertEquals([code, stdout], [0, "0\n1\n2\n"]);
  const lag = JSON.parse(done(await bench.kf("group lag pipe --format json")));
  assert(lag[0].lag > 0 && lag[0].committedOffset >= 3, JSON.stringify(lag));
});

Deno.test("SIGTERM drains, commits and leaves with 0", async () => {
  await using bench = await startBench();
  done(await bench.kf("produce sig", { stdin: "1\n2\n" }));
  const [program, ...args] = kfCommand(
    "consume",
    "sig",
    "-b",
    bench.broker.address,
    "-g",
    "sig",
  );
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let seen = "";
  const reading = (async () => {
    for await (const chunk of child.stdout) {
      seen += new TextDecoder().decode(chunk);
    }
  })();
  await until("both records are printed", () => seen === "1\n2\n");
  child.kill("SIGTERM");
  const { code } = await child.status;
  await reading;
  assertEquals(code, 0);
  const lag = JSON.parse(done(await bench.kf("group lag sig --format json")));
  assertEquals(lag[0].lag, 0);
  const groups = JSON.parse(
    done(await bench.kf("group describe sig --format json")),
  );
  assertEquals(groups[0].members, []);
});

Deno.test("topic verbs create, change, show and delete, in three forms", async () => {
  await using bench = await startBench();
  done(await bench.kf("topic create a b -p 3 -c retention.ms=5000"));
  const again = await bench.kf("topic create a c");
  assertEquals(again.code, 1);
  assertMatch(again.stderr, /"a".*TOPIC_ALREADY_EXISTS/);
  assertEquals(again.stderr.split("Cannot create topic").length, 2);
  const alone = await bench.kf("topic create a");
  assertEquals([alone.code, alone.stdout], [1, ""]);
  assertMatch(alone.stderr, /^kf: Cannot create topic "a": .*\n$/);
  done(await bench.kf("topic create a --if-not-exists"));
  assertEquals(
    done(await bench.kf("topic list --format tsv")),
    "name\tpartitions\treplicas\na\t3\t1\nb\t3\t1\nc\t1\t1\n",
  );
  assertMatch(done(await bench.kf("topic list ^a")), /NAME +PARTITIONS/);
  const config = JSON.parse(
    done(
      await bench.kf("topic config a --set retention.bytes=7 --format json"),
    ),
  );
  assertEquals(config[0].value, "7");
  const bad = await bench.kf("topic config a --set retention.ms=soon");
  assertEquals(bad.code !== 0, true);
  done(await bench.kf("topic partitions a 5"));
  const described = JSON.parse(
    done(await bench.kf("topic describe a --format json")),
  );
  assertEquals(described[0].partitions.length, 5);
  const unsure = await bench.kf("topic delete a");
  assertEquals(unsure.code, 2);
  assertMatch(
    done(await bench.kf("topic delete a --dry-run")),
    /would be deleted/,
  );
  done(await bench.kf("topic delete a b c -y"));
  assertEquals(done(await bench.kf("topic list --format json")), "[]\n");
  assertEquals((await bench.kf("topic delete a -y")).code, 1);
  done(await bench.kf("topic delete a -y --if-exists"));
});

Deno.test("group and cluster verbs answer", async () => {
  await using bench = await startBench();
  done(await bench.kf("produce v", { stdin: "1\n" }));
  done(await bench.kf("consume v -g gone -e"));
  assertMatch(done(await bench.kf("group list")), /gone/);
  assertEquals((await bench.kf("group delete gone")).code, 2);
  done(await bench.kf("group delete gone -y"));
  assertEquals(done(await bench.kf("group list --format json")), "[]\n");
  const info = JSON.parse(done(await bench.kf("cluster info --format json")));
  assertEquals(info.nodes.length, 1);
  done(await bench.kf("cluster health --wait --timeout 10s"));
  assertMatch(done(await bench.kf("cluster api-versions")), /Produce/);
  assertMatch(done(await bench.kf("cluster quorum")), /\n\s*1\s+leader\s/);
  assertMatch(done(await bench.kf("logdirs v")), /\nv\s+0\s+1\s+\d+\s+0\s/);
  const missing = await bench.kf("logdirs v none");
  assertEquals(missing.code, 1);
  assertMatch(missing.stdout, /^v\s/m);
  assertMatch(missing.stderr, /^kf: .*none.*\n$/);
});

Deno.test("cluster features go up and down, or say why they can't", async () => {
  await using bench = await startBench();
  const level = async (flags: string) => {
    const line = `cluster features --format json ${flags}`.trim();
    const features = JSON.parse(done(await bench.kf(line))) as {
      name: string;
      level: number;
    }[];
    return features.find(({ name }) => name === "metadata.version")!.level;
  };
  assertEquals(await level(""), 27);
  assertEquals(await level("--upgrade metadata.version=28 --dry-run"), 27);
  assertEquals(await level("--upgrade metadata.version=28"), 28);
  assertEquals(await level("--downgrade metadata.version=26"), 26);
  for (
    const [flags, code, said] of [
      ["--upgrade metadata.version=99", 1, /Cannot .*99.*7 to 33/],
      ["--downgrade metadata.version=8", 1, /Cannot .*lost/],
      ["--upgrade no.such.feature=1", 1, /no such feature/],
      ["--upgrade metadata.version", 2, /NAME=LEVEL/],
    ] as const
  ) {
    const refused = await bench.kf(`cluster features ${flags}`);
    assertEquals(refused.code, code, refused.stderr);
    assertMatch(refused.stderr, said);
  }
  assertEquals(await level(""), 26);
});

Deno.test("a broker that can't start says why in one line", async () => {
  await using bench = await startBench();
  const folder = `${bench.folder}/other`;
  const port = bench.broker.port;
  const taken = await kf(
    ["broker", "--data", folder, "--listen", `127.0.0.1:${port}`],
  );
  assertEquals(taken.code, 1);
  assertMatch(taken.stderr, new RegExp(`^kf: .*${port}.*\n$`));
  const locked = await kf(
    ["broker", "--data", `${bench.folder}/data`, "--listen", "127.0.0.1:0"],
  );
  assertEquals(locked.code, 1);
  assertMatch(locked.stderr, /^kf: .*data.*\n$/);
});

Deno.test("dev removes its folder at the end", async () => {
  const [program, ...args] = kfCommand("dev", "--port", "auto");
  using temporary = temporaryFolder();
  const child = new Deno.Command(program!, {
    args,
    env: { TMPDIR: temporary.path },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const reading = (async () => {
    for await (const chunk of child.stderr) {
      said += new TextDecoder().decode(chunk);
    }
  })();
  await until(
    "dev is ready",
    () => /localhost:\d+|127\.0\.0\.1:\d+/.test(said),
  );
  assertEquals([...Deno.readDirSync(temporary.path)].length, 1);
  child.kill("SIGINT");
  assertEquals((await child.status).code, 0);
  await reading;
  assertEquals([...Deno.readDirSync(temporary.path)].length, 0);
});

Deno.test("kcat and kf print the same bytes for every verb that both have", async () => {
  if (!hasProgram("kcat", "-V")) return;
  await using bench = await startBench();
  done(
    await bench.kf("produce same -K : -H a=1 -H b=x,y=z -p 0 -Z", {
      stdin: "k:v\nno key\n:empty key\nk2:\né:\u00ff\n",
    }),
  );
  const format = "%t|%p|%o|%k|%s|%T|%h|%K|%S|%R|\\t\\r\\x41\\n";
  const ours = await bench.kf(`consume same -e -f ${format}`);
  const theirs = await run([
    "kcat",
    "-C",
    "-e",
    "-q",
    "-b",
    bench.broker.address,
    "-t",
    "same",
    "-f",
    format,
  ]);
  assertEquals(theirs.code, 0, theirs.stderr);
  assertEquals(ours.stdoutBytes, theirs.stdoutBytes);
});

Deno.test({
  name:
    "a broker on localhost is there at both loopback addresses, or not at all",
  ignore: !hasLoopback6(),
  async fn() {
    using folder = temporaryFolder();
    const free = Deno.listen({ hostname: "::1", port: 0 });
    const { port } = free.addr as Deno.NetAddr;
    const data = folder.path;
    const listen = ["--listen", `localhost:${port}`];
    const taken = await kf(["broker", "--data", data, ...listen]);
    assertEquals(taken.code, 1);
    assertMatch(taken.stderr, /the port is taken by another process/);
    free.close();
    await using _broker = await startBrokerProcess({
      data,
      host: "localhost",
      port,
    });
    for (const host of ["127.0.0.1", "[::1]"]) {
      const asked = ["cluster", "info", "-b", `${host}:${port}`];
      const info = JSON.parse(done(await kf([...asked, "--format", "json"])));
      assertEquals(info.nodes.length, 1, host);
      const made = ["gen", "t", "-n", "1", "-b", `${host}:${port}`];
      assertMatch(done(await kf(made)), /t +1 /);
    }
  },
});

function hasLoopback6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}
