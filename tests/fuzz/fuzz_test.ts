/**
 * Every kept input again, and a few seconds of new ones per target.
 * `KF_FUZZ_SECONDS` says how many (default 1), `KF_SEED` from which seed.
 *
 * @module
 */
import { fuzz } from "./runner.ts";
import { TARGETS } from "./targets.ts";

const SECONDS = Number(Deno.env.get("KF_FUZZ_SECONDS") ?? 1);
const SEED = Number(
  Deno.env.get("KF_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);

for (const target of TARGETS) {
  Deno.test(`${target.name} stands kept inputs and new ones`, async () => {
    // deno-lint-ignore no-console
    console.log(`seed ${SEED}`);
    await fuzz(target, { seed: SEED, ms: SECONDS * 1000 });
  });
}
