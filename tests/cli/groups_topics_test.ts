/**
 * Verbs that move groups and trim topics, and the completion of command lines,
 * as the shell sees them.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  hasProgram,
  kf,
  kfCommand,
  run,
  type RunOptions,
  until,
} from "../fixtures.ts";
import { HAS_TERMINAL, onTerminal } from "./on_terminal.ts";
import { type Bench, done, startBench } from "./command_bench.ts";

/** A topic of two partitions, five records in the first, two in the second. */
async function fill(bench: Bench, topic: string): Promise<void> {
  done(await bench.kf(`topic create ${topic} -p 2`));
  const times = [1000, 2000, 3000, 4000, 5000];
  for (const ms of times) {
    done(
      await bench.kf(`produce ${topic} -p 0 --timestamp @${ms}`, {
        stdin: `at ${ms}\n`,
      }),
    );
  }
  done(await bench.kf(`produce ${topic} -p 1`, { stdin: "a\nb\n" }));
}

function moves(topic: string, ...rows: [number, number | null, number][]) {
  return rows.map(([partition, from, to]) => ({ topic, partition, from, to }));
}

Deno.test("group seek moves what was committed to an end, an offset or a time", async () => {
  await using bench = await startBench();
  await fill(bench, "events");
  done(await bench.kf("consume events -e -g g"));
  assertEquals(
    await bench.json("group seek g --to earliest --dry-run"),
    moves("events", [0, 5, 0], [1, 2, 0]),
  );
  assertEquals(
    await bench.json("group seek g --to earliest -y"),
    moves("events", [0, 5, 0], [1, 2, 0]),
  );
  assertEquals(
    await bench.json("group seek g --topic events:0 --to @3000 -y"),
    moves("events", [0, 0, 2]),
  );
  // All of them are from 1970.
  const cases = [["-1h", 5], ["@-1h", 5], ["end", 5], ["start", 0]] as const;
  for (const [to, offset] of cases) {
    const line = `group seek g --topic events:0 --to ${to} --dry-run`;
    assertEquals(await bench.json(line), moves("events", [0, 2, offset]), to);
  }
  const clamped = await bench.kf("group seek g --to 4 -y --format tsv");
  assertEquals(
    done(clamped),
    "topic\tpartition\tfrom\tto\nevents\t0\t2\t4\nevents\t1\t0\t2\n",
  );
  assertEquals(
    clamped.stderr,
    "kf: events-1: 4 lies behind the end of the log, 2 is meant\n",
  );
  assertEquals(
    await bench.json("group seek g --to @9999999999999 -y"),
    moves("events", [0, 4, 5], [1, 2, 2]),
  );
  assertEquals(
    await bench.json("group seek g -t events:0 --to @-1h -y"),
    moves("events", [0, 5, 5]),
  );
  assertEquals(
    await bench.json("group seek g -t events:1 --to @-1h -y"),
    moves("events", [1, 2, 0]),
  );
  assertEquals(done(await bench.kf("consume events -e -g g")), "a\nb\n");
});

Deno.test("group seek gives a new group offsets to begin at", async () => {
  await using bench = await startBench();
  await fill(bench, "events");
  const nowhere = await bench.kf("group seek new --to latest -y");
  assertEquals([nowhere.code, nowhere.stdout], [1, ""]);
  assertStringIncludes(nowhere.stderr, "has committed nothing; name a --topic");
  assertEquals(
    await bench.json("group seek new -t events --to latest -y"),
    moves("events", [0, null, 5], [1, null, 2]),
  );
  assertEquals(done(await bench.kf("consume events -e -g new")), "");
  const beyond = await bench.kf("group seek new -t events:7 --to 0 -y");
  assertEquals([beyond.code, beyond.stdout], [1, ""]);
  assertStringIncludes(beyond.stderr, 'partition 7 of topic "events"');
  const away = await bench.kf("group seek new -t away --to 0 -y");
  assertEquals([away.code, away.stdout], [1, ""]);
  assertStringIncludes(away.stderr, "no such topic");
});

Deno.test("group seek refuses a group with members and says so", async () => {
  await using bench = await startBench();
  await fill(bench, "events");
  const [program, ...args] = kfCommand(
    "consume",
    "events",
    "-g",
    "busy",
    "-b",
    bench.address,
  );
  const member = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await until("the member is in", async () => {
      const described = await bench.kf("group describe busy --format json");
      return described.code === 0 &&
        JSON.parse(described.stdout)[0]?.state === "Stable";
    });
    for (const how of ["-y", "--dry-run"]) {
      const refused = await bench.kf(
        `group seek busy -t events --to earliest ${how}`,
      );
      assertEquals([refused.code, refused.stdout], [1, ""]);
      assertStringIncludes(
        refused.stderr,
        'Cannot move group "busy": it has a member; stop all its consumers',
      );
    }
  } finally {
    member.kill("SIGTERM");
    await member.status;
  }
});

Deno.test("group seek asks first, and exits 2 where nobody can be asked", async () => {
  const cases: [string, RegExp][] = [
    ["group seek g --to 0", /-y, or --dry-run/],
    ["group seek g -y", /without --to/],
    ["group seek g --to there -y", /earliest, latest, N or @time/],
    ["group seek g --to -3 -y", /earliest, latest, N or @time/],
    ["group seek g --to @soon -y", /as a time/],
    ["group seek g --to 0 -y -t t:x", /as partitions/],
  ];
  for (const [line, wanted] of cases) {
    const { code, stdout, stderr } = await kf(line.split(" "));
    assertEquals([code, stdout], [2, ""], `${line}: ${stderr}`);
    assertMatch(stderr, wanted);
  }
});

Deno.test({
  name: "group seek shows its table on a terminal and does what is answered",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    await fill(bench, "events");
    done(await bench.kf("consume events -e -g g"));
    const line = `kf group seek g --to earliest -b ${bench.address}`;
    for (const [key, first] of [["n", 5], ["y", 0]] as const) {
      const asked = onTerminal(line, { env: { NO_COLOR: "1" } });
      await until("it asks", () => asked.screen().includes("has committed?"));
      assertMatch(
        asked.screen(),
        /TOPIC +PARTITION +FROM +TO\r?\nevents +0 +5/,
      );
      await asked.press(`${key}\n`);
      assertEquals(await asked.end(), 0, asked.screen());
      const [lag] = await bench.json("group lag g") as {
        committedOffset: number;
      }[];
      assertEquals(lag!.committedOffset, first, `after ${key}`);
    }
  },
});

Deno.test("what failed alone is told alone", async () => {
  await using bench = await startBench();
  for (const line of ["group delete nope -y", "logdirs nope"]) {
    const { code, stdout, stderr } = await bench.kf(line);
    assertEquals([code, stdout], [1, ""], line);
    assertMatch(stderr, /^kf: Cannot .*\n$/, line);
  }
});

Deno.test("topic trim deletes what lies before an offset or a time", async () => {
  await using bench = await startBench();
  await fill(bench, "events");
  assertEquals(
    await bench.json("topic trim events --before @2000 -p 0 --dry-run"),
    moves("events", [0, 0, 1]),
  );
  assertEquals(
    await bench.json("topic trim events --before @2000 -p 0 -y"),
    moves("events", [0, 0, 1]),
  );
  const left = "consume events -e -p 0 -f %o\\n";
  assertEquals(done(await bench.kf(left)), "1\n2\n3\n4\n");
  const clamped = await bench.kf(
    "topic trim events --before 4 -y --format tsv",
  );
  assertEquals(
    done(clamped),
    "topic\tpartition\tfrom\tto\nevents\t0\t1\t4\nevents\t1\t0\t2\n",
  );
  assertStringIncludes(clamped.stderr, "events-1: 4 lies behind the end");
  assertEquals(done(await bench.kf(left)), "4\n");
  const again = await bench.kf("topic trim events --before 1 -p 0 -y");
  assertMatch(done(again), /events +0 +4 +4/);
  assertStringIncludes(again.stderr, "events-0: 1 lies before the start");
  const [described] = await bench.json("topic describe events") as {
    partitions: { startOffset: number }[];
  }[];
  assertEquals(
    described!.partitions.map(({ startOffset }) => startOffset),
    [4, 2],
  );
});

Deno.test("topic trim names what it can't trim and exits 1, or 2 for wrong use", async () => {
  await using bench = await startBench();
  done(await bench.kf("topic create latest -c cleanup.policy=compact"));
  done(await bench.kf("produce latest -k k", { stdin: "v\n" }));
  const cases: [string, number, RegExp][] = [
    ["topic trim latest --before 1 -y", 1, /latest-0.*POLICY_VIOLATION/],
    ["topic trim away --before 1 -y", 1, /no such topic/],
    ["topic trim latest --before 1 -y -p 3", 1, /partition 3 of topic/],
    ["topic trim latest --before 1", 2, /-y, or --dry-run/],
    ["topic trim latest -y", 2, /without --before/],
    ["topic trim latest --before latest -y", 2, /write N or @time/],
  ];
  for (const [line, code, wanted] of cases) {
    const finished = await bench.kf(line);
    assertEquals([finished.code, finished.stdout], [code, ""], line);
    assertMatch(finished.stderr, wanted);
  }
  assertEquals(done(await bench.kf("consume latest -e")), "v\n");
});

/** A folder with an executable `kf`, first on the path. */
function withKf(folder: string): Record<string, string> {
  const words = kfCommand().map((word) => `'${word}'`).join(" ");
  Deno.writeTextFileSync(`${folder}/kf`, `#!/bin/sh\nexec ${words} "$@"\n`, {
    mode: 0o755,
  });
  return { PATH: `${folder}:${Deno.env.get("PATH")}` };
}

/** What bash is told for each line, after a cut into words as bash does it. */
async function completeInBash(
  lines: readonly (readonly [line: string, words: readonly string[]])[],
  options: RunOptions,
): Promise<string[][]> {
  const calls = lines.map(([line, words]) =>
    `drive ${[line, ...words].map((word) => `'${word}'`).join(" ")}\n`
  );
  const script = `source <(kf completion bash)
drive() {
  COMP_LINE=$1 COMP_POINT=${"$"}{#1}
  shift
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  _kf
  printf '%s\t' "${"$"}{COMPREPLY[@]}"
  echo
}
${calls.join("")}`;
  const bash = await run(["bash", "-c", script], options);
  assertEquals([bash.code, bash.stderr], [0, ""]);
  return bash.stdout.trimEnd().split("\n").map((row) =>
    row.split("\t").filter((word) => word !== "").sort()
  );
}

Deno.test("completion in bash knows commands, flags, choices, topics and groups", async () => {
  await using bench = await startBench();
  done(await bench.kf("topic create web-a"));
  done(await bench.kf("topic create web-b"));
  done(await bench.kf("topic create other"));
  done(await bench.kf("group seek team:1 -t web-a --to 0 -y"));
  Deno.writeTextFileSync(`${bench.folder}/people.txt`, "");
  const env = { ...withKf(bench.folder), KF_BROKERS: bench.address };
  const cases: [string, string[], string[]][] = [
    ["kf cons", ["kf", "cons"], ["consume"]],
    ["kf topic de", ["kf", "topic", "de"], ["delete", "describe"]],
    ["kf consume --form", ["kf", "consume", "--form"], ["--format"]],
    ["kf produce -z s", ["kf", "produce", "-z", "s"], ["snappy"]],
    ["kf consume --format=t", ["kf", "consume", "--format", "=", "t"], [
      "text",
      "tsv",
    ]],
    ["kf consume --format=", ["kf", "consume", "--format", "="], [
      "json",
      "text",
      "tsv",
    ]],
    ["kf consume web-a w", ["kf", "consume", "web-a", "w"], ["web-b"]],
    ["kf consume ", ["kf", "consume", ""], ["other", "web-a", "web-b"]],
    ["kf group lag te", ["kf", "group", "lag", "te"], ["team:1"]],
    ["kf group lag team:", ["kf", "group", "lag", "team", ":"], ["1"]],
    ["kf consume -g t", ["kf", "consume", "-g", "t"], ["team:1"]],
    ["kf consume -- o", ["kf", "consume", "--", "o"], ["other"]],
    ["kf produce -K : o", ["kf", "produce", "-K", ":", "o"], ["other"]],
    ["kf produce web-a pe", ["kf", "produce", "web-a", "pe"], ["people.txt"]],
    ["kf produce -t web-a pe", ["kf", "produce", "-t", "web-a", "pe"], [
      "people.txt",
    ]],
    ["kf broker --config=pe", ["kf", "broker", "--config", "=", "pe"], [
      "people.txt",
    ]],
    ["kf completion ", ["kf", "completion", ""], [
      "bash",
      "fish",
      "powershell",
      "zsh",
    ]],
    [
      "kf topic partitions web-a ",
      ["kf", "topic", "partitions", "web-a", ""],
      [],
    ],
    ["kf topic config web-a ", ["kf", "topic", "config", "web-a", ""], []],
    ["kf nothing ", ["kf", "nothing", ""], []],
  ];
  const got = await completeInBash(
    cases.map(([line, words]) => [line, words]),
    { env, cwd: bench.folder },
  );
  for (const [i, [line, , wanted]] of cases.entries()) {
    assertEquals(got[i] ?? [], wanted, line);
  }
});

Deno.test("completion says nothing on trouble, within its second, and is in no help", async () => {
  // Takes connections and never answers.
  using mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = mute.addr as Deno.NetAddr;
  const words = "consume -b".split(" ");
  const cases = [
    [...words, `127.0.0.1:${port}`, ""],
    [...words, "127.0.0.1:1", ""],
    [...words, "no port", ""],
    ["consume", "-W", ""],
    ["consume", "--format", "no such", ""],
    [],
  ];
  for (const line of cases) {
    const startMs = performance.now();
    const asked = await kf(["__complete", "--", ...line]);
    assert(performance.now() - startMs < 4000, line.join(" "));
    assertEquals([asked.code, asked.stderr], [0, ""]);
    if (line.length > 0) assertMatch(asked.stdout, /^(words\n)?$/);
  }
  for (const args of [["--help"], ["--help-json"], ["man"]]) {
    assert(!done(await kf(args)).includes("__complete"), args.join(" "));
  }
  assertEquals((await kf(["completion", "tcsh"])).code, 2);
});

Deno.test({
  name: "completion in fish knows the same, with what each is for",
  ignore: !hasProgram("fish", "--version"),
  async fn() {
    await using bench = await startBench();
    done(await bench.kf("topic create web-a"));
    const env = {
      ...withKf(bench.folder),
      KF_BROKERS: bench.address,
      HOME: bench.folder,
      DENO_DIR: Deno.env.get("DENO_DIR") ??
        `${Deno.env.get("HOME")}/.cache/deno`,
    };
    const cases: [string, string][] = [
      ["kf cons", "consume\tprint the records of topics\n"],
      ["kf consume w", "web-a\n"],
      ["kf consume --format=j", "--format=json\n"],
      ["kf broker --config=k", "--config=kf\n"],
    ];
    for (const [line, wanted] of cases) {
      const fish = await run(
        ["fish", "-c", `kf completion fish | source; complete -C '${line}'`],
        { env, cwd: bench.folder },
      );
      assertEquals([fish.stdout, fish.stderr], [wanted, ""], line);
    }
  },
});

Deno.test({
  name: "the script for zsh is one that zsh can read",
  ignore: !hasProgram("zsh", "--version"),
  async fn() {
    const script = done(await kf(["completion", "zsh"]));
    const zsh = await run(["zsh", "-n"], { stdin: script });
    assertEquals([zsh.code, zsh.stderr], [0, ""]);
  },
});

Deno.test("group lag says how old the oldest unread record is", async () => {
  await using bench = await startBench();
  const old = "produce old -p 0 --timestamp";
  done(await bench.kf(`${old} @-3h`, { stdin: "a\n" }));
  done(await bench.kf(`${old} @-2h`, { stdin: "b\nc\n" }));
  for (const [to, hours] of [[0, 3], [1, 2], [2, 2], [3, 0]] as const) {
    done(await bench.kf(`group seek g -t old --to ${to} -y`));
    const [{ lag, timeLagMs }] = await bench.json("group lag g") as [
      { lag: number; timeLagMs: number },
    ];
    assertEquals([lag, Math.floor(timeLagMs / 3_600_000)], [3 - to, hours]);
  }
  done(await bench.kf("group seek g -t old --to 0 -y"));
  assertMatch(done(await bench.kf("group lag g")), /BEHIND[^]* 3h /);
  done(await bench.kf("topic trim old --before 1 -y"));
  assertMatch(done(await bench.kf("group lag g")), / 2h /);
  done(await bench.kf("topic trim old --before 3 -y"));
  const gone = await bench.json("group lag g") as { timeLagMs: null }[];
  assertEquals(gone[0]!.timeLagMs, null);
});

Deno.test("group lag --watch gives a pipe one answer per change and ends with 0", async () => {
  await using bench = await startBench();
  await fill(bench, "events");
  for (const format of ["json", "tsv", "text"]) {
    const group = `of-${format}`;
    done(await bench.kf(`group seek ${group} -t events:0 --to 0 -y`));
    const words = `group lag ${group} --watch --format ${format} -b`;
    const [program, ...args] = kfCommand(...words.split(" "), bench.address);
    const watcher = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let printed = "";
    const reading = (async () => {
      const text = watcher.stdout.pipeThrough(new TextDecoderStream());
      for await (const chunk of text) printed += chunk;
    })();
    const blocks = () =>
      format === "json"
        ? printed.trim().split("\n").map((line) =>
          JSON.parse(line)[0].committedOffset
        )
        : printed.trim().split("\n\n").map((block) => {
          const [head, row] = block.split("\n");
          assertMatch(head!, /^topic\s+partition\s+committed/i);
          return Number(row!.trim().split(/\s+/)[2]);
        });
    for (const [i, offset] of [0, 3, 5].entries()) {
      if (i > 0) done(await bench.kf(`group seek ${group} --to ${offset} -y`));
      await until(
        `${format} shows ${offset}`,
        () => printed !== "" && blocks().at(-1) === offset,
      );
    }
    watcher.kill("SIGINT");
    const { code } = await watcher.status;
    await reading;
    assertEquals([code, await new Response(watcher.stderr).text()], [0, ""]);
    assertEquals(blocks(), [0, 3, 5]);
  }
});

Deno.test("group lag --watch of a group that is not there exits 1", async () => {
  await using bench = await startBench();
  const lost = await bench.kf("group lag nobody --watch");
  assertEquals([lost.code, lost.stdout], [1, ""]);
  assertStringIncludes(lost.stderr, "nobody");
});

Deno.test({
  name: "group lag --watch paints one place of a terminal until ^C",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    done(await bench.kf("topic create wide -p 9"));
    done(await bench.kf("group seek g -t wide --to 0 -y"));
    const seen = onTerminal(`kf group lag g --watch -b ${bench.address}`, {
      rows: 6,
      env: { NO_COLOR: "1" },
    });
    await until(
      "it is painted twice",
      () => seen.screen().split("\x1b[H").length > 2,
    );
    await seen.press("\x03");
    assertEquals(await seen.end(), 0, seen.screen());
    const [, first, second] = seen.screen().replaceAll("\r", "").split(
      "\x1b[H",
    );
    assertEquals(seen.screen().split("\x1b[2J").length, 2, "cleared once");
    const lines = first!.split("\n");
    assertMatch(lines[0]!, /TOPIC +PARTITION +COMMITTED +END +LAG/);
    assertEquals(lines.length, 6, "five lines, and the cursor below");
    assertMatch(lines[4]!, /… 6 more/);
    assert(second!.startsWith(lines[0]!), "painted over in place");
  },
});
