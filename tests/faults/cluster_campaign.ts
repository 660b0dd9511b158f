/**
 * Rounds of faults on three nodes under load, one kind after the other, each
 * judged by the checker and by how long writes stood still. Owns what is kept
 * of a run, so that it goes on after a kill, and all of a round that failed.
 *
 * @module
 */
import { hasProgram } from "../fixtures.ts";
import { Chance } from "../sim/chance.ts";
import type { Anomaly } from "../sim/checker.ts";
import { textOf } from "./campaign.ts";
import { ClusterHost } from "./cluster_host.ts";
import {
  CLUSTER_KINDS,
  type ClusterKind,
  type ClusterKindName,
  diskOf,
  siteOf,
} from "./cluster_kinds.ts";
import { settled } from "./kinds.ts";
import { Load, REPLICATED, type Verdict } from "./load.ts";
import { JavaWriter, KcatWriter, rereadByKcat } from "./other_clients.ts";
import { Probe } from "./probe.ts";

const STRIKES = 2;
const SESSIONS_MS = [9_000, 3_000];
/** Less is what a busy machine does to writers, too. */
const STILL_MS = 1_000;

/** How far a run is. */
export interface ClusterProgress {
  /** Of round 0; each round has one more. */
  readonly seed: number;
  rounds: number;
  /** For how long rounds ran, over all calls. */
  activeMs: number;
  strikes: number;
  acknowledged: number;
  committed: number;
  aborted: number;
  /** By kind and session time-out: how long partitions stood still. */
  stillMs: Record<string, number[]>;
  /** Rounds that failed, and why. */
  failed: { round: number; why: string }[];
}

/** What a round is. */
export interface ClusterRound {
  readonly folder: string;
  readonly seed: number;
  readonly sessionMs: number;
  readonly strikes?: number;
  /** Where Apache Kafka's jars are, for a writer in Java. */
  readonly jars?: string | undefined;
}

/** A verdict, and for how long each partition stood still, by strike. */
export interface ClusterVerdict extends Verdict {
  readonly stillMs: readonly number[];
}

/** Runs one round; a string says why it can't be run here. */
export async function runClusterRound(
  kind: ClusterKind,
  round: ClusterRound,
): Promise<ClusterVerdict | string> {
  const disk = diskOf(kind, round.folder);
  if (typeof disk === "string") return disk;
  using _ = disk;
  const { sessionMs, seed, folder } = round;
  await using host = await ClusterHost.start({
    sessionMs,
    dataOf: (id) => id === 1 && disk ? `${disk.path}/data` : undefined,
  });
  if (kind.needsNetwork && host.network === undefined) return host.whyNoNetwork;
  try {
    const chance = new Chance(seed);
    const load = new Load(host, chance, REPLICATED);
    await load.start();
    addOthers(load, { address: host.address, jars: round.jars });
    await using probe = await Probe.start(host.address);
    const site = siteOf({ host, chance, probe, disk });
    const stillMs: number[] = [];
    for (let left = round.strikes ?? STRIKES; left > 0; left--) {
      await host.inSync();
      await settled(load);
      const sinceMs = Date.now();
      await kind.strike(site);
      await site.resumed();
      stillMs.push(...probe.silencesMs(sinceMs));
    }
    await probe[Symbol.asyncDispose]();
    await host.inSync();
    await settled(load);
    const verdict = await load.finish((history) =>
      hasKcat ? rereadByKcat(host.address, history) : Promise.resolve([])
    );
    await host.stop();
    const late = lateness(stillMs, kind.resumesMs?.(sessionMs));
    return {
      ...verdict,
      anomalies: [...verdict.anomalies, ...late],
      stillMs: stillMs.filter((ms) => ms >= STILL_MS),
    };
  } finally {
    Deno.writeTextFileSync(`${folder}/nodes.log`, host.printed);
  }
}

const hasKcat = hasProgram("kcat", "-V");

/** Writers beside kf's: to topics without transactions, whose order is told. */
function addOthers(
  load: Load,
  { address, jars }: { address: string; jars: string | undefined },
): void {
  const seat = { address, topic: "durable", partition: 0 };
  if (hasKcat) load.add((history) => new KcatWriter({ ...seat, history }));
  if (jars === undefined) return;
  load.add((history) => new JavaWriter({ ...seat, history }, jars));
}

function lateness(
  stillMs: readonly number[],
  limitMs = Infinity,
): Anomaly[] {
  const worstMs = Math.max(...stillMs);
  if (worstMs <= limitMs) return [];
  const what = `writes went on after ${worstMs} ms, not within ${limitMs}`;
  return [{ name: "late", what }];
}

/** How a run goes on. */
export interface ClusterCampaignOptions {
  /** One of them, or all in turn. */
  readonly kind: ClusterKindName | undefined;
  /** One time-out for all, or the usual ones in turn. */
  readonly sessionMs: number | undefined;
  /** Minutes of rounds in all, those of earlier calls included. */
  readonly minutes: number;
  readonly seed: number;
  readonly state: string;
  readonly jars: string | undefined;
  readonly say: (line: string) => void;
  /** Ends the run after the round. */
  readonly signal: AbortSignal;
}

/** Runs what is left of a run. */
export async function runClusterCampaign(
  options: ClusterCampaignOptions,
): Promise<ClusterProgress> {
  const { state, say, signal, minutes } = options;
  Deno.mkdirSync(state, { recursive: true });
  const path = `${state}/cluster.json`;
  const progress = readProgress(path) ?? {
    seed: options.seed,
    rounds: 0,
    activeMs: 0,
    strikes: 0,
    acknowledged: 0,
    committed: 0,
    aborted: 0,
    stillMs: {},
    failed: [],
  };
  const names = Object.keys(CLUSTER_KINDS)
    .filter((name) => name === (options.kind ?? name)) as ClusterKindName[];
  const skipped = new Set<ClusterKindName>();
  while (progress.activeMs < minutes * 60_000 && !signal.aborted) {
    if (skipped.size === names.length) break;
    const beganMs = Date.now();
    const round = progress.rounds++;
    const name = names[round % names.length]!;
    if (skipped.has(name)) continue;
    const sessionMs = options.sessionMs ??
      SESSIONS_MS[Math.floor(round / names.length) % SESSIONS_MS.length]!;
    const outcome = await runNoted(name, {
      folder: `${state}/${round}-${name}`,
      seed: progress.seed + round,
      sessionMs,
      jars: options.jars,
    });
    progress.activeMs += Date.now() - beganMs;
    const what = `${name}, session ${sessionMs} ms`;
    if (typeof outcome === "string") {
      skipped.add(name);
      say(`skipped: ${name}: ${outcome}`);
    } else {
      note(progress, { round, what, outcome });
      const seconds = Math.round((Date.now() - beganMs) / 1000);
      say(
        `${round}: ${what}: ${outcome.acknowledged} acknowledged, ${outcome.committed} committed, ${outcome.aborted} aborted, ${
          timesOf(outcome.stillMs)
        }, ${seconds} s, ${textOf(outcome.anomalies) || "ok"}`,
      );
    }
    Deno.writeTextFileSync(`${path}.new`, JSON.stringify(progress));
    Deno.renameSync(`${path}.new`, path);
  }
  return progress;
}

/** A round whose folder stays only when something is wrong. */
async function runNoted(
  name: ClusterKindName,
  round: ClusterRound,
): Promise<ClusterVerdict | string> {
  const { folder } = round;
  clearLeft(folder);
  Deno.mkdirSync(folder, { recursive: true });
  const outcome = await runClusterRound(CLUSTER_KINDS[name], round)
    .catch((error): ClusterVerdict => ({
      acknowledged: 0,
      committed: 0,
      aborted: 0,
      stillMs: [],
      anomalies: [{ name: "stuck", what: String(error) }],
      history: undefined,
    }));
  if (typeof outcome === "string" || outcome.anomalies.length === 0) {
    Deno.removeSync(folder, { recursive: true });
  } else if (outcome.history !== undefined) {
    const text = JSON.stringify(outcome.history);
    Deno.writeTextFileSync(`${folder}/history.json`, text);
  }
  return outcome;
}

/** Removes what a run left that was killed in this round, its disk, too. */
function clearLeft(folder: string): void {
  try {
    const disk = `${folder}/disk`;
    if (Deno.statSync(disk).isDirectory) {
      new Deno.Command("umount", { args: ["-l", disk], stderr: "null" })
        .outputSync();
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function readProgress(path: string): ClusterProgress | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(path)) as ClusterProgress;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function note(
  progress: ClusterProgress,
  { round, what, outcome }: {
    readonly round: number;
    readonly what: string;
    readonly outcome: ClusterVerdict;
  },
): void {
  progress.strikes += STRIKES;
  progress.acknowledged += outcome.acknowledged;
  progress.committed += outcome.committed;
  progress.aborted += outcome.aborted;
  (progress.stillMs[what] ??= []).push(...outcome.stillMs);
  if (outcome.anomalies.length === 0) return;
  progress.failed.push({ round, why: `${what}: ${textOf(outcome.anomalies)}` });
}

/** The middle and the worst of how long partitions stood still. */
export function timesOf(stillMs: readonly number[]): string {
  if (stillMs.length === 0) return "no partition stood still";
  const sorted = stillMs.toSorted((a, b) => a - b);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const middle = sorted[Math.floor(sorted.length / 2)]!;
  return `${sorted.length} times a partition stood still, p50 ${
    seconds(middle)
  }, max ${seconds(sorted.at(-1)!)}`;
}
