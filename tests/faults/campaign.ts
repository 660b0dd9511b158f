/**
 * Rounds of one kind of fault under load, each on a folder of its own and
 * judged by the checker. Owns what is kept of a run: how far it is, so that it
 * goes on after a kill, and all of a round that failed.
 *
 * @module
 */
import { dumpLog } from "../../core/log.ts";
import { Chance } from "../sim/chance.ts";
import type { Anomaly } from "../sim/checker.ts";
import { Host } from "./host.ts";
import { type FaultKind, type KindName, KINDS, settled } from "./kinds.ts";
import { Load, type Verdict } from "./load.ts";

/** How far a run is. */
export interface Progress {
  readonly kind: KindName;
  /** Of round 0; each round has one more. */
  readonly seed: number;
  rounds: number;
  strikes: number;
  acknowledged: number;
  committed: number;
  aborted: number;
  /** Rounds that failed, and why. */
  failed: { round: number; why: string }[];
}

/** Runs one round in `folder`; a string says why it can't be run here. */
export async function runRound(
  kind: FaultKind,
  { folder, round, seed, strikes = kind.strikes }: {
    readonly folder: string;
    readonly round: number;
    readonly seed: number;
    readonly strikes?: number;
  },
): Promise<Verdict | string> {
  const chance = new Chance(seed + round);
  const made = kind.prepare(folder);
  if (typeof made === "string") return made;
  using site = made;
  await using host = new Host(site.data, {
    args: Load.args,
    under: site.under,
  });
  try {
    await host.start();
    const load = new Load(host, chance);
    await load.start();
    for (let strike = 0; strike < strikes; strike++) {
      await site.strike(host, chance);
      await settled(load);
    }
    const verdict = await load.finish();
    const code = await host.end("SIGTERM");
    const exit = code === 0
      ? []
      : [{ name: "exit", what: `exit code ${code}` }];
    const wrong = filesWrong(site.data, kind);
    return { ...verdict, anomalies: [...verdict.anomalies, ...exit, ...wrong] };
  } finally {
    await host.endIfRunning("SIGKILL");
    Deno.writeTextFileSync(`${folder}/broker.log`, host.printed);
  }
}

/** What a dump finds wrong with the files of a broker that stopped. */
function filesWrong(data: string, { leaves }: FaultKind): Anomaly[] {
  const wrong: Anomaly[] = [];
  for (const row of dumpLog([data], { verify: true })) {
    if (row.kind !== "problem" || leaves?.test(row.file)) continue;
    wrong.push({ name: "damage", what: `${row.file}: ${row.problem}` });
  }
  return wrong.slice(0, 5);
}

/** How a run goes on. */
export interface CampaignOptions {
  readonly kind: KindName;
  /** Rounds in all, those of earlier calls included. */
  readonly rounds: number;
  readonly seed: number;
  /** What stays between calls. */
  readonly state: string;
  readonly say: (line: string) => void;
  /** Ends the run after the round. */
  readonly signal: AbortSignal;
}

/** Runs what is left of a run; undefined when it can't be run here. */
export async function runCampaign(
  options: CampaignOptions,
): Promise<Progress | undefined> {
  const { kind: name, rounds, state, say, signal } = options;
  const kind = KINDS[name];
  Deno.mkdirSync(state, { recursive: true });
  const path = `${state}/${name}.json`;
  const progress = readProgress(path) ??
    {
      kind: name,
      seed: options.seed,
      rounds: 0,
      strikes: 0,
      acknowledged: 0,
      committed: 0,
      aborted: 0,
      failed: [],
    };
  while (progress.rounds < rounds && !signal.aborted) {
    const round = progress.rounds;
    const folder = `${state}/${name}-${round}`;
    Deno.mkdirSync(folder, { recursive: true });
    const outcome = await runRound(kind, {
      folder,
      round,
      seed: progress.seed,
    }).catch((error): Verdict => ({
      acknowledged: 0,
      committed: 0,
      aborted: 0,
      anomalies: [{ name: "stuck", what: String(error) }],
      history: undefined,
    }));
    if (typeof outcome === "string") {
      Deno.removeSync(folder, { recursive: true });
      say(`skipped: ${name}: ${outcome}`);
      return undefined;
    }
    note(progress, { kind, round, outcome });
    Deno.writeTextFileSync(`${path}.new`, JSON.stringify(progress));
    Deno.renameSync(`${path}.new`, path);
    if (outcome.anomalies.length === 0) {
      Deno.removeSync(folder, { recursive: true });
    } else if (outcome.history !== undefined) {
      const text = JSON.stringify(outcome.history);
      Deno.writeTextFileSync(`${folder}/history.json`, text);
    }
    say(
      `${name} ${progress.rounds}/${rounds}: ${outcome.acknowledged} acknowledged, ${outcome.committed} committed, ${outcome.aborted} aborted, ${
        textOf(outcome.anomalies) || "ok"
      }`,
    );
  }
  return progress;
}

function readProgress(path: string): Progress | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(path)) as Progress;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function note(
  progress: Progress,
  { kind, round, outcome }: {
    readonly kind: FaultKind;
    readonly round: number;
    readonly outcome: Verdict;
  },
): void {
  progress.rounds++;
  progress.strikes += kind.strikes;
  progress.acknowledged += outcome.acknowledged;
  progress.committed += outcome.committed;
  progress.aborted += outcome.aborted;
  if (outcome.anomalies.length === 0) return;
  progress.failed.push({ round, why: textOf(outcome.anomalies) });
}

/** Anomalies in one line. */
export function textOf(anomalies: readonly Anomaly[]): string {
  return anomalies.map(({ name, what }) => `${name}: ${what}`).join("; ");
}
