/**
 * Records that a command could not take: how they look in their dead-letter
 * topic, and what they were before. Owns the names of the headers; a record that
 * went there and back is as it was.
 *
 * @module
 */
import type { ConsumerRecord, ProducerRecord } from "../net/client.ts";

/** All names begin so. */
const PREFIX = "kf.dlq.";

/** Why a record went there. */
export interface Reason {
  readonly group: string;
  readonly message: string;
  readonly exitCode: number | null;
  readonly stderr: string;
}

type Header = readonly [string, Uint8Array | string | null];

/** The record as a dead letter: as it was, with headers that say why. */
export function deadLetter(
  record: ConsumerRecord,
  to: string,
  reason: Reason,
): ProducerRecord {
  const says: Record<string, string> = {
    topic: record.topic,
    partition: String(record.partition),
    offset: String(record.offset),
    group: reason.group,
    error: reason.message,
    ...(reason.exitCode === null
      ? {}
      : { "exit-code": String(reason.exitCode) }),
    ...(reason.stderr === "" ? {} : { stderr: reason.stderr }),
  };
  const said = Object.entries(says).map(([name, text]): Header => [
    PREFIX + name,
    text,
  ]);
  return {
    topic: to,
    key: record.key,
    value: record.value,
    headers: [...ownHeaders(record), ...said],
    timestamp: record.timestamp,
  };
}

const decoder = new TextDecoder();

/**
 * The record that a dead letter was, for the topic it came from; undefined when
 * it does not say which.
 */
export function redriven(letter: ConsumerRecord): ProducerRecord | undefined {
  const said = (name: string) => {
    const header = letter.headers.findLast(({ key }) => key === PREFIX + name);
    return header?.value ? decoder.decode(header.value) : undefined;
  };
  const topic = said("topic");
  const partition = said("partition");
  if (topic === undefined || !/^\d+$/.test(partition ?? "")) return undefined;
  return {
    topic,
    partition: Number(partition),
    key: letter.key,
    value: letter.value,
    headers: ownHeaders(letter),
    timestamp: letter.timestamp,
  };
}

function ownHeaders({ headers }: ConsumerRecord): Header[] {
  return headers.filter(({ key }) => !key.startsWith(PREFIX))
    .map(({ key, value }): Header => [key, value]);
}
