/**
 * What the shell may rely on, of every command alike: each row of the table of
 * commands is run as a real process. A new command joins by its row alone;
 * what it needs to get as far as the network stands in `NEEDS`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseArgs } from "../../cli/argv.ts";
import type { CommandSpec } from "../../cli/command.ts";
import { COMMANDS } from "../../cli/commands.ts";
import { UsageError } from "../../cli/failure.ts";
import {
  type Finished,
  kf,
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";

const RECORD =
  '{"topic":"t","partition":0,"offset":0,"timestamp":1,"key":null,"value":"v","headers":[]}\n';
const LEDGER =
  '{"run":"x","topic":"t","acks":"all","isIdempotent":true,"keys":10,"valueBytes":100}\n';
const TOPICS = "topics:\n  t:\n    partitions: 1\n";
const PLAN = '{"partitions":[{"topic":"t","partition":0,"replicas":[1]}]}';

/** Arguments that lead each command that asks a cluster as far as asking. */
const NEEDS: Readonly<Record<string, { args: string[]; stdin?: string }[]>> = {
  "produce": [
    { args: ["t"], stdin: "a\nb\n" },
    { args: ["t", "--file-per-record", "-"], stdin: "a" },
    { args: ["t", "--txn", "x"], stdin: "a\n" },
  ],
  "consume": [
    { args: ["t"] },
    { args: ["t", "-g", "g"] },
    { args: ["t", "-e", "-J"] },
    { args: ["-g", "g"] },
    { args: ["t", "-g", "g", "--group-protocol", "consumer"] },
    { args: ["-r", "t.*"] },
  ],
  "pipe": [{ args: ["--from", "t", "--to", "u", "--", "cat"] }],
  "dlq redrive": [{ args: ["t"] }],
  "topic list": [{ args: [] }],
  "topic create": [{ args: ["t", "u"] }],
  "topic describe": [{ args: ["t", "u"] }],
  "topic delete": [{ args: ["t", "u", "-y"] }],
  "topic config": [{ args: ["t"] }, { args: ["t", "--unset", "segment.ms"] }],
  "topic partitions": [{ args: ["t", "3"] }],
  "topic trim": [{ args: ["t", "--before", "1", "-y"] }],
  "group list": [{ args: [] }],
  "group describe": [{ args: ["g", "h"] }],
  "group lag": [{ args: ["g"] }, { args: ["g", "--watch"] }],
  "group seek": [{ args: ["g", "--to", "earliest", "-y"] }],
  "group delete": [{ args: ["g", "h", "-y"] }],
  "txn list": [{ args: [] }],
  "txn describe": [{ args: ["x"] }, { args: ["--producers", "t:0"] }],
  "txn abort": [{ args: ["x", "-y"] }],
  "cluster info": [{ args: [] }],
  "cluster health": [{ args: [] }, { args: ["--wait"] }],
  "cluster quorum": [{ args: [] }],
  "cluster features": [
    { args: [] },
    { args: ["--upgrade", "metadata.version=28"] },
  ],
  "cluster api-versions": [{ args: [] }],
  "cluster remove": [{ args: ["2", "-y"] }],
  "logdirs": [{ args: [] }],
  "leader elect": [
    { args: ["t"] },
    { args: ["--all"] },
    { args: ["t:0", "--unclean", "-y"] },
  ],
  "reassign plan": [{ args: [] }, { args: ["t", "-r", "1", "--to", "1"] }],
  "reassign apply": [{ args: ["-", "-y"], stdin: PLAN }],
  "reassign drain": [{ args: ["--broker", "1", "-y"] }],
  "reassign list": [{ args: [] }],
  "reassign unthrottle": [{ args: [] }],
  "reassign cancel": [{ args: ["--all", "-y"] }, { args: ["t:0", "-y"] }],
  "diff": [{ args: ["-f", "-"], stdin: TOPICS }],
  "apply": [{ args: ["-f", "-", "-y"], stdin: TOPICS }],
  "gen": [{ args: ["t"] }, { args: ["t", "--format", "json"] }],
  "bench produce": [{ args: ["t"] }],
  "bench consume": [{ args: ["t"] }],
  "bench e2e": [{ args: ["t"] }],
  "verify produce": [{ args: ["t"] }],
  "verify consume": [{ args: ["t"], stdin: LEDGER }],
  "export": [{ args: ["t"] }],
  "import": [{ args: ["t"], stdin: RECORD }],
  "copy": [{ args: ["t", "u"] }],
};

/** Commands, and families of them, that ask no cluster. */
const LOCAL = [
  "dev",
  "tour",
  "broker",
  "topic plan",
  "log",
  "metadata",
  "profile",
  "completion",
  "man",
  "version",
];

/** They wait for time-outs most of the time. */
const AT_ONCE = 8;

interface Given {
  readonly spec: CommandSpec;
  readonly args: readonly string[];
  readonly stdin?: string;
}

const ASKING: readonly Given[] = COMMANDS.flatMap((spec) =>
  (NEEDS[spec.path] ?? []).map((given) => ({ spec, ...given }))
);

/** One line of each. */
const ONCE: readonly Given[] = ASKING.filter(({ spec }, i) =>
  spec !== ASKING[i - 1]?.spec
);

/** Runs many commands a few at a time; tells which one did not do as it should. */
async function each<T>(
  items: readonly T[],
  check: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const wrong: string[] = [];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let item = left.shift(); item; item = left.shift()) {
        await check(item).catch((error) => wrong.push(String(error)));
      }
    }),
  );
  assertEquals(wrong.join("\n"), "");
}

/** Runs a command against an address at which it can only fail. */
async function ask(
  { spec, args, stdin }: Given,
  address: string,
  timeout = "500ms",
): Promise<[string, Finished]> {
  const words = ["-b", address, ...spec.path.split(" "), ...args];
  const finished = await kf(["--timeout", timeout, ...words], {
    stdin: stdin ?? "",
    timeoutMs: 30_000,
  });
  return [`kf ${words.join(" ")}: ${finished.stderr}`, finished];
}

/** Exit code 1, nothing on stdout and one line on stderr, which is given. */
function failure(what: string, { code, stdout, stderr }: Finished): string {
  assertEquals([code, stdout], [1, ""], what);
  // Which topic was chosen is said before.
  const lines = stderr.split("\n").filter((line) =>
    line !== "" && !line.startsWith("kf: reading topic ")
  );
  assertEquals(lines.length, 1, what);
  assertMatch(lines[0]!, /^kf: Cannot /, what);
  return lines[0]!;
}

Deno.test("of every command it is known whether it asks a cluster", () => {
  const paths = COMMANDS.map(({ path }) => path);
  const isLocal = (path: string) =>
    LOCAL.includes(path) || LOCAL.includes(path.split(" ")[0]!);
  assertEquals(
    paths.filter((path) => !isLocal(path)).sort(),
    Object.keys(NEEDS).sort(),
  );
});

Deno.test("every command answers --help in 80 columns, and names the flag that was meant", async () => {
  await each(COMMANDS, async (spec) => {
    const { path, examples } = spec;
    const words = path.split(" ");
    const help = await kf([...words, "--help"]);
    assertEquals([help.code, help.stderr], [0, ""], path);
    assertMatch(help.stdout, new RegExp(`^kf ${path}: `));
    const wide = help.stdout.split("\n").filter((line) => line.length > 80);
    assertEquals(wide, [], path);
    // What is too long goes on in the next line, as the shell has it.
    const unbroken = help.stdout.replace(/ \\\n +/g, " ");
    for (const { line } of examples) assert(unbroken.includes(line), line);
    assertThrows(
      () => parseArgs([...words, "--quite"]),
      UsageError,
      'Unknown flag "--quite", did you mean --quiet?',
      path,
    );
  });
});

Deno.test("every example of a command is a line that it takes", () => {
  for (const { path, examples } of COMMANDS) {
    for (const { line } of examples) {
      const parts = line.split(/ [|>] | < |<\(|\)/).map((part) => part.trim());
      const own = parts.filter((part) => /(^|=\S+ )kf /.test(part));
      assert(own.length > 0, line);
      const routes = own.map((part) => parse(part));
      assert(routes.includes(path), `${path} is not in its own: ${line}`);
    }
  }
});

Deno.test("every line in docs/OPERATIONS.md is one that its command takes", () => {
  const path = new URL("../../docs/OPERATIONS.md", import.meta.url);
  const lines = Deno.readTextFileSync(path).split("\n")
    .map((line) => line.trim().replace(/ +#.*/, ""))
    .filter((line) => /^kf /.test(line))
    .map((line) => line.replace(/ > .*/, ""));
  assert(lines.length > 10);
  for (const line of lines) parse(line);
});

/** The command that a line of an example runs; throws when it is none. */
function parse(line: string): string {
  const words = line.match(/'[^']*'|\S+/g)!.map((word) =>
    word.replace(/^'(.*)'$/, "$1")
  );
  const parsed = parseArgs(words.slice(words.indexOf("kf") + 1));
  const { command, flags, positionals } = parsed;
  assert(command !== undefined, `no command: ${line}`);
  const { min, max } = command.arguments ?? { min: 0, max: 0 };
  assert(positionals.length >= min && positionals.length <= max, line);
  const names = command.flags.map(({ name }) => name);
  for (const flag of flags) {
    assert(names.includes(/^--([^=]+)/.exec(flag)?.[1] ?? ""), line);
  }
  return command.path;
}

Deno.test("where nothing listens, every command says so in one line and exits 1", async () => {
  await each(ASKING, async (given) => {
    // A busy machine may need a while to find out even that.
    const line = failure(...await ask(given, "127.0.0.1:1", "2s"));
    assertMatch(line, /127\.0\.0\.1:1 \(TCP: nothing listens there\)\. Start /);
  });
});

/** Runs a command whose standard stream is closed, as by `>&-` in a shell. */
async function closed(
  redirection: string,
  args: readonly string[],
  options: { readonly stdin?: string } = {},
): Promise<Finished> {
  const words = [
    "sh",
    "-c",
    `"$@" ${redirection}`,
    "sh",
    ...kfCommand(...args),
  ];
  return await run(words, { stdin: "", ...options });
}

Deno.test("with standard streams closed every command ends as with /dev/null in their place", async () => {
  await each(ONCE, async ({ spec, args, stdin = "" }) => {
    const away = ["-b", "127.0.0.1:1", "--timeout", "500ms"];
    const words = [...spec.path.split(" "), ...away, ...args];
    const line = failure(spec.path, await closed(">&-", words, { stdin }));
    assertMatch(line, /\(TCP: nothing listens there\)/);
  });
  const local = ["version", "man", "completion bash", "topic list --help"];
  const streams = [">&-", "<&-", "2>&-", "<&- >&- 2>&-"];
  const lines = [...local, "--help-json", "gen -n 3"]
    .flatMap((line) => streams.map((stream) => [line, stream] as const));
  await each(lines, async ([line, stream]) => {
    const { code, stderr } = await closed(stream, line.split(" "));
    assertEquals([code, stderr], [0, ""], `kf ${line} ${stream}`);
  });
});

Deno.test("a name without address is the failing step of every command", async () => {
  await each(ONCE, async (given) => {
    const line = failure(...await ask(given, "no-such-host.invalid:9092"));
    assertMatch(line, /no-such-host\.invalid:9092 \(DNS: /);
  });
});

/** What the address that clients begin with can answer alone. */
const ANYWHERE = [
  ...["topic list", "topic describe", "topic config", "topic trim", "diff"],
  ...["cluster info", "cluster health", "cluster quorum", "cluster features"],
  ...["cluster remove", "reassign list", "reassign cancel"],
  "apply",
];

Deno.test("an address that the broker advertises in vain is named by whatever needs it", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: folder.path,
    args: ["--advertise", "127.0.0.1:1"],
  });
  const named =
    /127\.0\.0\.1:1, the address that the broker advertises \(TCP: .*\)\. Check advertised\.listeners/;
  const inVain = ONCE.filter(({ spec: { path } }) =>
    !ANYWHERE.includes(path) && path !== "consume"
  );
  // Made by those who ask for it.
  await kf(["produce", "t", "--timeout", "4s", "-b", broker.address], {
    stdin: "1\n",
  });
  await each(inVain, async (given) => {
    const [what, { code, stderr }] = await ask(given, broker.address, "4s");
    assertEquals(code, 1, what);
    assertMatch(stderr, named, what);
  });
  // What goes on until it is stopped waits, and says for what.
  const words = ["consume", "t", "-b", broker.address];
  const [program, ...args] = kfCommand(...words);
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const text = child.stderr.pipeThrough(new TextDecoderStream());
  for await (const chunk of text) {
    said += chunk;
    if (named.test(said)) child.kill("SIGTERM");
  }
  assertMatch(said, named);
  assertEquals((await child.status).code, 0);
});

Deno.test("what speaks another protocol is no broker to any command", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("no Kafka here"),
  );
  await each(ONCE, async (given) => {
    const address = `127.0.0.1:${server.addr.port}`;
    const line = failure(...await ask(given, address));
    assertMatch(line, /Is it a Kafka broker/);
  });
  await server.shutdown();
});

Deno.test("something that never answers ends every command within its time-out", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) held.push(connection);
  })().catch(() => {});
  try {
    await each(ONCE, async (given) => {
      const address = `127.0.0.1:${listener.addr.port}`;
      const line = failure(...await ask(given, address));
      assertMatch(line, /Is it a Kafka broker\?/);
    });
  } finally {
    listener.close();
    await accepting;
    for (const connection of held) connection.close();
  }
});

Deno.test("where nobody can be asked, what destroys exits 2 without -y and does nothing", async () => {
  using folder = temporaryFolder();
  Deno.writeTextFileSync(`${folder.path}/topics.yaml`, TOPICS);
  const asking = COMMANDS.filter(({ flags }) =>
    flags.some(({ name }) => name === "yes")
  ).filter(({ path }) => path in NEEDS && path !== "apply");
  // Some of them destroy by one of their flags only.
  const destroying = ASKING.filter(({ spec, args }) =>
    asking.includes(spec) && args.includes("-y")
  );
  const covered = new Set(destroying.map(({ spec }) => spec));
  assertEquals(asking.filter((spec) => !covered.has(spec)), []);
  await each(destroying, async ({ spec, args }) => {
    const given = args.filter((arg) => arg !== "-y");
    const away = ["-b", "127.0.0.1:1", "--timeout", "500ms"];
    const words = [...spec.path.split(" "), ...given, ...away];
    const { code, stdout, stderr } = await kf(words);
    assertEquals([code, stdout], [2, ""], `${spec.path}: ${stderr}`);
    assertMatch(stderr, /add -y, or --dry-run/);
  });
});
