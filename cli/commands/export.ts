/**
 * `kf export`: a topic into a file, or onto stdout, as JSON envelopes. What is
 * there already is gone on from: see `export_file.ts`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { ExportFile } from "../export_file.ts";
import { ItemsFailed } from "../failure.ts";
import { printAnswer, say } from "../output.ts";
import { Progress } from "../progress.ts";
import {
  findSource,
  openConsumer,
  readToEnds,
  refuseGaps,
} from "../reading.ts";
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
    const { partitions } = await findSource(settings, topic);
    const output = file = await ExportFile.open(path, topic);
    // What the file lacks must still be there: else it would have a gap.
    await refuseGaps(consumer, partitions, {
      starts: new Map([...output.starts].map(([at, last]) => [at, last + 1])),
      what: `in "${path}"`,
    });
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
