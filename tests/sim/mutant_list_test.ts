/**
 * The lists of mutants name code that is there, so that a hunt never ends with
 * words of what has changed since.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { CLUSTER_MUTANTS } from "./cluster_mutant_list.ts";
import { MUTANTS } from "./mutant_list.ts";

Deno.test("every mutant changes code that is there, and there once", () => {
  const lost = [...MUTANTS, ...CLUSTER_MUTANTS].flatMap(
    ({ name, file, edits }) => {
      const text = Deno.readTextFileSync(
        new URL(`../../${file}`, import.meta.url),
      );
      return edits.filter(([from, to]) =>
        from === to || text.split(from).length !== 2
      ).map(([from]) => `${name}: ${file} has not one ${from}`);
    },
  );
  assertEquals(lost, []);
});
