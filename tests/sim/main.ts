/**
 * `deno task sim`: runs seeds and tells what came of them. Owns arguments and
 * what is printed; a seed that fails is named so that it can be run again.
 *
 * @module
 */
import { simulateQuorum } from "./quorum_world.ts";
import {
  CLUSTER_PLANS,
  type ClusterPlan,
  NEWEST,
  type Outcome,
  simulate,
} from "./simulation.ts";

const USAGE = `deno task sim [--seed N] [--seeds COUNT] [--from N] [--first]
                 [--cluster [--plan N] | --quorum] [--trace]

  --seed N       run one seed
  --seeds COUNT  run that many, from --from on or from a number made of the time
  --first        stop at the first seed that fails
  --cluster      several nodes, not one
  --plan N       of a cluster: 1, where one machine only loses power, 2, 3,
                 where there are up to seven machines, 4, where requests between
                 brokers come late, or 5, which is 2 with records that say nothing
  --quorum       only the metadata quorum of several nodes
  --trace        print every event of the run`;

function numberOf(name: string): number | undefined {
  const at = Deno.args.indexOf(name);
  if (at < 0) return undefined;
  const value = Number(Deno.args[at + 1]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`${name} needs a number\n\n${USAGE}`);
  Deno.exit(2);
}

type Told = Partial<Outcome> & Pick<Outcome, "seed" | "anomalies" | "hash">;

/** A run of nothing but the quorum. */
async function quorum(
  seed: number,
  onNote: ((line: string) => void) | undefined,
): Promise<Told> {
  const { defects, ...outcome } = await simulateQuorum(seed, onNote);
  const anomalies = defects.map((what) => ({ name: "defect", what }));
  return { seed, anomalies, ...outcome };
}

function tell(outcome: Told, ms: number): void {
  const { seed, anomalies, hash, events, virtualMs = 0, ...counts } = outcome;
  const { sends, acknowledged, reads } = counts;
  const clients = sends === undefined
    ? ""
    : `, ${events} events, ${Math.round(virtualMs)} virtual ms, ` +
      `${sends} sends, ${reads} reads`;
  console.log(
    `seed ${seed}: ${anomalies.length === 0 ? "ok" : "FAILED"}, hash ${hash}, ${
      Math.round(ms)
    } ms, ${acknowledged} acknowledged${clients}`,
  );
  for (const { name, what } of anomalies) console.log(`  ${name}: ${what}`);
}

function planOf(number: number): ClusterPlan {
  if (number in CLUSTER_PLANS) return number as ClusterPlan;
  console.error(`There is no plan ${number}\n\n${USAGE}`);
  Deno.exit(2);
}

async function main(): Promise<void> {
  const one = numberOf("--seed");
  const count = one === undefined ? numberOf("--seeds") ?? 100 : 1;
  const from = one ?? numberOf("--from") ?? Date.now() % 1_000_000_000;
  const isTraced = Deno.args.includes("--trace");
  const isCluster = Deno.args.includes("--cluster");
  const plan = planOf(numberOf("--plan") ?? NEWEST);
  const failed: number[] = [];
  const begin = performance.now();
  for (let seed = from; seed < from + count; seed++) {
    const beginMs = performance.now();
    const onNote = isTraced ? (line: string) => console.log(line) : undefined;
    const outcome = Deno.args.includes("--quorum")
      ? await quorum(seed, onNote)
      : await simulate(seed, { isCluster, plan, onNote });
    if (outcome.anomalies.length > 0) failed.push(seed);
    if (outcome.anomalies.length > 0 || count === 1) {
      tell(outcome, performance.now() - beginMs);
    }
    if (failed.length > 0 && Deno.args.includes("--first")) break;
  }
  const ms = performance.now() - begin;
  console.log(
    `${count} seeds from ${from}, ${failed.length} failed, ` +
      `${(ms / count).toFixed(0)} ms each${
        failed.length > 0 ? `: ${failed.join(" ")}` : ""
      }`,
  );
  Deno.exit(failed.length > 0 ? 1 : 0);
}

await main();
