/**
 * Records on their way into a cluster, as every command that writes sends
 * them: the producer with the times that `--timeout` asks for, and the list of
 * what failed. It never decides what is written or where.
 *
 * @module
 */
import type { Producer } from "../net/client.ts";
import { sentenceOf } from "./failure.ts";
import { clientOptions } from "./output.ts";
import { clientProperties, type Settings } from "./settings.ts";
import { printErr } from "./terminal.ts";

/** Reasons and ranges that are named one by one; the rest are counted. */
const NAMED_MAX = 20;
/** Records of one reason that are named. */
const NUMBERED_MAX = 100_000;

/** People wait less long for a topic than programs: Kafka's default is a minute. */
const MEET_MS = 15_000;
const LINGER_MS = 5;
/** Records come by the million: large batches cost broker and client least. */
const BATCH_BYTES = 256 * 1024;

/** Makes a producer; `own` are properties that `-X` alone may overrule. */
export async function openProducer(
  settings: Settings,
  own: Readonly<Record<string, string | number | boolean | undefined>> = {},
): Promise<Producer> {
  const { createProducer } = await import("../net/client.ts");
  return createProducer(
    await clientProperties(settings, {
      kind: "producer",
      defaults: { "batch.size": BATCH_BYTES, "max.block.ms": MEET_MS },
      own: {
        ...deliveryTimes(settings.timeoutMs),
        "max.block.ms": settings.timeoutMs,
        "socket.connection.setup.timeout.ms": settings.timeoutMs,
        ...own,
      },
    }),
    clientOptions(settings),
  );
}

/** Kafka wants `delivery.timeout.ms` to cover linger and one request. */
function deliveryTimes(timeoutMs: number | undefined) {
  if (timeoutMs === undefined) return {};
  const lingerMs = Math.min(LINGER_MS, Math.floor(timeoutMs / 2));
  return {
    "linger.ms": lingerMs,
    "request.timeout.ms": Math.max(1, timeoutMs - lingerMs),
    "delivery.timeout.ms": Math.max(1 + lingerMs, timeoutMs),
  };
}

/**
 * Waits until the topic is known. Where no cluster is, this says so once, and
 * not for every record. An interrupt ends it.
 */
export async function meetTopic(
  producer: Producer,
  topic: string,
  stop: AbortSignal,
): Promise<void> {
  const interrupt = Promise.withResolvers<"interrupted">();
  const onAbort = () => interrupt.resolve("interrupted");
  stop.addEventListener("abort", onAbort);
  if (stop.aborted) onAbort();
  const known = producer.partitionsFor(topic);
  const met = await Promise.race([known, interrupt.promise])
    .finally(() => stop.removeEventListener("abort", onAbort));
  if (met !== "interrupted") return;
  known.catch(() => {});
  await producer.close({ timeoutMs: 0 });
  throw new Error(
    `Cannot write to topic "${topic}": interrupted before the cluster answered`,
  );
}

/** Without an acknowledgement of all there is no idempotence. */
export function isIdempotent(acks: string | undefined): boolean | undefined {
  return acks === "0" || acks === "1" ? false : undefined;
}

/**
 * What failed, on stderr: the first of each reason at once, the others with the
 * same reason by their numbers at the end, and no more than can be read.
 */
export class Failures {
  /** How many. */
  count = 0;
  readonly #reasons = new Map<string, Reason>();
  #unnamed = 0;

  /** Names one: `Cannot write line 7: why`, by `what` and its number. */
  add(what: string, error: unknown, number?: number): void {
    this.count++;
    const why = sentenceOf(error);
    const key = `${what}: ${why}`;
    const reason = this.#reasons.get(key);
    const isFull = (reason?.others.length ?? 0) >= NUMBERED_MAX;
    if (reason === undefined && this.#reasons.size < NAMED_MAX) {
      const name = number === undefined ? what : `${what} ${number}`;
      printErr(`kf: Cannot write ${name}: ${why}\n`);
      this.#reasons.set(key, { what, name, others: [] });
    } else if (reason === undefined || number === undefined || isFull) {
      this.#unnamed++;
    } else reason.others.push(number);
  }

  /** Names the others. */
  end(): void {
    for (const { what, name, others } of this.#reasons.values()) {
      if (others.length === 0) continue;
      printErr(
        `kf: Cannot write ${what} ${rangesOf(others)}: the same as ${name}\n`,
      );
    }
    if (this.#unnamed > 0) {
      printErr(`kf: ${this.#unnamed} more records failed\n`);
    }
  }
}

interface Reason {
  readonly what: string;
  /** The first of them. */
  readonly name: string;
  readonly others: number[];
}

/** `2-5, 8` of numbers in any order. */
function rangesOf(numbers: number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers.sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  const shown = ranges.slice(0, NAMED_MAX).map(([from, to]) =>
    from === to ? `${from}` : `${from}-${to}`
  ).join(", ");
  const rest = ranges.length - NAMED_MAX;
  return rest > 0 ? `${shown} and ${rest} more ranges` : shown;
}
