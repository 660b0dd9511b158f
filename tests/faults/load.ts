/**
 * What every faulty run puts on a broker: producers of all acknowledgement
 * levels, idempotent ones and transactions on several partitions, beside groups
 * that commit what they read. Owns the topics, who writes where, and the
 * history, which the simulator's checker judges.
 *
 * @module
 */
import {
  createAdmin,
  createConsumer,
  type TopicPartition,
} from "../../net/client.ts";
import type { Chance } from "../sim/chance.ts";
import { until } from "../fixtures.ts";
import { type Anomaly, check } from "../sim/checker.ts";
import type { Ending, FinalLog, History } from "../sim/history.ts";
import { CLIENT, DECODER, Reader, Writer, type WriterPlan } from "./clients.ts";
import { groupOf, Transactor } from "./transactor.ts";
import { settledEnds } from "./transaction_writers.ts";

/** What a run came to. */
export interface Verdict {
  /** Records that were acknowledged. */
  readonly acknowledged: number;
  /** Transactions whose producers were told so. */
  readonly committed: number;
  readonly aborted: number;
  readonly anomalies: readonly Anomaly[];
  /** All that was done and seen; kept when something is wrong. */
  readonly history: unknown;
}

/** What transactions write to. */
const WHOLE = "whole";

const NEVER = "9223372036854775807";

/** What is promised of each topic; the broker syncs every append by default. */
const TOPICS = [
  { name: "durable", isDurable: true, partitions: 2, configs: {} },
  {
    name: "plain",
    isDurable: false,
    partitions: 2,
    configs: { "flush.messages": NEVER },
  },
  { name: WHOLE, isDurable: true, partitions: 3, configs: {} },
];

/** Who writes where: beside transactions too, whose gaps nobody can judge. */
const WRITERS: readonly WriterPlan[] = [
  { topic: "durable", partitions: 2, acks: "all", idempotentInFlight: 5 },
  { topic: "durable", partitions: 2, acks: "all", idempotentInFlight: 1 },
  { topic: "durable", partitions: 2, acks: "1" },
  { topic: "plain", partitions: 2, acks: "all", idempotentInFlight: 5 },
  { topic: "plain", partitions: 2, acks: "all" },
  { topic: "plain", partitions: 2, acks: "0" },
  { topic: WHOLE, partitions: 3, acks: "all", idempotentInFlight: 1 },
  { topic: WHOLE, partitions: 3, acks: "1" },
];

/** What is put on a broker, or on several. */
interface LoadPlan {
  readonly isCluster: boolean;
  readonly topics: typeof TOPICS;
  readonly writers: readonly WriterPlan[];
}

/** One broker: each topic by its own promise. */
const ALONE: LoadPlan = { isCluster: false, topics: TOPICS, writers: WRITERS };

/** Several: all that is acknowledged to `acks=all` stays, and no more is promised. */
export const REPLICATED: LoadPlan = {
  isCluster: true,
  topics: TOPICS.map((topic) => ({ ...topic, isDurable: true, configs: {} })),
  writers: WRITERS.filter(({ acks }) => acks === "all"),
};

/** Whom the load is put on. */
export interface LoadTarget {
  /** For `bootstrap.servers`. */
  readonly address: string;
  readonly endsMs: readonly number[];
  readonly powerLossesMs: readonly number[];
}

/** A client of another make that writes, too. */
export interface OtherWriter {
  readonly name: string;
  readonly isTold: boolean;
  stop(): Promise<void>;
}

/** Transactional ids; each with a group whose offset it commits. */
const TRANSACTIONAL_IDS = ["t0", "t1", "t2"];

/** The groups; each reads all topics and commits. */
const GROUPS = [
  { name: "readers", isolation: "read_uncommitted" },
  { name: "committed", isolation: "read_committed" },
] as const;

/** Power may take a group back to a member that is gone: its session ends. */
const GROUP_MS = 120_000;
/** A transaction whose producer is gone is ended by its time-out. */
const SETTLED_MS = 90_000;

/** Clients that live through every fault. */
export class Load {
  /** What was told to be committed must be so after a loss of power, too. */
  static readonly args: readonly string[] = [
    ...["-X", "log.flush.interval.messages=1"],
    ...["-X", "transaction.state.log.num.partitions=3"],
  ];
  readonly #host: LoadTarget;
  readonly #chance: Chance;
  readonly #plan: LoadPlan;
  readonly #partitions: readonly TopicPartition[];
  readonly #history: History;
  readonly #writers: OtherWriter[] = [];
  readonly #readers: Reader[] = [];
  #seen = new Map<string, number>();

  constructor(host: LoadTarget, chance: Chance, plan = ALONE) {
    this.#host = host;
    this.#chance = chance;
    this.#plan = plan;
    const names = plan.topics.map(({ name }) => name);
    this.#partitions = plan.topics.flatMap(({ name: topic, partitions }) =>
      Array.from(
        { length: partitions },
        (_, partition) => ({ topic, partition }),
      )
    );
    this.#history = {
      isCluster: plan.isCluster,
      topics: plan.topics.map(({ name, isDurable }) => ({
        name,
        isDurable,
        isRetained: false,
        isChurned: false,
      })),
      groups: new Map(GROUPS.map(({ name }) => [name, names])),
      committedReaders: new Set(
        GROUPS.filter(({ isolation }) => isolation === "read_committed")
          .map(({ name }) => name),
      ),
      isAllDurable: true,
      transactions: [],
      sends: [],
      polls: [],
      commits: [],
      changes: [],
      endsMs: host.endsMs,
      powerLossesMs: host.powerLossesMs,
      logs: new Map(),
      committed: new Map(),
    };
  }

  /** Makes the topics and begins. */
  async start(): Promise<void> {
    const { address } = this.#host;
    const [history, chance] = [this.#history, this.#chance];
    await this.#prepare();
    for (const [i, plan] of this.#plan.writers.entries()) {
      const name = `w${i}`;
      this.#writers.push(new Writer(plan, { name, address, history, chance }));
    }
    for (const name of TRANSACTIONAL_IDS) {
      this.#writers.push(
        new Transactor(WHOLE, {
          ...{ partitions: 3, name, address, history, chance },
        }),
      );
    }
    for (const { name: group, isolation } of GROUPS) {
      this.#readers.push(
        new Reader(this.#partitions, { group, isolation, address, history }),
      );
    }
    await until("records are acknowledged", () => this.hasMoved());
  }

  /** Every third run has transactions as old clients know them. */
  async #prepare(): Promise<void> {
    const { address } = this.#host;
    const admin = createAdmin({ ...CLIENT, "bootstrap.servers": address });
    await admin.createTopics(
      this.#plan.topics.map(({ name, partitions, configs }) => ({
        name,
        partitions,
        configs,
      })),
    );
    if (this.#chance.oneIn(3)) {
      const name = "transaction.version";
      await admin.updateFeatures([{ name, level: 0, kind: "downgrade" }]);
    }
    await admin.close();
  }

  /** Whether each of them made progress since this last was so. */
  hasMoved(): boolean {
    const now = new Map<string, number>();
    for (const { producer, ending } of this.#history.sends) {
      if (ending === "ok") now.set(producer, (now.get(producer) ?? 0) + 1);
    }
    const names = this.#writers.filter(({ isTold }) => isTold)
      .map(({ name }) => name);
    const hasMoved = names.every((name) =>
      (now.get(name) ?? 0) > (this.#seen.get(name) ?? 0)
    );
    if (hasMoved) this.#seen = now;
    return hasMoved;
  }

  /** Adds a writer of another make, which notes what it did in the history. */
  add(make: (history: History) => OtherWriter): void {
    this.#writers.push(make(this.#history));
  }

  /**
   * Ends, with the broker healthy, and judges what was done and seen, and what
   * `reread`, a reader of another make, finds.
   */
  async finish(
    reread: (history: History) => Promise<readonly Anomaly[]> = () =>
      Promise.resolve([]),
  ): Promise<Verdict> {
    const { address } = this.#host;
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    const history = this.#history;
    const at = { address, properties: CLIENT, settledMs: SETTLED_MS };
    const partitions = this.#partitions;
    const ends = await settledEnds(at, partitions);
    const logs = await readLogs(address, { ends, partitions });
    for (const [name, log] of logs) {
      history.logs.set(name, log);
    }
    await Promise.all(
      this.#readers.map((reader) => reader.stop(history.logs, GROUP_MS)),
    );
    await this.#readCommitted();
    return {
      acknowledged: countOf(history.sends, "ok"),
      committed: countOf(history.transactions, "ok"),
      aborted: countOf(history.transactions, "fail"),
      anomalies: [...check(history), ...await reread(history)],
      history: {
        ...history,
        groups: [...history.groups],
        committedReaders: [...history.committedReaders],
        logs: [...history.logs],
        committed: Array.from(history.committed, ([name, offsets]) => [
          name,
          [...offsets],
        ]),
        commits: history.commits.map((commit) => ({
          ...commit,
          offsets: [...commit.offsets],
        })),
      },
    };
  }

  async #readCommitted(): Promise<void> {
    const address = this.#host.address;
    const admin = createAdmin({ "bootstrap.servers": address });
    for (const { name: group } of GROUPS) {
      this.#note(group, await admin.listGroupOffsets(group));
    }
    for (const group of TRANSACTIONAL_IDS.map(groupOf)) {
      // A commit is told of before its marker is there: stable offsets wait for it.
      const consumer = createConsumer({
        ...CLIENT,
        "bootstrap.servers": address,
        "group.id": group,
        "default.api.timeout.ms": SETTLED_MS,
      });
      const first = { topic: WHOLE, partition: 0 };
      this.#note(group, await consumer.committed([first]));
      await consumer.close();
    }
    await admin.close();
  }

  #note(
    group: string,
    offsets: readonly (TopicPartition & { readonly offset: number })[],
  ): void {
    this.#history.committed.set(
      group,
      new Map(
        offsets.map(({ topic, partition, offset }) => [
          `${topic}-${partition}`,
          offset,
        ]),
      ),
    );
  }
}

function countOf(
  all: readonly { readonly ending: Ending }[],
  wanted: Ending,
): number {
  return all.filter(({ ending }) => ending === wanted).length;
}

/** What is committed in every partition, from its start to its end as it is. */
async function readLogs(
  address: string,
  { ends, partitions }: {
    readonly ends: readonly number[];
    readonly partitions: readonly TopicPartition[];
  },
): Promise<Map<string, FinalLog>> {
  const consumer = createConsumer({
    ...CLIENT,
    "bootstrap.servers": address,
    "isolation.level": "read_committed",
  });
  const starts = await consumer.beginningOffsets(partitions);
  const logs = new Map(partitions.map(({ topic, partition }, i) => [
    `${topic}-${partition}`,
    {
      start: starts[i]!.offset,
      end: ends[i]!,
      records: [] as { offset: number; value: string }[],
    },
  ]));
  consumer.assign(partitions);
  for (const each of partitions) consumer.seek(each, "earliest");
  await until("the logs are read", async () => {
    for (const { topic, partition, records } of await consumer.poll(200)) {
      const log = logs.get(`${topic}-${partition}`)!;
      for (const { offset, value } of records) {
        log.records.push({ offset, value: DECODER.decode(value!) });
      }
    }
    const positions = await Promise.all(
      partitions.map((each) => consumer.position(each)),
    );
    return positions.every((position, i) => position >= ends[i]!);
  }, 60_000);
  await consumer.close();
  return logs;
}
