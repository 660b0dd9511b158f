/**
 * Moves of partitions that are carried out: begun, watched until they are done,
 * and told. Moves are the cluster's: they go on without us.
 *
 * @module
 */
import type { Admin, PartitionOutcome, TopicPartition } from "../net/client.ts";
import { withAdmin } from "./cluster.ts";
import type { Call } from "./command.ts";
import { confirm } from "./confirm.ts";
import { ItemsFailed, sentenceOf } from "./failure.ts";
import { type Answer, printAnswer, say, throwFailed } from "./output.ts";
import { answerOfPlan, isSame, type PlannedMove } from "./reassignment.ts";
import type { Settings } from "./settings.ts";
import { partitionKey } from "./targets.ts";
import {
  isDumb,
  isTerminal,
  monoMs,
  paintErr,
  sleep,
  takeInterrupts,
} from "./terminal.ts";
import { throttle, unthrottle } from "./throttle.ts";
import { formatBytes, parsePerSecond } from "./units.ts";

const PAUSE_MS = 250;
const SHOWN_EVERY_MS = 1_000;
/** How long nobody may know of a move, and its replicas be others. */
const CALLED_OFF_MS = 10_000;
/** How long the cluster may not answer before we give up watching. */
const SILENT_MS_MAX = 60_000;

const STILL_THROTTLED =
  "what still moves is throttled until: kf reassign unthrottle";

type Outcome = "would move" | "in place" | "moving" | "moved" | "called off";

/** Shows, asks where that is due, moves, and waits unless told not to. */
export async function carryOut(
  call: Call,
  admin: Admin,
  { moves, question }: {
    readonly moves: readonly PlannedMove[];
    readonly question: string;
  },
): Promise<void> {
  const { flags, settings } = call;
  const rate = flags.parsed("throttle", parsePerSecond);
  const due = moves.filter(({ from, to }) => !isSame(from, to));
  const tell = (outcomeOf: (move: PlannedMove) => Outcome) =>
    printAnswer(answerOf(moves, outcomeOf), settings);
  const isDue = new Set(due);
  if (flags.has("dry-run") || due.length === 0) {
    return await tell((move) => isDue.has(move) ? "would move" : "in place");
  }
  if (!flags.has("yes")) {
    await printAnswer(answerOfPlan(due), { ...settings, format: "text" });
    if (!await confirm(call, question)) return say("nothing moved", settings);
  }
  const refused = (await begin(admin, due, rate))
    .filter(({ error }) => error !== undefined);
  const isRefused = new Set(refused.map(partitionKey));
  const begun = due.filter((move) => !isRefused.has(partitionKey(move)));
  const outcomes = flags.has("no-wait")
    ? new Map<PlannedMove, Outcome>()
    : await followed(call, begun);
  const isFree = rate === undefined ||
    await freed(call, due, [...outcomes.values()]);
  await printAnswer(
    answerOf(
      moves.filter((move) => !isRefused.has(partitionKey(move))),
      (move) => outcomes.get(move) ?? (isDue.has(move) ? "moving" : "in place"),
    ),
    settings,
  );
  throwFailed(
    refused.map((at) => ({ ...at, name: partitionKey(at) })),
    "move",
  );
  throwUnfinished([...outcomes.values()], settings);
  if (!isFree) throw new ItemsFailed("it is still throttled");
}

/** Begins to move, throttled first where that is wished. */
async function begin(
  admin: Admin,
  due: readonly PlannedMove[],
  rate: number | undefined,
): Promise<PartitionOutcome[]> {
  if (rate !== undefined) await throttle(admin, due, rate);
  try {
    return await admin.alterPartitionReassignments(
      due.map(({ topic, partition, to }) => ({
        topic,
        partition,
        replicas: to,
      })),
    );
  } catch (error) {
    if (rate !== undefined) await unthrottle(admin, due).catch(() => {});
    throw error;
  }
}

/** Takes the throttle away once nothing moves; false when that failed. */
async function freed(
  { flags, settings }: Call,
  due: readonly PlannedMove[],
  outcomes: readonly Outcome[],
): Promise<boolean> {
  if (flags.has("no-wait") || outcomes.includes("moving")) {
    say(STILL_THROTTLED, settings);
    return true;
  }
  try {
    await withAdmin(settings, (admin) => unthrottle(admin, due));
    return true;
  } catch (error) {
    say(`${sentenceOf(error)}; kf reassign unthrottle tries again`, settings);
    return false;
  }
}

function answerOf(
  moves: readonly PlannedMove[],
  outcomeOf: (move: PlannedMove) => Outcome,
): Answer {
  return {
    json: moves.map((move) => ({ ...move, outcome: outcomeOf(move) })),
    columns: ["topic", "partition", "from", "to", "bytes", "outcome"],
    rows: moves.map((move) => [
      move.topic,
      move.partition,
      move.from.join(),
      move.to.join(),
      move.bytes,
      outcomeOf(move),
    ]),
    whenEmpty: "nothing to move",
  };
}

function throwUnfinished(
  outcomes: readonly Outcome[],
  settings: Settings,
): void {
  const count = (kind: Outcome) =>
    outcomes.filter((each) => each === kind).length;
  if (count("moving") > 0) {
    say(
      `${
        count("moving")
      } moves go on: kf reassign list shows them, kf reassign cancel calls them off`,
      settings,
    );
  }
  const left = count("moving") + count("called off");
  if (left > 0) throw new ItemsFailed(`${left} not moved`);
}

/** Watches moves until all are done, or somebody interrupts. */
async function followed(
  { settings }: Call,
  moves: readonly PlannedMove[],
): Promise<Map<PlannedMove, Outcome>> {
  const interrupts = takeInterrupts();
  try {
    // A connection of its own: it may take hours, through restarts of brokers.
    return await withAdmin(
      settings,
      (admin) => new Watched(admin, moves, settings).watch(interrupts.signal),
    );
  } finally {
    interrupts.release();
  }
}

/**
 * Moves that are watched.
 *
 * Invariants:
 * 1. A move counts as done once nobody lists it and its replicas are those
 *    that were asked for: a broker may know less than the controller.
 */
class Watched {
  readonly #admin: Admin;
  readonly #moves: readonly PlannedMove[];
  readonly #settings: Settings;
  readonly #outcomes = new Map<PlannedMove, Outcome>();
  /** Since when each is neither listed nor done. */
  readonly #goneMs = new Map<PlannedMove, number>();
  #answeredMs = monoMs();
  #shownMs = -Infinity;
  #copied: { readonly bytes: number; readonly ms: number } | undefined;

  constructor(
    admin: Admin,
    moves: readonly PlannedMove[],
    settings: Settings,
  ) {
    this.#admin = admin;
    this.#moves = moves;
    this.#settings = settings;
    for (const move of moves) this.#outcomes.set(move, "moving");
  }

  async watch(signal: AbortSignal): Promise<Map<PlannedMove, Outcome>> {
    const isShown = !this.#settings.isQuiet && isTerminal.stderr() && !isDumb();
    while (this.#left.length > 0 && !signal.aborted) {
      try {
        await this.#look();
        if (isShown) await this.#show(this.#left.length === 0);
        this.#answeredMs = monoMs();
      } catch (error) {
        if (monoMs() - this.#answeredMs > SILENT_MS_MAX) throw error;
        if (this.#settings.isVerbose) {
          say(`asking again: ${sentenceOf(error)}`, this.#settings);
        }
      }
      if (this.#left.length > 0) await sleep(PAUSE_MS, signal);
    }
    await this.#elect();
    return this.#outcomes;
  }

  get #left(): PlannedMove[] {
    return this.#with("moving");
  }

  #with(outcome: Outcome): PlannedMove[] {
    return this.#moves.filter((move) => this.#outcomes.get(move) === outcome);
  }

  async #look(): Promise<void> {
    const left = this.#left;
    const listed = new Set(
      (await this.#admin.listPartitionReassignments(left)).map(partitionKey),
    );
    const topics = [...new Set(left.map(({ topic }) => topic))];
    const replicas = new Map(
      (await this.#admin.describeTopics(topics))
        .flatMap(({ partitions }) => partitions)
        .map((each) => [partitionKey(each), each.replicas]),
    );
    const nowMs = monoMs();
    for (const move of left) {
      const key = partitionKey(move);
      if (listed.has(key)) {
        this.#goneMs.delete(move);
      } else if (isSame(replicas.get(key) ?? [], move.to)) {
        this.#outcomes.set(move, "moved");
      } else {
        const sinceMs = this.#goneMs.get(move) ?? nowMs;
        this.#goneMs.set(move, sinceMs);
        if (nowMs - sinceMs > CALLED_OFF_MS) {
          this.#outcomes.set(move, "called off");
        }
      }
    }
  }

  /** What was planned to lead leads: else that would wait for a quiet moment. */
  async #elect(): Promise<void> {
    const moved = this.#with("moved");
    if (moved.length === 0) return;
    // Who can't lead yet will when the cluster next looks for itself.
    await this.#admin.electLeaders("preferred", moved).catch((error) =>
      say(`leaders stay where they are: ${sentenceOf(error)}`, this.#settings)
    );
  }

  async #show(isLast: boolean): Promise<void> {
    const nowMs = monoMs();
    if (!isLast && nowMs - this.#shownMs < SHOWN_EVERY_MS) return;
    this.#shownMs = nowMs;
    const total = this.#moves.reduce((sum, { bytes }) => sum + bytes, 0);
    const bytes = await copiedBytes(this.#admin, this.#moves);
    const before = this.#copied;
    this.#copied = { bytes, ms: nowMs };
    const rate = before === undefined || isLast ? "" : `, ${
      formatBytes(
        Math.max(
          0,
          Math.round((bytes - before.bytes) * 1000 / (nowMs - before.ms)),
        ),
      )
    }/s`;
    const done = this.#moves.length - this.#left.length;
    paintErr(
      `moved ${done} of ${this.#moves.length} partitions, ${
        formatBytes(Math.min(bytes, total))
      } of ${formatBytes(total)} copied${rate}`,
      { isLast },
    );
  }
}

/** What the new replicas of moves hold by now. */
async function copiedBytes(
  admin: Admin,
  moves: readonly PlannedMove[],
): Promise<number> {
  const topics = [...new Set(moves.map(({ topic }) => topic))];
  const sizes = new Map<string, number>();
  for (const { nodeId, replicas } of await admin.describeLogDirs(topics)) {
    for (const each of replicas) {
      sizes.set(placeKey(each, nodeId), each.sizeInBytes);
    }
  }
  return moves.reduce(
    (sum, move) =>
      sum + move.to.filter((id) => !move.from.includes(id)).reduce(
        (own, id) => own + (sizes.get(placeKey(move, id)) ?? 0),
        0,
      ),
    0,
  );
}

function placeKey(at: TopicPartition, nodeId: number): string {
  return `${partitionKey(at)}@${nodeId}`;
}
