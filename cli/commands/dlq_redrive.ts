/**
 * `kf dlq redrive`: dead letters of `kf pipe` back to the topics they came from,
 * as they were, exactly once. A group keeps how far it got, so that the next run
 * goes on with what came since.
 *
 * @module
 */
import type {
  ConsumerRecord,
  KafkaError,
  Producer,
  ProducerRecord,
} from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { redriven } from "../dead_letters.ts";
import { type Check, ExactlyOnce } from "../exactly_once.ts";
import { ItemsFailed } from "../failure.ts";
import { printAnswer, say } from "../output.ts";
import { Progress } from "../progress.ts";
import { findSource, openConsumer, readToEnds } from "../reading.ts";
import { commonProperties, type Settings, settingsOf } from "../settings.ts";
import { takeInterrupts } from "../terminal.ts";

const BATCH_RECORDS = 500;

/** What is sent where. */
interface Redrive {
  readonly from: string;
  readonly group: string;
  /** Instead of the topics that the letters name. */
  readonly to: string | undefined;
  /** Records by the topic they are for. */
  readonly counts: Map<string, number>;
}

/** Runs `kf dlq redrive`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const from = args[0]!;
  const isDry = flags.has("dry-run");
  const redrive: Redrive = {
    from,
    group: flags.text("group") ?? `kf-dlq-redrive.${from}`,
    to: flags.text("to"),
    counts: new Map(),
  };
  const interrupts = takeInterrupts();
  const { signal: stop } = interrupts;
  try {
    if (isDry) await look(redrive, settings, stop);
    else await send(redrive, settings, stop);
  } finally {
    interrupts.release();
  }
  const rows = [...redrive.counts].sort(([a], [b]) => a < b ? -1 : 1);
  await printAnswer({
    json: rows.map(([topic, records]) => ({
      topic,
      records,
      redriven: !isDry,
    })),
    columns: ["topic", "records", "outcome"],
    rows: rows.map(([topic, records]) => [
      topic,
      records,
      isDry ? "would be redriven" : "redriven",
    ]),
    whenEmpty: "no dead letters",
  }, settings);
  if (stop.aborted) {
    say("interrupted: the same line goes on from here", settings);
    throw new ItemsFailed("interrupted");
  }
}

/** Reads what a run would send. */
async function look(
  redrive: Redrive,
  settings: Settings,
  stop: AbortSignal,
): Promise<void> {
  const own = settingsOf("consumer", settings);
  const { partitions } = await findSource(own, redrive.from);
  const committed = await withAdmin(
    { ...settings, properties: commonProperties(settings) },
    (admin) => admin.listGroupOffsets(redrive.group, partitions),
  );
  const consumer = await openConsumer(own, {
    "isolation.level": "read_committed",
  });
  try {
    await readToEnds(consumer, {
      partitions,
      starts: new Map(
        committed.filter(({ offset }) => offset >= 0)
          .map(({ partition, offset }) => [partition, offset]),
      ),
      stop,
      take(records) {
        for (const record of records) count(redrive, meant(redrive, record));
      },
    });
  } finally {
    await consumer.close();
  }
}

async function send(
  redrive: Redrive,
  settings: Settings,
  stop: AbortSignal,
): Promise<void> {
  await findSource(settingsOf("consumer", settings), redrive.from);
  const progress = new Progress("redriven", settings);
  const work = await ExactlyOnce.open(settings, {
    topic: redrive.from,
    group: redrive.group,
    countOf: () => BATCH_RECORDS,
    countMax: BATCH_RECORDS,
    lingerMs: 0,
    isEndedAtEnd: true,
    stop,
  });
  try {
    for (let batch; (batch = await work.next()) !== undefined;) {
      const records = batch.records.map((record) => meant(redrive, record));
      const isDone = await work.commit(
        batch,
        (producer) => write(producer, records),
      );
      if (!isDone) continue;
      for (const record of records) count(redrive, record);
      progress.records += records.length;
      progress.tick();
    }
  } finally {
    await work.close();
    if (progress.records > 0) progress.end();
  }
}

/** Each to the partition it was in, where there is such a one. */
async function write(
  producer: Producer,
  records: readonly ProducerRecord[],
): Promise<Check> {
  let failure: KafkaError | undefined;
  const sizes = new Map<string, number>();
  for (const record of records) {
    const { topic } = record;
    let size = sizes.get(topic);
    if (size === undefined) {
      size = (await producer.partitionsFor(topic)).length;
      sizes.set(topic, size);
    }
    const partition = record.partition! % size;
    producer.append(
      { ...record, partition },
      (error) => void (failure ??= error),
    );
    await producer.ready();
  }
  return () => {
    if (failure !== undefined) throw failure;
  };
}

/** The record that a letter stands for. */
function meant({ to, from }: Redrive, letter: ConsumerRecord): ProducerRecord {
  const record = redriven(letter);
  if (record === undefined) {
    throw new Error(
      `Cannot redrive ${from}-${letter.partition} offset ${letter.offset}: it is no dead letter of kf pipe, it does not say where it came from`,
    );
  }
  return to === undefined ? record : { ...record, topic: to };
}

function count({ counts }: Redrive, { topic }: ProducerRecord): void {
  counts.set(topic, (counts.get(topic) ?? 0) + 1);
}
