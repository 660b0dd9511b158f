/**
 * What the mark of a clean stop says: Kafka's line and, behind it, digests of
 * the files whose damage nothing in themselves tells. Kafka reads the first
 * JSON value only, and writes a mark of its own when it stops the folder, so
 * that digests are never older than the files. Owns the text and what is
 * digested; what is made of a difference is the reader's.
 *
 * @module
 */
import { crc32c } from "../bytes/crc32c.ts";
import type { Uuid } from "../bytes/uuid.ts";
import type { LeaderEpochCache } from "./leader_epoch_cache.ts";
import type { ProducerStates } from "./producer_state.ts";
import type { Segment } from "./segment.ts";

const ENCODER = new TextEncoder();
/** Whoever cuts the digests off leaves this: Kafka's mark has no such space. */
const OURS = " ";

/** Digests of what a log's small files held. */
export interface LogDigest {
  readonly topicId: number;
  readonly epochs: number;
  readonly producers: number;
  /** Of aborted transactions, in all segments. */
  readonly aborted: number;
}

/** What a mark says; undefined digests: another broker wrote it. */
export interface CleanStop {
  /** Undefined when there is none. */
  readonly brokerEpoch: number | undefined;
  readonly digests: CleanDigests | undefined;
}

/** What was digested at a clean stop. */
export interface CleanDigests {
  /** By the names of checkpoints. */
  readonly files: ReadonlyMap<string, number>;
  /** By `topic-partition`. */
  readonly logs: ReadonlyMap<string, LogDigest>;
}

/** The text of a mark; without digests it is as Kafka's. */
export function cleanStopText(
  brokerEpoch: number,
  digests: CleanDigests | undefined,
): string {
  const head = JSON.stringify({ version: 0, brokerEpoch });
  if (digests === undefined) return head;
  const { files, logs } = digests;
  const body = JSON.stringify({
    files: Object.fromEntries(files),
    logs: Object.fromEntries(
      Array.from(logs, ([name, { topicId, epochs, producers, aborted }]) => [
        name,
        [topicId, epochs, producers, aborted],
      ]),
    ),
  });
  const sum = digestOfText(`${head}\n${body}`);
  return `${OURS}${head}\n${sum} ${body}\n`;
}

/** Reads a mark; undefined when it is damaged. */
export function parseCleanStop(text: string): CleanStop | undefined {
  if (!text.startsWith(OURS)) {
    const mark = parseObject(text);
    return mark && { brokerEpoch: epochIn(mark), digests: undefined };
  }
  const [, head, sum, body] = /^ (.*)\n(\d+) (.*)\n$/.exec(text) ?? [];
  if (digestOfText(`${head}\n${body}`) !== Number(sum)) return undefined;
  const { files, logs } = JSON.parse(body!);
  return {
    brokerEpoch: epochIn(JSON.parse(head!)),
    digests: {
      files: new Map(Object.entries<number>(files)),
      logs: new Map(
        Object.entries<[number, number, number, number]>(logs).map((
          [name, [topicId, epochs, producers, aborted]],
        ) => [name, { topicId, epochs, producers, aborted }]),
      ),
    },
  };
}

/** Digest of a small text file. */
export function digestOfText(text: string): number {
  return crc32c(ENCODER.encode(text), 0);
}

/** Digest of what a snapshot of `producers` holds. */
export function digestOfProducers(producers: ProducerStates): number {
  return producers.size === 0 ? 0 : crc32c(producers.encode(), 0);
}

/** Digest of what the file of `epochs` holds. */
export function digestOfEpochs({ saved }: LeaderEpochCache): number {
  return digestOfText(saved);
}

/** Digest of the aborted transactions of `segments`, as their files have them. */
export function digestOfAborted(segments: Iterable<Segment>): number {
  let text = "";
  for (const { baseOffset, txnIndex } of segments) {
    const digest = txnIndex.digest();
    if (digest !== 0) text += `${baseOffset} ${digest}\n`;
  }
  return text === "" ? 0 : digestOfText(text);
}

/** Digests of a log whose files were just written. */
export function digestOfLog(
  segments: Iterable<Segment>,
  { topicId, epochs, snapshots }: {
    readonly topicId: Uuid;
    readonly epochs: LeaderEpochCache;
    readonly snapshots: { readonly digest: number };
  },
): LogDigest {
  return {
    topicId: digestOfText(topicId),
    epochs: digestOfEpochs(epochs),
    producers: snapshots.digest,
    aborted: digestOfAborted(segments),
  };
}

function epochIn({ brokerEpoch }: { brokerEpoch?: unknown }) {
  return Number.isSafeInteger(brokerEpoch) ? brokerEpoch as number : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
