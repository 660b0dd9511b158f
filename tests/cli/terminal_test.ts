/**
 * The command at a terminal, which `script` stands in for: what it asks, where
 * it says it, how it ends at Ctrl-C, and how it fails where it can't write.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import { type Bench, done, startBench } from "./command_bench.ts";
import { HAS_TERMINAL, onTerminal } from "./on_terminal.ts";

/** Waits until the screen shows the first, or it holds, then types the second. */
type Step = readonly [RegExp | (() => boolean), string];

interface Session {
  readonly screen: string;
  readonly code: number;
}

/** Runs a line of the shell to its end; `kf` asks the bench. */
async function atTerminal(
  bench: Bench,
  line: string,
  steps: readonly Step[],
): Promise<Session> {
  const shown = onTerminal(line, {
    cwd: bench.folder,
    env: { KF_BROKERS: bench.address },
  });
  for (const [seen, keys] of steps) {
    const isSeen = typeof seen === "function"
      ? seen
      : () => seen.test(shown.screen());
    await until(`${line}: ${seen}`, isSeen);
    await shown.press(keys);
  }
  const code = await shown.end();
  return { screen: shown.screen().replaceAll("\r\n", "\n"), code };
}

Deno.test({
  name: "what destroys asks on the terminal, and stdout has the answer alone",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    done(await bench.kf("topic create a b"));
    const asked = 'Delete topic "a" and all its records? [y/N] ';
    const no = await atTerminal(bench, "kf topic delete a > out", [
      [/\[y\/N\] $/, "\n"],
    ]);
    assertEquals(no, { screen: `${asked}\nkf: nothing deleted\n`, code: 0 });
    assertEquals(Deno.readTextFileSync(`${bench.folder}/out`), "");
    const yes = await atTerminal(bench, "kf topic delete a > out", [
      [/\[y\/N\] $/, "y\n"],
    ]);
    assertEquals(yes, { screen: `${asked}y\n`, code: 0 });
    assertMatch(Deno.readTextFileSync(`${bench.folder}/out`), /a +deleted/);
    const stopped = await atTerminal(bench, "kf topic delete b", [
      [/\[y\/N\] $/, "\x03"],
    ]);
    assertEquals(stopped.code, 130);
    assertMatch(done(await bench.kf("topic list")), /^b /m);
  },
});

/** What goes on until it is stopped, when that may be, how it ends. */
const LONG: readonly (readonly [string, RegExp, number, RegExp?])[] = [
  ["kf consume t", /^1$/m, 0],
  ["kf consume t -g g", /^1$/m, 0],
  ["kf consume t > out", /read \d/, 0],
  ["kf produce p", /from the terminal/, 0],
  ["kf gen --duration 1h --rate 50", /"n":1/, 0],
  ["kf gen g --duration 1h --rate 50", /sent \d/, 0, /RECORDS/],
  ["kf bench produce b --duration 1h --rate 50", /sent \d/, 0, /p99/],
  ["kf bench e2e e --duration 1h --rate 50", /delivered \d/, 0, /p99/],
  ["kf verify produce v --duration 1h --rate 50", /"seq":1,/, 0],
  ["kf copy t u --follow", /copied \d/, 0, /RECORDS/],
  ["kf import i", /from the terminal/, 1, /^kf: interrupted: /m],
  ["kf verify consume t", /from the terminal/, 130],
  ["kf group lag h --watch", /COMMITTED/, 0],
  ["kf metadata shell --data data", /\/>/, 130],
  ["kf pipe --from t --to w -- cat", /piped \d/, 0],
  ["kf dev --port auto", /Ctrl-C ends/, 0, /^kf: stopping/m],
  ["kf broker --listen 127.0.0.1:0", /Ctrl-C ends/, 0, /kept in .\/kf-data;/],
];

Deno.test({
  name:
    "Ctrl-C ends in order what goes on, and the prompt has a line of its own",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    done(await bench.kf("produce t", { stdin: "1\n2\n" }));
    done(await bench.kf("consume t -e -g h"));
    await bounded(LONG, async ([line, begun, code, told = /^/]) => {
      const ended = await atTerminal(bench, line, [[begun, "\x03"]]);
      assertEquals(ended.code, code, `${line}: ${ended.screen}`);
      assertMatch(ended.screen, told, line);
      // Where the signal itself ends it, the shell goes to the next line.
      if (code !== 130) assert(ended.screen.endsWith("\n"), line);
      assert(!/Error|at file:/.test(ended.screen), ended.screen);
    });
  },
});

/** What waits for a cluster that says nothing. */
const WAITING: readonly (readonly [string, number])[] = [
  ["kf topic list", 130],
  ["kf consume t", 130],
  ["kf consume t -g g", 130],
  ["kf produce t", 1],
  ["kf gen t", 1],
  ["kf export t", 130],
  ["kf copy t u", 130],
  ["kf bench consume t", 130],
  ["kf cluster health --wait", 130],
  ["kf group lag g --watch", 0],
];

Deno.test({
  name: "Ctrl-C ends at once what waits for a cluster",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    await bounded(WAITING, async ([line, code]) => {
      const held: Deno.Conn[] = [];
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const accepting = (async () => {
        for await (const conn of listener) held.push(conn);
      })().catch(() => {});
      const startMs = performance.now();
      const full = `${line} --timeout 50s -b 127.0.0.1:${listener.addr.port}`;
      const ended = await atTerminal(bench, full, [
        [() => held.length > 0, "\x03"],
      ]);
      assertEquals(ended.code, code, `${line}: ${ended.screen}`);
      assert(performance.now() - startMs < 20_000, line);
      listener.close();
      await accepting;
      for (const conn of held) conn.close();
    });
  },
});

Deno.test({
  name: "who waits for the end after Ctrl-C is told that a second one aborts",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    using data = temporaryFolder();
    await using away = await startBrokerProcess({
      data: data.path,
      args: ["--advertise", "127.0.0.1:1"],
    });
    const { screen, code } = await atTerminal(
      bench,
      `yes | kf produce t -b ${away.address}`,
      [[/sent \d/, "\x03"], [/once more to abort/, "\x03"]],
    );
    assertEquals(code, 130, screen);
    assert(screen.includes("\x1b[Kkf: finishing what was begun"), screen);
  },
});

Deno.test({
  name:
    "a narrow terminal is not scrolled by the line of progress, nor driven by a name",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    const line = "stty cols 30; kf gen g --rate 100 -n 60";
    const { screen } = await atTerminal(bench, line, []);
    const painted = screen.split("\r\x1b[K").slice(1, -1);
    assert(painted.length > 1, screen);
    assertEquals(painted.filter((each) => each.length > 29), []);
    const named = await atTerminal(bench, "kf topic create $'a\\e[2J'", []);
    assertEquals(named.code, 1);
    assert(!named.screen.includes("\x1b"), JSON.stringify(named.screen));
  },
});

Deno.test({
  name: "a rate is told only of what took a second",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    const one = await atTerminal(bench, "echo 1 | kf produce p", []);
    assertMatch(one.screen, /sent 1 record, 1 B(, 1 records\/s)?\n$/);
    // Thirty gaps of 50 ms.
    const slow = await atTerminal(bench, "kf gen g --rate 20 -n 31", []);
    assertMatch(slow.screen, /sent 31 records, [\d.]+ k?B, \d+ records\/s\n/);
  },
});

Deno.test({
  name: "no table is wider than the terminal, and in a pipe it is whole",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    done(await bench.kf("produce t", { stdin: "1\n" }));
    done(await bench.kf("consume t -e -g g"));
    const lines = [
      "kf topic describe t",
      "kf topic config t",
      "kf group list",
      "kf group lag g",
      "kf cluster info",
      "kf cluster quorum",
      "kf logdirs t",
    ];
    await bounded(lines, async (line) => {
      const narrow = `stty cols 40; NO_COLOR=1 ${line}`;
      const { screen } = await atTerminal(bench, narrow, []);
      // What a heading and one word make too long nobody can cut.
      const wide = screen.split("\n").filter((each) =>
        each.length > 40 && !/^[A-Z ]+ +\S+$/.test(each)
      );
      assertEquals(wide, [], line);
      const piped = await atTerminal(bench, `${narrow} | cat`, []);
      assertEquals(piped.screen.split("\n")[0]!.includes("  "), true, line);
      assert(!piped.screen.includes("…"), line);
    });
  },
});

Deno.test({
  name: "a terminal that is dumb, or wants no colour, gets text alone",
  ignore: !HAS_TERMINAL,
  async fn() {
    await using bench = await startBench();
    done(await bench.kf("produce t", { stdin: "1\n" }));
    done(await bench.kf("consume t -e -g g"));
    // Jobs of a CI have a terminal too, and KF_COLOR may come from outside.
    const bold = await atTerminal(
      bench,
      "NO_COLOR= KF_COLOR=auto CI=true TERM=xterm kf topic list",
      [],
    );
    assert(bold.screen.includes("\x1b[1mNAME"), JSON.stringify(bold.screen));
    const lines = [
      "kf topic list",
      "kf gen t --rate 20 -n 20",
      "kf group lag g",
    ].flatMap((line) => [`NO_COLOR=1 ${line}`, `TERM=dumb ${line}`]);
    await bounded(lines, async (line) => {
      const { code, screen } = await atTerminal(bench, line, []);
      assertEquals(code, 0, screen);
      const isMoved = line.startsWith("NO_COLOR");
      const left = isMoved ? screen.replaceAll("\r\x1b[K", "") : screen;
      assert(
        !left.includes("\x1b") && !left.includes("\r"),
        JSON.stringify(screen),
      );
    });
    const watched = "TERM=dumb kf group lag g --watch";
    const dumb = await atTerminal(bench, watched, [[/COMMITTED/, "\x03"]]);
    assertEquals(dumb.code, 0);
    assert(!dumb.screen.includes("\x1b"), JSON.stringify(dumb.screen));
  },
});

Deno.test({
  name: "what can't be written fails, names stdout, and is not committed",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using bench = await startBench();
    done(await bench.kf("produce t", { stdin: "1\n" }));
    const lines = [
      "topic list",
      "consume t -e -g full",
      "gen",
      "export t",
      "verify produce v -n 10",
      "bench produce b -n 10",
      "--help",
      "--help-json",
    ];
    await bounded(lines, async (line) => {
      const words = kfCommand(...line.split(" "), "-b", bench.address)
        .map((word) => `'${word}'`).join(" ");
      const { code, stderr } = await run(["sh", "-c", `${words} > /dev/full`]);
      assertEquals(code, 1, line);
      assertEquals(
        stderr,
        "kf: Cannot write to stdout: no space left on device\n",
      );
    });
    const lag = await bench.kf("group lag full");
    assertMatch(lag.stderr, /has committed nothing/);
  },
});

/** Each of many, a few at a time. */
async function bounded<T>(
  items: readonly T[],
  check: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const wrong: unknown[] = [];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let item = left.shift(); item; item = left.shift()) {
        await check(item).catch((error) => wrong.push(error));
      }
    }),
  );
  assertEquals(wrong.map(String).join("\n"), "");
}
