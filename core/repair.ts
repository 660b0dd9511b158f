/**
 * The lean entry that mends the files of a stopped broker, without a broker:
 * it joins the repair of `core/log` with the real disk. What is only to be
 * looked at is `core/log.ts`.
 *
 * @module
 */
import { denoEnv } from "./env/deno_env.ts";
import type { Env } from "./env/env.ts";
import { withOpenFilesMax } from "./log/open_files.ts";
import { Repair } from "./log/repair.ts";
import type { RepairFinding } from "./log/repair_plan.ts";
import { decodeQuorumState } from "./raft/records.ts";
import { toldControl } from "./raft/told_control.ts";

/** A log may have more segments than a process may have open files. */
const OPEN_FILES_MAX = 64;

export type {
  LostRecords,
  RepairAction,
  RepairFinding,
} from "./log/repair_plan.ts";

/** A folder that was looked through, and is held until this is disposed of. */
export interface OpenRepair extends Disposable {
  /** What is wrong, and what will be done about it; empty when nothing is. */
  readonly findings: readonly RepairFinding[];
  /** Does it. Rejects with a `DiskError` when the disk refuses. */
  apply(): Promise<void>;
}

/**
 * Looks through `path`, a stopped broker's data folder or one partition's in
 * it, of kf or Apache Kafka, for what a repair has to do. Nothing is changed
 * before `apply()`; no broker can open the folder meanwhile. Throws an `Error`
 * when a broker uses the folder, or when it is none.
 *
 * A log is cut before its first bad batch; what is cut off, and later
 * segments, are kept in files beside it. Sizes and positions are bytes.
 *
 * ```ts
 * import { openRepair, startBroker } from "./mod.ts";
 *
 * const folder = await Deno.makeTempDir();
 * const broker = await startBroker({
 *   config: new Map([
 *     ["listeners", "PLAINTEXT://127.0.0.1:0"],
 *     ["log.dirs", folder],
 *   ]),
 *   traceLevel: "error",
 * });
 * await broker.stop();
 * await Deno.writeTextFile(`${folder}/recovery-point-offset-checkpoint`, "?");
 * {
 *   using repair = openRepair(folder);
 *   const actions = repair.findings.map(({ action }) => action);
 *   if (actions.join() !== "rewrite") throw new Error(`found ${actions}`);
 *   await repair.apply();
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export function openRepair(
  path: string,
  options: { readonly env?: Env } = {},
): OpenRepair {
  // A repair tells what it does by its findings.
  const env = options.env ?? denoEnv({ trace: () => {} });
  const disk = withOpenFilesMax(env.disk, OPEN_FILES_MAX);
  return new Repair(path, {
    env: { ...env, disk },
    checks: { quorumState: decodeQuorumState, control: toldControl },
  });
}
