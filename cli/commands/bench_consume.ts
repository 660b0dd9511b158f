/**
 * `kf bench consume`: how fast what lies in a topic can be read, and how long
 * each poll that brought records waited for them.
 *
 * @module
 */
import { Measured, printReport } from "../bench_report.ts";
import type { Call } from "../command.ts";
import { Progress } from "../progress.ts";
import { findSource, openConsumer, readToEnds } from "../reading.ts";
import { readBounds } from "../pace.ts";
import { type Interrupts, monoMs, takeInterrupts } from "../terminal.ts";

/** Runs `kf bench consume`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const topic = args[0]!;
  const { count, durationMs } = readBounds(flags, { count: Infinity });
  const measured = new Measured();
  const progress = new Progress("read", settings);
  const consumer = await openConsumer(settings);
  let interrupts: Interrupts | undefined;
  try {
    const { partitions } = await findSource(settings, topic);
    interrupts = takeInterrupts();
    measured.start();
    const endMs = monoMs() + durationMs;
    let askedMs = monoMs();
    await readToEnds(consumer, {
      partitions,
      stop: interrupts.signal,
      take(records) {
        measured.latency.add(monoMs() - askedMs);
        for (const { key, value } of records) {
          if (measured.records === count) break;
          measured.records++;
          measured.bytes += (key?.length ?? 0) + (value?.length ?? 0);
        }
        progress.records = measured.records;
        progress.bytes = measured.bytes;
        progress.tick();
        askedMs = monoMs();
        return measured.records < count && askedMs < endMs;
      },
    });
    measured.lap();
  } finally {
    await consumer.close();
    interrupts?.release();
    progress.end();
  }
  const latencyOf = "a poll";
  await printReport(
    measured,
    { benchmark: "consume", topic, latencyOf },
    settings,
  );
}
