/**
 * Random values of a schema at a version, with a taste for edges, and with
 * names that mean something to whoever reads them. Owns no bytes.
 *
 * @module
 */
import { uuidFromBytes } from "../../core/bytes/uuid.ts";
import {
  type Field,
  type Fields,
  includes,
  type Input,
  type Message,
} from "../../core/schema/schema.ts";
import type { Chance } from "../sim/chance.ts";

/** What fields of a name hold in half of all cases. */
export type Words = Readonly<Record<string, (chance: Chance) => unknown>>;

/** What {@linkcode valueOf} makes values for. */
export interface ValueOptions {
  readonly version: number;
  readonly chance: Chance;
  readonly words?: Words;
}

const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-0x80000000, 0x7fffffff],
  uint32: [0, 0xffffffff],
};
const INT64 = [
  0,
  1,
  -1,
  -2,
  1000,
  Number.MAX_SAFE_INTEGER,
  -Number.MAX_SAFE_INTEGER,
  Infinity,
  -Infinity,
];
const TEXTS = [
  "",
  "t",
  "a-b.c_d",
  "..",
  "../../x",
  "a/b",
  "a\0b",
  "é한\u{1f600}",
  "\ufeffbom",
  "__proto__",
  "x".repeat(249),
  "y".repeat(300),
];

/** A value of `schema` that can be encoded at `version`. */
export function valueOf<M extends Message>(
  schema: M,
  options: ValueOptions,
): Input<M> {
  const isFlexible = includes(schema.flexible, options.version);
  return new Values(options, isFlexible).struct(schema.fields) as Input<M>;
}

class Values {
  readonly #version: number;
  readonly #chance: Chance;
  readonly #words: Words;
  readonly #isFlexible: boolean;
  /** Elements that may still be made: arrays in arrays would explode. */
  #left = 400;

  constructor({ version, chance, words }: ValueOptions, isFlexible: boolean) {
    this.#version = version;
    this.#chance = chance;
    this.#words = words ?? {};
    this.#isFlexible = isFlexible;
  }

  struct(fields: Fields): Record<string, unknown> {
    const chance = this.#chance;
    const result: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fields)) {
      if (!includes(field.versions, this.#version)) continue;
      const mayLack = field.default !== null || this.#isNullable(field) ||
        includes(field.tagged, this.#version);
      if (mayLack && chance.oneIn(12)) continue;
      const word = chance.oneIn(2) ? this.#words[name]?.(chance) : undefined;
      const isWord = word !== undefined &&
        (word !== null || this.#isNullable(field));
      result[name] = isWord ? word : this.#field(field, name);
    }
    if (this.#isFlexible && chance.oneIn(10)) {
      const tag = 64 + chance.below(1000);
      result["unknownTags"] = [{ tag, bytes: chance.bytes(chance.size(30)) }];
    }
    return result;
  }

  #isNullable(field: Field): boolean {
    return includes(field.nullable, this.#version);
  }

  #field(field: Field, name: string): unknown {
    const chance = this.#chance;
    if (this.#isNullable(field) && chance.oneIn(6)) return null;
    const range = RANGES[field.kind];
    if (range !== undefined) return integer(chance, range);
    switch (field.kind) {
      case "bool":
        return chance.oneIn(2);
      case "int64":
        return chance.oneIn(3) ? chance.u32() : chance.pick(INT64);
      case "bits64":
        return BigInt.asIntN(
          64,
          BigInt(chance.u32()) << 32n | BigInt(chance.u32()),
        );
      case "float64":
        return chance.pick([0, -1.5, 1e308, -Infinity, NaN, 2 ** 40]);
      case "string":
        return chance.oneIn(3) ? `${chance.below(50)}` : chance.pick(TEXTS);
      case "uuid":
        return uuidFromBytes(
          chance.oneIn(3) ? new Uint8Array(16) : chance.bytes(16),
        );
      case "array":
        return this.#array(field.element!, name);
      case "struct":
        return this.struct(field.fields!);
      default:
        return chance.bytes(chance.size(200));
    }
  }

  #array(element: Field, name: string): unknown[] {
    const chance = this.#chance;
    const wanted = chance.oneIn(20) ? chance.size(100) : chance.below(4);
    const count = Math.min(wanted, this.#left);
    this.#left -= count;
    const word = this.#words[name];
    return Array.from(
      { length: count },
      () =>
        word !== undefined && chance.oneIn(2)
          ? [word(chance)].flat()[0]
          : this.#field(element, name),
    );
  }
}

function integer(
  chance: Chance,
  [min, max]: readonly [number, number],
): number {
  if (chance.oneIn(5)) return min + chance.below(max - min + 1);
  const near = chance.pick([0, 1, 2, 3, 7, 100, -1, -2, min, max]);
  return Math.min(max, Math.max(min, near));
}
