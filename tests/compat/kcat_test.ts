/**
 * kcat (librdkafka) against `kf broker`, and the same bytes from kcat and kf.
 * Skips with a printed reason where kcat is not installed.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type BrokerProcess,
  hasProgram,
  kf,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";

const KCAT = hasProgram("kcat", "-V");
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];

async function withBroker(
  test: (broker: BrokerProcess) => Promise<void>,
  ...args: string[]
): Promise<void> {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: `${folder.path}/data`,
    args,
  });
  await test(broker);
  assertEquals(await broker.end("SIGTERM"), 0);
}

async function kcat(
  broker: BrokerProcess,
  args: string[],
  stdin?: string | Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const command = ["kcat", "-b", broker.address, ...args];
  const done = await run(command, stdin === undefined ? {} : { stdin });
  assertEquals(done.code, 0, `${command.join(" ")}: ${done.stderr}`);
  return done.stdoutBytes;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

Deno.test({
  name: "kcat produces with every codec, consumes and lists",
  ignore: !KCAT,
  fn: () =>
    withBroker(async (broker) => {
      const lines = Array.from({ length: 500 }, (_, i) =>
        `line ${i} ${"x".repeat(i % 90)}`);
      const input = lines.join("\n") + "\n";
      for (const codec of CODECS) {
        const topic = `codec-${codec}`;
        await kcat(broker, ["-P", "-t", topic, "-z", codec], input);
        assertEquals(
          text(await kcat(broker, ["-C", "-q", "-e", "-t", topic])),
          input,
          codec,
        );
        const ours = await kf(["consume", topic, "-e", "-b", broker.address]);
        assertEquals(
          ours.stdout,
          input,
          `${codec}, read by kf: ${ours.stderr}`,
        );
      }
      const listing = text(await kcat(broker, ["-L"]));
      for (const codec of CODECS) {
        assertStringIncludes(
          listing,
          `topic "codec-${codec}" with 1 partitions:`,
        );
      }
    }),
});

Deno.test({
  name: "kcat reads what kf produced with every codec",
  ignore: !KCAT,
  fn: () =>
    withBroker(async (broker) => {
      for (const codec of CODECS) {
        const topic = `kf-${codec}`;
        const produced = await kf(
          ["produce", topic, "-z", codec, "-K", ":", "-b", broker.address],
          { stdin: "a:1\nb:2\nc:3\n" },
        );
        assertEquals(produced.code, 0, produced.stderr);
        const read = await kcat(broker, [
          "-C",
          "-q",
          "-e",
          "-t",
          topic,
          "-f",
          "%k=%s\n",
        ]);
        assertEquals(text(read), "a=1\nb=2\nc=3\n", codec);
      }
    }),
});

Deno.test({
  name: "kcat and kf print the same bytes for every verb that both define",
  ignore: !KCAT,
  fn: () =>
    withBroker(async (broker) => {
      const topic = "verbs";
      await kcat(broker, [
        "-P",
        "-t",
        topic,
        "-K",
        ":",
        "-Z",
        "-H",
        "h1=x",
        "-H",
        "h2=y z",
      ], "k1:v1\n:empty key\nk3:\n");
      await kcat(
        broker,
        ["-P", "-t", topic, "-D", "|"],
        "no key|tab\tand\nnewline|ünïcode",
      );
      for (
        const format of ["%s", "%k", "%t", "%p", "%o", "%T", "%h", "%K", "%S"]
      ) {
        const line = `${format}|\\t%%\\n`;
        const theirs = await kcat(broker, [
          "-C",
          "-q",
          "-e",
          "-t",
          topic,
          "-f",
          line,
        ]);
        const ours = await kf([
          "consume",
          topic,
          "-e",
          "-p",
          "0",
          "-f",
          line,
          "-b",
          broker.address,
        ]);
        assertEquals(ours.code, 0, ours.stderr);
        assertEquals(ours.stdoutBytes, theirs, format);
      }
    }),
});

/** A group member that prints its assignments on stderr. */
class Member {
  stderr = "";
  stdout = "";
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;

  constructor(broker: BrokerProcess, group: string, topic: string) {
    this.#child = new Deno.Command("kcat", {
      args: [
        "-b",
        broker.address,
        "-X",
        "session.timeout.ms=6000",
        "-X",
        "auto.offset.reset=earliest",
        "-u",
        "-G",
        group,
        topic,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([
      this.#collect(this.#child.stdout, "stdout"),
      this.#collect(this.#child.stderr, "stderr"),
    ]);
  }

  async #collect(
    stream: ReadableStream<Uint8Array>,
    into: "stdout" | "stderr",
  ): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this[into] += decoder.decode(chunk, { stream: true });
    }
  }

  /** Partitions of the newest assignment that it printed. */
  assigned(topic: string): string[] {
    const last = this.stderr.trimEnd().split("\n").findLast((line) =>
      line.includes("rebalanced")
    );
    if (!last?.includes("assigned")) return [];
    return [...last.matchAll(new RegExp(`${topic} \\[(\\d+)\\]`, "g"))].map((
      [, partition],
    ) => partition!);
  }

  async end(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
    await this.#reading;
  }
}

Deno.test({
  name: "two kcat members share a group and rebalance",
  ignore: !KCAT,
  fn: () =>
    withBroker(
      async (broker) => {
        const topic = "shared";
        const created = await kf([
          "topic",
          "create",
          topic,
          "-p",
          "4",
          "-b",
          broker.address,
        ]);
        assertEquals(created.code, 0, created.stderr);
        const first = new Member(broker, "pair", topic);
        await until(
          "the first member has all partitions",
          () => first.assigned(topic).length === 4,
        );
        const second = new Member(broker, "pair", topic);
        await until(
          "both have two",
          () =>
            first.assigned(topic).length === 2 &&
            second.assigned(topic).length === 2,
        );
        assertEquals(
          [...first.assigned(topic), ...second.assigned(topic)].sort(),
          ["0", "1", "2", "3"],
        );
        const sent = Array.from({ length: 200 }, (_, i) => `message-${i}`);
        await kcat(
          broker,
          ["-P", "-t", topic, "-p", "-1"],
          sent.join("\n") + "\n",
        );
        const received = () =>
          (first.stdout + second.stdout).split("\n").filter((line) =>
            line !== ""
          ).sort();
        await until(
          "every record arrived",
          () => received().length >= sent.length,
        );
        assertEquals(received(), [...sent].sort());
        await first.end();
        await until(
          "the second has all partitions",
          () => second.assigned(topic).length === 4,
        );
        await second.end();
        const described = await kf([
          "group",
          "lag",
          "pair",
          "-b",
          broker.address,
          "--format",
          "json",
        ]);
        assertEquals(described.code, 0, described.stderr);
        assert(described.stdout.length > 0);
      },
      "-X",
      "group.initial.rebalance.delay.ms=0",
    ),
});

/** Makes a topic with `configs`. */
async function topicWith(
  broker: BrokerProcess,
  topic: string,
  ...configs: readonly string[]
): Promise<void> {
  const flags = configs.flatMap((config) => ["-c", config]);
  const made = await kf(
    ["topic", "create", topic, ...flags, "-b", broker.address],
  );
  assertEquals(made.code, 0, made.stderr);
}

Deno.test({
  name:
    "kcat reads what topics of another codec or of the broker's time made of its records",
  ignore: !KCAT,
  fn: () =>
    withBroker(async (broker) => {
      const input = "a\nb\nc\n";
      for (const type of ["uncompressed", ...CODECS.slice(1)]) {
        const topic = `type-${type}`;
        await topicWith(broker, topic, `compression.type=${type}`);
        for (const codec of CODECS) {
          await kcat(broker, ["-P", "-t", topic, "-z", codec], input);
        }
        assertEquals(
          text(await kcat(broker, ["-C", "-q", "-e", "-t", topic])),
          input.repeat(CODECS.length),
        );
      }
      await topicWith(
        broker,
        "timed",
        "message.timestamp.type=LogAppendTime",
        "compression.type=lz4",
      );
      const before = Date.now();
      await kcat(broker, ["-P", "-t", "timed"], input);
      const times = text(
        await kcat(broker, ["-C", "-q", "-e", "-t", "timed", "-f", "%T\n"]),
      ).trim().split("\n").map(Number);
      assertEquals(times.length, 3);
      for (const time of times) assert(time >= before && time <= Date.now());
    }),
});

Deno.test({
  name: "kcat is told which limit of a topic its record breaks",
  ignore: !KCAT,
  fn: () =>
    withBroker(async (broker) => {
      const refuse = async (topic: string, words: string, stdin: string) => {
        const { code, stderr } = await run(
          ["kcat", "-b", broker.address, "-P", "-t", topic, "-z", "gzip"],
          { stdin },
        );
        assertEquals([code, stderr.includes(words)], [1, true], stderr);
      };
      await topicWith(broker, "keyed", "cleanup.policy=compact");
      await refuse("keyed", "failed to validate record", "no key\n");
      await kcat(broker, ["-P", "-t", "keyed", "-K", ":"], "k:v\n");
      await topicWith(
        broker,
        "small",
        "compression.type=uncompressed",
        "max.message.bytes=500",
      );
      await refuse("small", "too large", `${"x".repeat(600)}\n`);
      await kcat(broker, ["-P", "-t", "small"], "fits\n");
    }),
});
