/**
 * `kf txn list`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";
import { parseDuration } from "../units.ts";

/** States that have a transaction, which alone can be long. */
const RUNNING = ["Ongoing", "PrepareCommit", "PrepareAbort"];

/** Runs `kf txn list`. */
export async function run({ flags, settings }: Call): Promise<void> {
  const runningMs = flags.parsed("running", parseDuration);
  const state = flags.text("state");
  const listed = await withAdmin(settings, (admin) =>
    admin.listTransactions({
      states: state !== undefined
        ? [state]
        : runningMs === undefined
        ? []
        : RUNNING,
      ...(runningMs === undefined ? {} : { runningMs }),
    }));
  await printAnswer({
    json: listed.map(({ transactionalId, state, producerId, coordinator }) => ({
      transactionalId,
      state,
      producerId,
      coordinator,
    })),
    columns: ["transactional id", "state", "producer", "coordinator"],
    rows: listed.map(({ transactionalId, state, producerId, coordinator }) => [
      transactionalId,
      state,
      producerId,
      coordinator,
    ]),
    whenEmpty: "no transactional ids",
  }, settings);
}
