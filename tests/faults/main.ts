/**
 * `deno task faults [--kind NAME] [--rounds N] [--seed N] [--state FOLDER]`:
 * a real broker under load and faults, round after round. Ctrl-C ends it after
 * the round; the same line goes on. Each kind ends with a line of what it came
 * to.
 *
 * @module
 */
import { runCampaign } from "./campaign.ts";
import { type KindName, KINDS } from "./kinds.ts";

function flag(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

const wanted = flag("kind");
const kinds = (Object.keys(KINDS) as KindName[])
  .filter((name) => name === (wanted ?? name));
if (kinds.length === 0) {
  say(`Cannot run faults of kind "${wanted}": one of ${Object.keys(KINDS)}`);
  Deno.exit(2);
}
let failures = 0;
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    // A broker and perhaps a mounted disk depend on us: once more is on you.
    if (stop.signal.aborted) Deno.exit(130);
    say("faults: this round is the last");
    stop.abort();
  });
}
for (const kind of kinds) {
  if (stop.signal.aborted) break;
  const progress = await runCampaign({
    kind,
    rounds: Number(flag("rounds") ?? 10),
    seed: Number(
      flag("seed") ?? crypto.getRandomValues(new Uint32Array(1))[0],
    ),
    state: flag("state") ?? "kf-faults",
    say,
    signal: stop.signal,
  });
  if (progress === undefined) continue;
  const { rounds, strikes, acknowledged, failed, seed } = progress;
  const { committed, aborted } = progress;
  failures += failed.length;
  say(
    `faults: ${kind}: ${rounds} rounds, ${strikes} faults, ${acknowledged} records acknowledged, ${committed} transactions committed, ${aborted} aborted, ${failed.length} rounds failed, seed ${seed}`,
  );
  for (const { round, why } of failed) say(`  round ${round}: ${why}`);
}
Deno.exit(failures === 0 ? 0 : 1);
