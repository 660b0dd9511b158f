/**
 * Durations, sizes, times, delimiters and partition lists as people type them.
 * Pure, but for the present time; bad text is a usage error that says
 * what would be right.
 *
 * @module
 */
import { UsageError } from "./failure.ts";
import { parseTime, wallMs } from "./terminal.ts";

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `500ms`, `10s`, `2m`, `1h` in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) {
    throw new UsageError(
      `Cannot read "${text}" as a duration: write it like 500ms, 10s, 2m or 1h`,
    );
  }
  return Math.round(Number(match[1]) * DURATION_MS[match[2]!]!);
}

/** A duration as people read it, in its two largest units: `2h 5m`. */
export function formatDuration(ms: number): string {
  const units = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000]] as const;
  for (const [i, [unit, size]] of units.entries()) {
    if (ms < size) continue;
    const [below, part] = units[i + 1] ?? ["s", 1000];
    const rest = Math.floor((ms % size) / part);
    return `${Math.floor(ms / size)}${unit}` +
      (rest > 0 ? ` ${rest}${below}` : "");
  }
  return ms < 1000 ? `${Math.round(ms)}ms` : `${Math.floor(ms / 1000)}s`;
}

const SIZE_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
};

const SIZE_BYTES_MAX = 1024 ** 3;

/** `64k`, `1.5m`, `1g` with or without `/s`, in bytes per second, above 0. */
export function parsePerSecond(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)b?(?:\/s)?$/i.exec(text);
  const unit = SIZE_BYTES[match?.[2]?.toLowerCase() ?? ""]!;
  const bytes = match === null ? 0 : Number(match[1]) * unit;
  if (bytes > 0) return bytes;
  throw new UsageError(
    `Cannot read "${text}" as a throughput per second: write it like 64k, 50m or 1g`,
  );
}

/** `100`, `64k`, `1m` in whole bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)b?$/i.exec(text);
  const unit = SIZE_BYTES[match?.[2]?.toLowerCase() ?? ""]!;
  const bytes = match === null ? NaN : Number(match[1]) * unit;
  if (Number.isSafeInteger(bytes) && bytes <= SIZE_BYTES_MAX) return bytes;
  throw new UsageError(
    `Cannot read "${text}" as a size: write it like 100, 64k or 1m, at most 1g`,
  );
}

/** An integer from `min`. */
export function parseCount(
  text: string,
  options: { name: string; min?: number; max?: number },
): number {
  const { name, min = 0, max = Number.MAX_SAFE_INTEGER } = options;
  const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const upTo = options.max === undefined ? "" : ` to ${max}`;
  throw new UsageError(
    `Cannot read "${text}" as ${name}: a whole number from ${min}${upTo} is needed`,
  );
}

const ISO_TIME = /^\d{4}-\d\d(-\d\d(T\d\d:\d\d.*)?)?$/;

/** `@2026-01-31T12:00:00Z`, `@-1h`, `@1706700000000` in epoch milliseconds. */
export function parseTimestamp(text: string): number {
  const body = text.startsWith("@") ? text.slice(1) : text;
  if (/^\d+$/.test(body)) return Number(body);
  if (body.startsWith("-")) {
    return Math.floor(wallMs() - parseDuration(body.slice(1)));
  }
  // The runtime reads more than it should: "abc 1" is a day in 2001 to it.
  const ms = ISO_TIME.test(body) ? parseTime(body) : NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new UsageError(
    `Cannot read "${text}" as a time: write it like @2026-01-31T12:00:00Z, @-1h or @1706700000000`,
  );
}

/** Where to begin reading. */
export type Start =
  | { readonly kind: "start" }
  | { readonly kind: "end" }
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "beforeEnd"; readonly count: number }
  | { readonly kind: "time"; readonly timestampMs: number };

/** `start`, `end`, `N`, `-N`, `@time`, or a time that can be nothing else. */
export function parseStart(text: string): Start {
  if (text === "start" || text === "beginning" || text === "earliest") {
    return { kind: "start" };
  }
  if (text === "end" || text === "latest") return { kind: "end" };
  if (text.startsWith("@") || /^-\d[\d.]*[a-z]|^\d{4}-\d/.test(text)) {
    return { kind: "time", timestampMs: parseTimestamp(text) };
  }
  if (/^\d+$/.test(text)) return { kind: "offset", offset: Number(text) };
  if (/^-\d+$/.test(text)) {
    return { kind: "beforeEnd", count: -Number(text) };
  }
  throw new UsageError(
    `Cannot read "${text}" as an offset: write start, end, N, -N or @time, as @-1h`,
  );
}

/** `0`, `0,2` or `0-3` as partition numbers. */
export function parsePartitions(text: string): number[] {
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim());
    if (match === null) {
      throw new UsageError(
        `Cannot read "${text}" as partitions: write them like 0 or 0,2 or 0-3`,
      );
    }
    const last = Number(match[2] ?? match[1]);
    if (last < Number(match[1])) {
      throw new UsageError(`Cannot read "${text}" as partitions: it goes back`);
    }
    for (let p = Number(match[1]); p <= last; p++) found.add(p);
  }
  return [...found];
}

/** A topic, and which of its partitions: all when undefined. */
export interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[] | undefined;
}

/** `TOPIC` or `TOPIC:PARTITIONS`; no topic's name holds a colon. */
export function parseTopicPartitions(text: string): TopicPartitions {
  const at = text.indexOf(":");
  return at < 0 ? { topic: text, partitions: undefined } : {
    topic: text.slice(0, at),
    partitions: parsePartitions(text.slice(at + 1)),
  };
}

/** `TOPIC:P`. */
export function parseTopicPartition(
  text: string,
): { topic: string; partition: number } {
  const match = /^(.+):(\d{1,9})$/.exec(text);
  if (match !== null) return { topic: match[1]!, partition: Number(match[2]) };
  throw new UsageError(
    `Cannot read "${text}" as a partition: write it like orders:0`,
  );
}

/** `key=value` in two parts. */
export function parsePair(text: string, what: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new UsageError(`Cannot read "${text}" as ${what}: write key=value`);
}

const ESCAPES: Readonly<Record<string, number>> = {
  n: 10,
  r: 13,
  t: 9,
  "0": 0,
  "\\": 92,
};

/** Text with `\n \r \t \0 \\ \xNN` as bytes. */
export function parseEscapes(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  const plain = new TextEncoder();
  for (let i = 0; i < text.length;) {
    const next = text[i + 1];
    const hex = /^\\x([0-9a-fA-F]{2})/.exec(text.slice(i, i + 4));
    if (hex !== null) {
      bytes.push(parseInt(hex[1]!, 16));
      i += 4;
    } else if (text[i] === "\\" && next !== undefined && next in ESCAPES) {
      bytes.push(ESCAPES[next]!);
      i += 2;
    } else {
      const point = String.fromCodePoint(text.codePointAt(i)!);
      bytes.push(...plain.encode(point));
      i += point.length;
    }
  }
  return Uint8Array.from(bytes);
}

/** A path; an empty one is a variable that isn't set. */
export function parsePath(text: string): string {
  if (text !== "") return text;
  throw new UsageError("Cannot use an empty path: name a folder");
}

/** A delimiter of at least one byte, with escapes. */
export function parseDelimiter(text: string, flag: string): Uint8Array {
  const bytes = parseEscapes(text);
  if (bytes.length > 0) return bytes;
  throw new UsageError(`Cannot use an empty delimiter for ${flag}`);
}

/** Bytes as people read them: `1.5 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
