/**
 * What `kf pipe`, `kf produce --txn` and `kf consume --read-committed` promise,
 * as commands against whichever broker is given. Owns no broker.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  createConsumer,
  createProducer,
  type ProducerRecord,
} from "../../net/client.ts";
import { type Finished, kf, kfCommand, until } from "../fixtures.ts";

/** Runs a command against the broker to its end. */
type Run = (
  args: readonly string[],
  options?: { stdin?: string },
) => Promise<Finished>;

interface Bench {
  readonly bootstrap: string;
  readonly run: Run;
}

/** Must succeed; gives stdout. */
async function good(done: Promise<Finished>): Promise<string> {
  const { code, stdout, stderr } = await done;
  assertEquals(code, 0, stderr);
  return stdout;
}

/** What readers of committed records see, in order of partition and offset. */
async function readAll(
  { run }: Bench,
  topic: string,
  format = "%v",
): Promise<string[]> {
  const text = await good(
    run([
      ...["consume", topic, "-e", "--read-committed"],
      ...["-f", `%p\\t%o\\t${format}\\n`],
    ]),
  );
  const rows = text.split("\n").filter(Boolean).map((line) => line.split("\t"));
  return rows.sort((a, b) =>
    Number(a[0]) - Number(b[0]) || Number(a[1]) - Number(b[1])
  ).map((row) => row.slice(2).join("\t"));
}

async function produce(
  { bootstrap }: Bench,
  records: readonly ProducerRecord[],
): Promise<void> {
  const producer = createProducer({ "bootstrap.servers": bootstrap });
  await Promise.all(records.map((record) => producer.send(record)));
  await producer.close();
}

function numbered(topic: string, count: number): ProducerRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    topic,
    partition: i % 3,
    key: `k${i}`,
    value: `v${i}`,
    headers: [["h", `${i}`]],
    timestamp: 1_700_000_000_000 + i,
  }));
}

async function allOrNothing(bench: Bench): Promise<void> {
  const { run } = bench;
  const txn = ["produce", "whole", "--txn", "load"];
  await good(run(txn, { stdin: "a\nb\n" }));
  const failed = await run(txn, {
    stdin: `c\n${"x".repeat(1_100_000)}\nd\n`,
  });
  assertEquals(failed.code, 1);
  assertMatch(failed.stderr, /line 2.*\n.*transaction aborted/);
  await good(run(txn, { stdin: "e\n" }));
  assertEquals(await readAll(bench, "whole"), ["a", "b", "e"]);
  const refused = await run([...txn, "--acks", "1"], { stdin: "" });
  assertEquals(refused.code, 2, refused.stderr);
}

async function spawned(bench: Bench): Promise<void> {
  const { run } = bench;
  await good(run(["topic", "create", "nums", "-p", "3"]));
  await produce(bench, numbered("nums", 300));
  const line = ["pipe", "--from", "nums", "-e", "--batch", "40"];
  await good(run([...line, "--to", "words", "--", "sed", "s/v/w/"]));
  const before = await readAll(bench, "nums");
  const after = before.map((value) => value.replace("v", "w"));
  assertEquals(await readAll(bench, "words"), after);
  // Nothing is left to do, and nothing is done again.
  await good(run([...line, "--to", "words", "--", "sed", "s/v/w/"]));
  assertEquals(await readAll(bench, "words"), after);
  const lag = JSON.parse(
    await good(
      run(["group", "lag", "kf-pipe.nums.words", "--format", "json"]),
    ),
  ) as { lag: number }[];
  assertEquals(lag.map((row) => row.lag), [0, 0, 0]);
  // Some lines fewer, some more, and none at all.
  await good(run([...line, "--to", "few", "--", "sed", "-n", "/v1/p"]));
  assertEquals(
    await readAll(bench, "few"),
    before.filter((value) => value.includes("v1")),
  );
  await good(run([...line, "--to", "keyed", "-K", ":", "--", "cat"]));
  const rows = "%k %v";
  assertEquals(
    await readAll(bench, "keyed", rows),
    await readAll(bench, "nums", rows),
  );
}

async function living(bench: Bench): Promise<void> {
  const { run } = bench;
  const line = ["pipe", "--from", "nums", "-e", "--batch", "40"];
  const whole = "%k %v %h %T";
  const before = await readAll(bench, "nums", whole);
  await good(
    run([
      ...[...line, "--to", "lines", "--mode", "line"],
      ...["--", "sed", "-u", "s/v/w/"],
    ]),
  );
  assertEquals(
    await readAll(bench, "lines", whole),
    before.map((text) => text.replace("v", "w")),
  );
  await good(
    run([
      ...[...line, "--to", "frames", "--mode", "frame", "-J", "--", "cat"],
    ]),
  );
  assertEquals(await readAll(bench, "frames", whole), before);
  const silent = await run([
    ...[...line, "--to", "silent", "--mode", "line"],
    ...["--answer-timeout", "500ms", "--", "sed", "s/v/w/"],
  ]);
  assertEquals(silent.code, 1);
  assertMatch(silent.stderr, /40 of 40 answers to come.*stdbuf/);
  const talkative = await run([
    ...[...line, "--to", "silent", "--mode", "line", "-g", "talkative", "--"],
    ...["sh", "-c", 'while read -r l; do echo "$l"; echo more; done'],
  ]);
  assertEquals(talkative.code, 1);
  assertMatch(talkative.stderr, /more answers than it got records/);
}

async function failing(bench: Bench): Promise<void> {
  const { run } = bench;
  const line = ["pipe", "--from", "nums", "-e", "--batch", "40"];
  const bad = 'case $(cat; echo) in *v77*) echo "no 77" >&2; exit 3;; esac';
  const stopped = await run([
    ...[...line, "--to", "stopped", "--"],
    ...["sh", "-c", `${bad}; cat`],
  ]);
  assertEquals(stopped.code, 1);
  assertMatch(
    stopped.stderr,
    /no 77\n.*Cannot pipe nums-2 offset 0 to 39.*exit code 3.*Nothing of this/,
  );
  const missing = await run([
    ...[...line, "--to", "stopped", "-g", "missing", "--"],
    "no-such-command",
  ]);
  assertEquals(missing.code, 1);
  assertMatch(missing.stderr, /Cannot run "no-such-command"/);
  const refused = [
    ["pipe", "--from", "nums", "--", "cat"],
    ["pipe", "--from", "nums", "--to", "nums", "--", "cat"],
    [...line, "--to", "x", "--dlq", "y", "--", "cat"],
    [...line, "--to", "x", "-X", "producer.transactional.id=t", "--", "cat"],
  ];
  for (const args of refused) {
    assertEquals((await run(args)).code, 2, `${args}`);
  }
}

async function deadLetters(bench: Bench): Promise<void> {
  const { run } = bench;
  const check =
    'x=$(cat); case "$x" in *v77*) echo "no 77" >&2; exit 3;; esac; echo "$x"';
  const done = await run([
    ...["pipe", "--from", "nums", "--to", "checked", "-e", "--batch", "40"],
    ...["--on-error", "dlq", "--", "sh", "-c", check],
  ]);
  assertEquals(done.code, 0, done.stderr);
  assertMatch(done.stderr, /1 records went to "nums.dlq"/);
  const before = await readAll(bench, "nums");
  assertEquals(
    await readAll(bench, "checked"),
    before.filter((value) => value !== "v77"),
  );
  const [letter, ...others] = await readAll(bench, "nums.dlq", "%k %v %T %h");
  assertEquals(others.length, 0);
  for (
    const part of [
      "k77 v77 1700000000077 h=77,",
      "kf.dlq.topic=nums,kf.dlq.partition=2,kf.dlq.offset=25,",
      "kf.dlq.group=kf-pipe.nums.checked,",
      "kf.dlq.error=the command ended with exit code 3,",
      "kf.dlq.exit-code=3",
      "kf.dlq.stderr=no 77",
    ]
  ) assert(letter!.includes(part), `${letter} lacks ${part}`);
}

/** Two share the work; one is killed in the middle, and another goes on. */
async function shared(bench: Bench): Promise<void> {
  const { run, bootstrap } = bench;
  await good(run(["topic", "create", "work", "-p", "3"]));
  await produce(bench, numbered("work", 600));
  const [program, ...args] = kfCommand(
    ...["pipe", "--from", "work", "--to", "done", "--batch", "20"],
    ...["-X", "consumer.session.timeout.ms=6000", "-b", bootstrap],
    ...["--", "sh", "-c", "sleep 0.05; cat"],
  );
  const said: string[] = [];
  const start = () => {
    const child = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const listening = child.stderr.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: (text) => void said.push(text) }));
    let hasEnded = false;
    child.status.then(() => hasEnded = true);
    const kill = async (signal: Deno.Signal) => {
      if (!hasEnded) child.kill(signal);
      const { code } = await child.status;
      await listening;
      return code;
    };
    return { kill };
  };
  const consumer = createConsumer({
    "bootstrap.servers": bootstrap,
    "isolation.level": "read_committed",
  });
  const ends = async () => {
    const at = [0, 1, 2].map((partition) => ({ topic: "done", partition }));
    const found = await consumer.endOffsets(at).catch(() => []);
    return found.reduce((sum, { offset }) => sum + offset, 0);
  };
  const members = [start()];
  try {
    await until("some is done", async () => await ends() > 60);
    members.push(start(), start());
    await until("more is done", async () => await ends() > 200);
    await members.shift()!.kill("SIGKILL");
    await until(
      "all is done",
      async () => (await readAll(bench, "done")).length >= 600,
      60_000,
    );
    while (members.length > 0) {
      assertEquals(await members.shift()!.kill("SIGTERM"), 0, said.join(""));
    }
    assertEquals(await readAll(bench, "done"), await readAll(bench, "work"));
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`${message}, and the members say: ${said.join("")}`);
  } finally {
    for (const member of members) await member.kill("SIGKILL");
    await consumer.close();
  }
}

/** Runs all of it. */
export async function pipeSuite(
  t: Deno.TestContext,
  bootstrap: string,
): Promise<void> {
  const bench: Bench = {
    bootstrap,
    run: (args, options) => {
      const at = args.indexOf("--");
      const own = at < 0 ? args : args.slice(0, at);
      const rest = at < 0 ? [] : args.slice(at);
      return kf([...own, "-b", bootstrap, ...rest], options);
    },
  };
  const steps = {
    "kf produce --txn: all or nothing": allOrNothing,
    "a command for each batch": spawned,
    "a command that lives on": living,
    "a command that fails stops the pipe": failing,
    "what fails alone goes to the dead letters": deadLetters,
    "members share the work, and one that is killed costs nothing": shared,
  };
  for (const [name, step] of Object.entries(steps)) {
    await t.step(name, () => step(bench));
  }
}
