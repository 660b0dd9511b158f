/**
 * `kf pipe` while everything dies: the broker, the pipes and their commands are
 * killed at random under load, pipes are stopped until another has their
 * partitions and then go on, and what comes out of a one-to-one filter is what
 * went in, once, in order, partition by partition.
 *
 * `KF_PIPE_KILLS` says how often (30 when unset), `KF_SEED` with which dice. With
 * `KF_PIPE_HOME` the folder stays, and the next run goes on until it has seen so
 * many kills. `KF_PIPE_BROKER=apache` does it to an Apache Kafka.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import {
  createAdmin,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import { apacheKafkaJars, startApacheKafka } from "../compat/apache_kafka.ts";
import {
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";

const KILLS = Number(Deno.env.get("KF_PIPE_KILLS") ?? 30);
const SEED = Number(
  Deno.env.get("KF_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
const HOME = Deno.env.get("KF_PIPE_HOME");
const IS_APACHE = Deno.env.get("KF_PIPE_BROKER") === "apache";
/** After so many kills everything is compared. */
const ROUND_KILLS = 10;
const PARTITIONS = 3;
const WAIT_MS = { min: 100, max: 1500 } as const;
/** Above the session time-out. */
const SLEEP_MS = 3_000;
const SETTLE_MS_MAX = 120_000;
const CONFIG = {
  "group.min.session.timeout.ms": "500",
  "group.initial.rebalance.delay.ms": "0",
  "group.consumer.min.session.timeout.ms": "1000",
  "group.consumer.session.timeout.ms": "2000",
  "group.consumer.min.heartbeat.interval.ms": "100",
  "group.consumer.heartbeat.interval.ms": "500",
};
/** Rounds take turns: who divides the partitions, and how they change hands. */
const PROTOCOLS: readonly (readonly string[])[] = [
  ["session.timeout.ms=2000", "heartbeat.interval.ms=500"],
  ["group.protocol=consumer"],
  [
    ...["session.timeout.ms=2000", "heartbeat.interval.ms=500"],
    "partition.assignment.strategy=cooperative-sticky",
  ],
];
/** What the clients of this test complain of is no news. */
const QUIET = { env: denoEnv({ trace: () => {} }) };

/** A small seeded generator (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A broker that comes back where it was. */
class Broker {
  #running: { readonly address: string; kill(): Promise<void> } | undefined;
  #port: number | undefined;

  constructor(readonly folder: string) {}

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    this.#running = IS_APACHE
      ? await this.#startApache()
      : await this.#startKf();
    this.#port = Number(this.#running.address.split(":")[1]);
  }

  async kill(): Promise<void> {
    await this.#running?.kill();
    this.#running = undefined;
  }

  async #startKf() {
    const process = await startBrokerProcess({
      data: this.folder,
      ...(this.#port === undefined ? {} : { port: this.#port }),
      args: Object.entries(CONFIG).flatMap(([k, v]) => ["-X", `${k}=${v}`]),
    });
    const { address } = process;
    return { address, kill: async () => void await process.end("SIGKILL") };
  }

  async #startApache() {
    const jars = await apacheKafkaJars();
    if ("reason" in jars) throw new Error(jars.reason);
    const kafka = await startApacheKafka(jars.folder, {
      home: this.folder,
      config: CONFIG,
      ...(this.#port === undefined ? {} : { port: this.#port }),
    });
    return { address: kafka.bootstrap, kill: () => kafka.stop("SIGKILL") };
  }
}

/** A pipe that is started again whenever it ends, as a supervisor would. */
class Pipe {
  #child: Deno.ChildProcess | undefined;
  #isOver = false;
  readonly #running: Promise<void>;
  /** What those said that ended by themselves. */
  readonly ends: string[] = [];

  constructor(
    broker: Broker,
    { protocol, args }: {
      readonly protocol: readonly string[];
      readonly args: readonly string[];
    },
  ) {
    const [program, ...words] = kfCommand(
      ...["pipe", "--from", "in", "--to", "out", "-b", broker.address],
      ...["--batch", "50", "--linger", "20ms", "--on-error", "retry"],
      ...protocol.flatMap((property) => ["-X", `consumer.${property}`]),
      ...args,
    );
    this.#running = this.#run(program!, words);
  }

  async #run(program: string, args: string[]): Promise<void> {
    while (!this.#isOver) {
      const child = new Deno.Command(program, {
        args,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      this.#child = child;
      const stderr = new Response(child.stderr).text();
      const { code, signal } = await child.status;
      if (code !== 0 && signal === null) this.ends.push(await stderr);
      else await stderr;
      if (!this.#isOver) await pause(200);
    }
  }

  kill(): void {
    try {
      this.#child?.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
  }

  /** Lets it sleep until the group believes it dead, and wakes it up again. */
  async sleep(): Promise<void> {
    const pid = `${this.#child?.pid}`;
    if ((await run(["kill", "-STOP", pid])).code !== 0) return;
    await pause(SLEEP_MS);
    await run(["kill", "-CONT", pid]);
  }

  /** Kills the command that it runs, if it runs one now. */
  async killCommand(): Promise<boolean> {
    const { stdout } = await run(["pgrep", "-P", `${this.#child?.pid ?? 0}`]);
    const [pid] = stdout.split("\n").filter(Boolean);
    if (pid === undefined) return false;
    return (await run(["kill", "-9", pid])).code === 0;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    try {
      this.#child?.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    await this.#running;
  }
}

/** Writes numbered records until told to stop; no record fails. */
class Writer {
  readonly failed: string[] = [];
  readonly #producer: Producer;
  readonly #running: Promise<void>;
  #isOver = false;

  constructor(address: string, random: () => number) {
    this.#producer = createProducer({
      "bootstrap.servers": address,
      "delivery.timeout.ms": 300_000,
    }, QUIET);
    this.#running = this.#run(random);
  }

  async #run(random: () => number): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      this.#producer.append({
        topic: "in",
        partition: n % PARTITIONS,
        key: `k${n % 17}`,
        value: `${SEED}-${n}-${"x".repeat(random() * 50)}`,
      }, (error) => {
        if (error) this.failed.push(error.message);
      });
      if (n % 5 === 0) await pause(5);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await this.#producer.close();
    assertEquals(this.failed, []);
  }
}

/** All values by partition, as a reader of committed records sees them. */
async function valuesOf(address: string, topic: string): Promise<string[][]> {
  const consumer = createConsumer({
    "bootstrap.servers": address,
    "isolation.level": "read_committed",
  }, QUIET);
  const decoder = new TextDecoder();
  const values: string[][] = [];
  const all = Array.from({ length: PARTITIONS }, (_, partition) => {
    values.push([]);
    return { topic, partition };
  });
  try {
    consumer.assign(all);
    for (const at of all) consumer.seek(at, "earliest");
    const ends = await consumer.endOffsets(all);
    await until(`${topic} is read`, async () => {
      for (const { partition, records } of await consumer.poll(100)) {
        for (const { value } of records) {
          values[partition]!.push(decoder.decode(value!));
        }
      }
      for (const { offset, topic, partition } of ends) {
        if (await consumer.position({ topic, partition }) < offset) return;
      }
      return true;
    });
    return values;
  } finally {
    await consumer.close();
  }
}

async function countOf(address: string, topic: string): Promise<number> {
  return (await valuesOf(address, topic)).flat().length;
}

/** Kills at random until so many were; gives what was killed. */
async function havoc(
  broker: Broker,
  pipes: readonly Pipe[],
  { kills, random }: { kills: number; random: () => number },
): Promise<Record<string, number>> {
  const killed: Record<string, number> = {
    broker: 0,
    pipe: 0,
    asleep: 0,
    command: 0,
  };
  for (let left = kills; left > 0;) {
    await pause(WAIT_MS.min + random() * (WAIT_MS.max - WAIT_MS.min));
    const pipe = pipes[Math.floor(random() * pipes.length)]!;
    const dice = random();
    if (dice < 0.3) {
      await broker.kill();
      await pause(random() * 500);
      await broker.start();
      killed["broker"]!++;
    } else if (dice < 0.55) {
      pipe.kill();
      killed["pipe"]!++;
    } else if (dice < 0.7) {
      await pipe.sleep();
      killed["asleep"]!++;
    } else if (await pipe.killCommand()) killed["command"]!++;
    else continue;
    left--;
  }
  return killed;
}

async function createTopics(address: string): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": address });
  for (const name of ["in", "out"]) {
    await admin.createTopics([{ name, partitions: PARTITIONS }]);
  }
  await admin.close();
}

/** One round; what came out is what went in. */
async function round(
  broker: Broker,
  options: {
    kills: number;
    random: () => number;
    protocol: readonly string[];
  },
): Promise<Record<string, number>> {
  const writer = new Writer(broker.address, options.random);
  const { protocol } = options;
  const pipes = [
    ["--", "sh", "-c", "sleep 0.02; cat"],
    ["--mode", "line", "--", "cat"],
    ["--mode", "frame", "--", "cat"],
  ].map((args) => new Pipe(broker, { protocol, args }));
  let killed;
  try {
    killed = await havoc(broker, pipes, options);
  } finally {
    await writer.stop();
  }
  try {
    const count = await countOf(broker.address, "in");
    await until(
      "all has come out",
      async () => await countOf(broker.address, "out") >= count,
      SETTLE_MS_MAX,
    );
  } catch (error) {
    for (const { ends } of pipes) console.error(ends.slice(-5));
    throw error;
  } finally {
    for (const pipe of pipes) await pipe.stop();
  }
  const [input, output] = await Promise.all(
    ["in", "out"].map((topic) => valuesOf(broker.address, topic)),
  );
  assertEquals(output, input, `seed ${SEED}`);
  return killed;
}

Deno.test(`kf pipe puts out what went in, once and in order, through ${KILLS} kills (seed ${SEED})`, async (t) => {
  using folder = HOME === undefined
    ? temporaryFolder()
    : { path: HOME, [Symbol.dispose]() {} };
  Deno.mkdirSync(`${folder.path}/broker`, { recursive: true });
  const seen = `${folder.path}/kills`;
  const random = seeded(SEED);
  const broker = new Broker(`${folder.path}/broker`);
  await broker.start();
  try {
    await createTopics(broker.address);
    const before = () => {
      try {
        return Number(Deno.readTextFileSync(seen));
      } catch {
        return 0;
      }
    };
    for (let done = before(); done < KILLS; done = before()) {
      const kills = Math.min(ROUND_KILLS, KILLS - done);
      const what = `kills ${done + 1} to ${done + kills}`;
      await t.step(what, async () => {
        const turn = Math.floor(done / ROUND_KILLS) % PROTOCOLS.length;
        const protocol = PROTOCOLS[turn]!;
        const killed = await round(broker, { kills, random, protocol });
        Deno.writeTextFileSync(seen, `${done + kills}`);
        console.log(what, killed);
      });
      if (before() === done) break;
    }
  } finally {
    await broker.kill();
  }
});
