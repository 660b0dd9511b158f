/**
 * Java's KafkaConsumer with `group.protocol=consumer` (KIP-848) on a kf
 * broker, as Kafka's own tools run and show it. Skipped, saying why, where
 * Java or the jars can't be had.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import {
  type BrokerProcess,
  kf,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import {
  apacheKafkaJars,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: consumer groups: ${jars.reason}`);
const folderOfJars = "folder" in jars ? jars.folder : "";

const GROUPS = "consumer.group.ConsumerGroupCommand";

type Address = Pick<BrokerProcess, "address">;

/** A VerifiableConsumer that runs until the scope ends. */
class Member implements AsyncDisposable {
  printed = "";
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #hasEnded = false;

  constructor({ address }: Address, args: readonly string[]) {
    const [program, ...rest] = kafkaTool(folderOfJars, "VerifiableConsumer", [
      ...["--bootstrap-server", address, "--topic", "t", "--group-id", "g"],
      ...["--reset-policy", "earliest"],
      ...args,
    ]);
    this.#child = new Deno.Command(program!, {
      args: rest,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#reading = this.#read();
  }

  /** Partitions that the member owns by what it printed last. */
  get owned(): number[] {
    const owned = new Set<number>();
    for (const line of this.printed.split("\n")) {
      const match = /"name":"partitions_(assigned|revoked)"/.exec(line);
      if (match === null || !line.endsWith("}")) continue;
      for (const { partition } of JSON.parse(line).partitions) {
        if (match[1] === "assigned") owned.add(partition);
        else owned.delete(partition);
      }
    }
    return [...owned].sort();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      this.printed += decoder.decode(chunk, { stream: true });
    }
  }

  async end(signal: Deno.Signal): Promise<void> {
    if (!this.#hasEnded) this.#child.kill(signal);
    this.#hasEnded = true;
    await this.#child.status;
    await this.#reading;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }
}

const BY_CONSUMER = ["--group-protocol", "consumer"];

async function startWithTopic(folder: string): Promise<BrokerProcess> {
  const broker = await startBrokerProcess({ data: folder });
  const { address } = broker;
  const created = await kf(["topic", "create", "t", "-p", "4", "-b", address]);
  assertEquals(created.code, 0, created.stderr);
  const lines = Array.from({ length: 100 }, (_, i) => `${i}:${i}\n`).join("");
  const args = ["produce", "t", "-K", ":", "-b", address];
  const produced = await kf(args, { stdin: lines });
  assertEquals(produced.code, 0, produced.stderr);
  return broker;
}

async function described(
  { address }: Address,
  ...args: string[]
): Promise<string> {
  const done = await run(kafkaTool(folderOfJars, GROUPS, [
    ...["--bootstrap-server", address, "--describe", "--group", "g"],
    ...args,
  ]));
  assertEquals(done.code, 0, done.stderr);
  return done.stdout;
}

Deno.test({
  name:
    "Java consumers of the new protocol share a topic, hand over, and commit",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startWithTopic(folder.path);
    await using first = new Member(broker, BY_CONSUMER);
    await until("one has all", () => first.owned.length === 4);
    await using second = new Member(broker, BY_CONSUMER);
    await until(
      "each has half",
      () => first.owned.length === 2 && second.owned.length === 2,
    );
    assertEquals([...first.owned, ...second.owned].sort(), [0, 1, 2, 3]);
    const members = await described(broker, "--members", "--verbose");
    assertEquals(members.match(/^g .* 2 +3 +t:\d,\d +3 +t:\d,\d/gm)?.length, 2);
    const state = await described(broker, "--state", "--verbose");
    assertMatch(state, /uniform +Stable +3 +3 +2/);
    await until("all is read and committed", async () => {
      const lags = (await described(broker)).matchAll(
        /^g +t +\d +\d+ +\d+ +(\d+)/gm,
      );
      const each = [...lags].map(([, lag]) => lag);
      return each.length === 4 && each.every((lag) => lag === "0");
    });
    await second.end("SIGTERM");
    await until("who is left has all", () => first.owned.length === 4);
    await first.end("SIGTERM");
    assertMatch(await described(broker, "--state"), /Empty/);
  },
});

Deno.test({
  name:
    "a broker's restart in between leaves Java's consumers their partitions",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const before = await startWithTopic(folder.path);
    await using member = new Member(before, BY_CONSUMER);
    await until("the member has all", () => member.owned.length === 4);
    assertEquals(await before.end("SIGTERM"), 0);
    const { port } = before;
    await using broker = await startBrokerProcess({ data: folder.path, port });
    await until(
      "the member is known again",
      async () => /g .* 4 /.test(await described(broker, "--members")),
    );
    await using other = new Member(broker, BY_CONSUMER);
    await until(
      "each has half",
      () => member.owned.length === 2 && other.owned.length === 2,
    );
    assertNotMatch(member.printed, /Exception/);
  },
});

Deno.test({
  name: "Kafka's DumpLogSegments names every record of a consumer group",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    const broker = await startWithTopic(data);
    await using member = new Member(broker, BY_CONSUMER);
    await until(
      "the member has committed",
      () => member.printed.includes('"success":true'),
    );
    assertEquals(await broker.end("SIGTERM"), 0);
    const [log] = [...Deno.readDirSync(data)]
      .filter(({ name }) => name.startsWith("__consumer_offsets-"))
      .flatMap(({ name: partition }) =>
        [...Deno.readDirSync(`${data}/${partition}`)]
          .map(({ name }) => `${data}/${partition}/${name}`)
      )
      .filter((path) => path.endsWith(".log") && Deno.statSync(path).size > 0);
    assert(log !== undefined, "one partition holds the group");
    const { stdout, stderr } = await run(
      kafkaTool(folderOfJars, "DumpLogSegments", [
        ...["--offsets-decoder", "--files", log],
      ]),
    );
    assertNotMatch(stdout + stderr, /Exception|Could not|UNKNOWN/);
    const types = [...stdout.matchAll(/key: \{"type":"(\d+)"/g)]
      .map(([, type]) => Number(type));
    assertEquals(
      [...new Set(types)].sort((a, b) => a - b).join(),
      "1,3,5,6,7,8",
    );
  },
});

Deno.test({
  name: "a Java consumer reads the topics that a pattern names",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startWithTopic(folder.path);
    const { address } = broker;
    await kf(["produce", "u", "-b", address], { stdin: "1\n2\n" });
    await kf(["produce", "x", "-b", address], { stdin: "3\n4\n" });
    const read = await run(
      kafkaTool(folderOfJars, "consumer.ConsoleConsumer", [
        ...["--bootstrap-server", address, "--include", "[tu]"],
        ...["--from-beginning", "--max-messages", "102", "--group", "g"],
        ...["--timeout-ms", "30000"],
        ...["--command-property", "group.protocol=consumer"],
      ]),
    );
    assertMatch(read.stderr, /Processed a total of 102 messages/);
  },
});

Deno.test({
  name:
    "Java consumers of both protocols share a group on its way up and down again",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startWithTopic(folder.path);
    const listed = async () =>
      (await kf(["group", "list", "-b", broker.address])).stdout;
    await using old = new Member(broker, []);
    await until("the old one has all", () => old.owned.length === 4);
    assertMatch(await listed(), /^g .*classic/m);
    await using young = new Member(broker, BY_CONSUMER);
    await until(
      "each has half",
      () => old.owned.length === 2 && young.owned.length === 2,
    );
    assertMatch(await listed(), /^g .*consumer +consumer/m);
    await using other = new Member(broker, []);
    await until(
      "all have some",
      () =>
        [old, young, other].every(({ owned }) => owned.length > 0) &&
        [old, young, other].flatMap(({ owned }) => owned).sort().join() ===
          "0,1,2,3",
    );
    await young.end("SIGTERM");
    await until(
      "the old ones have half each",
      () => old.owned.length === 2 && other.owned.length === 2,
    );
    assertMatch(await listed(), /^g .*classic/m);
    assertNotMatch(old.printed + other.printed, /Exception/);
  },
});

/** Puts the files of all partitions of the offsets topic of `from` into `to`. */
function handOffsets(from: string, to: string): void {
  for (const { name: partition } of Deno.readDirSync(from)) {
    if (!partition.startsWith("__consumer_offsets-")) continue;
    for (const folder of [from, to]) {
      assert(Deno.statSync(`${folder}/${partition}`).isDirectory);
    }
    for (const { name } of Deno.readDirSync(`${to}/${partition}`)) {
      if (name === "partition.metadata") continue;
      Deno.removeSync(`${to}/${partition}/${name}`);
    }
    for (const { name } of Deno.readDirSync(`${from}/${partition}`)) {
      if (name === "partition.metadata") continue;
      const path = `${partition}/${name}`;
      Deno.copyFileSync(`${from}/${path}`, `${to}/${path}`);
    }
  }
}

/** As many partitions as Kafka has in tests; who is gone is soon out. */
const LIKE_THEIRS = [
  ...["-X", "offsets.topic.num.partitions=3"],
  ...["-X", "group.consumer.session.timeout.ms=5000"],
  ...["-X", "group.consumer.heartbeat.interval.ms=1000"],
];

/** A group with one member of whom the broker has not heard the end. */
async function leaveMemberBehind(
  address: string,
  stop: () => Promise<unknown>,
): Promise<void> {
  await using member = new Member({ address }, BY_CONSUMER);
  await until("the member has some", () => member.owned.length > 0);
  await stop();
}

/** Makes the topics that the other's files go into. */
async function makeReady(address: string): Promise<void> {
  const created = await kf(["topic", "create", "t", "-p", "4", "-b", address]);
  assertEquals(created.code, 0, created.stderr);
  await using member = new Member({ address }, [...BY_CONSUMER]);
  await until("there are coordinators", () => member.owned.length === 4);
  await member.end("SIGTERM");
}

Deno.test({
  name: "Apache Kafka and kf go on with a consumer group that the other wrote",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const [ours, home] = [`${folder.path}/kf`, `${folder.path}/kafka`];
    Deno.mkdirSync(home);
    const startOurs = () =>
      startBrokerProcess({ data: ours, args: LIKE_THEIRS });
    const startTheirs = () => startApacheKafka(folderOfJars, { home });
    let theirs: string;
    {
      await using kafka = await startTheirs();
      await makeReady(kafka.bootstrap);
      await kafka.stop();
      theirs = kafka.data;
    }
    {
      await using broker = await startOurs();
      await makeReady(broker.address);
      await leaveMemberBehind(broker.address, () => broker.end());
    }
    handOffsets(ours, theirs);
    {
      await using kafka = await startTheirs();
      const address = kafka.bootstrap;
      await until(
        "Kafka knows the group and its member",
        async () =>
          /uniform +Stable +\d+ +\d+ +1/.test(
            await described({ address }, "--state", "--verbose"),
          ),
      );
      await leaveMemberBehind(address, () => kafka.stop());
    }
    handOffsets(theirs, ours);
    await using broker = await startOurs();
    const state = await described(broker, "--state", "--verbose");
    assertMatch(state, /uniform +\w+ +[4-9] +[4-9] +[12]/);
    await using member = new Member(broker, BY_CONSUMER);
    await until("who is gone is out", () => member.owned.length === 4);
  },
});
