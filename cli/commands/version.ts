/**
 * `kf version`.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";
import { printOut, runtime } from "../terminal.ts";

/** Runs `kf version`. */
export async function run({ settings }: Call): Promise<void> {
  const { deno, target } = runtime();
  if (settings.format === "text") {
    printOut(`kf ${config.version} (deno ${deno}, ${target})\n`);
    return;
  }
  await printAnswer({
    json: { kf: config.version, deno, target },
    columns: ["kf", "deno", "target"],
    rows: [[config.version, deno, target]],
  }, settings);
}
