/**
 * `kf copy`: a topic into another, in one cluster or between two; partitions,
 * timestamps and headers stay. A group on the source says how far it has got:
 * each committed offset carries, as its metadata, the offset of the target at
 * which the record behind it is to land. From any such pair a killed copy is
 * gone on from without gap or duplicate, see `landing.ts`.
 *
 * @module
 */
import type { ConsumerRecord } from "../../net/client.ts";
import type { Call } from "../command.ts";
import { Pairs } from "../copy_pairs.ts";
import { UsageError } from "../failure.ts";
import { findTarget, Landing } from "../landing.ts";
import { printAnswer } from "../output.ts";
import { Progress } from "../progress.ts";
import {
  creationLike,
  findSource,
  openConsumer,
  readToEnds,
  refuseGaps,
} from "../reading.ts";
import { type Settings, settingsOf } from "../settings.ts";
import { type Interrupts, takeInterrupts } from "../terminal.ts";

/** What a run has done. */
interface Copied {
  readonly isInterrupted: boolean;
  readonly isResumed: boolean;
  readonly records: number;
}

/** Runs `kf copy`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const [from, to] = args as [string, string];
  const group = flags.text("group") ?? `kf-copy.${from}.${to}`;
  const isEndless = flags.has("follow");
  const source = settingsOf("consumer", settings);
  const target = settingsOf("producer", {
    ...settings,
    brokers: flags.text("to-brokers") ?? settings.brokers,
  });
  let interrupts: Interrupts | undefined;
  const progress = new Progress("copied", settings);
  let copied: Copied;
  try {
    copied = await copy(
      { from, to, group, isEndless },
      {
        source,
        target,
        progress,
        begin: () => (interrupts = takeInterrupts()).signal,
      },
    );
  } finally {
    interrupts?.release();
    progress.end();
  }
  const { isInterrupted, isResumed, records } = copied;
  if (isInterrupted && !isEndless) {
    throw new Error("interrupted: the same line goes on from here");
  }
  await printAnswer({
    json: { from, to, group, isResumed, records },
    columns: ["from", "to", "group", "resumed", "records"],
    rows: [[from, to, group, isResumed, records]],
  }, settings);
}

/** What is copied. */
interface Wish {
  readonly from: string;
  readonly to: string;
  readonly group: string;
  readonly isEndless: boolean;
}

/** With what. */
interface Means {
  readonly source: Settings;
  readonly target: Settings;
  readonly progress: Progress;
  /** Takes signals; before that there is nothing to bring to an end in order. */
  readonly begin: () => AbortSignal;
}

async function copy(
  { from, to, group, isEndless }: Wish,
  { source, target, progress, begin }: Means,
): Promise<Copied> {
  const origin = await findSource(source, from);
  const place = await findTarget(
    target,
    to,
    await creationLike(source, origin),
  );
  if (place.topicId === origin.topicId) {
    throw new UsageError(`Cannot copy "${from}" into itself`);
  }
  if (place.ends.length < origin.partitions.length) {
    throw new Error(
      `Cannot copy ${origin.partitions.length} partitions: "${to}" has ${place.ends.length}`,
    );
  }
  const consumer = await openConsumer(source, {
    "group.id": group,
    "isolation.level": "read_committed",
    "auto.offset.reset": "none",
  });
  let landing: Landing | undefined;
  try {
    const pairs = new Pairs(consumer, origin, {
      group,
      targetId: place.topicId,
    });
    await pairs.load(place.ends);
    const { isResumed, sources, targets } = pairs;
    await refuseGaps(consumer, origin.partitions, {
      starts: sources,
      what: `as group "${group}"`,
    });
    const landed = landing = await Landing.open(target, place, {
      starts: place.ends.map((end, at) => targets.get(at) ?? end),
      onLanded: (partition, next, offset) =>
        pairs.note(partition, offset, next),
    });
    const stop = begin();
    await readToEnds(consumer, {
      partitions: origin.partitions,
      starts: sources,
      stop,
      isEndless,
      take: (records) => land(landed, records, progress),
      between() {
        if (landed.failure !== undefined) throw landed.failure;
        return pairs.commitIfDue();
      },
    });
    if (stop.aborted) await landed.flush();
    else await landed.finish();
    await pairs.commit();
    return {
      isInterrupted: stop.aborted,
      isResumed,
      records: landed.written,
    };
  } finally {
    await landing?.close();
    await consumer.close();
  }
}

/** Hands records of one partition in. */
async function land(
  landing: Landing,
  records: readonly ConsumerRecord[],
  progress: Progress,
): Promise<void> {
  for (const record of records) {
    if (landing.failure !== undefined) throw landing.failure;
    const { partition, key, value, timestamp, offset } = record;
    const headers = record.headers.map((each) =>
      [each.key, each.value] as const
    );
    const waits = landing.write(
      { partition, key, value, headers, timestamp },
      offset,
    );
    progress.records++;
    progress.bytes += (key?.length ?? 0) + (value?.length ?? 0);
    if (waits !== undefined) await waits;
  }
  progress.tick();
}
