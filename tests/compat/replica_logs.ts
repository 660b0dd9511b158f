/**
 * Two replicas of one partition, compared by their files: batch by batch, byte
 * by byte. Owns the comparison; whoever asks sees to it that nobody writes.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { batchesOf, BatchView } from "../../core/record/batch.ts";
import { decodeRecords } from "../../core/record/record.ts";
import { run, until } from "../fixtures.ts";
import { kafkaTool } from "./apache_kafka.ts";

/** A batch as it lies in a file. */
interface StoredBatch {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly bytes: Uint8Array;
}

/** What is in the segments of a partition's folder, in order. */
function storedBatches(folder: string): StoredBatch[] {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => /^\d{20}\.log$/.test(name)).sort();
  return names.flatMap((name) => {
    const bytes = Deno.readFileSync(`${folder}/${name}`);
    let at = 0;
    return Array.from(batchesOf(bytes), (batch) => {
      const { baseOffset, nextOffset, sizeInBytes } = batch;
      const stored = bytes.subarray(at, at += sizeInBytes);
      return { baseOffset, nextOffset, bytes: stored };
    });
  });
}

/** All records that a folder still has, in order, as text. */
export function storedRecords(folder: string) {
  const decoder = new TextDecoder();
  return storedBatches(folder).flatMap(({ bytes }) => {
    const view = new BatchView(bytes);
    const { producerId } = view;
    const records = view.isControl ? [] : decodeRecords(view);
    return records.map(({ key, value, offset }) => ({
      key: key && decoder.decode(key),
      value: decoder.decode(value!),
      offset,
      producerId,
    }));
  });
}

/** Values as text, in order. */
export function storedValues(folder: string): string[] {
  return storedRecords(folder).map(({ value }) => value);
}

/** Each key's last offset, and how many records there are in all. */
export function latestByKey(folder: string) {
  const records = storedRecords(folder);
  const latest = new Map(records.map(({ key, offset }) => [key, offset]));
  return { latest, count: records.length };
}

/** Kafka's own dump tool finds nothing wrong in any partition of `data`. */
export async function assertDumps(jars: string, data: string): Promise<void> {
  const folders = [...Deno.readDirSync(data)].map(({ name }) => name)
    .filter((name) => /-\d+$/.test(name) && !name.includes("__cluster"));
  const files = folders.flatMap((folder) =>
    [...Deno.readDirSync(`${data}/${folder}`)].map(({ name }) => name)
      .filter((name) => /\.(log|index|timeindex|txnindex|snapshot)$/.test(name))
      .map((name) => `${data}/${folder}/${name}`)
  );
  const { code, stdout, stderr } = await run(
    kafkaTool(jars, "DumpLogSegments", ["--files", files.sort().join()]),
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /baseOffset: /);
  assertNotMatch(stdout, /isvalid: false|mismatch|out of order|corrupt/i);
  assertNotMatch(stdout, /Exception|Could not/);
}

function endOf(folder: string): number {
  return storedBatches(folder).at(-1)?.nextOffset ?? 0;
}

/** How many segments there are. */
export function segmentsIn(folder: string): number {
  return [...Deno.readDirSync(folder)]
    .filter(({ name }) => name.endsWith(".log")).length;
}

/**
 * Waits until both folders end at `end` at least, and at the same offset; then
 * what both have must be the same bytes. Gives how many batches these are.
 */
export async function equalLogs(
  [one, other]: readonly [string, string],
  end = 0,
): Promise<number> {
  await until(`${one} and ${other} end alike`, () => {
    const at = endOf(one);
    return at >= end && at === endOf(other);
  });
  const [a, b] = [storedBatches(one), storedBatches(other)];
  // Whichever has dropped more from its start says where to begin.
  const first = Math.max(a[0]?.baseOffset ?? 0, b[0]?.baseOffset ?? 0);
  const common = (batches: StoredBatch[]) =>
    batches.filter(({ baseOffset }) => baseOffset >= first);
  const [left, right] = [common(a), common(b)];
  assertEquals(
    right.map(({ baseOffset }) => baseOffset),
    left.map(({ baseOffset }) => baseOffset),
    other,
  );
  left.forEach(({ bytes, baseOffset }, i) => {
    const isSame = bytes.length === right[i]!.bytes.length &&
      bytes.every((byte, at) => byte === right[i]!.bytes[at]);
    assert(isSame, `${other} differs from ${one} at offset ${baseOffset}`);
  });
  return left.length;
}
