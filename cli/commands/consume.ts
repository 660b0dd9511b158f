/**
 * `kf consume`: records of topics onto stdout. A record's offset is committed
 * only after the record has been written to stdout in full.
 *
 * @module
 */
import type {
  ConsumedBatch,
  Consumer,
  ConsumerRecord,
  TopicPartition,
} from "../../net/client.ts";
import type { Call, Flags } from "../command.ts";
import { Delivery } from "../delivery.ts";
import { ItemsFailed } from "../failure.ts";
import { type Held, LatestPerKey, Merge, Tail } from "../held_records.ts";
import { say } from "../output.ts";
import { Progress } from "../progress.ts";
import {
  MEET_MS,
  meetGroup,
  meetTopics,
  openConsumer,
  poll,
} from "../reading.ts";
import type { KeepRecord } from "../selection.ts";
import { Span } from "../span.ts";
import {
  BrokenPipe,
  type Interrupts,
  monoMs,
  StdoutReaders,
  takeInterrupts,
} from "../terminal.ts";
import { chooseTopics, readWish, type Wish } from "../wish.ts";

const POLL_MS = 500;
const COMMIT_INTERVAL_MS = 1000;
/** How long the last commit waits for a group that is being divided. */
const SETTLE_MS_MAX = 10_000;
const SETTLE_POLL_MS = 100;
/** How much farther back a tail is looked for, each time that it was short. */
const TAIL_GROWTH = 8;

/** What a run begins with. */
interface Base {
  readonly consumer: Consumer;
  readonly wish: Wish;
  readonly span: Span;
  readonly delivery: Delivery;
  /** How long to wait for a topic. */
  readonly meetMs: number;
}

/** Everything of one run. */
interface Run extends Base {
  readonly progress: Progress;
  readonly readers: StdoutReaders;
  readonly stop: AbortSignal;
}

/** Runs `kf consume`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  // Looked for while they still wait: they may go with the first record.
  const readers = new StdoutReaders();
  const wish = await readWish(call);
  const topics = await chooseTopics(call, wish.group);
  if (wish.group !== undefined) await meetGroup(settings, wish.group);
  if (wish.isEndedAtEnd && Array.isArray(topics)) {
    await meetTopics(settings, topics);
  }
  const consumer = await openConsumer(settings, {
    "group.id": wish.group,
    "group.protocol": flags.text("group-protocol"),
    "allow.auto.create.topics":
      settings.properties["allow.auto.create.topics"] ?? true,
    "auto.offset.reset": resetOf(flags, wish),
    "isolation.level": flags.has("read-committed")
      ? "read_committed"
      : undefined,
  });
  const holds = isHeld(wish);
  const delivery = new Delivery(
    wish.group === undefined ? undefined : consumer,
    // What is held has been chosen before it is written.
    { ...wish, keeps: holds ? undefined : allOf(wish) },
  );
  const span = new Span(consumer, wish);
  const progress = new Progress("read", settings);
  const meetMs = settings.timeoutMs ?? MEET_MS;
  const base: Base = { consumer, wish, span, delivery, meetMs };
  let interrupts: Interrupts | undefined;
  let isReaderGone = false;
  try {
    const partitions = await begin(base, topics);
    // Before that there is nothing to bring to an end in order.
    interrupts = takeInterrupts();
    const all: Run = { ...base, progress, readers, stop: interrupts.signal };
    if (wish.tail !== undefined) await deliverTail(all, partitions);
    else if (wish.isLatestPerKey) await deliverLatest(all);
    else if (wish.isByTime) await deliverMerged(all, partitions);
    else await deliver(all);
  } catch (error) {
    if (!(error instanceof BrokenPipe)) throw error;
    isReaderGone = true;
  } finally {
    await end(consumer, delivery);
    interrupts?.release();
    progress.end();
  }
  if (isReaderGone || delivery.records > 0) return;
  if (wish.key !== undefined && wish.partitions === undefined) {
    say("no record has this key where it hashes to: see -p", settings);
  }
  if (flags.has("require-match")) {
    say("no record matched", settings);
    throw new ItemsFailed("no record matched");
  }
}

/** Where a group begins that has committed nothing: as the flags say, if they do. */
function resetOf(flags: Flags, { start }: Wish): string | undefined {
  const from = flags.text("offset") ?? flags.text("from");
  if (from === undefined) return undefined;
  return start.kind === "end" ? "latest" : "earliest";
}

function isHeld(wish: Wish): boolean {
  return wish.tail !== undefined || wish.isLatestPerKey || wish.isByTime;
}

/** `--key` together with `--filter` and `--where`. */
function allOf({ key, keeps }: Wish): KeepRecord | undefined {
  if (key === undefined) return keeps;
  return (record) => hasKey(record, key) && (keeps?.(record) ?? true);
}

function hasKey(record: ConsumerRecord, key: Uint8Array): boolean {
  const { key: own } = record;
  return own !== null && own.length === key.length &&
    own.every((byte, i) => byte === key[i]);
}

/** Commits what was written and leaves the group, even after a failure. */
async function end(consumer: Consumer, delivery: Delivery): Promise<void> {
  const sinceMs = monoMs();
  try {
    while (!await delivery.commit()) {
      if (monoMs() - sinceMs > SETTLE_MS_MAX) {
        throw new Error(
          "Cannot commit: the group is being divided. What was read last will be read again",
        );
      }
      // Nothing of what it brings is taken.
      await consumer.poll(SETTLE_POLL_MS);
    }
  } finally {
    await consumer.close();
  }
}

/** Subscribes, or takes the partitions that are asked for and gives them. */
async function begin(
  base: Base,
  topics: string[] | RegExp,
): Promise<TopicPartition[]> {
  const { consumer, wish, span, delivery } = base;
  const isSubscribed = wish.group !== undefined &&
    wish.partitions === undefined;
  if (isSubscribed || topics instanceof RegExp) {
    consumer.onRebalance({
      assigned: (partitions) => span.assigned(partitions),
      revoked: async (partitions) => {
        await delivery.commit();
        delivery.forget(partitions);
        span.revoked(partitions);
      },
      lost: (partitions) => {
        delivery.forget(partitions);
        span.revoked(partitions);
      },
    });
    consumer.subscribe(topics);
    return [];
  }
  const found: TopicPartition[] = [];
  for (const topic of topics) {
    found.push(...await choosePartitions(base, topic));
  }
  consumer.assign(found);
  if (wish.group === undefined) await span.seek(found, wish.start);
  await span.assigned(found);
  return found;
}

async function choosePartitions(
  { consumer, wish, meetMs }: Base,
  topic: string,
): Promise<TopicPartition[]> {
  const all = await consumer.partitionsFor(topic, { timeoutMs: meetMs });
  let wanted = wish.partitions;
  if (wanted === undefined && wish.key !== undefined) {
    const { partitionOfKey } = await import("../../net/client.ts");
    wanted = [partitionOfKey(wish.key, all.length)];
  }
  for (const partition of wanted ?? []) {
    if (!all.some((info) => info.partition === partition)) {
      throw new Error(
        `Cannot read partition ${partition} of topic "${topic}": it has ${all.length}`,
      );
    }
  }
  return (wanted ?? all.map((info) => info.partition))
    .map((partition) => ({ topic, partition }));
}

/** Records as they come. */
async function deliver(all: Run): Promise<void> {
  const { span, delivery } = all;
  let committedMs = monoMs();
  await read(all, {
    take: (batch) => delivery.write(batch.records, span.endOf(batch)),
    after: async () => {
      delivery.flush();
      const now = monoMs();
      if (now - committedMs < COMMIT_INTERVAL_MS) return;
      await delivery.commit();
      committedMs = now;
    },
  });
}

/** The last records: from ever farther back until there are enough. */
async function deliverTail(
  all: Run,
  partitions: TopicPartition[],
): Promise<void> {
  const { wish, span } = all;
  const count = wish.tail!;
  const held = new Tail(count, allOf(wish) ?? (() => true));
  for (let back = count;; back *= TAIL_GROWTH) {
    const isAll = await span.seekBack(partitions, back);
    if (!await hold(all, held)) return;
    if (isAll || held.isFull(partitions.length)) break;
    held.clear();
  }
  print(all, held.release());
}

async function deliverLatest(all: Run): Promise<void> {
  const { wish } = all;
  const held = new LatestPerKey(wish.keeps ?? (() => true), wish);
  if (await hold(all, held)) print(all, held.release());
}

/** Reads to the end into `held`; false when it was interrupted. */
async function hold(all: Run, held: Held): Promise<boolean> {
  const { span, wish: { key } } = all;
  await read(all, {
    take(batch) {
      const records = below(batch.records, span.endOf(batch));
      held.take(
        key === undefined
          ? records
          : records.filter((record) => hasKey(record, key)),
      );
    },
  });
  return !all.stop.aborted;
}

/** Records of all partitions by time, as soon as nothing earlier can come. */
async function deliverMerged(
  all: Run,
  partitions: TopicPartition[],
): Promise<void> {
  const { consumer, span, wish } = all;
  const merge = new Merge(allOf(wish) ?? (() => true));
  let open = partitions;
  await read(all, {
    take: (batch) => merge.take(below(batch.records, span.endOf(batch))),
    after: async () => {
      open = await span.unread(open);
      print(all, merge.release(open));
      consumer.resume(open);
      consumer.pause(merge.ahead(open));
    },
  });
  if (!all.stop.aborted) print(all, merge.release([]));
}

function below(
  records: readonly ConsumerRecord[],
  endOffset: number,
): readonly ConsumerRecord[] {
  const isWhole = (records.at(-1)?.offset ?? -1) < endOffset;
  return isWhole ? records : records.filter(({ offset }) => offset < endOffset);
}

function print({ delivery }: Run, records: readonly ConsumerRecord[]): void {
  delivery.write(records, Infinity);
  delivery.flush();
}

/** Polls until all is read, enough is written, or nothing more comes. */
async function read(
  all: Run,
  steps: {
    take(batch: ConsumedBatch): void;
    after?(): Promise<void>;
  },
): Promise<void> {
  const { consumer, wish, span, delivery, progress, readers, stop } = all;
  let lastRecordMs = monoMs();
  while (!stop.aborted && !delivery.isFull && !await span.isDone()) {
    const waitMs = Math.min(
      POLL_MS,
      Math.max(1, lastRecordMs + wish.idleTimeoutMs - monoMs()),
    );
    const batches = await poll(consumer, waitMs, stop);
    for (const batch of batches) {
      steps.take(batch);
      if (delivery.isFull) break;
    }
    await steps.after?.();
    const now = monoMs();
    if (batches.length > 0) lastRecordMs = now;
    else if (readers.haveGone()) throw new BrokenPipe(0);
    else if (now - lastRecordMs >= wish.idleTimeoutMs) return;
    else if (span.lacksAssignment && await consumer.isSurplus()) return;
    progress.records = delivery.records;
    progress.bytes = delivery.bytes;
    progress.tick();
  }
}
