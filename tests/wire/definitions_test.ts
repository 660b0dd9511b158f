/**
 * The comparison itself: it must see every kind of difference.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  array,
  type Field,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
} from "../../core/schema/schema.ts";
import { differencesOf, parseDefinition } from "./definitions.ts";

const JSON_TEXT = `
// A comment, as Kafka's definitions have them.
{ "type": "request", "name": "M", "validVersions": "1-3", "flexibleVersions": "2+",
  "fields": [
  { "name": "Gone", "type": "int32", "versions": "0" },
  { "name": "Name", "type": "string", "versions": "1+", "nullableVersions": "2+", "default": "null", "ignorable": true },
  { "name": "List", "type": "[]Item", "versions": "1+", "fields": [
    { "name": "Id", "type": "int64", "versions": "1+", "default": "9223372036854775807", "mapKey": true } ]},
  { "name": "Late", "type": "Shared", "versions": "2+", "taggedVersions": "2+", "tag": 0 }
  ],
  "commonStructs": [ { "name": "Shared", "versions": "2+", "fields": [
    { "name": "X", "type": "int16", "versions": "2+" } ]} ]
}`;

interface Parts {
  readonly name?: Field;
  readonly list?: Field;
  readonly late?: Field;
  readonly versions?: string;
  readonly flexible?: string;
}

const ID = { id: int64("1+", { default: Infinity, mapKey: true }) };
const SHARED = { x: int16("2+") };

function differences(parts: Parts): string[] {
  const { versions = "1-3", flexible = "2+" } = parts;
  const schema = message({ name: "M", versions, flexible }, {
    name: parts.name ??
      string("1+", { nullable: "2+", default: null, ignorable: true }),
    list: parts.list ?? array("1+", ID),
    late: parts.late ?? struct("2+", SHARED, { tag: 0 }),
  });
  return differencesOf(schema, parseDefinition(JSON_TEXT));
}

Deno.test("a faithful schema has no differences", () => {
  assertEquals(differences({}), []);
});

Deno.test("every kind of difference is seen", () => {
  const nullable = { nullable: "2+", default: null, ignorable: true } as const;
  const wrong: [Parts, string][] = [
    [{ versions: "1-4" }, "versions is 1-4"],
    [{ flexible: "3+" }, "flexibleVersions is 3+"],
    [{ name: int32("1+") }, "type is int32"],
    [{ name: string("2+", nullable) }, "versions is 2+"],
    [{ name: string("1+", { ...nullable, nullable: "1+" }) }, "nullable"],
    [{ name: string("1+", { ...nullable, ignorable: false }) }, "ignorable"],
    [{ name: string("1+", { ...nullable, default: "" }) }, "default"],
    [{ name: string("1+", { ...nullable, mapKey: true }) }, "mapKey"],
    [{ name: string("1+", { ...nullable, flexible: "none" }) }, "flexible"],
    [{ list: array("1+", { id: int64("1+", { mapKey: true }) }) }, "default"],
    [{ list: array("1+", { ...ID, more: int32("1+") }) }, "fields"],
    [{ list: array("1+", int32()) }, "type is []int32"],
    [{ list: struct("1+", ID) }, "type is struct"],
    [{ late: struct("2+", SHARED, { tag: 1 }) }, "tag is 1"],
    [
      { late: struct("2+", SHARED, { tag: 0, taggedVersions: "3+" }) },
      "taggedVersions",
    ],
    [{ late: struct("2+", { x: int32("2+") }, { tag: 0 }) }, "type is int32"],
  ];
  for (const [parts, says] of wrong) {
    const found = differences(parts).join("; ");
    assertEquals(found.includes(says), true, `${says} is not in: ${found}`);
  }
});
