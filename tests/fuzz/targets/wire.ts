/**
 * Every schema at every version, requests and responses alike: bytes give a
 * `DecodeError` or a value, and what was decoded can be encoded and read again.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  DecodeError,
  decodeExact,
  encode,
} from "../../../core/schema/codec.ts";
import type { Message } from "../../../core/schema/schema.ts";
import { SCHEMAS, versionsIn } from "../../wire/schemas.ts";
import type { Chance } from "../../sim/chance.ts";
import { mutate } from "../mutate.ts";
import {
  expecting,
  type FuzzTarget,
  headed,
  headOf,
  varyBody,
} from "../target.ts";
import { valueOf } from "../values.ts";

const BY_NAME = new Map(SCHEMAS.map((schema) => [schema.name, schema]));

export const wire: FuzzTarget = {
  name: "wire",
  generate(chance) {
    const schema = chance.pick(SCHEMAS);
    const version = chance.pick(versionsIn(schema));
    return headed(`${schema.name} ${version}`, bodyOf(schema, version, chance));
  },
  vary: varyBody,
  run(input) {
    const { head, body } = headOf(input);
    const [name = "", version] = head.split(" ");
    const schema = BY_NAME.get(name);
    if (schema !== undefined) check(schema, Number(version), body);
  },
};

function bodyOf(schema: Message, version: number, chance: Chance): Uint8Array {
  if (chance.oneIn(10)) return chance.bytes(chance.size(2000));
  const bytes = encode(schema, version, valueOf(schema, { version, chance }));
  return chance.oneIn(8) ? bytes : mutate(bytes, chance);
}

function check(schema: Message, version: number, body: Uint8Array): void {
  const value = expecting(
    [DecodeError],
    () => decodeExact(schema, version, body),
  );
  if (value === undefined) return;
  const again = encode(schema, version, value);
  const second = encode(schema, version, decodeExact(schema, version, again));
  assertEquals(second, again, `${schema.name} ${version} reads its own bytes`);
}
