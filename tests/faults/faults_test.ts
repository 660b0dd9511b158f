/**
 * Every kind of fault once, judged by the checker. `KF_FAULT_ROUNDS` says how
 * many whole rounds instead, `KF_SEED` with which dice. What a machine can't do
 * is skipped with its reason.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { temporaryFolder } from "../fixtures.ts";
import { runRound, textOf } from "./campaign.ts";
import { KINDS } from "./kinds.ts";

const ROUNDS = Number(Deno.env.get("KF_FAULT_ROUNDS") ?? 0);
const SEED = Number(
  Deno.env.get("KF_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);

for (const [name, kind] of Object.entries(KINDS)) {
  Deno.test(`clients live through ${name}, and nothing that was promised is lost`, async () => {
    for (let round = 0; round < Math.max(1, ROUNDS); round++) {
      using folder = temporaryFolder();
      const outcome = await runRound(kind, {
        folder: folder.path,
        round,
        seed: SEED,
        ...(ROUNDS === 0 ? { strikes: 1 } : {}),
      });
      if (typeof outcome === "string") {
        // deno-lint-ignore no-console
        console.log(`skipped: ${outcome}`);
        return;
      }
      const told = textOf(outcome.anomalies);
      assertEquals(told, "", `KF_SEED=${SEED}, round ${round}`);
    }
  });
}
