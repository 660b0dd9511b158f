/**
 * Whole topics out of a cluster, as the commands that prove, keep and copy
 * them read: outside of any group, from given offsets to the ends of now. It
 * never commits and never prints.
 *
 * @module
 */
import type {
  ConsumedBatch,
  Consumer,
  ConsumerRecord,
  TopicPartition,
} from "../net/client.ts";
import { withAdmin } from "./cluster.ts";
import { clientOptions, throwFailed } from "./output.ts";
import {
  clientProperties,
  commonProperties,
  type Settings,
} from "./settings.ts";
import { Span } from "./span.ts";

/** How long the cluster may take at first: a coordinator may have to be made. */
export const MEET_MS = 15_000;
const POLL_MS = 500;
const POLL_RECORDS = 5_000;
/** With many partitions, answers are what memory goes to. */
const FETCH_BYTES = 2 * 1024 * 1024;

/** Makes a consumer; `own` are properties that `-X` alone may overrule. */
export async function openConsumer(
  settings: Settings,
  own: Readonly<Record<string, string | number | boolean | undefined>> = {},
): Promise<Consumer> {
  const { createConsumer } = await import("../net/client.ts");
  return createConsumer(
    await clientProperties(settings, {
      kind: "consumer",
      defaults: {
        "allow.auto.create.topics": false,
        "auto.offset.reset": "earliest",
        "fetch.max.bytes": FETCH_BYTES,
        "max.poll.records": POLL_RECORDS,
      },
      own: {
        "enable.auto.commit": false,
        "default.api.timeout.ms": settings.timeoutMs,
        "request.timeout.ms": settings.timeoutMs,
        "socket.connection.setup.timeout.ms": settings.timeoutMs,
        ...own,
      },
    }),
    clientOptions(settings),
  );
}

/** A member waits for its broker forever: that there is one is found out before. */
export async function meetGroup(
  settings: Settings,
  group: string,
): Promise<void> {
  const { timeoutMs = MEET_MS } = settings;
  await withAdmin(
    { ...settings, timeoutMs, properties: commonProperties(settings) },
    (admin) => admin.listGroupOffsets(group),
  );
}

/** What is read to its end has to be there: a misspelt name would be empty. */
export async function meetTopics(
  settings: Settings,
  topics: readonly string[],
): Promise<void> {
  const { timeoutMs = MEET_MS } = settings;
  const found = await withAdmin(
    { ...settings, timeoutMs, properties: commonProperties(settings) },
    (admin) => admin.describeTopics(topics),
  );
  throwFailed(found, "describe topic");
}

/** A poll that an interrupt ends quietly. */
export async function poll(
  consumer: Consumer,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<ConsumedBatch[]> {
  try {
    return await consumer.poll(timeoutMs, stop);
  } catch (error) {
    if (stop.aborted) return [];
    throw error;
  }
}

/** A topic that is there. */
export interface Source {
  readonly topicId: string;
  /** In order. */
  readonly partitions: readonly TopicPartition[];
}

/** Finds a topic; a missing one is said at once. */
export async function findSource(
  settings: Settings,
  topic: string,
): Promise<Source> {
  const [found] = await withAdmin(
    { ...settings, properties: commonProperties(settings) },
    (admin) => admin.describeTopics([topic]),
  );
  if (found?.error !== undefined) throw found.error;
  const { topicId = "", partitions = [] } = found ?? {};
  return {
    topicId,
    partitions: partitions.map(({ partition }) => ({ topic, partition }))
      .sort((a, b) => a.partition - b.partition),
  };
}

/** How a missing topic is created. */
export interface Creation {
  readonly partitions?: number | undefined;
  readonly configs?: Readonly<Record<string, string>>;
}

/** What a topic is created with to be like another: as many partitions, and what was configured on the topic itself. */
export async function creationLike(
  settings: Settings,
  { partitions }: Source,
): Promise<Required<Creation> & { readonly partitions: number }> {
  const common = { ...settings, properties: commonProperties(settings) };
  const name = partitions[0]!.topic;
  const [found] = await withAdmin(
    common,
    (admin) => admin.describeConfigs([{ type: "topic", name }]),
  );
  if (found?.error !== undefined) throw found.error;
  const own = (found?.entries ?? []).filter(({ source, value }) =>
    source === "DYNAMIC_TOPIC_CONFIG" && value !== null
  );
  return {
    partitions: partitions.length,
    configs: Object.fromEntries(own.map(({ name, value }) => [name, value!])),
  };
}

/** Refuses to go on at `starts` where that would leave a gap; gives first offsets. */
export async function refuseGaps(
  consumer: Consumer,
  partitions: readonly TopicPartition[],
  { starts, what }: {
    readonly starts: ReadonlyMap<number, number>;
    readonly what: string;
  },
): Promise<ReadonlyMap<number, number>> {
  const firsts = await consumer.beginningOffsets(partitions);
  const ends = await consumer.endOffsets(partitions);
  for (const [partition, offset] of starts) {
    const first = firsts.find((at) => at.partition === partition)?.offset ?? -1;
    const end = ends.find((at) => at.partition === partition)?.offset ?? -1;
    const why = offset > end
      ? `partition ${partition} ends at offset ${end}, it had got to ${offset} before`
      : offset < first
      ? `records from offset ${offset} to ${first} of partition ${partition} were deleted meanwhile`
      : undefined;
    if (why !== undefined) throw new Error(`Cannot go on ${what}: ${why}`);
  }
  return new Map(firsts.map((at) => [at.partition, at.offset]));
}

/** What {@linkcode readToEnds} reads, and to whom it gives it. */
export interface Reading {
  readonly partitions: readonly TopicPartition[];
  /** Where each begins by its number; the others at their first record. */
  readonly starts?: ReadonlyMap<number, number>;
  readonly stop: AbortSignal;
  /** Takes records of one partition, in order; false ends the reading. */
  take(
    records: readonly ConsumerRecord[],
    partition: number,
  ): Promise<boolean | void> | boolean | void;
  /** Is called between two polls. */
  readonly between?: () => Promise<void> | undefined;
  /** Whether to go on beyond the ends. */
  readonly isEndless?: boolean;
}

/** Reads partitions of one topic up to where they ended when it began, or on. */
export async function readToEnds(
  consumer: Consumer,
  { partitions, starts, stop, take, between, isEndless }: Reading,
): Promise<void> {
  consumer.assign(partitions);
  const span = new Span(consumer, {
    isEndedAtEnd: isEndless !== true,
    to: undefined,
  });
  for (const at of partitions) {
    consumer.seek(at, starts?.get(at.partition) ?? "earliest");
  }
  await span.assigned(partitions);
  while (!stop.aborted && !await span.isDone()) {
    for (const batch of await poll(consumer, POLL_MS, stop)) {
      const endOffset = span.endOf(batch);
      const records = batch.records.filter(({ offset }) => offset < endOffset);
      if (records.length === 0) continue;
      if (await take(records, batch.partition) === false) return;
    }
    await between?.();
  }
}
