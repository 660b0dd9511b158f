/**
 * Where partitions are to be moved to: reads the wish as people type it and
 * finds each partition's offset, which never lies outside of its log. It
 * changes nothing.
 *
 * @module
 */
import type { Admin, ListedOffset, TopicPartition } from "../net/client.ts";
import { UsageError } from "./failure.ts";
import { say, throwFailed } from "./output.ts";
import type { Settings } from "./settings.ts";
import { parseStart, type Start, type TopicPartitions } from "./units.ts";

/** A place in every partition: an end of the log, an offset or a time. */
export type Target = Exclude<Start, { readonly kind: "beforeEnd" }>;

/** A partition, its log, and the offset that was found. */
export interface Found extends TopicPartition {
  /** First offset of the log. */
  readonly start: number;
  /** What was asked for, within the log. */
  readonly to: number;
}

/** One row of an answer: a partition and what moves in it. */
export interface Move extends TopicPartition {
  /** Where it was; `null` when nowhere. */
  readonly from: number | null;
  /** Where it is to be. */
  readonly to: number;
}

/** `earliest`, `latest`, `N`, `@time` or `-1h`; `start` and `end` as elsewhere. */
export function parseTarget(text: string): Target {
  if (/^(earliest|latest|start|end)$/.test(text)) return asTarget(text);
  return parsePoint(text, "earliest, latest, N or @time, as @-1h");
}

/** `N`, `@time` or `-1h`. */
export function parsePoint(
  text: string,
  choices = "N or @time, as @-1h",
): Target {
  if (/^(\d+|@.*|-\d[\d.]*[a-z]+|\d{4}-\d.*)$/s.test(text)) {
    return asTarget(text);
  }
  throw new UsageError(
    `Cannot read "${text}" as a place in a log: write ${choices}`,
  );
}

function asTarget(text: string): Target {
  return parseStart(text) as Target;
}

/** Finds the target in each partition; says where it lay outside of the log. */
export async function findTargets(
  admin: Admin,
  partitions: readonly TopicPartition[],
  { target, settings }: {
    readonly target: Target;
    readonly settings: Settings;
  },
): Promise<Found[]> {
  if (partitions.length === 0) return [];
  const starts = byPartition(await admin.listOffsets(partitions, "earliest"));
  const ends = byPartition(await admin.listOffsets(partitions, "latest"));
  const times = target.kind === "time"
    ? byPartition(await admin.listOffsets(partitions, target))
    : undefined;
  return partitions.map((at) => {
    const key = partitionKey(at);
    const start = starts.get(key) ?? 0;
    const end = ends.get(key) ?? start;
    const wanted = target.kind === "start"
      ? start
      : target.kind === "end"
      ? end
      : target.kind === "offset"
      ? target.offset
      : times?.get(key) ?? -1;
    // No record is that young: what comes next is.
    if (wanted < 0) return { ...at, start, to: end };
    const to = Math.min(end, Math.max(start, wanted));
    if (target.kind === "offset" && to !== wanted) {
      say(
        wanted > end
          ? `${key}: ${wanted} lies behind the end of the log, ${end} is meant`
          : `${key}: ${wanted} lies before the start of the log, ${start} is meant`,
        settings,
      );
    }
    return { ...at, start, to };
  });
}

function byPartition(listed: readonly ListedOffset[]): Map<string, number> {
  throwFailed(
    listed.map((at) => ({ ...at, name: partitionKey(at) })),
    "list offsets of",
  );
  return new Map(listed.map((at) => [partitionKey(at), at.offset]));
}

/** A topic's partitions, or those of them that were named. */
export async function partitionsOf(
  admin: Admin,
  wanted: readonly TopicPartitions[],
): Promise<TopicPartition[]> {
  const topics = await admin.describeTopics(wanted.map(({ topic }) => topic));
  throwFailed(topics, "describe topic");
  const found = new Map<string, TopicPartition>();
  for (const [i, { topic, partitions }] of wanted.entries()) {
    const known = topics[i]!.partitions.map(({ partition }) => partition);
    const missing = partitions?.find((partition) => !known.includes(partition));
    if (missing !== undefined) {
      throw new Error(
        `Cannot use partition ${missing} of topic "${topic}": it has ` +
          `${known.length}, counted from 0`,
      );
    }
    for (const partition of partitions ?? known) {
      const at = { topic, partition };
      found.set(partitionKey(at), at);
    }
  }
  return [...found.values()].sort(inOrder);
}

/** Topic by topic, partitions by number. */
export function inOrder(a: TopicPartition, b: TopicPartition): number {
  if (a.topic === b.topic) return a.partition - b.partition;
  return a.topic < b.topic ? -1 : 1;
}

/** `topic-partition`. */
export function partitionKey(at: TopicPartition): string {
  return `${at.topic}-${at.partition}`;
}

/** Moves as an answer. */
export function answerOfMoves(moves: readonly Move[], whenEmpty: string) {
  return {
    json: moves.map(({ topic, partition, from, to }) => ({
      topic,
      partition,
      from,
      to,
    })),
    columns: ["topic", "partition", "from", "to"],
    rows: moves.map(({ topic, partition, from, to }) => [
      topic,
      partition,
      from,
      to,
    ]),
    whenEmpty,
  };
}
