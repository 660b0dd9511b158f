/**
 * What `kf consume` was asked for: flags as one value, contradictions refused.
 * It reads no record; to find out which topics are meant it may ask the
 * cluster.
 *
 * @module
 */
import type { Call, Flags } from "./command.ts";
import { unique, withAdmin } from "./cluster.ts";
import { UsageError } from "./failure.ts";
import { framedFormat, framingOf } from "./framing.ts";
import { say } from "./output.ts";
import {
  compileFormat,
  envelopeFormat,
  plainFormat,
  type PrintRecord,
} from "./record_format.ts";
import { asUsage, type KeepRecord, readSelection } from "./selection.ts";
import { commonProperties } from "./settings.ts";
import { isTerminal } from "./terminal.ts";
import {
  parseCount,
  parseDelimiter,
  parseDuration,
  parsePartitions,
  parseStart,
  type Start,
} from "./units.ts";

/** Records that a tail may be made of. */
const TAIL_MAX = 1_000_000;

/** What was asked for. */
export interface Wish {
  readonly group: string | undefined;
  readonly start: Start;
  readonly to: Start | undefined;
  readonly isEndedAtEnd: boolean;
  readonly partitions: number[] | undefined;
  /** Only records with this key, in the partition of this key. */
  readonly key: Uint8Array | undefined;
  readonly limit: number;
  readonly idleTimeoutMs: number;
  readonly print: PrintRecord;
  /** Undefined when every record is wanted. */
  readonly keeps: KeepRecord | undefined;
  /** How many of the last records. */
  readonly tail: number | undefined;
  readonly isLatestPerKey: boolean;
  readonly isByTime: boolean;
}

/** Flags that need all of a topic, which no member of a group has. */
const UNSHARED = ["tail", "latest-per-key", "order", "key"];

/** Reads the flags. */
export async function readWish({ flags, settings }: Call): Promise<Wish> {
  const group = flags.text("group");
  if (group === "") throw new UsageError("Cannot use a group without a name");
  if (group === undefined && flags.text("group-protocol") !== undefined) {
    throw new UsageError("Cannot use --group-protocol without --group");
  }
  if (group !== undefined) {
    for (const name of UNSHARED) flags.refuseBoth("group", name);
    // A pattern is for the group to watch, which chooses partitions itself.
    if (flags.has("regex")) flags.refuseBoth("group", "partitions");
  }
  const tail = flags.parsed(
    "tail",
    (text) => parseCount(text, { name: "a number", min: 1, max: TAIL_MAX }),
  );
  const to = flags.parsed("to", parseStart);
  const isLatestPerKey = flags.has("latest-per-key");
  const isByTime = flags.text("order") === "timestamp";
  flags.refuseBoth("tail", "latest-per-key");
  const isEndedAtEnd = flags.has("exit-at-end") || to?.kind === "end" ||
    (to === undefined && (tail !== undefined || isLatestPerKey));
  if (isByTime && !isEndedAtEnd && to === undefined) {
    throw new UsageError(
      "Cannot order records that go on coming: add -e or --to",
    );
  }
  const key = flags.text("key");
  return {
    group,
    start: readStart(flags, group),
    to: to?.kind === "end" ? undefined : to,
    isEndedAtEnd,
    partitions: flags.parsed("partitions", parsePartitions),
    key: key === undefined ? undefined : new TextEncoder().encode(key),
    limit: flags.parsed(
      "limit",
      (text) => parseCount(text, { name: "a limit" }),
    ) ?? Infinity,
    idleTimeoutMs: flags.parsed("idle-timeout", parseDuration) ?? Infinity,
    print: choosePrint(flags, settings.format === "json"),
    keeps: await readSelection(flags),
    tail,
    isLatestPerKey,
    isByTime,
  };
}

function readStart(flags: Flags, group: string | undefined): Start {
  flags.refuseBoth("offset", "from");
  flags.refuseBoth("offset", "tail");
  flags.refuseBoth("from", "tail");
  const start = flags.parsed("offset", parseStart) ??
    flags.parsed("from", parseStart) ?? { kind: "start" };
  if (group !== undefined && start.kind !== "start" && start.kind !== "end") {
    throw new UsageError(
      "Cannot use this -o with a group, which goes on at its committed offset: use start or end, or leave -g out",
    );
  }
  return start;
}

function choosePrint(flags: Flags, isJson: boolean): PrintRecord {
  flags.refuseBoth("print", "json");
  flags.refuseBoth("print", "json-value");
  flags.refuseBoth("print", "delimiter");
  flags.refuseBoth("delimiter", "null");
  const framing = framingOf(flags.text("framing"));
  const others = ["print", "json", "json-value"];
  if (framing === "length") others.push("delimiter", "null");
  for (const other of others) flags.refuseBoth("framing", other);
  const options = { isTerminal: isTerminal.stdout() };
  const format = flags.text("print");
  if (format !== undefined) {
    const print = compileFormat(format, options);
    if (!flags.has("null")) return print;
    return (record, sink) => {
      print(record, sink);
      sink.byte(0);
    };
  }
  const delimiter = flags.has("null")
    ? new Uint8Array(1)
    : parseDelimiter(flags.text("delimiter") ?? "\\n", "-D");
  if (framing !== undefined) return framedFormat(framing, delimiter);
  const nestsJson = flags.has("json-value");
  return flags.has("json") || nestsJson || isJson
    ? envelopeFormat(delimiter, { nestsJson })
    : plainFormat(delimiter, options);
}

/**
 * The topics as named, else what the group has committed, else the default
 * topic. With `-r` the names are patterns: for a group one expression that it
 * goes on watching, otherwise the topics that match now.
 */
export async function chooseTopics(
  call: Call,
  group: string | undefined,
): Promise<string[] | RegExp> {
  const { flags, settings } = call;
  const flagged = flags.text("topic");
  const named = call.args.length > 0
    ? unique(call.args)
    : flagged === undefined
    ? []
    : [flagged];
  const admin = { ...settings, properties: commonProperties(settings) };
  if (flags.has("regex")) return await matchTopics(call, { named, group });
  if (named.length > 0) return named;
  let topics: string[] = [];
  if (group !== undefined) {
    const offsets = await withAdmin(
      admin,
      (admin) => admin.listGroupOffsets(group),
    );
    topics = unique(offsets.map((offset) => offset.topic)).sort();
  }
  if (topics.length === 0) topics = [settings.topic];
  sayTopics(topics, call);
  return topics;
}

function sayTopics(topics: readonly string[], { settings }: Call): void {
  const names = topics.map((topic) => `"${topic}"`).join(", ");
  say(`reading topic ${names}`, settings);
}

async function matchTopics(
  call: Call,
  options: { named: readonly string[]; group: string | undefined },
): Promise<string[] | RegExp> {
  const { settings } = call;
  const { named, group } = options;
  if (named.length === 0) {
    throw new UsageError('Cannot use -r without a pattern: write -r "a.*"');
  }
  const { Regex } = await import("../net/client.ts");
  const patterns = named.map((text) =>
    asUsage(`-r with "${text}"`, () => new Regex(text))
  );
  if (group !== undefined) {
    const all = named.map((text) => `(?:${text})`).join("|");
    // Strict, so that what only RE2 knows is refused and not read otherwise.
    return asUsage("-r in a group", () => new RegExp(`^(?:${all})$`, "u"));
  }
  const found = await withAdmin(
    { ...settings, properties: commonProperties(settings) },
    (admin) => admin.listTopics(),
  );
  const topics = found
    .filter(({ name, isInternal }) =>
      !isInternal && patterns.some((pattern) => pattern.matches(name))
    )
    .map(({ name }) => name);
  if (topics.length === 0) {
    throw new Error(
      `Cannot read topics: none matches ${
        named.map((text) => JSON.stringify(text)).join(" or ")
      } as a whole`,
    );
  }
  sayTopics(topics, call);
  return topics;
}
