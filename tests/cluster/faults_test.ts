/**
 * A few faults on three nodes under load, judged by the checker; `deno task
 * faults --cluster` runs all kinds for as long as one likes. `KF_SEED` says with
 * which dice. What a machine can't do is skipped with its reason.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { textOf } from "../faults/campaign.ts";
import { runClusterRound } from "../faults/cluster_campaign.ts";
import {
  CLUSTER_KINDS,
  type ClusterKindName,
} from "../faults/cluster_kinds.ts";
import { temporaryFolder } from "../fixtures.ts";

const SEED = Number(
  Deno.env.get("KF_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
const SESSION_MS = 3_000;
const SHORT: readonly ClusterKindName[] = ["leader", "island"];

for (const name of SHORT) {
  Deno.test(`clients of three nodes live through ${name}, and nothing that was promised is lost`, async () => {
    using folder = temporaryFolder();
    const outcome = await runClusterRound(CLUSTER_KINDS[name], {
      folder: folder.path,
      seed: SEED,
      sessionMs: SESSION_MS,
      strikes: 1,
    });
    if (typeof outcome === "string") {
      // deno-lint-ignore no-console
      console.log(`skipped: ${outcome}`);
      return;
    }
    assertEquals(textOf(outcome.anomalies), "", `KF_SEED=${SEED}`);
  });
}
