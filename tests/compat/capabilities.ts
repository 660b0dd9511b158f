/**
 * What every foreign client is asked to do against a `kf broker`, in one fixed
 * list, and what must then stand on the broker. Owns the list, the topics that
 * are there beforehand and the checks on kf's side; how a client does each is
 * its own file's.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type Admin,
  createAdmin,
  createConsumer,
  createProducer,
} from "../../net/client.ts";
import {
  type BrokerProcess,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import {
  type Assignor,
  type Group,
  type Join,
  joinWithKf,
  takeTurns,
} from "./group.ts";

/** Compression types, by the number that a batch's attributes carry. */
export const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
export type Codec = typeof CODECS[number];

/** The list, in the order of the table. */
export const CAPABILITIES = [
  "connect",
  "create a topic",
  "change a topic",
  "delete a topic",
  ...CODECS.map((codec) => `produce ${codec}` as const),
  "produce idempotently",
  ...CODECS.map((codec) => `consume ${codec}` as const),
  "seek by time",
  "commit and resume",
  "rebalance two members",
  "share a group with kf consume",
  "share it cooperatively",
  "share it as the broker divides it",
  "list, describe and delete groups",
  "commit a transaction",
  "abort a transaction",
  "commit offsets in a transaction",
  "read committed records only",
  "delete records",
  "fail on an unknown topic",
  "fail on a message too large",
  "start over when the offset is out of range",
] as const;
export type Capability = typeof CAPABILITIES[number];

/** How many records each topic of a probe holds. */
export const COUNT = 100;
/** The first record's time in topic "times"; each next is a second later. */
const FIRST_MS = 1_700_000_000_000;
/** A time between the records 42 and 43. */
export const SOUGHT_MS = FIRST_MS + 42_500;
export const SOUGHT_OFFSET = 43;
/** What the probe of "commit and resume" leaves for its group. */
export const COMMITTED_OFFSET = 5;
/** Where the committed records of topic "settled" lie. */
export const COMMITTED_OFFSETS: readonly number[] = Array.from(
  { length: COUNT },
  (_, i) => COUNT + 1 + i,
);
/** Bytes of a message that topic "narrow" refuses. */
export const TOO_LARGE = 5000;
/** An offset beyond the end of topic "read-none". */
export const BEYOND_OFFSET = 99_999;

/** One of the clients. */
export interface Client {
  readonly name: string;
  readonly version: string;
  /** Why it can't be run here. */
  readonly missing?: string;
  readonly connect: (bootstrap: string) => Session;
  readonly join: Join;
  /** What it can't share by, and why. */
  readonly lacks?: Partial<Record<Assignor, string>>;
}

/** A client that is run against one broker. */
export interface Session extends AsyncDisposable {
  /** Does what a capability asks, or throws. Never asked for those of groups. */
  readonly probe: (capability: Capability) => Promise<void>;
}

/** Thrown by a probe when the client has no such thing; says why. */
export class NotOffered extends Error {}

export interface Result {
  readonly capability: Capability;
  /** "yes", or what the client lacks. */
  readonly outcome: string;
  readonly hasFailed: boolean;
}

/** Whether a capability is `produce` or `consume` with a codec, and which. */
export function codecOf(
  verb: "produce" | "consume",
  capability: Capability,
): Codec | undefined {
  return CODECS.find((codec) => capability === `${verb} ${codec}`);
}

/** A broker that doesn't make a client wait, nor makes topics by itself. */
export function startKf(data: string): Promise<BrokerProcess> {
  return startBrokerProcess({
    data,
    args: [
      ...["-X", "auto.create.topics.enable=false"],
      ...["-X", "group.initial.rebalance.delay.ms=100"],
      ...["-X", "offsets.topic.num.partitions=3"],
      ...["-X", "group.consumer.heartbeat.interval.ms=200"],
      ...["-X", "group.consumer.min.heartbeat.interval.ms=200"],
    ],
  });
}

/** Runs the whole list against a broker of its own. */
export async function examine(client: Client): Promise<Result[]> {
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  await using broker = await startKf(data);
  await prepare(broker);
  const results: Result[] = [];
  {
    await using session = client.connect(broker.address);
    for (const capability of CAPABILITIES) {
      const against = { broker, data, session };
      results.push(await examineOne(client, capability, against));
    }
  }
  assertEquals(await broker.end("SIGTERM"), 0);
  return results;
}

interface Against {
  readonly broker: BrokerProcess;
  readonly data: string;
  readonly session: Session;
}

/** The capabilities of groups: which topic, and whether kf is the member. */
const PLAYS: Partial<
  Record<Capability, Omit<Group, "bootstrap"> & { withKf: boolean[] }>
> = {
  "rebalance two members": {
    topic: "pair",
    assignor: "roundrobin",
    withKf: [false, false],
  },
  "share a group with kf consume": {
    topic: "mixed",
    assignor: "roundrobin",
    withKf: [false, true],
  },
  "share it cooperatively": {
    topic: "cooperative",
    assignor: "cooperative-sticky",
    withKf: [false, true, false],
  },
  "share it as the broker divides it": {
    topic: "divided",
    assignor: "uniform",
    withKf: [false, true, false],
  },
};

async function examineOne(
  client: Client,
  capability: Capability,
  against: Against,
): Promise<Result> {
  try {
    const bootstrap = against.broker.address;
    const play = PLAYS[capability];
    if (play !== undefined) {
      const lack = client.lacks?.[play.assignor];
      if (lack !== undefined) throw new NotOffered(lack);
      const joins = play.withKf.map((isKf) => isKf ? joinWithKf : client.join);
      await takeTurns({ bootstrap, ...play }, joins);
    } else {
      await against.session.probe(capability);
      await check(capability, against);
    }
    return { capability, outcome: "yes", hasFailed: false };
  } catch (error) {
    const outcome = error instanceof Error ? error.message : String(error);
    const hasFailed = !(error instanceof NotOffered);
    return { capability, outcome, hasFailed };
  }
}

/** The topics that probes write to, and those that they read, with records. */
async function prepare(broker: BrokerProcess): Promise<void> {
  const common = { "bootstrap.servers": broker.address };
  const admin = createAdmin(common);
  const created = await admin.createTopics([
    ...CODECS.map((codec) => ({ name: `write-${codec}` })),
    ...CODECS.map((codec) => ({ name: `read-${codec}` })),
    { name: "write-idempotent" },
    { name: "write-committed" },
    { name: "write-aborted" },
    { name: "settled" },
    { name: "times", configs: { "retention.ms": "-1" } },
    { name: "narrow", configs: { "max.message.bytes": "1000" } },
    { name: "pair", partitions: 4 },
    { name: "mixed", partitions: 4 },
    { name: "cooperative", partitions: 6 },
    { name: "divided", partitions: 6 },
    { name: "changing" },
    { name: "unwanted" },
    { name: "shrinking" },
  ]);
  await admin.close();
  for (const { error } of created) if (error) throw error;
  await settle(common);
  for (const codec of CODECS) {
    const producer = createProducer({ ...common, "compression.type": codec });
    for (let i = 0; i < COUNT; i++) {
      producer.append({ topic: `read-${codec}`, ...recordOf(i) });
      if (codec !== "none") continue;
      producer.append({ topic: "shrinking", ...recordOf(i) });
      const timestamp = FIRST_MS + i * 1000;
      producer.append({ topic: "times", ...recordOf(i), timestamp });
    }
    await producer.close();
  }
}

/** Topic "settled": a transaction that was aborted, and one that wasn't. */
async function settle(common: { "bootstrap.servers": string }): Promise<void> {
  const producer = createProducer({
    ...common,
    "transactional.id": "settling",
  });
  await producer.initTransactions();
  for (const isCommitted of [false, true]) {
    producer.beginTransaction();
    for (let i = 0; i < COUNT; i++) {
      producer.append({ topic: "settled", ...recordOf(i) });
    }
    await producer.flush();
    if (isCommitted) await producer.commitTransaction();
    else await producer.abortTransaction();
  }
  await producer.close();
}

function recordOf(i: number) {
  return {
    key: `k${i}`,
    value: `value ${i}`,
    headers: [["h", "v"]] as [string, string][],
  };
}

/** What must stand on the broker after the probe, as kf sees it. */
async function check(
  capability: Capability,
  { broker, data }: Against,
): Promise<void> {
  const common = { "bootstrap.servers": broker.address };
  const codec = codecOf("produce", capability);
  if (codec !== undefined) {
    const topic = `write-${codec}`;
    await readBack(common, topic);
    const attributes = firstBatch(data, topic).getUint16(21);
    assertEquals(CODECS[attributes & 7], codec, "the batch's codec");
  }
  if (capability === "produce idempotently") {
    await readBack(common, "write-idempotent");
    const batch = firstBatch(data, "write-idempotent");
    assert(batch.getBigInt64(43) >= 0n, "the batch carries no producer id");
    assertEquals(batch.getInt32(53), 0, "the batch's first sequence");
  }
  const written = TRANSACTIONAL[capability];
  if (written !== undefined) {
    await readBack({ ...common, "isolation.level": "read_committed" }, written);
    const attributes = firstBatch(data, written).getUint16(21);
    assertEquals(attributes & 0x10, 0x10, "the batch is transactional");
  }
  const admin = createAdmin(common);
  try {
    await CHECKS[capability]?.(admin);
  } finally {
    await admin.close();
  }
}

/** Topics whose committed records are those of a probe. */
const TRANSACTIONAL: Partial<Record<Capability, string>> = {
  "commit a transaction": "write-committed",
  "abort a transaction": "write-aborted",
};

/** What an admin client of kf must see then. */
const CHECKS: Partial<Record<Capability, (admin: Admin) => Promise<void>>> = {
  "create a topic": (admin) => checkTopic(admin, "made", [3, "7200000"]),
  "change a topic": (admin) => checkTopic(admin, "changing", [2, "3600000"]),
  async "delete a topic"(admin) {
    const topics = await admin.listTopics();
    assert(topics.every(({ name }) => name !== "unwanted"));
  },
  async "commit and resume"(admin) {
    const committed = await admin.listGroupOffsets("committing");
    assertEquals(
      committed.map(({ topic, offset }) => ({ topic, offset })),
      [{ topic: "read-none", offset: COMMITTED_OFFSET }],
    );
  },
  async "commit offsets in a transaction"(admin) {
    await until("the offset is committed", async () => {
      const [committed] = await admin.listGroupOffsets("transacting");
      return committed?.topic === "read-none" &&
        committed.offset === COMMITTED_OFFSET;
    });
  },
  async "list, describe and delete groups"(admin) {
    const groups = await admin.listGroups();
    assert(groups.every(({ groupId }) => groupId !== "committing"));
  },
  async "delete records"(admin) {
    const at = { topic: "shrinking", partition: 0 };
    const [start] = await admin.listOffsets([at], "earliest");
    assertEquals(start?.offset, SOUGHT_OFFSET);
  },
};

/** A topic's partitions and its retention.ms. */
async function checkTopic(
  admin: Admin,
  name: string,
  wanted: readonly [partitions: number, retention: string],
): Promise<void> {
  const [topic] = await admin.describeTopics([name]);
  const [config] = await admin.describeConfigs([{ type: "topic", name }]);
  const retention = config?.entries.find(({ name }) => name === "retention.ms");
  assertEquals([topic?.partitions.length, retention?.value], [...wanted]);
}

/** Reads a topic with kf and compares it with what a probe must write. */
async function readBack(
  common: { "bootstrap.servers": string; "isolation.level"?: string },
  topic: string,
): Promise<void> {
  const consumer = createConsumer(common);
  const text = new TextDecoder();
  const seen: unknown[] = [];
  try {
    consumer.assign([{ topic, partition: 0 }]);
    consumer.seek({ topic, partition: 0 }, "earliest");
    await until(`${topic} is read by kf`, async () => {
      for (const { records } of await consumer.poll(100)) {
        for (const { key, value, headers } of records) {
          seen.push({
            key: text.decode(key!),
            value: text.decode(value!),
            headers: headers.map((
              { key, value },
            ) => [key, text.decode(value!)]),
          });
        }
      }
      return seen.length >= COUNT;
    }, 10_000);
  } finally {
    await consumer.close();
  }
  assertEquals(seen, Array.from({ length: COUNT }, (_, i) => recordOf(i)));
}

/** The first batch of partition 0, as it lies in the broker's folder. */
function firstBatch(data: string, topic: string): DataView {
  const path = `${data}/${topic}-0/${"0".repeat(20)}.log`;
  return new DataView(Deno.readFileSync(path).buffer);
}
