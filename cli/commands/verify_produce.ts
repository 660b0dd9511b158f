/**
 * `kf verify produce`: numbered records into a topic, and on stdout the ledger
 * of what was acknowledged. A line of the ledger is printed only after the
 * acknowledgement, so that a killed run has promised no more than was kept.
 *
 * @module
 */
import type { OnDone } from "../../net/client.ts";
import { ByteSink } from "../byte_sink.ts";
import type { Call } from "../command.ts";
import { ItemsFailed } from "../failure.ts";
import { keyOfSeq, type LedgerHead, valueOfSeq } from "../ledger.ts";
import { paced, readBounds } from "../pace.ts";
import { Progress } from "../progress.ts";
import { Failures, isIdempotent, meetTopic, openProducer } from "../sending.ts";
import {
  monoMs,
  processId,
  takeInterrupts,
  wallMs,
  writeOut,
} from "../terminal.ts";
import { parseCount, parseSize } from "../units.ts";

const COUNT = 10_000;
const KEYS = 10;
const VALUE_BYTES = 100;
const FLUSH_BYTES = 32 * 1024;
const FLUSH_MS = 50;

/** Runs `kf verify produce`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const head = readHead(call);
  const { topic } = head;
  const bounds = readBounds(flags, { count: COUNT });
  const producer = await openProducer(settings, {
    "acks": head.acks,
    "enable.idempotence": isIdempotent(head.acks),
  });
  const failures = new Failures();
  const progress = new Progress("sent", settings);
  const ledger = new Lines();
  const interrupts = takeInterrupts();
  const onDone: OnDone = (error, at, seq) => {
    if (error) {
      failures.add("record", error, seq);
      ledger.add({ seq, error: error.error });
    } else ledger.add({ seq, partition: at!.partition, offset: at!.offset });
  };
  try {
    await meetTopic(producer, topic, interrupts.signal);
    ledger.add(head);
    await paced(bounds, interrupts.signal, (seq) => {
      const value = valueOfSeq(head, seq);
      progress.records++;
      progress.bytes += value.length;
      producer.append(
        { topic, key: keyOfSeq(head, seq), value, tag: seq },
        onDone,
      );
      progress.tick();
      ledger.tick();
      return producer.ready();
    });
    await producer.flush();
  } finally {
    await producer.close();
    interrupts.release();
    failures.end();
    progress.end();
    ledger.flush();
  }
  if (failures.count > 0) throw new ItemsFailed("records failed");
}

function readHead({ args, flags, settings }: Call): LedgerHead {
  const number = (name: string) => (text: string) => parseCount(text, { name });
  const acks = flags.text("acks") ?? settings.properties["acks"] ?? "all";
  const isWished = settings.properties["enable.idempotence"] !== "false";
  return {
    run: `${wallMs().toString(36)}-${processId().toString(36)}`,
    topic: args[0]!,
    acks,
    isIdempotent: isWished && isIdempotent(acks) !== false,
    keys: flags.parsed("keys", number("a number of keys")) ?? KEYS,
    valueBytes: flags.parsed("size", parseSize) ?? VALUE_BYTES,
  };
}

/** Lines on their way to stdout. */
class Lines {
  readonly #sink = new ByteSink(2 * FLUSH_BYTES);
  #flushedMs = monoMs();

  /** Adds one; nothing is written within a callback of the producer. */
  add(line: object): void {
    this.#sink.text(JSON.stringify(line) + "\n");
  }

  /** Writes them when they are many or old. */
  tick(): void {
    const isFull = this.#sink.length >= FLUSH_BYTES;
    if (isFull || monoMs() - this.#flushedMs >= FLUSH_MS) this.flush();
  }

  /** Writes them. */
  flush(): void {
    const bytes = this.#sink.view();
    this.#sink.length = 0;
    this.#flushedMs = monoMs();
    if (bytes.length > 0) writeOut(bytes);
  }
}
