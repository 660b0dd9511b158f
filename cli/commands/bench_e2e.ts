/**
 * `kf bench e2e`: how long a record takes from a producer to a consumer, both
 * in this process, so that one clock measures both ends. Records of others in
 * the topic are passed over.
 *
 * @module
 */
import type { Consumer, Producer, TopicPartition } from "../../net/client.ts";
import { Measured, printReport } from "../bench_report.ts";
import type { Call } from "../command.ts";
import { ItemsFailed, UsageError } from "../failure.ts";
import { say } from "../output.ts";
import { type Bounds, paced, readBounds } from "../pace.ts";
import { Progress } from "../progress.ts";
import { findSource, openConsumer, poll } from "../reading.ts";
import { Failures, isIdempotent, meetTopic, openProducer } from "../sending.ts";
import { settingsOf } from "../settings.ts";
import { monoMs, random64, takeInterrupts } from "../terminal.ts";
import { parseSize } from "../units.ts";

const COUNT = 10_000;
/** Faster than the cluster, only queues would be measured. */
const PER_SECOND = 1_000;
const VALUE_BYTES = 100;
/** Which run, by chance, and a double: when it was sent. */
const MARK_BYTES = 16;
const POLL_MS = 100;
/** How long what was acknowledged may stay away. */
const PATIENCE_MS = 10_000;

/** Runs `kf bench e2e`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const topic = args[0]!;
  const bounds = readBounds(flags, { count: COUNT, perSecond: PER_SECOND });
  const valueBytes = flags.parsed("size", parseSize) ?? VALUE_BYTES;
  if (valueBytes < MARK_BYTES) {
    throw new UsageError(
      `Cannot measure values of ${valueBytes} bytes: ${MARK_BYTES} are needed for the mark`,
    );
  }
  const producer = await openProducer(settingsOf("producer", settings), {
    "linger.ms": 0,
    "acks": flags.text("acks"),
    "enable.idempotence": isIdempotent(flags.text("acks")),
    "compression.type": flags.text("compression"),
  });
  // An answer with one record is as good as a full one.
  const consumer = await openConsumer(settingsOf("consumer", settings), {
    "fetch.min.bytes": 1,
  });
  const interrupts = takeInterrupts();
  const race = new Race(topic, valueBytes, new Progress("delivered", settings));
  try {
    await meetTopic(producer, topic, interrupts.signal);
    const { partitions } = await findSource(settings, topic);
    await seekToEnds(consumer, partitions);
    race.measured.start();
    await Promise.all([
      race.send(producer, bounds, interrupts.signal),
      race.receive(consumer, settings.timeoutMs ?? PATIENCE_MS),
    ]);
  } finally {
    race.end();
    await producer.close();
    await consumer.close();
    interrupts.release();
  }
  const { measured } = race;
  const latencyOf = "delivery";
  await printReport(measured, { benchmark: "e2e", topic, latencyOf }, settings);
  if (measured.failed === 0) return;
  say(`${measured.failed} records were not delivered`, settings);
  throw new ItemsFailed("records were not delivered");
}

/** Every partition, from its present end. */
async function seekToEnds(
  consumer: Consumer,
  partitions: readonly TopicPartition[],
): Promise<void> {
  consumer.assign(partitions);
  for (const { offset, ...at } of await consumer.endOffsets(partitions)) {
    consumer.seek(at, offset);
  }
}

/** Both ends of one run. */
class Race {
  readonly measured: Measured = new Measured();
  readonly #topic: string;
  readonly #mark: DataView<ArrayBuffer>;
  readonly #progress: Progress;
  readonly #failures = new Failures();
  readonly #run = random64();
  #sent = 0;
  #isSending = true;
  #isOver = false;

  constructor(topic: string, valueBytes: number, progress: Progress) {
    this.#topic = topic;
    this.#mark = new DataView(new ArrayBuffer(valueBytes));
    this.#mark.setBigUint64(0, this.#run);
    this.#progress = progress;
  }

  /** Sends within the bounds. */
  async send(
    producer: Producer,
    bounds: Bounds,
    stop: AbortSignal,
  ): Promise<void> {
    const value = new Uint8Array(this.#mark.buffer);
    try {
      await paced(bounds, stop, () => {
        this.#sent++;
        this.#mark.setFloat64(8, monoMs());
        producer.append({ topic: this.#topic, value }, (error) => {
          if (error) this.#failures.add("a record", error);
        });
        return producer.ready();
      });
      await producer.flush();
    } finally {
      this.#isSending = false;
    }
  }

  /** Receives what is sent; gives up when nothing has come for `patienceMs`. */
  async receive(consumer: Consumer, patienceMs: number): Promise<void> {
    const { measured } = this;
    const never = new AbortController().signal;
    let heardMs = monoMs();
    while (!this.#isOver) {
      for (const { records } of await poll(consumer, POLL_MS, never)) {
        for (const { value } of records) this.#arrived(value);
        heardMs = monoMs();
      }
      if (this.#isSending) heardMs = Math.max(heardMs, monoMs());
      this.#progress.tick();
      const expected = this.#sent - this.#failures.count;
      if (this.#isSending) continue;
      if (measured.records >= expected) break;
      if (monoMs() - heardMs > patienceMs) break;
    }
    measured.failed = this.#sent - measured.records;
  }

  /** Lets a receiver end whose sender has failed. */
  end(): void {
    this.#isOver = true;
    this.#failures.end();
    this.#progress.end();
  }

  #arrived(value: Uint8Array | null): void {
    if (value?.length !== this.#mark.byteLength) return;
    const mark = new DataView(value.buffer, value.byteOffset, MARK_BYTES);
    if (mark.getBigUint64(0) !== this.#run) return;
    this.measured.latency.add(monoMs() - mark.getFloat64(8));
    this.measured.records++;
    this.measured.bytes += value.length;
    this.measured.lap();
    this.#progress.records++;
    this.#progress.bytes += value.length;
  }
}
