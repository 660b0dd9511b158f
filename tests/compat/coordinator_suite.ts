/**
 * Groups and transactions whose coordinator moves between kf and Apache Kafka:
 * each goes on from what the other wrote, and nobody's application notices.
 * Owns the steps; whoever runs them brings the cluster.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type Consumer,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import { until } from "../fixtures.ts";
import type { Pair } from "./replica_suite.ts";

const OFFSETS = "__consumer_offsets";
const TRANSACTIONS = "__transaction_state";
const PARTITIONS = [0, 1, 2, 3];

/** Where all coordinators of one kind shall be. */
async function coordinate(
  pair: Pair,
  topic: string,
  [leader, follower]: readonly [number, number],
): Promise<void> {
  const [described] = await pair.admin.describeTopics([topic]);
  const replicas = [leader, follower];
  const all = described!.partitions.map(({ partition }) => ({
    topic,
    partition,
    replicas,
  }));
  for (const { error } of await pair.admin.alterPartitionReassignments(all)) {
    assertEquals(error, undefined);
  }
  await until(`${topic} is on ${replicas}`, async () => {
    const [now] = await pair.admin.describeTopics([topic]);
    return now!.partitions.every((each) =>
      each.replicas.join() === replicas.join() && each.isr.length === 2
    );
  }, 60_000);
  await pair.admin.electLeaders("preferred", all);
  await until(`${leader} leads ${topic}`, async () => {
    const [now] = await pair.admin.describeTopics([topic]);
    return now!.partitions.every((each) => each.leader === leader);
  }, 60_000);
}

/** The pair's two ways: as it is, and back. */
function ways({ leader, follower }: Pair): (readonly [number, number])[] {
  return [[leader, follower], [follower, leader], [leader, follower]];
}

/** Reads in the background, and remembers what. */
class Reading {
  readonly values: string[] = [];
  readonly errors: unknown[] = [];
  readonly consumer: Consumer;
  #isOver = false;
  #loop: Promise<void>;

  constructor(
    pair: Pair,
    { topic, ...config }: {
      readonly topic: string;
      readonly "group.id": string;
      readonly "client.id": string;
      readonly "group.protocol": "classic" | "consumer";
    },
  ) {
    this.consumer = createConsumer({
      ...pair.config,
      ...config,
      "auto.offset.reset": "earliest",
      "auto.commit.interval.ms": 200,
      ...config["group.protocol"] === "classic"
        ? { "heartbeat.interval.ms": 300 }
        : {},
    });
    this.consumer.subscribe([topic]);
    this.#loop = this.#read();
  }

  async #read(): Promise<void> {
    while (!this.#isOver) {
      try {
        for (const { records } of await this.consumer.poll(100)) {
          for (const { value } of records) {
            this.values.push(new TextDecoder().decode(value!));
          }
        }
      } catch (error) {
        this.errors.push(error);
        return;
      }
    }
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#loop;
    await this.consumer.close();
  }
}

/** A group of two members, and all that was sent to their topic. */
class Sharing {
  readonly sent: string[] = [];
  readonly readers: readonly Reading[];
  readonly group: string;
  readonly #pair: Pair;
  readonly #topic: string;
  readonly #producer: Producer;

  constructor(
    pair: Pair,
    { topic, group, protocol }: {
      readonly topic: string;
      readonly group: string;
      readonly protocol: "classic" | "consumer";
    },
  ) {
    this.#pair = pair;
    this.#topic = topic;
    this.group = group;
    this.#producer = createProducer(pair.config);
    this.readers = ["a", "b"].map((id) =>
      new Reading(pair, {
        topic,
        "group.id": group,
        "client.id": id,
        "group.protocol": protocol,
      })
    );
  }

  get read(): string[] {
    return this.readers.flatMap(({ values }) => values);
  }

  get errors(): unknown[] {
    return this.readers.flatMap(({ errors }) => errors);
  }

  /** As its coordinator tells it. */
  async described() {
    const [found] = await this.#pair.admin.describeGroups([this.group]);
    assertEquals(found!.error, undefined);
    const { state, type, members, protocol } = found!;
    const each = members.map(({ memberId, clientId, assignment }) => ({
      memberId,
      clientId,
      has: assignment.map(({ partition }) => partition).sort(),
    })).sort((one, other) => one.clientId < other.clientId ? -1 : 1);
    return { state, type, protocol, each };
  }

  /** A record to each partition, which is read, and then committed. */
  async send(name: string): Promise<void> {
    await Promise.all(PARTITIONS.map(async (partition) => {
      const value = `${name} ${partition}`;
      await this.#producer.send({ topic: this.#topic, partition, value });
      this.sent.push(value);
    }));
    await until(
      `${name} is read: ${this.errors}`,
      () => this.sent.every((value) => this.read.includes(value)),
      60_000,
    );
    await until(`${name} is committed`, async () => {
      const committed = await this.#pair.admin.listGroupOffsets(this.group);
      return committed.length === PARTITIONS.length &&
        committed.every(({ offset }) =>
          offset === this.sent.length / PARTITIONS.length
        );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.readers.map((reader) => reader.close()));
    await this.#producer.close();
  }
}

/** A group with two members and one without go from coordinator to coordinator. */
export async function groupsMove(
  pair: Pair,
  protocol: "classic" | "consumer",
): Promise<void> {
  const topic = await pair.create(`groups-${protocol}`, {
    partitions: PARTITIONS.length,
  });
  const group = pair.topic(`g-${protocol}`);
  {
    await using sharing = new Sharing(pair, { topic, group, protocol });
    await sharing.send("first");
    const before = await until("both have a share", async () => {
      const now = await sharing.described();
      return now.state === "Stable" &&
        now.each.every(({ has }) => has.length === 2) && now;
    });
    for (const [round, way] of ways(pair).entries()) {
      const noted = await note(pair, { topic, group, round });
      await coordinate(pair, OFFSETS, way);
      assertEquals(await sharing.described(), before);
      await noted();
      await sharing.send(`round ${round}`);
      assertEquals(await sharing.described(), before);
    }
    assertEquals(sharing.errors, []);
    // Nobody lost the group, so that nothing was read again.
    assertEquals(sharing.read.toSorted(), sharing.sent.toSorted());
  }
  const [left] = await pair.admin.describeGroups([group]);
  assertEquals([left!.state, left!.members.length], ["Empty", 0]);
  const [deleted] = await pair.admin.deleteGroups([group]);
  assertEquals(deleted!.error, undefined);
}

/** Commits offsets of a group without members; gives the check that they are there. */
async function note(
  { admin }: Pair,
  { topic, group, round }: {
    readonly topic: string;
    readonly group: string;
    readonly round: number;
  },
): Promise<() => Promise<void>> {
  const idle = `${group}-idle-${round}`;
  const metadata = `noted by round ${round}`;
  const at = PARTITIONS.map((partition) => ({
    topic,
    partition,
    offset: 100 * round + partition,
    metadata,
  }));
  await admin.alterGroupOffsets(idle, at);
  return async () => {
    const noted = (await admin.listGroupOffsets(idle))
      .toSorted((one, other) => one.partition - other.partition);
    assertEquals(
      noted.map(({ offset }) => offset),
      at.map(({ offset }) => offset),
    );
    assertEquals(noted.map((each) => each.metadata), at.map(() => metadata));
  };
}

/** Transactions that are open, idle or forgotten while their coordinator moves. */
export async function transactionsMove(
  pair: Pair,
  version: number,
): Promise<void> {
  const topic = await pair.create(`txn-moves-${version}`, { partitions: 4 });
  const ids = ["open", "forgotten"].map((name) =>
    pair.topic(`${name}-${version}`)
  );
  const [open, forgotten] = ids.map((id) =>
    createProducer({
      ...pair.config,
      "transactional.id": id,
      "transaction.timeout.ms": 10_000,
    })
  ) as [Producer, Producer];
  await open.initTransactions();
  const committed: string[] = [];
  const write = (producer: Producer, value: string) =>
    Promise.all(
      PARTITIONS.map((partition) => producer.send({ topic, partition, value })),
    );
  const group = pair.topic(`txn-group-${version}`);
  for (const [i, way] of ways(pair).entries()) {
    open.beginTransaction();
    await write(open, `open ${i}`);
    await coordinate(pair, TRANSACTIONS, way);
    await write(open, `still open ${i}`);
    await open.sendOffsetsToTransaction(
      [{ topic, partition: 0, offset: i + 1 }],
      {
        groupId: group,
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
      },
    );
    await open.commitTransaction();
    committed.push(`open ${i}`, `still open ${i}`);
    await until("its offsets are committed", async () => {
      const [at] = await pair.admin.listGroupOffsets(group);
      return at?.offset === i + 1;
    });
    open.beginTransaction();
    await write(open, `aborted ${i}`);
    await open.abortTransaction();
  }
  await open.close();
  // Begun under one coordinator, timed out by the other.
  await forgotten.initTransactions();
  forgotten.beginTransaction();
  await write(forgotten, "forgotten");
  await coordinate(pair, TRANSACTIONS, [pair.follower, pair.leader]);
  await until("it is aborted", async () => {
    const [found] = await pair.admin.describeTransactions([ids[1]!]);
    return found!.state === "CompleteAbort";
  }, 60_000);
  await forgotten.close();
  assertEquals(
    (await readAll(pair, topic)).toSorted(),
    PARTITIONS.flatMap(() => committed).toSorted(),
  );
  const listed = await pair.admin.listTransactions();
  for (const id of ids) {
    assert(listed.some(({ transactionalId }) => transactionalId === id), id);
  }
}

/** All committed values, up to the last stable offset of each partition. */
async function readAll(pair: Pair, topic: string): Promise<string[]> {
  const partitions = PARTITIONS.map((partition) => ({ topic, partition }));
  const consumer = createConsumer({
    ...pair.config,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
  });
  consumer.assign(partitions);
  const ends = await pair.admin.listOffsets(partitions, "latest");
  const values: string[] = [];
  await until(`${topic} is read to its ends`, async () => {
    for (const { records } of await consumer.poll(200)) {
      for (const { value } of records) {
        values.push(new TextDecoder().decode(value!));
      }
    }
    const at = await Promise.all(
      partitions.map((one) => consumer.position(one)),
    );
    return at.every((offset, i) => offset >= ends[i]!.offset!);
  });
  await consumer.close();
  return values;
}
