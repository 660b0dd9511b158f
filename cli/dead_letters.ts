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

function ownHeaders({ headers }: ConsumerRecord): Header[] {
  return headers.filter(({ key }) => !key.startsWith(PREFIX))
    .map(({ key, value }): Header => [key, value]);
}
