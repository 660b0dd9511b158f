/**
 * `kf export`: a topic into a file, a folder, or onto stdout, as JSON
 * envelopes. What is there already is gone on from: see `export_file.ts`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { ExportFile } from "../export_file.ts";
import { ExportFolder, folderOf } from "../export_folder.ts";
import { printAnswer } from "../output.ts";
import { Progress } from "../progress.ts";
import {
  creationLike,
  findSource,
  openConsumer,
  readToEnds,
  refuseGaps,
} from "../reading.ts";
import {
  type Interrupts,
  isNamedAsFolder,
  takeInterrupts,
} from "../terminal.ts";

/** Runs `kf export`. */
export async function run({ args, settings }: Call): Promise<void> {
  const [topic, path = "-"] = args as [string, string?];
  const consumer = await openConsumer(settings, {
    "isolation.level": "read_committed",
    "auto.offset.reset": "none",
  });
  let interrupts: Interrupts | undefined;
  const progress = new Progress(path === "-" ? "read" : "exported", settings);
  let output: ExportFile | ExportFolder | undefined;
  try {
    const source = await findSource(settings, topic);
    const { partitions } = source;
    const opened = output = path !== "-" && isNamedAsFolder(path)
      ? await ExportFolder.open(folderOf(path), {
        topic,
        creation: await creationLike(settings, source),
      })
      : await ExportFile.open(path, topic);
    const { lasts } = opened;
    // What it lacks must still be there: else it would have a gap.
    const firsts = await refuseGaps(consumer, partitions, {
      starts: new Map([...lasts].map(([at, last]) => [at, last + 1])),
      what: `in "${path}"`,
    });
    // Before that there is nothing to bring to an end in order.
    interrupts = takeInterrupts();
    await readToEnds(consumer, {
      partitions,
      // At the last record that is there, to compare it.
      starts: new Map(
        [...lasts].map(([at, last]) => [at, Math.max(last, firsts.get(at)!)]),
      ),
      stop: interrupts.signal,
      take(records) {
        progress.records += opened.add(records);
        opened.flush();
        progress.bytes = opened.bytes;
        progress.tick();
      },
    });
  } finally {
    await consumer.close();
    output?.close();
    interrupts?.release();
    progress.end();
  }
  if (interrupts.signal.aborted) {
    throw new Error(
      path === "-"
        ? "interrupted: the export is not whole"
        : "interrupted: the same line goes on from here",
    );
  }
  if (path === "-") return;
  const { isResumed } = output;
  const { records, bytes } = progress;
  await printAnswer({
    json: { topic, file: path, isResumed, records, bytes },
    columns: ["topic", "file", "resumed", "records", "bytes"],
    rows: [[topic, path, isResumed, records, bytes]],
  }, settings);
}
