/**
 * Finds out for how long nothing could be written, by partition: one record of
 * each is under way, the next follows soon after its acknowledgement. Owns its
 * topic and the times; judges nothing.
 *
 * @module
 */
import {
  createAdmin,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import { CLIENT } from "./clients.ts";

/** Where it writes. */
export const PROBED = { topic: "probe", partitions: 6 };

const EVERY_MS = 20;

/** One acknowledgement. */
interface Ack {
  readonly sentMs: number;
  readonly ackMs: number;
}

/** Writes with `acks=all` until it is closed. */
export class Probe implements AsyncDisposable {
  readonly #producer: Producer;
  /** The latest ones of each partition. */
  readonly #acks: Ack[][] = Array.from({ length: PROBED.partitions }, () => []);
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #isOver = false;

  private constructor(address: string) {
    this.#producer = createProducer({
      ...CLIENT,
      "bootstrap.servers": address,
      "acks": "all",
      "linger.ms": 0,
    });
  }

  static async start(address: string): Promise<Probe> {
    const admin = createAdmin({ ...CLIENT, "bootstrap.servers": address });
    const { topic: name, partitions } = PROBED;
    await admin.createTopics([{ name, partitions }]);
    await admin.close();
    const probe = new Probe(address);
    for (let index = 0; index < partitions; index++) probe.#send(index);
    return probe;
  }

  /** Whether every partition took something that was sent after `sinceMs`. */
  hasResumed(sinceMs: number): boolean {
    return this.#acks.every((acks) => (acks.at(-1)?.sentMs ?? 0) > sinceMs);
  }

  /** The longest silence of each partition since `sinceMs`. */
  silencesMs(sinceMs: number): number[] {
    return this.#acks.map((acks) => {
      const first = acks.findIndex(({ ackMs }) => ackMs > sinceMs);
      if (first < 0) return Date.now() - sinceMs;
      const times = [sinceMs, ...acks.slice(first).map(({ ackMs }) => ackMs)];
      return Math.max(...times.map((ms, i) => ms - (times[i - 1] ?? ms)));
    });
  }

  #send(partition: number): void {
    if (this.#isOver) return;
    const sentMs = Date.now();
    const { topic } = PROBED;
    const value = new Uint8Array(10);
    this.#producer.append({ topic, partition, value }, (error) => {
      // The next one tells.
      const ackMs = Date.now();
      if (!error) this.#acks[partition]!.push({ sentMs, ackMs });
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#send(partition);
      }, EVERY_MS);
      this.#timers.add(timer);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#producer.close();
  }
}
