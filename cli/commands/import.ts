/**
 * `kf import`: the JSON envelopes of an export into a topic, each record into
 * the partition it had. Beside the file, or where `--state` says, it keeps the
 * offsets at which it began, from the first record until it is done: by them
 * a killed import is gone on from, see `landing.ts`.
 *
 * @module
 */
import type { Call, Flags } from "../command.ts";
import { readEnvelope } from "../envelope.ts";
import { sentenceOf } from "../failure.ts";
import {
  folderOf,
  partitionFile,
  readExportedTopic,
} from "../export_folder.ts";
import { findTarget, Landing, type Target } from "../landing.ts";
import { printAnswer, sayTyped } from "../output.ts";
import { Progress } from "../progress.ts";
import { readRecords } from "../record_reader.ts";
import {
  type Interrupts,
  isNamedAsFolder,
  openSource,
  readText,
  removePath,
  replaceText,
  type Source,
  takeInterrupts,
} from "../terminal.ts";
import { parseCount } from "../units.ts";

/** Runs `kf import`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const [topic, path = "-"] = args as [string, string?];
  const statePath = flags.text("state") ??
    (path === "-" ? undefined : `${folderOf(path)}.import`);
  const { inputs, creation } = readInputs(path, flags);
  let interrupts: Interrupts | undefined;
  const progress = new Progress("imported", settings);
  // Opened first: a missing file must not leave a topic.
  const first = await openSource(inputs[0]!.path);
  let landing: Landing | undefined;
  try {
    const target = await findTarget(settings, topic, creation);
    const starts = readState(statePath, target);
    landing = await Landing.open(settings, target, { starts });
    // Before that there is nothing to bring to an end in order.
    interrupts = takeInterrupts();
    sayTyped("records", path, settings);
    const options = { progress, stop: interrupts.signal };
    await feed(landing, first, { ...options, name: inputs[0]!.name });
    for (const { path, name } of inputs.slice(1)) {
      const source = await openSource(path);
      try {
        await feed(landing, source, { ...options, name });
      } finally {
        source.close();
      }
    }
    if (interrupts.signal.aborted) await landing.flush();
    else await landing.finish();
  } finally {
    await landing?.close();
    first.close();
    interrupts?.release();
    progress.end();
  }
  if (interrupts.signal.aborted) {
    throw new Error(
      statePath === undefined
        ? "interrupted: the import is not whole"
        : "interrupted: the same line goes on from here",
    );
  }
  if (statePath !== undefined) removePath(statePath);
  const { isResumed, written } = landing;
  await printAnswer({
    json: { topic, file: path, isResumed, records: written },
    columns: ["topic", "file", "resumed", "records"],
    rows: [[topic, path, isResumed, written]],
  }, settings);
}

/** The files in order, how their lines are named, and how the topic is made. */
function readInputs(path: string, flags: Flags) {
  const name = "a number of partitions";
  const partitions = flags.parsed(
    "partitions",
    (text) => parseCount(text, { name, min: 1, max: 0x7fffffff }),
  );
  if (path === "-" || !isNamedAsFolder(path)) {
    return { inputs: [{ path, name: "line" }], creation: { partitions } };
  }
  const folder = folderOf(path);
  const exported = readExportedTopic(folder);
  if (exported === undefined) {
    throw new Error(`Cannot import "${path}": it holds no topic.json`);
  }
  const { creation } = exported;
  const inputs = Array.from({ length: creation.partitions }, (_, partition) => {
    const path = partitionFile(folder, partition);
    return { path, name: `${path}: line` };
  });
  return {
    inputs,
    creation: {
      ...creation,
      partitions: partitions ?? creation.partitions,
    },
  };
}

/** Where the first run began: here and now, unless its state says otherwise. */
function readState(
  path: string | undefined,
  { topic, topicId, ends }: Target,
): readonly number[] {
  const text = path === undefined ? undefined : readText(path);
  if (path === undefined) return ends;
  if (text === undefined) {
    replaceText(path, JSON.stringify({ topic, topicId, starts: ends }) + "\n");
    return ends;
  }
  let state: { topicId?: unknown; starts?: unknown };
  try {
    state = JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot go on from "${path}": it is no JSON`, {
      cause: error,
    });
  }
  const { starts } = state;
  if (
    state.topicId === topicId && Array.isArray(starts) &&
    starts.every(Number.isSafeInteger)
  ) return starts;
  throw new Error(
    `Cannot go on from "${path}": it is of another import than into this "${topic}". Remove it to begin anew`,
  );
}

async function feed(
  landing: Landing,
  source: Source,
  { name, progress, stop }: {
    readonly name: string;
    readonly progress: Progress;
    readonly stop: AbortSignal;
  },
): Promise<void> {
  let line = 0;
  await readRecords(source, {
    delimiter: Uint8Array.of(10),
    signal: stop,
    take(bytes) {
      line++;
      if (landing.failure !== undefined) throw landing.failure;
      progress.records++;
      progress.bytes += bytes.length;
      progress.tick();
      try {
        const { partition, ...record } = readEnvelope(bytes);
        if (partition === undefined) throw new Error('it needs a "partition"');
        return landing.write({ ...record, partition }, line);
      } catch (error) {
        const why = sentenceOf(error);
        if (why.startsWith("Cannot ")) throw error;
        throw new Error(`Cannot import ${name} ${line}: ${why}`, {
          cause: error,
        });
      }
    },
  });
}
