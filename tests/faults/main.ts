/**
 * `deno task faults [--kind NAME] [--rounds N] [--seed N] [--state FOLDER]`:
 * a real broker under load and faults, round after round. With `--cluster
 * [--minutes N] [--session MS]` three nodes, one kind after the other. Ctrl-C
 * ends it after the round; the same line goes on. Each kind ends with a line of
 * what it came to.
 *
 * @module
 */
import { runCampaign } from "./campaign.ts";
import { runClusterCampaign, timesOf } from "./cluster_campaign.ts";
import { CLUSTER_KINDS, type ClusterKindName } from "./cluster_kinds.ts";
import { type KindName, KINDS } from "./kinds.ts";

const JARS = "/tmp/kf-test-apache-kafka";

function flag(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

const wanted = flag("kind");
const isCluster = Deno.args.includes("--cluster");
const kinds = Object.keys(isCluster ? CLUSTER_KINDS : KINDS)
  .filter((name) => name === (wanted ?? name));
if (kinds.length === 0) {
  say(
    `Cannot run faults of kind "${wanted}": one of ${
      Object.keys(isCluster ? CLUSTER_KINDS : KINDS)
    }`,
  );
  Deno.exit(2);
}
const seed = Number(
  flag("seed") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    // A broker and perhaps a mounted disk depend on us: once more is on you.
    if (stop.signal.aborted) Deno.exit(130);
    say("faults: this round is the last");
    stop.abort();
  });
}

/** Three nodes; how many rounds failed. */
async function runCluster(): Promise<number> {
  const hasJars = await Deno.stat(JARS).then(() => true, () => false);
  const { rounds, strikes, acknowledged, failed, stillMs, ...progress } =
    await runClusterCampaign({
      kind: wanted as ClusterKindName | undefined,
      sessionMs: flag("session") === undefined
        ? undefined
        : Number(flag("session")),
      minutes: Number(flag("minutes") ?? 10),
      seed,
      state: flag("state") ?? "kf-faults",
      jars: hasJars ? JARS : undefined,
      say,
      signal: stop.signal,
    });
  for (const [what, all] of Object.entries(stillMs)) {
    say(`faults: ${what}: ${timesOf(all)}`);
  }
  const minutes = Math.round(progress.activeMs / 60_000);
  say(
    `faults: cluster: ${minutes} minutes, ${rounds} rounds, ${strikes} faults, ${acknowledged} records acknowledged, ${progress.committed} transactions committed, ${progress.aborted} aborted, ${failed.length} rounds failed, seed ${progress.seed}`,
  );
  for (const { round, why } of failed) say(`  round ${round}: ${why}`);
  return failed.length;
}

/** One broker; how many rounds failed. */
async function runAlone(): Promise<number> {
  let failures = 0;
  for (const kind of kinds as KindName[]) {
    if (stop.signal.aborted) break;
    const progress = await runCampaign({
      kind,
      rounds: Number(flag("rounds") ?? 10),
      seed,
      state: flag("state") ?? "kf-faults",
      say,
      signal: stop.signal,
    });
    if (progress === undefined) continue;
    const { rounds, strikes, acknowledged, failed } = progress;
    const { committed, aborted } = progress;
    failures += failed.length;
    say(
      `faults: ${kind}: ${rounds} rounds, ${strikes} faults, ${acknowledged} records acknowledged, ${committed} transactions committed, ${aborted} aborted, ${failed.length} rounds failed, seed ${progress.seed}`,
    );
    for (const { round, why } of failed) say(`  round ${round}: ${why}`);
  }
  return failures;
}

const failures = isCluster ? await runCluster() : await runAlone();
Deno.exit(failures === 0 ? 0 : 1);
