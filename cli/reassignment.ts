/**
 * Moves of partitions as operators see them: what each would copy, as rows and
 * as the JSON that Kafka's tool reads. It changes nothing.
 *
 * @module
 */
import type { Admin, PlannedPartition, TopicPartition } from "../net/client.ts";
import { UsageError } from "./failure.ts";
import type { Answer } from "./output.ts";
import { partitionKey } from "./targets.ts";
import { readText } from "./terminal.ts";

/** A partition, where its replicas are and where they are to be. */
export interface PlannedMove extends TopicPartition {
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** What is copied for it, all new replicas together. */
  readonly bytes: number;
}

/** A partition, on the replicas that it has or is about to have. */
export interface Placed extends PlannedPartition {
  readonly leader: number;
  /** What it was on before it began to move; undefined: it does not. */
  readonly origin: readonly number[] | undefined;
}

/** Partitions of `topics`, or all, where they are or are being moved to. */
export async function placedPartitions(
  admin: Admin,
  topics: readonly string[] | undefined,
): Promise<Placed[]> {
  const names = topics ?? (await admin.listTopics()).map(({ name }) => name);
  if (names.length === 0) return [];
  const described = await admin.describeTopics(names);
  const failed = described.find(({ error }) => error !== undefined);
  if (failed?.error) throw failed.error;
  const sizes = await partitionSizes(admin, topics);
  const moving = new Map(
    (await admin.listPartitionReassignments())
      .map((each) => [partitionKey(each), each]),
  );
  return described.flatMap(({ partitions }) => partitions).map((each) => {
    const move = moving.get(partitionKey(each));
    return {
      topic: each.topic,
      partition: each.partition,
      leader: each.leader,
      replicas: without(each.replicas, move?.removingReplicas ?? []),
      origin: move && without(move.replicas, move.addingReplicas),
      bytes: sizes.get(partitionKey(each)) ?? 0,
    };
  });
}

function without(ids: readonly number[], gone: readonly number[]): number[] {
  return ids.filter((id) => !gone.includes(id));
}

/** How large each partition is: as its largest replica. */
async function partitionSizes(
  admin: Admin,
  topics: readonly string[] | undefined,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { replicas } of await admin.describeLogDirs(topics)) {
    for (const each of replicas) {
      const key = partitionKey(each);
      sizes.set(key, Math.max(sizes.get(key) ?? 0, each.sizeInBytes));
    }
  }
  return sizes;
}

/** What it takes to have a partition's replicas on `to`. */
export function moveOf(
  { topic, partition, replicas, bytes }: PlannedPartition,
  to: readonly number[],
): PlannedMove {
  const copies = to.filter((id) => !replicas.includes(id)).length;
  return { topic, partition, from: replicas, to, bytes: copies * bytes };
}

/** Whether a partition's replicas are where they should be, in that order. */
export function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** Moves as an answer; its JSON is what Kafka's tool reads, and `apply`. */
export function answerOfPlan(moves: readonly PlannedMove[]): Answer {
  return {
    json: {
      version: 1,
      partitions: moves.map(({ topic, partition, to }) => ({
        topic,
        partition,
        replicas: to,
      })),
    },
    columns: ["topic", "partition", "from", "to", "bytes"],
    rows: moves.map(({ topic, partition, from, to, bytes }) => [
      topic,
      partition,
      from.join(),
      to.join(),
      bytes,
    ]),
    whenEmpty: "nothing to move",
  };
}

/** Where partitions are to be, as a file says it. */
export interface Wish extends TopicPartition {
  readonly replicas: readonly number[];
}

/** Reads what `--format json` of `plan` or Kafka's `--generate` printed. */
export function readPlan(path: string): Wish[] {
  const text = readText(path === "-" ? "/dev/stdin" : path);
  if (text !== undefined) return parsePlan(text, path);
  throw new UsageError(`Cannot read "${path}": there is no such file`);
}

function parsePlan(text: string, path: string): Wish[] {
  const wrong = (why: string) =>
    new UsageError(
      `Cannot read "${path}" as moves: ${why}; write {"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2]}]}`,
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
  const { partitions } = Object(parsed) as { partitions?: unknown };
  if (!Array.isArray(partitions)) throw wrong("it has no partitions");
  const seen = new Set<string>();
  return partitions.map((each: unknown) => {
    const { topic, partition, replicas } = Object(each) as Partial<Wish>;
    const isRight = typeof topic === "string" && isId(partition) &&
      Array.isArray(replicas) && replicas.length > 0 && replicas.every(isId);
    if (!isRight) throw wrong(`${JSON.stringify(each)} is none`);
    const key = partitionKey({ topic, partition });
    if (seen.has(key)) throw wrong(`${key} is there twice`);
    seen.add(key);
    return { topic, partition, replicas };
  });
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

/** Ids of brokers as people type them: `1,2,5-7`. */
export function parseBrokers(text: string): number[] {
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part.trim());
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < Number(match[1])) {
      throw new UsageError(
        `Cannot read "${text}" as ids of brokers: write them like 1,2,3 or 1-3`,
      );
    }
    for (let id = Number(match[1]); id <= last; id++) found.add(id);
  }
  return [...found];
}
