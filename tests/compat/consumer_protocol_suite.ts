/**
 * What kf's consumers must do in groups whose partitions the broker divides
 * (KIP-848), against any broker that offers it. Owns the steps; who runs them
 * brings the broker, with `CONSUMER_PROTOCOL_CONFIG` so that nobody waits long.
 *
 * @module
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  type Consumer,
  createAdmin,
  createConsumer,
  createProducer,
  KafkaError,
} from "../../net/client.ts";
import { kf, kfCommand, until } from "../fixtures.ts";

/** A broker's config under which members are heard of and missed soon. */
export const CONSUMER_PROTOCOL_CONFIG: Readonly<Record<string, string>> = {
  "group.consumer.heartbeat.interval.ms": "100",
  "group.consumer.session.timeout.ms": "2000",
};

type Config = Record<string, string | number | boolean>;

const TEXT = new TextDecoder();

const STEPS: Readonly<Record<string, (world: World) => Promise<void>>> = {
  "members come and leave, every record is read once": comeAndLeave,
  "a member that is killed is replaced": killed,
  "a pattern takes in a topic that is created later": pattern,
  "a static member returns to what it had; its double is refused": fixed,
  "a classic member and one of the new protocol share a group": mixed,
  "kf group describe, lag and seek know groups of either type": described,
};

/** Runs every step against the broker at `bootstrap`. */
export async function consumerProtocolSuite(
  t: Deno.TestContext,
  bootstrap: string,
): Promise<void> {
  for (const [name, step] of Object.entries(STEPS)) {
    await t.step(name, async () => {
      await using world = new World(bootstrap);
      await step(world);
    });
  }
}

/** Clients of one broker; closed with the scope. */
class World {
  readonly bootstrap: string;
  readonly #open: { close(): Promise<void> }[] = [];

  constructor(bootstrap: string) {
    this.bootstrap = bootstrap;
  }

  /** Makes a topic of four partitions, with 100 records in each. */
  async topic(name: string): Promise<void> {
    const admin = createAdmin({ "bootstrap.servers": this.bootstrap });
    const [made] = await admin.createTopics([{ name, partitions: 4 }]);
    await admin.close();
    assertEquals(made?.error, undefined);
    await this.fill(name, 100);
  }

  async fill(topic: string, each: number): Promise<void> {
    const producer = createProducer({ "bootstrap.servers": this.bootstrap });
    for (let i = 0; i < 4 * each; i++) {
      producer.append({ topic, partition: i % 4, value: `${i}` });
    }
    await producer.close();
  }

  consumer(
    topics: readonly string[] | RegExp,
    group: string,
    config: Config = {},
  ): Consumer {
    const consumer = createConsumer({
      "bootstrap.servers": this.bootstrap,
      "group.id": group,
      "group.protocol": "consumer",
      "auto.offset.reset": "earliest",
      "metadata.max.age.ms": 500,
      ...config,
    });
    consumer.subscribe(topics);
    this.#open.push(consumer);
    return consumer;
  }

  async [Symbol.asyncDispose]() {
    for (const client of this.#open.reverse()) await client.close();
  }
}

/** Polls all until each holds as many partitions; gives what was read. */
async function holding(
  wanted: readonly (readonly [consumer: Consumer, partitions: number])[],
): Promise<string[]> {
  const seen: string[] = [];
  await until(`members hold ${wanted.map(([, count]) => count)}`, async () => {
    const polled = await Promise.all(
      wanted.map(([consumer]) => consumer.poll(50)),
    );
    for (const { records } of polled.flat()) {
      seen.push(...records.map(({ value }) => TEXT.decode(value!)));
    }
    return wanted.every(([consumer, count]) =>
      consumer.assignment().length === count
    );
  });
  return seen;
}

/** Polls until `count` records are in `seen`. */
async function readAll(
  consumers: readonly Consumer[],
  seen: string[],
  count: number,
): Promise<void> {
  await until(`${count} records are read`, async () => {
    for (const consumer of consumers) {
      for (const { records } of await consumer.poll(20)) {
        seen.push(...records.map(({ value }) => TEXT.decode(value!)));
      }
    }
    return seen.length >= count;
  });
}

async function comeAndLeave(world: World): Promise<void> {
  await world.topic("shared");
  const seen: string[] = [];
  const make = (assignor: string) =>
    world.consumer(["shared"], "g-shared", {
      "group.remote.assignor": assignor,
      "max.poll.records": 20,
    });
  const first = make("uniform");
  seen.push(...await holding([[first, 4]]));
  const second = make("uniform");
  seen.push(...await holding([[first, 2], [second, 2]]));
  await readAll([first, second], seen, 400);
  await first.close();
  seen.push(...await holding([[second, 4]]));
  await world.fill("shared", 10);
  await readAll([second], seen, 440);
  assertEquals(seen.length, 440, "a record was read twice");
  assertEquals(new Set(seen).size, 400);
}

async function killed(world: World): Promise<void> {
  await world.topic("killed");
  const consumer = world.consumer(["killed"], "g-killed");
  await holding([[consumer, 4]]);
  const [program, ...args] = kfCommand(
    ...["consume", "killed", "-b", world.bootstrap],
    ...["--group", "g-killed", "--group-protocol", "consumer"],
  );
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await holding([[consumer, 2]]);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
  await holding([[consumer, 4]]);
}

async function pattern(world: World): Promise<void> {
  await world.topic("re-one");
  await world.topic("other-re-one");
  const consumer = world.consumer(/^re-/, "g-pattern");
  await holding([[consumer, 4]]);
  await world.topic("re-two");
  await holding([[consumer, 8]]);
  assertEquals(
    new Set(consumer.assignment().map(({ topic }) => topic)),
    new Set(["re-one", "re-two"]),
  );
}

async function fixed(world: World): Promise<void> {
  await world.topic("fixed");
  const make = (id: string) =>
    world.consumer(["fixed"], "g-fixed", { "group.instance.id": id });
  const [stays, goes] = [make("stays"), make("goes")];
  await holding([[stays, 2], [goes, 2]]);
  const before = goes.assignment().map(({ partition }) => partition).sort();
  const double = make("goes");
  const refused = await assertRejects(() => double.poll(20_000), KafkaError);
  assertEquals(refused.error, "UNRELEASED_INSTANCE_ID");
  await double.close();
  let changes = 0;
  stays.onRebalance({ assigned: () => void changes++ });
  await goes.close();
  const back = make("goes");
  await holding([[stays, 2], [back, 2]]);
  const after = back.assignment().map(({ partition }) => partition).sort();
  assertEquals([after, changes], [before, 0]);
}

async function mixed(world: World): Promise<void> {
  await world.topic("mixed");
  const classic = world.consumer(["mixed"], "g-mixed", {
    "group.protocol": "classic",
    "heartbeat.interval.ms": 100,
  });
  await holding([[classic, 4]]);
  const modern = world.consumer(["mixed"], "g-mixed");
  await holding([[classic, 2], [modern, 2]]);
  await classic.close();
  await holding([[modern, 4]]);
}

async function described(world: World): Promise<void> {
  await world.topic("described");
  const consumers = ["classic", "consumer"].map((protocol) =>
    world.consumer(["described"], `g-${protocol}`, {
      "group.protocol": protocol,
    })
  );
  for (const consumer of consumers) await holding([[consumer, 4]]);
  const call = (line: string) =>
    kf([...line.split(" "), "-b", world.bootstrap, "--format", "json"]);
  const { code, stdout, stderr } = await call(
    "group describe g-classic g-consumer",
  );
  assertEquals(code, 0, stderr);
  const groups = JSON.parse(stdout) as {
    type: string;
    state: string;
    protocolType: string;
    protocol: string;
    members: { memberId: string; assignment: unknown[] }[];
  }[];
  assertEquals(
    groups.map((
      { type, state, protocolType, protocol, members },
    ) => [type, state, protocolType, protocol, members[0]?.assignment.length]),
    [
      ["classic", "Stable", "consumer", "range", 4],
      ["consumer", "Stable", "consumer", "uniform", 4],
    ],
  );
  for (const [i, group] of ["g-classic", "g-consumer"].entries()) {
    await consumers[i]!.commit();
    const owners = JSON.parse((await call(`group lag ${group}`)).stdout)
      .map(({ memberId }: { memberId: string }) => memberId);
    assertEquals(owners, Array(4).fill(groups[i]!.members[0]!.memberId));
    const busy = await call(`group seek ${group} --to earliest -y`);
    assertEquals(busy.code, 1);
    assertMatch(busy.stderr, /has a member/);
    await consumers[i]!.close();
    const sought = await call(`group seek ${group} --to earliest -y`);
    assertEquals(sought.code, 0, sought.stderr);
    const deleted = await call(`group delete ${group} -y`);
    assertEquals(deleted.code, 0, deleted.stderr);
  }
}
