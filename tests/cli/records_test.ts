/**
 * Records through `kf produce` and `kf consume` of the real command: what goes
 * in comes out as it was, and only what was asked for.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import type { ProducerRecord } from "../../net/client.ts";
import { hasProgram, kf, run } from "../fixtures.ts";
import { done, startBench } from "./command_bench.ts";

/** Records that a careless way through JSON would change. */
const AWKWARD: readonly Omit<ProducerRecord, "topic">[] = [
  { key: Uint8Array.of(0xff, 0, 0x0a), value: Uint8Array.of(0xc3) },
  { key: null, value: null, timestamp: 1 },
  { key: "", value: "", timestamp: 1706700000000 },
  { key: "k", value: null, headers: [["n", null], ["e", ""], ["n", "2"]] },
  { value: Uint8Array.of(0xef, 0xbb, 0xbf), timestamp: 0 },
  { value: "\ufeffafter a mark", headers: [["\ufeffname", "\ufeff"]] },
  { value: 'line\nquote"\\\0\u2028', headers: [["", "a"], ["", "a"]] },
  { value: "no timestamp", timestamp: -1 },
  { value: "b", headers: [["bin", Uint8Array.of(0x80, 0xed, 0xa0, 0x80)]] },
  { value: new Uint8Array(70_000).map((_, i) => i * 7 % 256) },
];

/** Envelopes without what differs by nature: topic and offset. */
function contents(printed: string): unknown[] {
  return printed.trimEnd().split("\n").map((line) => {
    const { key, value, headers, timestamp } = JSON.parse(line);
    return { key, value, headers, timestamp };
  });
}

Deno.test("consume -J into produce --envelope json reproduces every byte", async () => {
  await using bench = await startBench();
  await bench.produce(AWKWARD.map((record) => ({ ...record, topic: "a" })));
  const from = await bench.kf("consume a -e -J");
  assertEquals(done(from).trimEnd().split("\n").length, AWKWARD.length);
  done(
    await bench.kf("produce b --envelope json", { stdin: from.stdoutBytes }),
  );
  const to = done(await bench.kf("consume b -e -J"));
  assertEquals(contents(to), contents(from.stdout));
  assertEquals(JSON.parse(to.split("\n")[0]!).topic, "b");
  done(
    await bench.kf("produce c -0 --envelope json", {
      stdin: (await bench.kf("consume a -e -J -0")).stdoutBytes,
    }),
  );
  const third = done(await bench.kf("consume c -e -J"));
  assertEquals(contents(third), contents(from.stdout));
  if (!hasProgram("kcat", "-V")) return;
  const seen = (topic: string) =>
    run([
      "kcat",
      ...["-C", "-e", "-q", "-b", bench.broker.address, "-t", topic],
      ...["-f", "%K:%k %S:%s %T %h\n"],
    ]);
  const [before, after] = [await seen("a"), await seen("b")];
  assertEquals(before.code, 0, before.stderr);
  assertEquals(after.stdoutBytes, before.stdoutBytes);
});

Deno.test("produce --envelope goes by key as any record, or where -p says", async () => {
  await using bench = await startBench();
  done(await bench.kf("topic create keyed plain moved -p 4"));
  const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
  const lines = keys.map((key) => `${key}:v\n`).join("");
  done(await bench.kf("produce plain -K :", { stdin: lines }));
  const envelopes = done(await bench.kf("consume plain -e -J"));
  const write = (flags: string) =>
    bench.kf(`produce ${flags} --envelope json`, { stdin: envelopes });
  done(await write("keyed"));
  done(await write("moved -p 3"));
  const places = async (topic: string) =>
    done(await bench.kf(["consume", topic, "-e", "-f", "%k %p\n"]))
      .trimEnd().split("\n").sort();
  assertEquals(await places("keyed"), await places("plain"));
  assertEquals(await places("moved"), keys.map((key) => `${key} 3`).sort());
});

Deno.test("produce --envelope names bad lines, writes the others and exits 1", async () => {
  await using bench = await startBench();
  const { code, stderr } = await bench.kf("produce some --envelope json", {
    stdin: '{"value":"1"}\nno json\n\n{"value":"4"}\n{"kye":"5","value":""}\n',
  });
  assertEquals(code, 1);
  assertMatch(stderr, /^kf: Cannot write line 2: it is no JSON: /);
  assertMatch(stderr, /^kf: Cannot write line 3: it is no JSON: /m);
  assertMatch(stderr, /^kf: Cannot write line 5: it has no field "kye"$/m);
  assertEquals(done(await bench.kf("consume some -e")), "1\n4\n");
});

Deno.test("produce --envelope refuses flags that the envelope answers", async () => {
  for (const flag of ["-k k", "-K :", "-H a=1", "-Z", "--timestamp @1"]) {
    const line = `produce t --envelope json ${flag} -b 127.0.0.1:1`;
    const { code, stderr } = await kf(line.split(" "), { stdin: "" });
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /Cannot use --envelope together with --/);
  }
  const other = await kf(["produce", "t", "--envelope", "xml"]);
  assertEquals(other.code, 2);
});
