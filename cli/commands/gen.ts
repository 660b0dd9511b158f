/**
 * `kf gen`: made-up records, as lines on stdout or straight into a topic. What
 * it makes depends on its flags alone.
 *
 * @module
 */
import type { OnDone } from "../../net/client.ts";
import { ByteSink } from "../byte_sink.ts";
import type { Call, Flags } from "../command.ts";
import { ItemsFailed, UsageError } from "../failure.ts";
import { type GeneratedRecord, RecordGenerator } from "../generator.ts";
import { printAnswer } from "../output.ts";
import { type Bounds, paced, readBounds } from "../pace.ts";
import { Progress } from "../progress.ts";
import { Failures, meetTopic, openProducer } from "../sending.ts";
import { monoMs, takeInterrupts, writeOut } from "../terminal.ts";
import { parseCount, parseDelimiter, parseSize } from "../units.ts";

const COUNT = 100;
const FLUSH_BYTES = 64 * 1024;
/** A reader of a slow stream sees each record about when it is made. */
const FLUSH_MS = 50;

/** Runs `kf gen`. */
export async function run(call: Call): Promise<void> {
  const { flags, args } = call;
  const bounds = readBounds(flags, { count: COUNT });
  const generator = new RecordGenerator({
    seed: flags.parsed("seed", (text) =>
      parseCount(text, { name: "a seed" })) ??
      0,
    keys: flags.parsed(
      "keys",
      (text) => parseCount(text, { name: "a number of keys" }),
    ) ?? 0,
    valueBytes: flags.parsed("size", parseSize),
  });
  if (args[0] === "") throw new UsageError("Cannot use a topic without name");
  const interrupts = takeInterrupts();
  try {
    if (args[0] === undefined) {
      await print(call, { bounds, generator, stop: interrupts.signal });
    } else await produce(call, { bounds, generator, stop: interrupts.signal });
  } finally {
    interrupts.release();
  }
}

interface Making {
  readonly bounds: Bounds;
  readonly generator: RecordGenerator;
  readonly stop: AbortSignal;
}

async function print(
  { flags, settings }: Call,
  { bounds, generator, stop }: Making,
): Promise<void> {
  const sink = new ByteSink(2 * FLUSH_BYTES);
  const put = settings.format === "json" ? putJson : putText(flags);
  let flushedMs = monoMs();
  const flush = () => {
    const bytes = sink.view();
    sink.length = 0;
    flushedMs = monoMs();
    if (bytes.length > 0) writeOut(bytes);
  };
  const isSlow = bounds.perSecond < 1000 / FLUSH_MS;
  await paced(bounds, stop, () => {
    put(generator.next(), sink);
    const isFull = sink.length >= FLUSH_BYTES;
    if (isFull || isSlow || monoMs() - flushedMs >= FLUSH_MS) flush();
    return undefined;
  });
  flush();
}

/** What `kf produce --envelope json` reads. */
function putJson({ key, value }: GeneratedRecord, sink: ByteSink): void {
  const text = typeof value === "string"
    ? value
    : new TextDecoder().decode(value);
  sink.text(JSON.stringify({ key, value: text }) + "\n");
}

/** The value; after its key where there is one. */
function putText(flags: Flags) {
  const delimiter = parseDelimiter(flags.text("key-delimiter") ?? "\\t", "-K");
  return ({ key, value }: GeneratedRecord, sink: ByteSink) => {
    if (key !== null) {
      sink.text(key);
      sink.push(delimiter);
    }
    if (typeof value === "string") sink.text(value);
    else sink.push(value);
    sink.byte(10);
  };
}

async function produce(
  { args, settings }: Call,
  { bounds, generator, stop }: Making,
): Promise<void> {
  const topic = args[0]!;
  const producer = await openProducer(settings);
  const failures = new Failures();
  const progress = new Progress("sent", settings);
  /** Of those under way: what fails was not sent. */
  const sizes = new Map<number, number>();
  const onDone: OnDone = (error, _at, tag) => {
    if (error) {
      failures.add("record", error, tag);
      progress.bytes -= sizes.get(tag!) ?? 0;
    }
    sizes.delete(tag!);
  };
  try {
    await meetTopic(producer, topic, stop);
    await paced(bounds, stop, (n) => {
      const { key, value } = generator.next();
      progress.records++;
      const size = value.length + (key?.length ?? 0);
      sizes.set(n + 1, size);
      progress.bytes += size;
      producer.append({ topic, key, value, tag: n + 1 }, onDone);
      progress.tick();
      return producer.ready();
    });
    await producer.flush();
  } finally {
    await producer.close();
    failures.end();
    progress.end();
  }
  const records = progress.records - failures.count;
  await printAnswer({
    json: { topic, records, bytes: progress.bytes },
    columns: ["topic", "records", "bytes"],
    rows: [[topic, records, progress.bytes]],
  }, settings);
  if (failures.count > 0) throw new ItemsFailed("records failed");
}
