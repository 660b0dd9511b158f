/**
 * `kf topic partitions`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, throwFailed } from "../output.ts";
import { parseCount } from "../units.ts";

/** Runs `kf topic partitions`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const name = args[0] ?? "";
  const count = parseCount(args[1] ?? "", {
    name: "a number of partitions",
    min: 1,
    max: 0x7fffffff,
  });
  const isDry = flags.has("dry-run");
  const outcomes = await withAdmin(
    settings,
    (admin) =>
      admin.createPartitions([{ name, count }], { validateOnly: isDry }),
  );
  throwFailed(outcomes, "add partitions to topic");
  await printAnswer({
    json: [{ name, partitions: count }],
    columns: ["name", isDry ? "would have" : "partitions"],
    rows: [[name, count]],
  }, settings);
}
