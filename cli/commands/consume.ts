/**
 * `kf consume`: records of topics onto stdout. A record's offset is committed
 * only after the record has been written to stdout in full.
 *
 * @module
 */
import type { Consumer } from "../../net/client.ts";
import type { Call, Flags } from "../command.ts";
import { unique, withAdmin } from "../cluster.ts";
import { Delivery } from "../delivery.ts";
import { ItemsFailed, UsageError } from "../failure.ts";
import { say } from "../output.ts";
import { Progress } from "../progress.ts";
import {
  compileFormat,
  envelopeFormat,
  plainFormat,
  type PrintRecord,
} from "../record_format.ts";
import { openConsumer, poll } from "../reading.ts";
import { commonProperties } from "../settings.ts";
import { Span } from "../span.ts";
import { BrokenPipe, isTerminal, monoMs, takeInterrupts } from "../terminal.ts";
import {
  parseCount,
  parseDelimiter,
  parseDuration,
  parsePartitions,
  parseStart,
  type Start,
} from "../units.ts";

const POLL_MS = 500;
const COMMIT_INTERVAL_MS = 1000;

/** What was asked for. */
interface Wish {
  readonly group: string | undefined;
  readonly start: Start;
  readonly partitions: number[] | undefined;
  readonly limit: number;
  readonly idleTimeoutMs: number;
  readonly print: PrintRecord;
}

/** Runs `kf consume`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const wish = readWish(flags);
  const topics = await chooseTopics(call, wish.group);
  const consumer = await openConsumer(settings, {
    "group.id": wish.group,
    "allow.auto.create.topics": true,
    "auto.offset.reset": wish.start.kind === "end" ? "latest" : "earliest",
  });
  const interrupts = takeInterrupts();
  const delivery = new Delivery(
    wish.group === undefined ? undefined : consumer,
    { print: wish.print, limit: wish.limit },
  );
  const span = new Span(consumer, {
    isEndedAtEnd: flags.has("exit-at-end"),
    to: flags.parsed("to", parseStart),
  });
  const progress = new Progress("read", settings);
  let isReaderGone = false;
  try {
    await begin(consumer, { wish, topics, span, delivery });
    await deliver(consumer, {
      wish,
      span,
      delivery,
      progress,
      stop: interrupts.signal,
    });
  } catch (error) {
    if (!(error instanceof BrokenPipe)) throw error;
    isReaderGone = true;
  } finally {
    await end(consumer, delivery);
    interrupts.release();
    progress.end();
  }
  if (isReaderGone) return;
  if (flags.has("require-match") && delivery.records === 0) {
    say("no record matched", settings);
    throw new ItemsFailed("no record matched");
  }
}

/** Commits what was written and leaves the group, even after a failure. */
async function end(consumer: Consumer, delivery: Delivery): Promise<void> {
  try {
    await delivery.commit();
  } finally {
    await consumer.close();
  }
}

function readWish(flags: Flags): Wish {
  flags.refuseBoth("print", "json");
  flags.refuseBoth("print", "delimiter");
  flags.refuseBoth("delimiter", "null");
  const group = flags.text("group");
  const start = flags.parsed("offset", parseStart) ?? { kind: "start" };
  if (group === "") throw new UsageError("Cannot use a group without a name");
  if (group !== undefined && start.kind !== "start" && start.kind !== "end") {
    throw new UsageError(
      "Cannot use this -o with a group, which goes on at its committed offset: use start or end, or leave -g out",
    );
  }
  return {
    group,
    start,
    partitions: flags.parsed("partitions", parsePartitions),
    limit: flags.parsed(
      "limit",
      (text) => parseCount(text, { name: "a limit" }),
    ) ?? Infinity,
    idleTimeoutMs: flags.parsed("idle-timeout", parseDuration) ?? Infinity,
    print: choosePrint(flags),
  };
}

function choosePrint(flags: Flags): PrintRecord {
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
  return flags.has("json")
    ? envelopeFormat(delimiter)
    : plainFormat(delimiter, options);
}

/** As named, else what the group has committed, else the default topic. */
async function chooseTopics(
  call: Call,
  group: string | undefined,
): Promise<string[]> {
  const { flags, settings } = call;
  if (call.args.length > 0) return unique(call.args);
  const named = flags.text("topic");
  if (named !== undefined) return [named];
  let topics: string[] = [];
  if (group !== undefined) {
    const offsets = await withAdmin(
      { ...settings, properties: commonProperties(settings) },
      (admin) => admin.listGroupOffsets(group),
    );
    topics = unique(offsets.map((offset) => offset.topic)).sort();
  }
  if (topics.length === 0) topics = [settings.topic];
  const names = topics.map((topic) => `"${topic}"`).join(", ");
  say(`reading topic ${names}`, settings);
  return topics;
}

async function begin(
  consumer: Consumer,
  options: { wish: Wish; topics: string[]; span: Span; delivery: Delivery },
): Promise<void> {
  const { wish, topics, span, delivery } = options;
  if (wish.group !== undefined && wish.partitions === undefined) {
    consumer.onRebalance({
      assigned: (partitions) => span.assigned(partitions),
      revoked: async (partitions) => {
        await delivery.commit();
        span.revoked(partitions);
      },
      lost: (partitions) => {
        delivery.forget(partitions);
        span.revoked(partitions);
      },
    });
    consumer.subscribe(topics);
    return;
  }
  const found = [];
  for (const topic of topics) {
    const all = await consumer.partitionsFor(topic);
    const wanted = wish.partitions ?? all.map((info) => info.partition);
    for (const partition of wanted) {
      if (!all.some((info) => info.partition === partition)) {
        throw new Error(
          `Cannot read partition ${partition} of topic "${topic}": it has ${all.length}`,
        );
      }
      found.push({ topic, partition });
    }
  }
  consumer.assign(found);
  if (wish.group === undefined) await span.seek(found, wish.start);
  await span.assigned(found);
}

async function deliver(
  consumer: Consumer,
  options: {
    wish: Wish;
    span: Span;
    delivery: Delivery;
    progress: Progress;
    stop: AbortSignal;
  },
): Promise<void> {
  const { wish, span, delivery, progress, stop } = options;
  let lastRecordMs = monoMs();
  let committedMs = lastRecordMs;
  while (!stop.aborted && !delivery.isFull && !await span.isDone()) {
    const waitMs = Math.min(
      POLL_MS,
      Math.max(1, lastRecordMs + wish.idleTimeoutMs - monoMs()),
    );
    const batches = await poll(consumer, waitMs, stop);
    for (const batch of batches) {
      delivery.write(batch, span.endOf(batch));
      if (delivery.isFull) break;
    }
    delivery.flush();
    const now = monoMs();
    if (batches.length > 0) lastRecordMs = now;
    else if (now - lastRecordMs >= wish.idleTimeoutMs) return;
    progress.records = delivery.records;
    progress.bytes = delivery.bytes;
    progress.tick();
    if (now - committedMs >= COMMIT_INTERVAL_MS) {
      await delivery.commit();
      committedMs = now;
    }
  }
}
