/**
 * `deno task fuzz [--minutes N] [--target NAME] [--seed N] [--runs N]`: all
 * targets by turns, or one. A failure says how it is run again, and prints the
 * input as a line for the corpus.
 *
 * @module
 */
import { fuzz, FuzzFailure } from "./runner.ts";
import { TARGETS } from "./targets.ts";

/** How long a target runs before the next one has its turn. */
const TURN_MS = 30_000;

function flag(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

const wanted = flag("target");
const targets = TARGETS.filter(({ name }) => name === (wanted ?? name));
if (targets.length === 0) {
  say(`Cannot fuzz "${wanted}": one of ${TARGETS.map((t) => t.name)}`);
  Deno.exit(2);
}
const runs = Number(flag("runs") ?? Infinity);
const endMs = performance.now() + Number(flag("minutes") ?? 1) * 60_000;
let seed = Number(
  flag("seed") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
const replays = flag("seed") === undefined;
const failed = new Set<string>();

const isTimeLeft = () =>
  failed.size < targets.length && performance.now() < endMs;

for (let turn = 0; turn === 0 || isTimeLeft(); turn++) {
  const left = endMs - performance.now();
  const ms = Math.min(TURN_MS, left / targets.length);
  // A target that failed waits for the mend: it would fail again.
  for (const target of targets.filter(({ name }) => !failed.has(name))) {
    try {
      const done = await fuzz(target, { seed, ms, runs, replays });
      say(
        `${target.name}: ${done.inputs} inputs in ${
          Math.round(done.ms / 1000)
        } s from seed ${seed}`,
      );
    } catch (error) {
      if (!(error instanceof FuzzFailure)) throw error;
      say(error.message);
      failed.add(target.name);
    }
    seed = seed + 1_000_003 >>> 0;
  }
  if (runs !== Infinity) break;
}
say(failed.size === 0 ? "fuzz: no failure" : `fuzz: ${[...failed]} failed`);
Deno.exit(failed.size === 0 ? 0 : 1);
