/**
 * Compares schemas with Kafka's own JSON definitions, field by field. Owns
 * the reading of those definitions; it shares nothing with the schema
 * language but the result, so that a mistake in one shows.
 *
 * @module
 */
import {
  type Field,
  type Fields,
  type Message,
  type Versions,
  versionsText,
} from "../../core/schema/schema.ts";

/** A field as Kafka's JSON has it. */
interface JsonField {
  readonly name: string;
  readonly type: string;
  /** Those of `taggedVersions` when absent. */
  readonly versions?: string;
  readonly nullableVersions?: string;
  readonly taggedVersions?: string;
  readonly tag?: number;
  readonly default?: string | number | boolean | null;
  readonly ignorable?: boolean | string;
  readonly mapKey?: boolean | string;
  readonly flexibleVersions?: string;
  readonly fields?: readonly JsonField[];
}

/** A message as Kafka's JSON has it. */
export interface JsonMessage {
  readonly apiKey?: number;
  readonly type: string;
  readonly name: string;
  readonly validVersions: string;
  readonly flexibleVersions: string;
  readonly latestVersionUnstable?: boolean;
  readonly fields: readonly JsonField[];
  readonly commonStructs?: readonly JsonField[];
}

type Range = readonly [min: number, max: number];

const PRIMITIVES: ReadonlySet<string> = new Set([
  "bool",
  "int8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "float64",
  "string",
  "bytes",
  "records",
  "uuid",
]);

/** Parses a definition; its comments begin lines with `//`. */
export function parseDefinition(text: string): JsonMessage {
  return JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, ""));
}

function rangeOf(text: string): Range {
  if (text === "none") return [0, -1];
  if (text.endsWith("+")) return [Number(text.slice(0, -1)), Infinity];
  const [min, max] = text.split("-").map(Number);
  return [min!, max ?? min!];
}

/** Versions that have the field at all. */
function presenceOf({ versions, taggedVersions }: JsonField): string {
  return versions ?? taggedVersions ?? "none";
}

function both(a: Range, b: Range): Range {
  return [Math.max(a[0], b[0]), Math.min(a[1], b[1])];
}

function isSame(range: Range, versions: Versions): boolean {
  if (range[1] < range[0]) return versions.max < versions.min;
  return range[0] === versions.min && range[1] === versions.max;
}

function isTrue(value: boolean | string | undefined): boolean {
  return value === true || value === "true";
}

/** Differences between one schema and its definition, worded for people. */
class Comparison {
  readonly differences: string[] = [];
  readonly #common: ReadonlyMap<string, readonly JsonField[]>;

  constructor({ commonStructs = [] }: JsonMessage) {
    this.#common = new Map(
      commonStructs.map(({ name, fields }) => [name, fields ?? []]),
    );
  }

  compareFields(
    path: string,
    { json, fields, range }: {
      json: readonly JsonField[];
      fields: Fields;
      range: Range;
    },
  ): void {
    const expected = json.filter((one) => {
      const [min, max] = both(range, rangeOf(presenceOf(one)));
      return min <= max;
    });
    const names = expected.map(({ name }) =>
      name.charAt(0).toLowerCase() + name.slice(1)
    );
    const actual = Object.keys(fields);
    if (names.join() !== actual.join()) {
      this.#differ(path, "fields", [names.join(), actual.join()]);
      return;
    }
    expected.forEach((one, i) =>
      this.#compareField(`${path}.${names[i]}`, {
        json: one,
        field: fields[names[i]!]!,
        range,
      })
    );
  }

  #compareField(
    path: string,
    { json, field, range }: { json: JsonField; field: Field; range: Range },
  ): void {
    const isArray = json.type.startsWith("[]");
    const type = isArray ? json.type.slice(2) : json.type;
    const kind = PRIMITIVES.has(type) ? type : "struct";
    const inner = isArray ? field.element : field;
    const innerKind = inner?.kind ?? field.kind;
    this.#compare(path, "type", [
      `${isArray ? "[]" : ""}${kind}`,
      // Another reading of the same bytes.
      `${field.kind === "array" ? "[]" : ""}${
        innerKind === "bits64" ? "int64" : innerKind
      }`,
    ]);
    this.#compareVersions(path, json, field);
    this.#compare(path, "tag", [json.tag, field.tag]);
    this.#compare(path, "ignorable", [
      isTrue(json.ignorable),
      field.isIgnorable,
    ]);
    this.#compare(path, "mapKey", [isTrue(json.mapKey), field.isMapKey]);
    this.#compare(path, "flexible", [
      json.flexibleVersions !== "none",
      field.isFlexible,
    ]);
    this.#compareDefault(path, json, field);
    const structFields = inner?.fields;
    if (kind === "struct" && structFields !== undefined) {
      this.compareFields(path, {
        json: json.fields ?? this.#common.get(type) ?? [],
        fields: structFields,
        range: both(range, rangeOf(presenceOf(json))),
      });
    }
  }

  #compareVersions(path: string, json: JsonField, field: Field): void {
    const pairs = [
      ["versions", presenceOf(json), field.versions],
      ["nullableVersions", json.nullableVersions, field.nullable],
      ["taggedVersions", json.taggedVersions, field.tagged],
    ] as const;
    for (const [what, text = "none", versions] of pairs) {
      if (!isSame(rangeOf(text), versions)) {
        this.#differ(path, what, [text, versionsText(versions)]);
      }
    }
  }

  #compareDefault(path: string, json: JsonField, field: Field): void {
    const expected = defaultOf(json);
    const actual = field.default instanceof Array
      ? "empty"
      : typeof field.default === "bigint"
      ? Number(field.default)
      : field.default;
    this.#compare(path, "default", [expected, actual]);
  }

  #compare(path: string, what: string, pair: readonly [unknown, unknown]) {
    if (pair[0] !== pair[1]) this.#differ(path, what, pair);
  }

  #differ(path: string, what: string, pair: readonly [unknown, unknown]) {
    this.differences.push(
      `${path}: ${what} is ${pair[1]}, Kafka has ${pair[0]}`,
    );
  }
}

/** The default that a definition states, or its type's. */
function defaultOf({ type, default: text, nullableVersions }: JsonField) {
  const isStated = text !== undefined && text !== null && text !== "";
  const stated = isStated ? String(text) : undefined;
  if (stated === "null") return null;
  if (type.startsWith("[]") || !PRIMITIVES.has(type)) return "empty";
  switch (type) {
    case "string":
      return stated ?? "";
    case "bytes":
      return "empty";
    case "records":
      return nullableVersions === undefined ? "empty" : null;
    case "bool":
      return stated?.toLowerCase() === "true";
    case "uuid":
      return stated ?? "A".repeat(22);
    default: {
      const value = BigInt(stated ?? "0");
      if (value === 2n ** 63n - 1n) return Infinity;
      return value === -(2n ** 63n) ? -Infinity : Number(value);
    }
  }
}

/**
 * What differs between `schema` and `json`. `isUnstable` says that the newest
 * version of the definition is not released, and not served.
 */
export function differencesOf(
  schema: Message,
  json: JsonMessage,
  { isUnstable = json.latestVersionUnstable ?? false } = {},
): string[] {
  const comparison = new Comparison(json);
  const [min, max] = rangeOf(json.validVersions);
  const range: Range = [min, isUnstable ? max - 1 : max];
  const heading = [
    ["versions", range, schema.versions],
    ["flexibleVersions", rangeOf(json.flexibleVersions), schema.flexible],
  ] as const;
  for (const [what, expected, actual] of heading) {
    if (!isSame(expected, actual)) {
      comparison.differences.push(
        `${json.name}: ${what} is ${versionsText(actual)}, Kafka has ${
          expected.join("-")
        }`,
      );
    }
  }
  comparison.compareFields(json.name, {
    json: json.fields,
    fields: schema.fields,
    range,
  });
  return comparison.differences;
}
