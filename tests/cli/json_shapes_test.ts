/**
 * Every answer by `--format json` against the shape that its help documents:
 * the keys that are promised, all of them and no other. A command with a
 * documented shape and no line in `LINES` fails here.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { createProducer } from "../../net/client.ts";
import { kf, startBrokerProcess, temporaryFolder } from "../fixtures.ts";

/** A documented shape: a list, an object of named keys, a map, or anything. */
type Shape =
  | { readonly kind: "list"; readonly of: Shape }
  | { readonly kind: "object"; readonly keys: ReadonlyMap<string, Shape> }
  | { readonly kind: "map" }
  | { readonly kind: "any" };

/** Reads `[{"name","parts":[{"id"}],"features":{name:level}}]`. */
function readShape(text: string): Shape {
  const tokens = text.match(/"[^"]*"|\w+|[[\]{}:,]/g) ?? [];
  let at = 0;
  const take = (token: string) => {
    assertEquals(tokens[at++], token, `in ${text}`);
  };
  const shape = (): Shape => {
    if (tokens[at] === "[") {
      take("[");
      const of = shape();
      while (tokens[at] !== "]") at++;
      take("]");
      return { kind: "list", of };
    }
    if (tokens[at] !== "{") {
      at++;
      return { kind: "any" };
    }
    take("{");
    if (!tokens[at]!.startsWith('"')) {
      while (tokens[at] !== "}") at++;
      take("}");
      return { kind: "map" };
    }
    const keys = new Map<string, Shape>();
    while (tokens[at] !== "}") {
      const key = JSON.parse(tokens[at++]!) as string;
      const isNested = tokens[at] === ":";
      if (isNested) at++;
      keys.set(key, isNested ? shape() : { kind: "any" });
      if (tokens[at] === ",") at++;
    }
    take("}");
    return { kind: "object", keys };
  };
  return shape();
}

/** Where `value` differs from `shape`; `filled` collects the lists with rows. */
function* differences(
  value: unknown,
  shape: Shape,
  path = "$",
): Generator<string> {
  if (shape.kind === "any") return;
  if (shape.kind === "list") {
    if (!Array.isArray(value)) yield `${path} is no list`;
    else if (value.length === 0) yield `${path} is empty: nothing was checked`;
    else {for (const [i, each] of value.entries()) {
        yield* differences(each, shape.of, `${path}[${i}]`);
      }}
    return;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    yield `${path} is no object`;
    return;
  }
  if (shape.kind === "map") return;
  const found = Object.entries(value);
  for (const key of shape.keys.keys()) {
    if (!(key in value)) yield `${path}.${key} is missing`;
  }
  for (const [key, inner] of found) {
    const wanted = shape.keys.get(key);
    if (wanted === undefined) yield `${path}.${key} is not documented`;
    else yield* differences(inner, wanted, `${path}.${key}`);
  }
}

/** Where an answer differs from what is documented: one shape, or lines of several. */
function wrongIn(stdout: string, json: string): string[] {
  const isLines = json.startsWith("lines");
  const answers = isLines ? stdout.trim().split("\n") : [stdout];
  const shapes = isLines
    ? json.match(/\[?\{[^{}]*\}\]?/g)!.map(readShape)
    : [readShape(json.slice(json.search(/[[{]/)))];
  return answers.flatMap((answer) =>
    shapes.map((shape) => [...differences(JSON.parse(answer), shape)])
      .sort((a, b) => a.length - b.length)[0]!
  );
}

/**
 * How each command is made to answer, in this order; DATA is the broker's
 * folder, DIR one with nothing but a broken partition.
 */
const LINES: readonly (readonly [path: string, rest: string])[] = [
  ["topic create", "made -p 2"],
  ["topic list", ""],
  ["topic describe", "made"],
  ["topic config", "made"],
  ["topic partitions", "made 3"],
  ["topic trim", "made --before 0 -y"],
  ["topic plan", "--target 5m --per-producer 1m --per-consumer 1m"],
  ["gen", "made -n 2"],
  ["bench produce", "made -n 2"],
  ["bench consume", "made"],
  ["bench e2e", "made -n 2"],
  ["verify produce", "made -n 2"],
  ["verify consume", "made"],
  ["export", "made DIR/made"],
  ["import", "imported DIR/made -p 3"],
  ["copy", "made copied"],
  ["diff", "-f -"],
  ["apply", "-f - -y"],
  ["consume", "read -e -J"],
  ["dlq redrive", "letters --dry-run"],
  ["txn list", ""],
  ["txn describe", "open"],
  ["txn abort", "open -y"],
  ["group list", ""],
  ["group lag", "readers"],
  ["group seek", "readers --to earliest -y"],
  ["cluster info", ""],
  ["cluster health", ""],
  ["cluster quorum", ""],
  ["cluster features", ""],
  ["cluster api-versions", ""],
  ["cluster remove", "2 --dry-run"],
  ["log dump", "DATA --records"],
  ["log repair", "DIR/broken-0 -y"],
  ["metadata ls", "/topics --data DATA"],
  ["metadata cat", "/topics/made --data DATA"],
  ["metadata find", "made --data DATA"],
  ["metadata shell", "--data DATA"],
  ["logdirs", "made"],
  ["leader elect", "made:0"],
  ["reassign plan", ""],
  ["reassign apply", "- -y"],
  ["reassign drain", "--broker 2 -y"],
  ["reassign list", ""],
  ["reassign unthrottle", ""],
  ["reassign cancel", "--all -y"],
  ["group describe", "readers"],
  ["group delete", "readers -y"],
  ["topic delete", "made -y"],
  ["profile create", "made"],
  ["profile use", "made"],
  ["profile list", ""],
  ["version", ""],
];

/** What commands read from stdin, where that is not a file of topics. */
const STDIN: Readonly<Record<string, string>> = {
  "reassign apply":
    '{"partitions":[{"topic":"made","partition":0,"replicas":[1]}]}',
  "metadata shell": "ls topics\ncat topics/made\nfind made\n",
};

/** Commands that have no answer, with what they have instead. */
const WITHOUT: Readonly<Record<string, string>> = {
  dev: "a broker that runs",
  tour: "a story for people",
  broker: "a broker that runs",
  produce: "records that arrived, or lines about those that did not",
  pipe: "what its command writes, in a topic",
  "profile edit": "an editor",
  completion: "a script",
  man: "a page",
};

/** Lists that may have no rows here, with the reason. */
const EMPTY: Readonly<Record<string, RegExp>> = {
  // The one member has left, and its record had no headers.
  "group describe": /members is empty/,
  "log dump": /headers is empty/,
  consume: /headers is empty/,
  // One broker has nobody to move anything to; tests/cluster fills these.
  "reassign plan": /partitions is empty/,
  "reassign drain": /\$ is empty/,
  "reassign unthrottle": /\$ is empty/,
  "reassign list": /\$ is empty/,
  "reassign cancel": /\$ is empty/,
  // Everything has a leader; tests/cluster hurts it.
  "cluster health": /offline is empty/,
  // Every promise is kept.
  "verify consume": /violations is empty/,
};

interface Documented {
  readonly path: string;
  readonly json?: string;
}

async function listed(): Promise<Documented[]> {
  const { stdout } = await kf(["--help-json"]);
  return (JSON.parse(stdout) as { commands: Documented[] }).commands;
}

Deno.test("every command that answers documents its answer in JSON", async () => {
  const without = (await listed()).filter(({ json }) => json === undefined);
  assertEquals(without.map(({ path }) => path), Object.keys(WITHOUT));
});

Deno.test("every answer in JSON has the keys that its help documents", async () => {
  using folder = temporaryFolder();
  using files = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const cluster = ["-b", broker.address];
  await kf(["produce", "read", ...cluster], { stdin: "1\n" });
  await kf(["consume", "read", "-e", "-g", "readers", ...cluster]);
  const letter = ["-H", "kf.dlq.topic=read", "-H", "kf.dlq.partition=0"];
  await kf(["produce", "letters", ...letter, ...cluster], { stdin: "1\n" });
  const producer = createProducer({
    "bootstrap.servers": broker.address,
    "transactional.id": "open",
  });
  await producer.initTransactions();
  producer.beginTransaction();
  await producer.send({ topic: "opened", value: "1" });
  const commands = (await listed()).filter(({ path }) => !(path in WITHOUT));
  const uncovered = commands.filter(({ path }) =>
    !LINES.some(([covered]) => covered === path)
  );
  assertEquals(uncovered.map(({ path }) => path), []);
  let ledger = "";
  Deno.mkdirSync(`${files.path}/broken-0`);
  const broken = `${files.path}/broken-0/00000000000000000000.log`;
  Deno.writeTextFileSync(broken, "no batch begins here".repeat(10));
  for (const [path, rest] of LINES) {
    const words = rest.replace("DATA", folder.path).replace("DIR", files.path)
      .split(" ");
    const args = [...path.split(" "), ...words.filter(Boolean)];
    const { json } = commands.find((command) => command.path === path)!;
    const done = await kf(
      [...args, ...cluster, "--format", "json"],
      {
        stdin: path === "verify consume"
          ? ledger
          : STDIN[path] ?? "topics: { applied: {} }",
        env: { XDG_CONFIG_HOME: folder.path },
      },
    );
    const code = path === "diff" ? 1 : 0;
    assertEquals(done.code, code, `${path}: ${done.stderr}`);
    if (path === "verify produce") ledger = done.stdout;
    const wrong = wrongIn(done.stdout, json!)
      .filter((each) => !(EMPTY[path]?.test(each) ?? false));
    assertEquals(wrong, [], `${path} does not answer as its help says`);
  }
  await producer.close();
});

Deno.test("a key too many, one too few and an empty list are seen", () => {
  const shape = readShape('[{"name","parts":[{"id"}],"levels":{name:level}}]');
  const good = [{ name: "a", parts: [{ id: 1 }], levels: { x: 1 } }];
  assertEquals([...differences(good, shape)], []);
  const bad = [{ parts: [{ id: 1, more: 2 }, {}], levels: [] }];
  const seen = [...differences(bad, shape)];
  assertEquals(seen.length, 4, seen.join("; "));
  assert([...differences([], shape)][0]!.includes("empty"));
});
