/**
 * Runs a target: kept inputs, then new ones from a seed, within a budget. Owns
 * the bounds on time and memory per input, and what is said of a failure: the
 * seed, and the input as a line for the corpus.
 *
 * @module
 */
import process from "node:process";
import { Chance } from "../sim/chance.ts";
import { corpusOf, inputText } from "./corpus.ts";
import { mutate } from "./mutate.ts";
import { type FuzzTarget, INPUT_MS_MAX, memoryBytesMax } from "./target.ts";

/** Of an input that hangs, what is told. */
const WATCHED_BYTES = 256 * 1024;
/** Of all inputs, one in so many is a kept one that was damaged. */
const KEPT_SHARE = 4;

/** How much to run. */
export interface RunOptions {
  /** Of the first new input; the next has one more. */
  readonly seed: number;
  /** For how long; kept inputs always run all. */
  readonly ms?: number;
  /** How many new inputs at most. */
  readonly runs?: number;
  /** Whether kept inputs run. */
  readonly replays?: boolean;
}

/** What was run. */
export interface RunResult {
  readonly inputs: number;
  readonly ms: number;
}

/** An input for which the code under test is wrong. */
export class FuzzFailure extends Error {
  override readonly name = "FuzzFailure";
}

/** Runs `target`; throws {@linkcode FuzzFailure} at the first failure. */
export async function fuzz(
  target: FuzzTarget,
  options: RunOptions,
): Promise<RunResult> {
  const { seed, ms = Infinity, runs = Infinity, replays = true } = options;
  const kept = corpusOf(target.name);
  using watch = watched(target.name);
  const began = performance.now();
  let inputs = 0;
  await target.prepare?.();
  try {
    for (const input of replays ? kept : []) {
      watch.tick(++inputs, input);
      await runOne(target, input, "a kept input");
    }
    for (let i = 0; i < runs && performance.now() - began < ms; i++) {
      const chance = new Chance(seed + i);
      const input = await inputFrom(target, { chance, kept });
      watch.tick(++inputs, input);
      await runOne(target, input, `--seed ${chance.seed} --runs 1`);
    }
  } catch (error) {
    // The first failure is the one to tell: what it left may not close.
    await target.close?.().catch(() => {});
    throw error;
  }
  await endOf(target, seed);
  return { inputs, ms: performance.now() - began };
}

async function endOf(target: FuzzTarget, seed: number): Promise<void> {
  try {
    await target.close?.();
  } catch (error) {
    const why = error instanceof Error ? error.stack : String(error);
    throw new FuzzFailure(
      `${target.name} failed at its end (all inputs from --seed ${seed}): ${why}`,
      { cause: error },
    );
  }
}

function inputFrom(
  target: FuzzTarget,
  { chance, kept }: {
    readonly chance: Chance;
    readonly kept: readonly Uint8Array[];
  },
): Uint8Array | Promise<Uint8Array> {
  if (kept.length === 0 || !chance.oneIn(KEPT_SHARE)) {
    return target.generate(chance);
  }
  const input = chance.pick(kept);
  return target.vary?.(input, chance) ?? mutate(input, chance);
}

async function runOne(
  target: FuzzTarget,
  input: Uint8Array,
  origin: string,
): Promise<void> {
  const before = heldBytes();
  const began = { processorMs: processorMs(), wallMs: performance.now() };
  let error: unknown;
  try {
    await target.run(input);
  } catch (thrown) {
    error = thrown;
  }
  // Other threads take processor time, other processes wall time: neither counts.
  const took = Math.min(
    processorMs() - began.processorMs,
    performance.now() - began.wallMs,
  );
  const grown = heldBytes() - before;
  const allowed = memoryBytesMax(target, input);
  const why = error !== undefined
    ? (error instanceof Error ? error.stack ?? error.message : String(error))
    : took > (target.inputMsMax ?? INPUT_MS_MAX)
    ? `it took ${Math.round(took)} ms`
    : grown > allowed
    ? `it took ${grown} bytes, allowed are ${allowed}`
    : undefined;
  if (why === undefined) return;
  throw new FuzzFailure(
    `${target.name} failed (${origin}): ${why}\ninput: ${inputText(input)}`,
    { cause: error },
  );
}

/** What all threads have used. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Live objects, garbage that isn't collected yet, and buffers. */
function heldBytes(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

interface Watched extends Disposable {
  tick(inputs: number, input: Uint8Array): void;
}

function watched(target: string): Watched {
  const shared = new SharedArrayBuffer(8 + WATCHED_BYTES);
  const state = new Int32Array(shared, 0, 2);
  const bytes = new Uint8Array(shared, 8);
  const worker = new Worker(new URL("./watchdog.ts", import.meta.url), {
    type: "module",
  });
  worker.postMessage({ target, shared });
  return {
    tick(inputs, input) {
      bytes.set(input.subarray(0, WATCHED_BYTES));
      Atomics.store(state, 1, Math.min(input.length, WATCHED_BYTES));
      Atomics.store(state, 0, inputs);
    },
    [Symbol.dispose]() {
      worker.terminate();
    },
  };
}
