/**
 * Every command that talks to a broker, against a real Apache Kafka and
 * against kf's: both say the same, but for ids, times, sizes and addresses. A
 * command that is neither run here nor known to need no broker fails.
 * Skipped, saying why, without Java.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type Finished,
  kf,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";
import { apacheKafkaJars, startApacheKafka } from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: kf's commands: ${jars.reason}`);

/** Commands that ask no broker. */
const LOCAL: ReadonlySet<string> = new Set([
  "broker",
  "completion",
  "dev",
  "log dump",
  "log repair",
  "man",
  "metadata cat",
  "metadata find",
  "metadata ls",
  "metadata shell",
  "profile create",
  "profile edit",
  "profile list",
  "profile use",
  "topic plan",
  "tour",
  "version",
]);

/** Commands that `pipe_suite.ts` and `txn_commands_suite.ts` run. */
const EXACTLY_ONCE: ReadonlySet<string> = new Set([
  "dlq redrive",
  "pipe",
  "txn abort",
  "txn describe",
  "txn list",
]);

/** One call, and what to look at. */
interface Step {
  /** Words as typed. */
  readonly line: string;
  readonly stdin?: string;
  /** Whether it reads what the step before printed. */
  readonly isPiped?: boolean;
  /** What both brokers' answers have to agree in; the whole text otherwise. */
  readonly view?: (stdout: string) => unknown;
  /** Compares answers of which Kafka's may hold more. */
  readonly compare?: (ours: string, theirs: string) => void;
}

const TOPICS = `topics:
  filed: { partitions: 2, configs: { retention.ms: 3600000 } }
  made: { partitions: 4 }
`;

const PLAN = '{"partitions":[{"topic":"made","partition":0,"replicas":[1]}]}';

/** In order: each builds on those before it. */
const STEPS: readonly (Step | string)[] = [
  "cluster health --wait --timeout 20s",
  "cluster info",
  { line: "cluster api-versions", compare: isServed },
  { line: "cluster quorum", view: quorum },
  { line: "cluster features", compare: hasFeatures },
  "cluster features --upgrade no.such.feature=1",
  "cluster features --upgrade metadata.version=1",
  "cluster features --downgrade group.version=9",
  "topic create made -p 2 -c retention.ms=7200000",
  "topic create made",
  "topic create made --if-not-exists",
  "topic create no/name",
  "topic create wide -r 3",
  "topic create odd -c no.such.key=1",
  "topic create odd -c retention.ms=soon",
  "topic create dry --dry-run",
  "topic list",
  "topic list ^ma",
  "topic describe made",
  "topic describe missing",
  { line: "topic config made", compare: hasConfigs },
  "topic config made --set max.message.bytes=2000 --unset retention.ms",
  "topic config made --set max.message.bytes=-7",
  "topic config made --set no.such.key=1",
  "topic config missing",
  "topic config missing --set retention.ms=1",
  "topic partitions made 3",
  "topic partitions made 2",
  "topic partitions missing 2",
  { line: "produce made -p 0", stdin: "a\nb\nc\n" },
  { line: "produce made -p 1 -k key -H h=1 -z zstd", stdin: "d\n" },
  { line: "produce made -p 0", stdin: `${"x".repeat(3000)}\ny\n` },
  { line: "produce made -p 9", stdin: "e\n" },
  { line: "produce acked --acks 0 -K :", stdin: "k:v\nk:\n" },
  { line: "produce acked --timestamp @1706700000000", stdin: "then\n" },
  { line: "produce auto", stdin: "made by producing\n" },
  "consume auto -e",
  "consume acked -e -f %o-%k-%v-%T\\n -o @1706700000000 --to @1706700000001",
  "consume made -e -f %p-%o-%k-%v\\n",
  "consume made -e -J -p 1",
  "consume made -e -o -1 -p 0",
  "consume made -o @2100-01-01T00:00:00Z -e",
  "consume made --to 2 -p 0 -e",
  "consume made --tail 2 -f %v\\n",
  "consume made --key key -e",
  "consume made -e --filter v:^[ab]",
  "consume made -e --order timestamp --latest-per-key",
  "consume -r a.*|ma.* -p 0 -e",
  "consume -r made -e -g patterned",
  "consume made --group-protocol consumer",
  "consume made -e -g modern --group-protocol consumer -n 2",
  "group describe modern",
  "group lag modern",
  "consume made -p 7 -e",
  "consume none-such -e -X allow.auto.create.topics=false --timeout 2s",
  "consume made -e -g readers",
  "consume -e -g readers",
  "group list",
  "group describe readers",
  "group describe missing",
  "group lag readers",
  "group lag missing",
  "group seek readers --to earliest --dry-run",
  "group seek readers --to earliest -y",
  "group seek readers --topic made:0 --to end -y",
  "group seek fresh --topic made --to 1 -y",
  "group lag readers",
  "group delete readers fresh --dry-run",
  "group delete readers patterned modern -y",
  "group delete missing -y",
  "group list",
  { line: "logdirs made acked", view: replicas },
  "logdirs missing",
  "leader elect made",
  "leader elect --all",
  "leader elect made:0 --unclean --dry-run",
  "leader elect made:0 --unclean -y",
  "leader elect missing",
  "leader elect made:9",
  "cluster remove 1 -y",
  "cluster remove 2 --dry-run",
  "cluster remove 2 -y",
  "reassign plan",
  { line: "reassign apply - -y", stdin: PLAN },
  { line: "reassign apply - -y", stdin: PLAN.replace("[1]", "[1,2]") },
  { line: "reassign apply - -y", stdin: PLAN.replace("made", "missing") },
  "reassign plan -r 2",
  "reassign drain --broker 1 -y",
  "reassign drain --broker 2 -y",
  "reassign list",
  "reassign unthrottle",
  "topic config made --set leader.replication.throttled.replicas=0:1,1:2",
  "topic config made --set follower.replication.throttled.replicas=x",
  "reassign unthrottle --dry-run",
  "reassign unthrottle",
  "reassign cancel --all -y",
  "topic trim made --before 1 -p 0 --dry-run",
  "topic trim made --before 1 -p 0 -y",
  "topic trim made --before 99 -p 0 -y",
  "topic trim missing --before 1 -y",
  "topic describe made",
  "consume made -e -p 0",
  "export made",
  { line: "import imported -p 2", isPiped: true },
  "consume imported -e --order timestamp -f %k-%v\\n",
  "copy made copied",
  "copy made copied",
  "consume copied -e -f %p-%k-%v\\n",
  "copy missing elsewhere",
  { line: "diff -f -", stdin: TOPICS },
  { line: "apply -f - --dry-run", stdin: TOPICS },
  { line: "apply -f - -y", stdin: TOPICS },
  { line: "diff -f -", stdin: TOPICS },
  { line: "apply -f - -y", stdin: "topics: { made: { partitions: 1 } }" },
  "gen generated -n 20 --keys 3 --size 10",
  { line: "bench produce made -n 10", view: keysAlone },
  { line: "bench consume made -n 5", view: keysAlone },
  { line: "bench e2e made -n 3", view: keysAlone },
  "verify produce proven -n 10",
  { line: "verify consume proven", isPiped: true },
  "copy generated copied",
  "copy generated copied",
  "copy generated generated",
  "copy missing copied",
  "export missing",
  "export generated",
  { line: "import taken", isPiped: true },
  "consume taken -e -f %p-%o-%k-%v\\n",
  "topic delete made filed --dry-run",
  "topic delete made filed -y",
  "topic delete made -y",
  "topic delete made -y --if-exists",
  "topic list",
];

/** Whatever differs between two clusters by nature. */
const MASKS: readonly (readonly [pattern: RegExp, mask: string])[] = [
  [/127\.0\.0\.1:\d+/g, "HOST:PORT"],
  [/"port":\d+/g, '"port":PORT'],
  [/"[\w-]{22}"/g, '"ID"'],
  [/"timestamp":\d{13}/g, '"timestamp":TIME'],
  [/"timeLagMs":\d+/g, '"timeLagMs":TIME'],
  [/"run":"[^"]+"/g, '"run":RUN'],
  [/"logDir":"[^"]+"/g, '"logDir":PATH'],
  [/"(total|usable)Bytes":(\d+|null)/g, '"$1Bytes":SIZE'],
  // A broker's sentence is its own, the code is not.
  [
    /^(kf: Cannot [^:]+): .*?\(?\b([A-Z]+(?:_[A-Z]+)+)\)?$/gm,
    "$1: … ($2)",
  ],
];

function masked(text: string): string {
  return MASKS.reduce(
    (each, [pattern, mask]) => each.replace(pattern, mask),
    text,
  );
}

interface Served {
  readonly apis: {
    apiKey: number;
    name?: string;
    minVersion: number;
    maxVersion: number;
  }[];
}

/** What kf serves, Kafka serves: the same requests, in no more versions. */
function isServed(ours: string, theirs: string): void {
  const [own, apache] = [ours, theirs].map((text) =>
    (JSON.parse(text) as Served[])[0]!.apis
  );
  for (const { apiKey, name, minVersion, maxVersion } of own!) {
    const found = apache!.find((api) => api.apiKey === apiKey);
    assert(found && found.name === name, `Kafka has no ${name}`);
    assert(found.minVersion <= minVersion, `${name} from ${minVersion}`);
    assert(found.maxVersion >= maxVersion, `${name} to ${maxVersion}`);
  }
}

interface Config {
  readonly name: string;
  readonly value: string;
  readonly source: string;
}

/** kf has some of Kafka's keys, each with Kafka's value. */
function hasConfigs(ours: string, theirs: string): void {
  // A default may be one of the cluster's: eligible leaders need min ISR there.
  const view = (configs: Config[]) =>
    configs.map(({ name, value, source }) => [
      name,
      value,
      source === "DYNAMIC_TOPIC_CONFIG",
    ]);
  const own = JSON.parse(ours) as Config[];
  const names = new Set(own.map(({ name }) => name));
  const apache = JSON.parse(theirs) as Config[];
  assertEquals(view(own), view(apache.filter(({ name }) => names.has(name))));
}

interface Feature {
  readonly name: string;
  readonly minSupported: number;
  readonly maxSupported: number;
}

/** kf has some of Kafka's features, in no wider a range. */
function hasFeatures(ours: string, theirs: string): void {
  const apache = JSON.parse(theirs) as Feature[];
  for (const own of JSON.parse(ours) as Feature[]) {
    const found = apache.find(({ name }) => name === own.name);
    assert(found, `Kafka has no ${own.name}`);
    assert(found.minSupported <= own.minSupported, own.name);
    assert(found.maxSupported >= own.maxSupported, own.name);
  }
}

function quorum(stdout: string): unknown {
  const { leaderId, replicas } = JSON.parse(stdout);
  return [
    leaderId,
    replicas.map(({ nodeId, role, lag }: Record<string, unknown>) => [
      nodeId,
      role,
      lag,
    ]),
  ];
}

/** Replicas by folder, without paths and sizes. */
function replicas(stdout: string): unknown {
  return JSON.parse(stdout).map((
    { nodeId, replicas }: { nodeId: number; replicas: Partition[] },
  ) => [
    nodeId,
    replicas.map(({ topic, partition, offsetLag, isFuture }) =>
      `${topic}-${partition} ${offsetLag} ${isFuture}`
    ).sort(),
  ]);
}

interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly offsetLag: number;
  readonly isFuture: boolean;
}

function keysAlone(stdout: string): unknown {
  return Object.keys(JSON.parse(stdout));
}

/** Runs a step against both brokers; gives what each printed. */
async function compared(
  step: Step,
  brokers: readonly { readonly address: string; readonly input: string }[],
): Promise<string[]> {
  const done = await Promise.all(
    brokers.map(({ address, input }) =>
      kf([...step.line.split(" "), "-b", address, "--format", "json"], {
        stdin: step.isPiped ? input : step.stdin ?? "",
      })
    ),
  );
  const [ours, theirs] = done;
  const view = step.view ?? masked;
  const seen = ({ code, stdout, stderr }: Finished) => ({
    code,
    stderr: masked(stderr),
    stdout: step.compare ? "" : code === 0 ? view(stdout) : masked(stdout),
  });
  assertEquals(done.map(({ signal }) => signal), [null, null], "it hung");
  assertEquals(seen(ours!), seen(theirs!));
  step.compare?.(ours!.stdout, theirs!.stdout);
  return done.map(({ stdout }) => stdout);
}

Deno.test({
  name: "every command says the same of Apache Kafka as of kf's broker",
  ignore: isMissing,
  async fn(t) {
    if (isMissing) return;
    using folder = temporaryFolder();
    await using apache = await startApacheKafka(jars.folder);
    await using own = await startBrokerProcess({
      data: `${folder.path}/data`,
      args: ["-X", "group.initial.rebalance.delay.ms=100"],
    });
    let printed = ["", ""];
    for (const given of STEPS) {
      const step = typeof given === "string" ? { line: given } : given;
      await t.step(step.line, async () => {
        const addresses = [own.address, apache.bootstrap];
        printed = await compared(
          step,
          addresses.map((address, i) => ({ address, input: printed[i]! })),
        );
      });
    }
  },
});

Deno.test("every command that needs a broker is run against both", async () => {
  const { stdout } = await kf(["--help-json"]);
  const { commands } = JSON.parse(stdout) as { commands: { path: string }[] };
  const lines = STEPS.map((step) =>
    typeof step === "string" ? step : step.line
  );
  const covers = (path: string) =>
    lines.some((line) => line === path || line.startsWith(`${path} `));
  const paths = commands.map(({ path }) => path);
  const isElsewhere = (path: string) =>
    LOCAL.has(path) || EXACTLY_ONCE.has(path);
  assertEquals(paths.filter((p) => !covers(p) && !isElsewhere(p)), []);
  assert([...LOCAL].every((path) => paths.includes(path)), "LOCAL has a ghost");
});
