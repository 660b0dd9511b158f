/**
 * What tests fetch or build once for all: several processes may want it at the
 * same time. Owns the lock and the mark that says what was made; knows nothing
 * of what it is.
 *
 * @module
 */

/**
 * Calls `make` unless `folder` holds what `wanted` describes already. One process
 * at a time gets there; a `make` that throws leaves no mark.
 */
export async function makeOnce(
  folder: string,
  wanted: string,
  make: () => Promise<void>,
): Promise<void> {
  using lock = await Deno.open(`${folder}.lock`, { create: true, write: true });
  await lock.lock(true);
  const mark = `${folder}/made`;
  if (readIfThere(mark) === wanted) return;
  await make();
  Deno.writeTextFileSync(mark, wanted);
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
