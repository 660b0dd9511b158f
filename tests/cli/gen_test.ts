/**
 * `kf gen` as the shell sees it.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  kf,
  kfCommand,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";
import { startBench } from "./command_bench.ts";

async function lines(line: string): Promise<string[]> {
  const { code, stdout, stderr } = await kf(line.split(" "));
  assertEquals([code, stderr], [0, ""], line);
  return stdout.split("\n").slice(0, -1);
}

Deno.test("gen makes the same records for the same seed and others for another", async () => {
  const line = "gen -n 500 --keys 7 --seed 3";
  const made = await lines(line);
  assertEquals(made, await lines(line));
  const others = await lines("gen -n 500 --keys 7 --seed 4");
  assertEquals([made.length, others.length], [500, 500]);
  assert(made.join() !== others.join());
  const keys = new Set(made.map((each) => each.split("\t")[0]));
  assertEquals([...keys].sort(), [0, 1, 2, 3, 4, 5, 6].map((k) => `key-${k}`));
  const values = made.map((each) => JSON.parse(each.split("\t")[1]!));
  assertEquals(values.map(({ n }) => n), made.map((_, i) => i));
});

Deno.test("gen keeps to the size, the count and the pace it is given", async () => {
  const sized = await lines("gen -n 40 --size 1k");
  assertEquals(sized.length, 40);
  assert(sized.every((value) => /^[\w-]{1024}$/.test(value)));
  assertEquals((await lines("gen")).length, 100);
  assertEquals(await lines("gen -n 0"), []);
  const startMs = performance.now();
  const paced = await lines("gen -n 11 --rate 20");
  assertEquals(paced.length, 11);
  assert(performance.now() - startMs >= 490, "ten pauses of 50 ms");
  const timed = await lines("gen --rate 50 --duration 300ms");
  assert(timed.length > 0 && timed.length <= 15, `${timed.length} lines`);
});

Deno.test("gen writes into a topic what it would print as envelopes", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const cluster = ["-b", broker.address];
  const wish = ["-n", "300", "--keys", "4"];
  const done = await kf(["gen", "made", ...wish, ...cluster]);
  assertEquals(done.code, 0, done.stderr);
  assertMatch(done.stdout, /made +300/);
  const format = ["-e", "-f", '{"key":"%k","value":%v}\\n', ...cluster];
  const read = await kf(["consume", "made", ...format]);
  const printed = await lines(`gen ${wish.join(" ")} --format json`);
  assertEquals(
    read.stdout.split("\n").slice(0, -1).map((each) => {
      const { key, value } = JSON.parse(each);
      return { key, value: JSON.stringify(value) };
    }),
    printed.map((each) => JSON.parse(each)),
  );
  const piped = await kf(
    ["produce", "piped", "--envelope", "json", ...cluster],
    {
      stdin: printed.join("\n"),
    },
  );
  assertEquals(piped.code, 0, piped.stderr);
  assertEquals((await kf(["consume", "piped", ...format])).stdout, read.stdout);
});

Deno.test("gen without an end stops at the first signal with whole lines", async () => {
  const [program, ...args] = kfCommand(
    "gen",
    "--duration",
    "1h",
    "--size",
    "50",
  );
  const child = new Deno.Command(program!, {
    args,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let printed = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    if (printed === "") child.kill("SIGINT");
    printed += decoder.decode(chunk, { stream: true });
  }
  const { code } = await child.status;
  assertEquals(await new Response(child.stderr).text(), "");
  assertEquals(code, 0);
  assertMatch(printed.slice(-51), /^[\w-]{50}\n$/);
});

Deno.test("gen refuses what makes no sense", async () => {
  for (const wrong of ["--rate 0", "--size x", "--keys -1", "-n 1.5", "a b"]) {
    assertEquals((await kf(["gen", ...wrong.split(" ")])).code, 2, wrong);
  }
});

Deno.test("gen into a topic counts what was written alone", async () => {
  await using bench = await startBench();
  const line = "gen t -n 3 --size 2m --format json";
  const { code, stdout, stderr } = await bench.kf(line);
  assertEquals(
    [code, JSON.parse(stdout)],
    [1, { topic: "t", records: 0, bytes: 0 }],
  );
  assertMatch(stderr, /Cannot write record 1: .*MESSAGE_TOO_LARGE/);
});
