/**
 * `kf bench` as the shell sees it, in a pipe and on a terminal.
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
} from "../fixtures.ts";

interface Report {
  readonly records: number;
  readonly failed: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly latency: Readonly<Record<string, number>>;
  readonly histogram: readonly { readonly count: number }[];
}

async function bench(line: string, address: string): Promise<Report> {
  const done = await kf(["bench", ...line.split(" "), "-b", address]);
  assertEquals([done.code, done.stderr], [0, ""], line);
  const report = JSON.parse(done.stdout) as Report;
  const { minMs, p50Ms, p99Ms, maxMs } = report.latency;
  assert(0 <= minMs! && minMs! <= p50Ms! + 0.001, done.stdout);
  assert(p50Ms! <= p99Ms! && p99Ms! <= maxMs!, done.stdout);
  return report;
}

function counted({ histogram }: Report): number {
  return histogram.reduce((sum, { count }) => sum + count, 0);
}

Deno.test("bench writes, reads and delivers as many records as it is told", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const { address } = broker;
  const sent = await bench("produce t -n 3000 --size 200 --keys 9", address);
  assertEquals([sent.records, sent.failed, counted(sent)], [3000, 0, 3000]);
  assertEquals(sent.bytes, 3000 * (200 + "key-0".length));
  const read = await bench("consume t", address);
  assertEquals([read.records, read.bytes], [3000, sent.bytes]);
  assertEquals((await bench("consume t -n 1234", address)).records, 1234);
  const run = await bench("e2e t -n 400 --rate 2000 --size 16", address);
  assertEquals([run.records, run.failed, counted(run)], [400, 0, 400]);
  const all = await bench("consume t", address);
  assertEquals(all.records, 3400);
});

Deno.test("bench ends after its duration", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const { address } = broker;
  const sent = await bench("produce t --duration 300ms --rate 500", address);
  assert(sent.records > 0 && sent.records <= 150, `${sent.records} records`);
  assert(sent.seconds >= 0.29, `${sent.seconds} s`);
  const run = await bench("e2e t --duration 300ms --rate 500", address);
  assert(run.records > 0 && run.records <= 150, `${run.records} records`);
});

Deno.test("e2e passes over records of others that come in between", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const { address } = broker;
  await kf(["topic", "create", "t", "-p", "3", "-b", address]);
  const runs = await Promise.all(
    [0, 1].map(() => bench("e2e t -n 300", address)),
  );
  assertEquals(runs.map((run) => [run.records, counted(run)]), [
    [300, 300],
    [300, 300],
  ]);
});

Deno.test("bench answers with what it has measured when it is interrupted", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  for (const kind of ["produce", "e2e"]) {
    const [program, ...args] = kfCommand(
      ...["bench", kind, "t", "--duration", "1h", "--rate", "100"],
      ...["-b", broker.address],
    );
    const child = new Deno.Command(program!, {
      args,
      stdout: "piped",
      stderr: "null",
    }).spawn();
    // Its first record in the topic says that it is at work.
    const first = ["consume", "t", "-n", "1", "-o", "end"];
    assertEquals((await kf([...first, "-b", broker.address])).code, 0);
    child.kill("SIGINT");
    const { code, stdout } = await child.output();
    assertEquals(code, 0);
    const report = JSON.parse(new TextDecoder().decode(stdout)) as Report;
    assert(report.records > 0 && report.failed === 0);
    assertEquals(counted(report), report.records);
  }
});

Deno.test("on a terminal bench draws bars, in a pipe it is as --format says", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const rest = ["-n", "200", "-b", broker.address];
  const tsv = await kf(["bench", "produce", "t", "--format", "tsv", ...rest]);
  assertMatch(tsv.stdout, /^figure\tvalue\nrecords\t200\n/);
  const text = await kf(["bench", "produce", "t", "--format", "text", ...rest]);
  assertMatch(text.stdout, /records\s+200\n/);
  assert(!text.stdout.includes("█"));
  if (!hasProgram("script", "--version")) return;
  const line = kfCommand("bench", "produce", "t", ...rest).join(" ");
  const shown = await run(["script", "-qec", line, "/dev/null"]);
  assertEquals(shown.code, 0, shown.stdout);
  assertMatch(shown.stdout, /sent 200 records/);
  assertMatch(shown.stdout, /p99\.9 +[\d.]+ ms/);
  assertMatch(shown.stdout, /< [\d.]+ ms {2}█+ \d+/);
});

Deno.test("bench fails where there is no broker, no topic or no sense", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const cases: [string, number, RegExp][] = [
    [`consume missing -b ${broker.address}`, 1, /"missing": no such topic/],
    ["produce t -b 127.0.0.1:1 --timeout 200ms", 1, /127\.0\.0\.1:1/],
    ["e2e t --size 3", 2, /16/],
    ["produce", 2, /TOPIC/],
  ];
  for (const [line, code, wanted] of cases) {
    const done = await kf(["bench", ...line.split(" ")]);
    assertEquals(
      [done.code, done.stdout],
      [code, ""],
      `${line} ${done.stderr}`,
    );
    assertMatch(done.stderr, wanted);
  }
});
