/**
 * What people read of an error.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { sentenceOf } from "./failure.ts";

Deno.test("sentenceOf() says of a system call first what failed", () => {
  const error = assertThrows(() => Deno.openSync("/no/such file"), Error);
  assertEquals(
    sentenceOf(error),
    'Cannot open "/no/such file": no such file or directory',
  );
  assertEquals(sentenceOf(new Error("plain")), "plain");
  assertEquals(sentenceOf(new Error("a\x1b[2J\n\x07")), "a\\x1b[2J\n\\x07");
  assertEquals(sentenceOf("text"), "text");
});
