/**
 * `kf export`: a topic into a file, or onto stdout, as JSON envelopes. What is
 * there already is gone on from: see `export_file.ts`.
 *
 * @module
 */
import type { Consumer, TopicPartition } from "../../net/client.ts";
import type { Call } from "../command.ts";
import { ExportFile } from "../export_file.ts";
import { ItemsFailed } from "../failure.ts";
import { printAnswer, say } from "../output.ts";
import { Progress } from "../progress.ts";
import { openConsumer, partitionsOf, readToEnds } from "../reading.ts";
import { takeInterrupts } from "../terminal.ts";

/** Runs `kf export`. */
export async function run({ args, settings }: Call): Promise<void> {
  const [topic, path = "-"] = args as [string, string?];
  const consumer = await openConsumer(settings, {
    "isolation.level": "read_committed",
    "auto.offset.reset": "none",
  });
  const interrupts = takeInterrupts();
  const progress = new Progress(path === "-" ? "read" : "exported", settings);
  let file: ExportFile | undefined;
  try {
    const partitions = await partitionsOf(settings, topic);
    const output = file = await ExportFile.open(path, topic);
    await refuseGaps(consumer, { partitions, path, starts: output.starts });
    await readToEnds(consumer, {
      partitions,
      starts: output.starts,
      stop: interrupts.signal,
      take(records) {
        progress.records += output.add(records);
        output.flush();
        progress.bytes = output.bytes;
        progress.tick();
      },
    });
  } finally {
    await consumer.close();
    file?.close();
    interrupts.release();
    progress.end();
  }
  if (interrupts.signal.aborted) {
    say(
      path === "-"
        ? "interrupted: the export is not whole"
        : "interrupted: the same line goes on from here",
      settings,
    );
    throw new ItemsFailed("interrupted");
  }
  if (path === "-") return;
  const { isResumed } = file;
  const { records, bytes } = progress;
  await printAnswer({
    json: { topic, file: path, isResumed, records, bytes },
    columns: ["topic", "file", "resumed", "records", "bytes"],
    rows: [[topic, path, isResumed, records, bytes]],
  }, settings);
}

/** What the file lacks must still be there: else it would have a gap. */
async function refuseGaps(
  consumer: Consumer,
  { partitions, path, starts }: {
    readonly partitions: readonly TopicPartition[];
    readonly path: string;
    readonly starts: ReadonlyMap<number, number>;
  },
): Promise<void> {
  const firsts = await consumer.beginningOffsets(partitions);
  const ends = await consumer.endOffsets(partitions);
  for (const [partition, offset] of starts) {
    const first = firsts.find((at) => at.partition === partition)?.offset ?? -1;
    const end = ends.find((at) => at.partition === partition)?.offset ?? -1;
    const why = offset >= end
      ? `partition ${partition} ends at offset ${end}, the file goes to ${offset}`
      : offset + 1 < first
      ? `records from offset ${
        offset + 1
      } to ${first} of partition ${partition} were deleted meanwhile`
      : undefined;
    if (why !== undefined) throw new Error(`Cannot go on in "${path}": ${why}`);
  }
}
