/**
 * `deno task sim:mutants [--cluster] [--seeds N] [NAME]`: breaks a copy of the code in ways that matter, and
 * tells which seed finds each. What no seed finds is a hole in the simulator.
 * It must never touch the code itself.
 *
 * @module
 */

import { CLUSTER_MUTANTS } from "./cluster_mutant_list.ts";
import { type Mutant, MUTANTS } from "./mutant_list.ts";

const isCluster = Deno.args.includes("--cluster");
const seedsAt = Deno.args.indexOf("--seeds");
const SEEDS = seedsAt < 0
  ? isCluster ? 1_000 : 500
  : Number(Deno.args[seedsAt + 1]);
const LIST = isCluster ? CLUSTER_MUTANTS : MUTANTS;
const WIDTH = 68;
const ROOT = new URL("../../", import.meta.url).pathname;
const COPIED = ["core", "net", "tests", "deno.json", "deno.lock", "std.d.ts"];

/** The code with the mutant in it, in a folder of its own. */
function mutated({ file, edits }: Mutant): string {
  const folder = Deno.makeTempDirSync({ prefix: "kf-mutant-" });
  for (const each of COPIED) {
    const { success } = new Deno.Command("cp", {
      args: ["-r", ROOT + each, folder],
    }).outputSync();
    if (!success) throw new Error(`Cannot copy ${each}`);
  }
  const path = `${folder}/${file}`;
  let text = Deno.readTextFileSync(path);
  for (const [from, to] of edits) {
    text = text.replace(from, () => to);
  }
  Deno.writeTextFileSync(path, text);
  return folder;
}

/** What the list has that the code doesn't: nothing is broken by it. */
function misfits(): string[] {
  return LIST.flatMap(({ name, file, edits }) => {
    const text = Deno.readTextFileSync(ROOT + file);
    return edits.filter(([from]) => !text.includes(from))
      .map(([from]) => `${name}: ${file} lacks ${from}`);
  });
}

/** The first seed that fails, and what it says; undefined when none does. */
function hunt(mutant: Mutant, seeds: number): string | undefined {
  const folder = mutated(mutant);
  try {
    const { stdout, success } = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        `${folder}/tests/sim/main.ts`,
        "--from",
        "1",
        "--seeds",
        String(seeds),
        "--first",
        ...mutant.isOfQuorum ? ["--quorum"] : isCluster ? ["--cluster"] : [],
        ...mutant.plan === undefined ? [] : ["--plan", String(mutant.plan)],
      ],
      cwd: folder,
      stderr: "null",
    }).outputSync();
    const lines = new TextDecoder().decode(stdout).split("\n");
    const at = lines.findIndex((line) => line.startsWith("seed "));
    if (at < 0) {
      if (success) return undefined;
      throw new Error(
        `Cannot run the mutant "${mutant.name}": it ends at once`,
      );
    }
    const [, seed] = /^seed (\d+)/.exec(lines[at]!)!;
    return `${seed!.padStart(4)}  ${lines[at + 1]!.trim().slice(0, 100)}`;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const unfit = misfits();
if (unfit.length > 0) {
  console.error(`The code has changed:\n${unfit.join("\n")}`);
  Deno.exit(2);
}
const [wanted = ""] = Deno.args.filter((arg, at) =>
  !arg.startsWith("--") && (seedsAt < 0 || at !== seedsAt + 1)
);
const chosen = LIST.filter(({ name }) => name.includes(wanted));
let missed = 0;
console.log(`${"mutant".padEnd(WIDTH)}  seed  what it found`);
for (const mutant of chosen) {
  const found = hunt(mutant, SEEDS);
  if (found === undefined) missed++;
  console.log(`${mutant.name.padEnd(WIDTH)}  ${found ?? `none of ${SEEDS}`}`);
}
console.log(`${chosen.length - missed} of ${chosen.length} mutants were found`);
if (missed > 0) Deno.exit(1);
