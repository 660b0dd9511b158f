/**
 * `kf bench produce`: how many records a topic takes, and how long each waits
 * for its acknowledgement.
 *
 * @module
 */
import type { OnDone } from "../../net/client.ts";
import { Measured, printReport } from "../bench_report.ts";
import type { Call } from "../command.ts";
import { ItemsFailed } from "../failure.ts";
import { RecordGenerator } from "../generator.ts";
import { paced, readBounds } from "../pace.ts";
import { Progress } from "../progress.ts";
import { Failures, isIdempotent, meetTopic, openProducer } from "../sending.ts";
import { monoMs, takeInterrupts } from "../terminal.ts";
import { parseCount, parseSize } from "../units.ts";

const COUNT = 100_000;
const VALUE_BYTES = 100;

/** Runs `kf bench produce`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const topic = args[0]!;
  const bounds = readBounds(flags, { count: COUNT });
  const generator = new RecordGenerator({
    seed: 0,
    keys: flags.parsed(
      "keys",
      (text) => parseCount(text, { name: "a number of keys" }),
    ) ?? 0,
    valueBytes: flags.parsed("size", parseSize) ?? VALUE_BYTES,
  });
  const measured = new Measured();
  const failures = new Failures();
  const producer = await openProducer(settings, {
    "acks": flags.text("acks"),
    "enable.idempotence": isIdempotent(flags.text("acks")),
    "compression.type": flags.text("compression"),
  });
  const progress = new Progress("sent", settings);
  const interrupts = takeInterrupts();
  // The tag is when it was sent: nothing has to be kept for each record.
  const onDone: OnDone = (error, _at, sentMs) => {
    if (error) failures.add("a record", error);
    else measured.latency.add(monoMs() - sentMs!);
  };
  try {
    await meetTopic(producer, topic, interrupts.signal);
    measured.start();
    await paced(bounds, interrupts.signal, () => {
      const { key, value } = generator.next();
      progress.records++;
      progress.bytes += value.length + (key?.length ?? 0);
      producer.append({ topic, key, value, tag: monoMs() }, onDone);
      progress.tick();
      return producer.ready();
    });
    await producer.flush();
    measured.lap();
  } finally {
    await producer.close();
    interrupts.release();
    failures.end();
    progress.end();
  }
  measured.failed = failures.count;
  measured.records = progress.records - failures.count;
  measured.bytes = progress.bytes;
  const latencyOf = "acknowledgement";
  await printReport(
    measured,
    { benchmark: "produce", topic, latencyOf },
    settings,
  );
  if (failures.count > 0) throw new ItemsFailed("records failed");
}
