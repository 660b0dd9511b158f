/**
 * Definitions: version ranges, zero values, and what cannot be a definition.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../invariant.ts";
import { complete } from "./complete.ts";
import {
  array,
  bytes,
  includes,
  int32,
  message,
  records,
  string,
  struct,
  versionsOf,
  versionsText,
} from "./schema.ts";

Deno.test("version ranges are read and printed alike", () => {
  for (const text of ["none", "4", "3+", "0-12"]) {
    assertEquals(versionsText(versionsOf(text)), text);
  }
  assertEquals(includes(versionsOf("3+"), 2), false);
  assertEquals(includes(versionsOf("0-12"), 12), true);
  assertEquals(includes(versionsOf("none"), 0), false);
  for (const text of ["", "+3", "1-", "a"]) {
    assertThrows(() => versionsOf(text), InvariantError);
  }
});

Deno.test("a name that is no identifier cannot reach generated source", () => {
  const heading = { name: "M", versions: "0", flexible: "none" };
  for (const name of ["a-b", "A", "x;y", "unknownTags"]) {
    assertThrows(() => message(heading, { [name]: int32() }), InvariantError);
    assertThrows(() => struct("0+", { [name]: int32() }), InvariantError);
  }
});

Deno.test("complete() fills every absent field, deeply", () => {
  const schema = message({ name: "M", versions: "0", flexible: "0+" }, {
    text: string("0+", { nullable: "0+", default: null }),
    list: array("0+", { id: int32("0+", { default: -1 }) }),
    inner: struct("0+", { data: bytes("0+"), batch: records("0+") }),
    kept: string("0+", { nullable: "0+", default: null }),
  });
  const unknownTags = [{ tag: 1, bytes: new Uint8Array(1) }];
  assertEquals(complete(schema, { list: [{}], kept: "k", unknownTags }), {
    text: null,
    list: [{ id: -1 }],
    inner: { data: new Uint8Array(0), batch: new Uint8Array(0) },
    kept: "k",
    unknownTags,
  });
});
