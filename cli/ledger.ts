/**
 * The numbered records of `kf verify`, and the ledger of what was acknowledged
 * of them: a line that says what the run promises, then one line for each
 * record. Both sides are made here, so that they can't disagree.
 *
 * @module
 */
import { readRecords } from "./record_reader.ts";
import type { Source } from "./terminal.ts";

/** The first line: what was written, and what the writer was promised. */
export interface LedgerHead {
  readonly run: string;
  readonly topic: string;
  readonly acks: string;
  readonly isIdempotent: boolean;
  readonly keys: number;
  readonly valueBytes: number;
}

const LETTERS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The key of a record; none without keys. */
export function keyOfSeq(head: LedgerHead, seq: number): string | null {
  return head.keys === 0 ? null : `key-${seq % head.keys}`;
}

/** The value of a record: run, number, and letters that follow from it. */
export function valueOfSeq(head: LedgerHead, seq: number): string {
  const text = `${head.run} ${seq} `;
  const room = Math.max(0, head.valueBytes - text.length);
  const from = seq % LETTERS.length;
  const turned = LETTERS.slice(from) + LETTERS.slice(0, from);
  return text + turned.repeat(Math.ceil(room / turned.length)).slice(0, room);
}

/** The number of a record of this run; `undefined` when it is of another. */
export function seqOfValue(
  head: LedgerHead,
  value: Uint8Array | null,
): number | undefined {
  if (value === null) return undefined;
  // Run and number stand at the beginning.
  const text = decoder.decode(value.subarray(0, head.run.length + 20));
  if (!text.startsWith(`${head.run} `)) return undefined;
  const match = /^(\d+) /.exec(text.slice(head.run.length + 1));
  return match === null ? undefined : Number(match[1]);
}

/** Whether key and value are what was written. */
export function isAsWritten(
  head: LedgerHead,
  seq: number,
  record: {
    readonly key: Uint8Array | null;
    readonly value: Uint8Array | null;
  },
): boolean {
  const key = keyOfSeq(head, seq);
  return isSame(record.key, key === null ? null : encoder.encode(key)) &&
    isSame(record.value, encoder.encode(valueOfSeq(head, seq)));
}

/** Whether two fields hold the same bytes. */
export function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/**
 * What was acknowledged, by number.
 *
 * 1. `partitions[seq]` is -1 for what was not acknowledged.
 */
export class Ledger {
  /** Records acknowledged. */
  acked = 0;
  /** One past the highest number. */
  sent = 0;
  partitions: Int32Array<ArrayBuffer> = new Int32Array(1024).fill(-1);
  offsets: Float64Array<ArrayBuffer> = new Float64Array(1024);

  constructor(readonly head: LedgerHead) {}

  /** Takes down one line after the first. */
  add(line: Readonly<Record<string, unknown>>): void {
    const { seq, partition, offset } = line;
    if (!Number.isSafeInteger(seq) || Number(seq) < 0) {
      throw new Error('it has no "seq"');
    }
    const at = Number(seq);
    this.sent = Math.max(this.sent, at + 1);
    if (partition === undefined) return;
    this.#reserve(at);
    if (this.partitions[at] === -1) this.acked++;
    this.partitions[at] = Number(partition);
    this.offsets[at] = Number(offset);
  }

  #reserve(seq: number): void {
    const before = this.partitions.length;
    if (seq < before) return;
    const length = Math.max(seq + 1, before * 2);
    const partitions = new Int32Array(length).fill(-1, before);
    partitions.set(this.partitions);
    const offsets = new Float64Array(length);
    offsets.set(this.offsets);
    this.partitions = partitions;
    this.offsets = offsets;
  }
}

/** Reads a ledger; a torn last line is what a killed writer leaves. */
export async function readLedger(source: Source): Promise<Ledger> {
  let ledger: Ledger | undefined;
  let torn: Error | undefined;
  let number = 0;
  await readRecords(source, {
    delimiter: encoder.encode("\n"),
    take(bytes) {
      if (torn !== undefined) throw torn;
      number++;
      try {
        const line = JSON.parse(decoder.decode(bytes));
        if (ledger === undefined) ledger = new Ledger(headOf(line));
        else ledger.add(line);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        torn = new Error(`Cannot read line ${number} of the ledger: ${why}`);
      }
      return undefined;
    },
  });
  if (ledger !== undefined) return ledger;
  throw torn ?? new Error("Cannot prove anything: the ledger is empty");
}

function headOf(line: Partial<LedgerHead>): LedgerHead {
  const { run, topic, acks, isIdempotent, keys, valueBytes } = line;
  if (
    typeof run === "string" && typeof topic === "string" &&
    typeof acks === "string" && typeof isIdempotent === "boolean" &&
    typeof keys === "number" && typeof valueBytes === "number"
  ) return { run, topic, acks, isIdempotent, keys, valueBytes };
  throw new Error("it is not the first line that kf verify produce prints");
}
