/**
 * `kf verify` as the shell sees it: kept promises are proven whatever happens
 * to the broker, and every broken one is named.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type BrokerProcess,
  type Finished,
  kf,
  kfCommand,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";

interface Found {
  readonly sent: number;
  readonly acked: number;
  readonly found: number;
  readonly foreign: number;
  readonly lost: number;
  readonly isProven: boolean;
  readonly violations: readonly {
    readonly kind: string;
    readonly seq: number;
  }[];
}

/** A `kf verify produce` under way, whose ledger can be looked at. */
function startProduce(args: readonly string[]) {
  const [program, ...rest] = kfCommand("verify", "produce", ...args);
  const child = new Deno.Command(program!, {
    args: rest,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const running = { child, ledger: "", acked: 0 };
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      running.ledger += decoder.decode(chunk, { stream: true });
      running.acked = running.ledger.split("\n").length - 2;
    }
  })();
  const end = async () => {
    await reading;
    const stderr = await new Response(child.stderr).text();
    return { code: (await child.status).code, stderr };
  };
  return Object.assign(running, { end });
}

async function prove(
  topic: string,
  ledger: string,
  broker: BrokerProcess,
): Promise<Finished & { json: Found }> {
  const cluster = ["-b", broker.address, "--format", "json"];
  const done = await kf(["verify", "consume", topic, ...cluster], {
    stdin: ledger,
  });
  assert(done.stdout !== "", done.stderr);
  return { ...done, json: JSON.parse(done.stdout) as Found };
}

Deno.test("everything acknowledged is proven after the broker was killed in between", async () => {
  using folder = temporaryFolder();
  const broker = await startBrokerProcess({ data: folder.path });
  const cluster = ["-b", broker.address];
  await kf(["topic", "create", "t", "-p", "3", ...cluster]);
  const writing = startProduce([
    "t",
    "--rate",
    "2000",
    "-n",
    "8000",
    ...cluster,
  ]);
  await until("some are acknowledged", () => writing.acked > 1000);
  await broker.end("SIGKILL");
  await using again = await startBrokerProcess({
    data: folder.path,
    port: broker.port,
  });
  const { code, stderr } = await writing.end();
  assertEquals(code, 0, stderr);
  const done = await prove("t", writing.ledger, again);
  assertEquals(done.code, 0, done.stderr);
  const { sent, acked, found, isProven } = done.json;
  assertEquals([sent, acked, found, isProven], [8000, 8000, 8000, true]);
});

Deno.test("a writer that is stopped or killed leaves a ledger that can be proven", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  for (const [signal, wanted] of [["SIGINT", 0], ["SIGKILL", 137]] as const) {
    const writing = startProduce(
      ["t", "--rate", "3000", "--duration", "1h", "-b", broker.address],
    );
    await until("some are acknowledged", () => writing.acked > 500);
    writing.child.kill(signal);
    assertEquals((await writing.end()).code, wanted);
    const torn = writing.ledger + '{"seq":12';
    const done = await prove("t", torn, broker);
    assertEquals(done.code, 0, done.stderr);
    assert(done.json.acked > 500 && done.json.found >= done.json.acked);
  }
});

/** Writes a run of 20 records, and a copy of it after `change`. */
async function copied(
  broker: BrokerProcess,
  name: string,
  options: {
    change: (lines: string[]) => string[];
    args?: readonly string[];
  },
): Promise<Finished & { json: Found }> {
  const cluster = ["-b", broker.address];
  const written = await kf(
    ["verify", "produce", name, "-n", "20", ...options.args ?? [], ...cluster],
  );
  assertEquals(written.code, 0, written.stderr);
  const { stdout } = await kf(["consume", name, "-e", "-J", ...cluster]);
  const copy = `${name}-copy`;
  const piped = await kf(["produce", copy, "--envelope", "json", ...cluster], {
    stdin: options.change(stdout.split("\n").slice(0, -1)).join("\n"),
  });
  assertEquals(piped.code, 0, piped.stderr);
  return await prove(copy, written.stdout, broker);
}

Deno.test("what was lost, duplicated, reordered or altered is named by its number", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const cases: [string, (lines: string[]) => string[], string[]][] = [
    ["same", (lines) => lines, []],
    ["foreign", (lines) => [...lines, '{"value":"of another"}'], []],
    ["lost", (lines) => lines.toSpliced(7, 1), ["lost 7"]],
    ["duplicated", (lines) => [...lines, lines[19]!], ["duplicated 19"]],
    [
      "reordered",
      (lines) => lines.toSpliced(4, 2, lines[5]!, lines[4]!),
      ["reordered 4"],
    ],
    [
      "altered",
      (lines) => lines.with(3, lines[3]!.replace(/(.)"(,"headers")/, '~"$2')),
      ["altered 3"],
    ],
  ];
  for (const [name, change, wanted] of cases) {
    const done = await copied(broker, name, { change });
    const kinds = done.json.violations.map(({ kind, seq }) => `${kind} ${seq}`);
    assertEquals(kinds, wanted, name);
    assertEquals(done.code, wanted.length === 0 ? 0 : 1);
    for (const each of wanted) {
      assertMatch(done.stderr, new RegExp(`${each.split(" ")[0]}: record`));
    }
    assertEquals(done.json.foreign, name === "foreign" ? 1 : 0);
  }
});

Deno.test("what acks and idempotence do not promise is counted, not held against anyone", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const change = (lines: string[]) => [...lines.slice(1), lines[19]!];
  const done = await copied(broker, "t", { change, args: ["--acks", "1"] });
  assertEquals([done.code, done.json.lost, done.json.isProven], [0, 1, true]);
  assertEquals(done.json.violations, []);
});

Deno.test("a record elsewhere than acknowledged, or deleted since, is not proven", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const cluster = ["-b", broker.address];
  const { stdout } = await kf([
    "verify",
    "produce",
    "t",
    "-n",
    "9",
    ...cluster,
  ]);
  const moved = stdout.replace(
    '"seq":2,"partition":0,"offset":2',
    (line) => line.replace('"offset":2', '"offset":3'),
  );
  const elsewhere = await prove("t", moved, broker);
  assertEquals(elsewhere.code, 1);
  assertMatch(elsewhere.stderr, /moved: record 2,/);
  await kf(["topic", "trim", "t", "--before", "4", "-y", ...cluster]);
  const trimmed = await prove("t", stdout, broker);
  assertEquals([trimmed.code, trimmed.json.isProven], [1, false]);
  assertMatch(trimmed.stderr, /4 acknowledged records were deleted/);
});

Deno.test("a ledger that is none, or of which a line is broken, is refused", async () => {
  for (
    const [ledger, wanted] of [
      ["", /empty/],
      ["hello\n", /line 1 of the ledger/],
      ['{"seq":1}\n', /not the first line/],
    ] as const
  ) {
    const line = ["verify", "consume", "t", "-b", "127.0.0.1:1"];
    const done = await kf(line, { stdin: ledger });
    assertEquals([done.code, done.stdout], [1, ""]);
    assertMatch(done.stderr, wanted);
  }
});
