/**
 * `kf verify consume`: reads a ledger of `kf verify produce`, then the topic,
 * and proves that every promise was kept, or names the first that was not.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { ItemsFailed } from "../failure.ts";
import { type Ledger, readLedger } from "../ledger.ts";
import { printAnswer, say, sayTyped } from "../output.ts";
import { Progress } from "../progress.ts";
import { Proof, type Violation } from "../proof.ts";
import { findSource, openConsumer, readToEnds } from "../reading.ts";
import type { Settings } from "../settings.ts";
import {
  type Interrupts,
  openSource,
  printErr,
  takeInterrupts,
} from "../terminal.ts";

/** Runs `kf verify consume`. */
export async function run({ args, settings }: Call): Promise<void> {
  const [topic, path = "-"] = args as [string, string?];
  const ledger = await openLedger(path, settings);
  const proof = new Proof(ledger, topic);
  const isWhole = await read(proof, topic, settings);
  const { head, sent, acked } = ledger;
  const { found, foreign, unproven, counts, isProven } = proof;
  const json = {
    run: head.run,
    topic,
    acks: head.acks,
    isIdempotent: head.isIdempotent,
    sent,
    acked,
    found,
    foreign,
    ...counts,
    unproven,
    isProven: isProven && isWhole,
    violations: proof.violations,
  };
  const { violations, ...figures } = json;
  for (const each of violations) printErr(`kf: ${sentence(each, topic)}\n`);
  const unnamed = proof.violationCount - violations.length;
  if (unnamed > 0) printErr(`kf: ${unnamed} more violations\n`);
  if (unproven > 0) {
    say(
      `${unproven} acknowledged records were deleted before they could be read: nothing is proven of them`,
      settings,
    );
  }
  await printAnswer({
    json,
    columns: ["figure", "value"],
    // isProven is "proven" to people.
    rows: Object.entries(figures).map(([name, value]) => [
      name.replace(/^is(.)/, (_all, first) => first.toLowerCase()),
      value,
    ]),
  }, settings);
  if (!json.isProven) throw new ItemsFailed("not proven");
}

/** A signal for the whole pipe ends the writer, and the ledger with it. */
async function openLedger(path: string, settings: Settings): Promise<Ledger> {
  const isTyped = sayTyped("a ledger", path, settings);
  const interrupts = isTyped ? undefined : takeInterrupts();
  try {
    const source = await openSource(path);
    try {
      return await readLedger(source);
    } finally {
      source.close();
    }
  } finally {
    interrupts?.release();
  }
}

/** Shows every record to the proof; whether none was left out. */
async function read(
  proof: Proof,
  topic: string,
  settings: Settings,
): Promise<boolean> {
  let interrupts: Interrupts | undefined;
  const progress = new Progress("read", settings);
  const consumer = await openConsumer(settings);
  try {
    const { partitions } = await findSource(settings, topic);
    interrupts = takeInterrupts();
    await readToEnds(consumer, {
      partitions,
      stop: interrupts.signal,
      take(records) {
        for (const record of records) {
          proof.see(record);
          progress.records++;
          progress.bytes += record.value?.length ?? 0;
        }
        progress.tick();
      },
    });
    if (interrupts.signal.aborted) {
      say("interrupted before the end: nothing is proven", settings);
      return false;
    }
    const starts = await consumer.beginningOffsets(partitions);
    proof.end(new Map(starts.map((at) => [at.partition, at.offset])));
    return true;
  } finally {
    await consumer.close();
    interrupts?.release();
    progress.end();
  }
}

function sentence(
  { kind, seq, partition, offset }: Violation,
  topic: string,
): string {
  const place = `partition ${partition} of "${topic}" at offset ${offset}`;
  switch (kind) {
    case "lost":
      return `lost: record ${seq}, acknowledged in ${place}, is not there`;
    case "moved":
      return `moved: record ${seq}, acknowledged in ${place}, lies elsewhere`;
    case "duplicated":
      return `duplicated: record ${seq} is there again in ${place}`;
    case "reordered":
      return `reordered: record ${seq} comes after a later one in ${place}`;
    case "altered":
      return `altered: record ${seq} in ${place} is not what was written`;
    case "split":
      return `split: record ${seq} in ${place} is apart from others of its key`;
  }
}
