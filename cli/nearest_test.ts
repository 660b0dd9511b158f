/**
 * What is taken for what.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { nearest } from "./nearest.ts";

Deno.test("nearest() forgives a slip or two, and guesses nothing", () => {
  const known = ["quiet", "help", "brokers", "partitions", "if-exists", "to"];
  const cases: [string, string | undefined][] = [
    ["quite", "quiet"],
    ["hlep", "help"],
    ["borkesr", "brokers"],
    ["partition", "partitions"],
    ["part", "partitions"],
    ["if-exist", "if-exists"],
    ["ot", "to"],
    ["foo", undefined],
    ["x", undefined],
    ["", undefined],
    ["from-beginning", undefined],
  ];
  for (const [word, wanted] of cases) {
    assertEquals(nearest(word, known), wanted, word);
  }
});
