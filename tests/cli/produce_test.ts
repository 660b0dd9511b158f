/**
 * How `kf produce` takes its input apart and how fast it goes: framings, whole
 * files, `--rate`; of the real command, and together with `kf consume`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { kf, kfCommand, run } from "../fixtures.ts";
import { done, startBench } from "./command_bench.ts";

function frames(...values: (string | null)[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => {
    const bytes = new TextEncoder().encode(value ?? "");
    const length = value === null ? -1 : bytes.length;
    return [24, 16, 8, 0].map((bits) => length >> bits & 255)
      .concat([...bytes]);
  }));
}

Deno.test("every framing carries any bytes from consume to produce", async () => {
  await using bench = await startBench();
  const input = frames("a\nb", "", "\0\r\n", "é", null);
  done(await bench.kf("produce a --framing length", { stdin: input }));
  const lengths = done(await bench.kf("consume a -e -f %S;"));
  assertEquals(lengths, "3;0;3;2;-1;");
  const printed: Record<string, string> = {
    hex: "610a62\n\n000d0a\nc3a9\n\n",
    base64: "YQpi\n\nAA0K\nw6k=\n\n",
  };
  for (const framing of ["length", "hex", "base64"]) {
    const out = await bench.kf(`consume a -e --framing ${framing}`);
    done(out);
    if (framing === "length") assertEquals(out.stdoutBytes, input);
    else assertEquals(out.stdout, printed[framing]);
    const copy = `copy-${framing}`;
    // Hex and base64 know no null: -Z makes one of what is empty.
    const line = `produce ${copy} --framing ${framing} -Z`;
    done(await bench.kf(line, { stdin: out.stdoutBytes }));
    const copied = await bench.kf(`consume ${copy} -e -f %S;`);
    assertEquals(done(copied), "3;-1;3;2;-1;", framing);
  }
  const nul = await bench.kf("consume a -e --framing hex -0 -n 2");
  assertEquals(done(nul), "610a62\0\0");
});

Deno.test("produce --framing decodes key and value, and names what it can't", async () => {
  await using bench = await startBench();
  const lines = "6b:76\n6B:00FF\r\nxyz\n616\n: \n";
  const some = await bench.kf("produce t --framing hex -K :", { stdin: lines });
  assertEquals(some.code, 1);
  assertMatch(some.stderr, /^kf: Cannot write line 3: it is no hex$/m);
  assertMatch(some.stderr, /^kf: Cannot write line 4: the same as line 3$/m);
  const read = done(await bench.kf("consume t -e -f %k{hex}=%v{hex};"));
  assertEquals(read, "6b=76;6b=00ff;=;");
  const bad = await bench.kf("produce b --framing base64", {
    stdin: "YQ==\n*\n",
  });
  assertEquals(bad.code, 1);
  assertMatch(bad.stderr, /line 2: it is no base64/);
  const ends = await bench.kf("produce c --framing length", {
    stdin: frames("whole", "broken off").subarray(0, -1),
  });
  assertEquals(ends.code, 1);
  assertMatch(ends.stderr, /Cannot read record 2: the input ends in it/);
  assertEquals(done(await bench.kf("consume c -e")), "whole\n");
  const text = await bench.kf("produce c --framing length", {
    stdin: "lines\n",
  });
  assertEquals(text.code, 1);
  assertMatch(text.stderr, /is no length; is the input framed\?/);
  const keyed = frames("k:v", null);
  done(await bench.kf("produce d --framing length -K :", { stdin: keyed }));
  assertEquals(done(await bench.kf("consume d -e -f %k=%S;")), "k=1;=-1;");
});

Deno.test("produce --file-per-record makes one record of each file", async () => {
  await using bench = await startBench();
  const image = new Uint8Array(300_000).map((_, i) => i * 31 % 256);
  Deno.writeFileSync(`${bench.folder}/image.png`, image);
  Deno.writeTextFileSync(`${bench.folder}/lines.txt`, "a\nb\n");
  Deno.writeTextFileSync(`${bench.folder}/empty`, "");
  const line = "produce files --file-per-record lines.txt image.png empty -k f";
  done(await bench.kf(line));
  assertEquals(
    done(await bench.kf("consume files -e -f %k%S;")),
    "f4;f300000;f0;",
  );
  const got = await bench.kf("consume files -o 1 -n 1 -f %v");
  assertEquals(got.stdoutBytes, image);
  done(await bench.kf("produce one --file-per-record", { stdin: "x\ny" }));
  assertEquals(done(await bench.kf("consume one -e -f %v;")), "x\ny;");
  Deno.writeFileSync(`${bench.folder}/huge`, new Uint8Array(2_000_000));
  const some = await bench.kf(
    "produce some --file-per-record huge missing lines.txt",
  );
  assertEquals(some.code, 1);
  assertMatch(some.stderr, /^kf: Cannot write huge: .*MESSAGE_TOO_LARGE/m);
  assertMatch(
    some.stderr,
    /^kf: Cannot write missing: .*Cannot open "missing": no such file/m,
  );
  assertEquals(done(await bench.kf("consume some -e -f %v;")), "a\nb\n;");
});

Deno.test("produce -t takes every argument for a file, and without it the first for the topic", async () => {
  await using bench = await startBench();
  Deno.writeTextFileSync(`${bench.folder}/x`, "of x\n");
  Deno.writeTextFileSync(`${bench.folder}/y`, "of y\n");
  done(await bench.kf("produce -t t x y"));
  done(await bench.kf("produce y -t t -", { stdin: "of stdin\n" }));
  assertEquals(
    done(await bench.kf("consume -t t -e")),
    "of x\nof y\nof y\nof stdin\n",
  );
  done(await bench.kf("produce x y", { stdin: "not read\n" }));
  assertEquals(done(await bench.kf("consume x -e")), "of y\n");
  const slip = await bench.kf("produce -t t x2", { stdin: "not read\n" });
  assertEquals(slip.code, 1);
  assertMatch(slip.stderr, /^kf: Cannot open "x2": no such file/m);
  const topics = done(await bench.kf("topic list --format tsv"));
  assertEquals(topics.match(/^\w\t/gm), ["t\t", "x\t"]);
});

Deno.test("produce --rate keeps records apart, however fast they come", async () => {
  await using bench = await startBench();
  const lines = "x\n".repeat(11);
  done(await bench.kf("produce slow --rate 25", { stdin: lines }));
  const times = done(await bench.kf("consume slow -e -f %T\\n"))
    .trimEnd().split("\n").map(Number);
  assertEquals(times.length, 11);
  const tookMs = times.at(-1)! - times[0]!;
  // Ten gaps of 40 ms; timers may be late, and that is made up for once.
  assert(tookMs >= 330, `took ${tookMs} ms`);
  done(await bench.kf("produce fast --rate 1000000/s", { stdin: lines }));
  assertEquals(done(await bench.kf("consume fast -e")), lines);
});

Deno.test("produce refuses input that two flags would take apart", async () => {
  const cases: [string, RegExp][] = [
    ["--framing length -0", /--framing together with --null/],
    ["--framing length -D x", /--framing together with --delimiter/],
    ["--framing hex --envelope json", /--framing together with --envelope/],
    ["--framing octal", /hex/],
    ["--file-per-record -0", /--file-per-record together with --null/],
    ["--file-per-record --framing hex", /together with --framing/],
    ["--file-per-record --envelope json", /together with --envelope/],
    ["--rate 0", /records per second/],
    ["--rate fast", /records per second/],
  ];
  for (const [flags, wanted] of cases) {
    const line = `produce t ${flags} -b 127.0.0.1:1`;
    const { code, stderr } = await kf(line.split(" "), { stdin: "" });
    assertEquals(code, 2, `${flags}: ${stderr}`);
    assertMatch(stderr, wanted);
  }
  for (const other of ["-f %v", "-J", "--json-value"]) {
    const line = `consume t --framing hex ${other} -b 127.0.0.1:1`;
    const { code, stderr } = await kf(line.split(" "));
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /Cannot use --framing together with --/);
  }
});

Deno.test("framed records go from cluster to cluster through one pipe", async () => {
  await using bench = await startBench();
  const input = frames(...Array.from({ length: 500 }, (_, i) => `${i}\n`));
  done(await bench.kf("produce from --framing length", { stdin: input }));
  const command = (...words: string[]) =>
    [...kfCommand(...words), "-b", bench.broker.address]
      .map((word) => `'${word}'`).join(" ");
  const read = command("consume", "from", "-e", "--framing", "length");
  const write = command("produce", "to", "--framing", "length");
  const piped = await run([
    "bash",
    "-o",
    "pipefail",
    "-c",
    `${read} | ${write}`,
  ]);
  done(piped);
  const copy = await bench.kf("consume to -e --framing length");
  assertEquals(copy.stdoutBytes, input);
  const gone = await run([
    "bash",
    "-c",
    `${read} | head -c 6 > /dev/null; echo \${PIPESTATUS[0]}`,
  ]);
  assertEquals(gone.stdout, "0\n");
});
