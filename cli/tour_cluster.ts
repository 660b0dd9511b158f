/**
 * The cluster of `kf tour`: three brokers in processes of their own, a writer
 * that never stops by itself, and what clients see of them. It tells nothing;
 * whatever happens, nothing of it is left behind.
 *
 * @module
 */
import type { Admin, PartitionInfo, Producer } from "../net/client.ts";
import {
  type Child,
  makeTemporaryFolder,
  monoMs,
  nextTurn,
  removePath,
  sleep,
  startKf,
} from "./terminal.ts";

/** The one topic, of one partition. */
export const TOPIC = "tour";
const NODES = 3;
/** A record every so often: many enough to be missed, few enough to count. */
const PACE_MS = 10;

/** Quicker to notice than the defaults: people are watching. */
const CONFIG = new Map([
  ["broker.heartbeat.interval.ms", "500"],
  ["broker.session.timeout.ms", "3000"],
]);

/** One broker. */
interface Node {
  readonly id: number;
  readonly config: ReadonlyMap<string, string>;
  child: Child | undefined;
}

/** What the writer was answered. */
export interface Written {
  /** Values in the order in which they were acknowledged. */
  readonly acknowledged: readonly string[];
  /** Values that may be there or not. */
  readonly failed: number;
  /** The longest time without an acknowledgement. */
  readonly longestGapMs: number;
}

/** Three brokers, and clients of theirs. */
export class TourCluster implements AsyncDisposable {
  readonly folder: string = makeTemporaryFolder("kf-tour-");
  #nodes: readonly Node[] = [];
  #admin: Admin | undefined;
  #producer: Producer | undefined;
  readonly #acknowledged: string[] = [];
  #failed = 0;
  #longestGapMs = 0;
  #acknowledgedMs = 0;
  #isWriting = false;
  /** Why a broker has ended that should run. */
  #failure: Error | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** Starts the brokers; they serve once {@linkcode brokers} tells all. */
  async begin(): Promise<void> {
    const { clusterConfigs } = await import("../net/broker.ts");
    const configs = clusterConfigs({
      nodes: NODES,
      folder: this.folder,
      config: CONFIG,
    });
    this.#nodes = configs.map((config, i) => ({
      id: i + 1,
      config,
      child: undefined,
    }));
    for (const { id } of this.#nodes) this.start(id);
    const { createAdmin } = await import("../net/client.ts");
    this.#admin = createAdmin({
      "bootstrap.servers": this.addresses,
      "default.api.timeout.ms": 2000,
      "request.timeout.ms": 2000,
    }, { trace: () => {} });
  }

  /** For `bootstrap.servers`. */
  get addresses(): string {
    return this.#nodes.map(({ config }) =>
      /PLAINTEXT:\/\/([^,]+)/.exec(config.get("listeners")!)![1]
    ).join();
  }

  get ids(): readonly number[] {
    return this.#nodes.map(({ id }) => id);
  }

  /** Starts a broker, again or for the first time. */
  start(id: number): void {
    const node = this.#nodes[id - 1]!;
    const given = [...node.config].flatMap(([name, value]) => [
      "-X",
      `${name}=${value}`,
    ]);
    const child = startKf(["broker", "--http", "off", "-q", ...given]);
    node.child = child;
    child.ended.then(({ code, stderr }) => {
      // Ctrl-C ends them, too, in order.
      if (node.child !== child || code === 0) return;
      this.#failure = new Error(`Cannot go on: broker ${id} ended: ${stderr}`);
    });
  }

  /** Ends a broker as a loss of its process does: without a word. */
  async kill(id: number): Promise<void> {
    const node = this.#nodes[id - 1]!;
    const { child } = node;
    node.child = undefined;
    child?.kill();
    await child?.ended;
  }

  isRunning(id: number): boolean {
    return this.#nodes[id - 1]!.child !== undefined;
  }

  /** Ids of the brokers that serve; none while nobody answers. */
  async brokers(): Promise<number[]> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const { nodes } = await this.#admin!.describeCluster();
      return nodes.map(({ nodeId }) => nodeId);
    } catch {
      return [];
    }
  }

  async createTopic(): Promise<void> {
    const [created] = await this.#admin!.createTopics([{
      name: TOPIC,
      partitions: 1,
      replicationFactor: NODES,
      configs: { "min.insync.replicas": "2" },
    }]);
    if (created?.error) throw created.error;
  }

  /** The partition; undefined while nobody answers. */
  async partition(): Promise<PartitionInfo | undefined> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const [described] = await this.#admin!.describeTopics([TOPIC]);
      return described?.partitions[0];
    } catch {
      return undefined;
    }
  }

  /** Begins to write 1, 2, 3, …, each with `acks=all`. */
  async write(): Promise<void> {
    const { createProducer } = await import("../net/client.ts");
    this.#producer = createProducer({
      "bootstrap.servers": this.addresses,
      "acks": "all",
    }, { trace: () => {} });
    this.#isWriting = true;
    this.#acknowledgedMs = monoMs();
    this.#writing = this.#run(this.#producer);
  }

  /** Ends the writer once its last record is answered. */
  async stopWriting(): Promise<Written> {
    this.#isWriting = false;
    await this.#writing;
    return {
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      longestGapMs: this.#longestGapMs,
    };
  }

  /** Records that were acknowledged, and for how long there was none. */
  get progress(): { readonly count: number; readonly silentMs: number } {
    return {
      count: this.#acknowledged.length,
      silentMs: monoMs() - this.#acknowledgedMs,
    };
  }

  async #run(producer: Producer): Promise<void> {
    for (let i = 1; this.#isWriting; i++) {
      const value = String(i);
      try {
        await producer.send({ topic: TOPIC, partition: 0, value });
        this.#acknowledged.push(value);
        const nowMs = monoMs();
        const gapMs = nowMs - this.#acknowledgedMs;
        this.#longestGapMs = Math.max(this.#longestGapMs, gapMs);
        this.#acknowledgedMs = nowMs;
      } catch {
        this.#failed++;
      }
      await sleep(PACE_MS);
    }
  }

  /** All values of the topic, in order. */
  async readAll(): Promise<string[]> {
    const { createConsumer } = await import("../net/client.ts");
    const at = { topic: TOPIC, partition: 0 };
    const [end] = await this.#admin!.listOffsets([at], "latest");
    if (end?.error) throw end.error;
    const consumer = createConsumer({ "bootstrap.servers": this.addresses });
    try {
      consumer.assign([at]);
      consumer.seek(at, "earliest");
      const values: string[] = [];
      const decoder = new TextDecoder();
      while (values.length < end!.offset) {
        for (const { records } of await consumer.poll(1000)) {
          for (const { value } of records) values.push(decoder.decode(value!));
        }
        await nextTurn();
      }
      return values;
    } finally {
      await consumer.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isWriting = false;
    await this.#admin?.close();
    for (const { child } of this.#nodes) child?.kill();
    // What is left of its records won't be answered by anybody.
    await this.#producer?.close({ timeoutMs: 0 }).catch(() => {});
    await Promise.all(this.#nodes.map(({ child }) => child?.ended));
    removePath(this.folder);
  }
}
