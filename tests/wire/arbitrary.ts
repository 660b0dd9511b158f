/**
 * Random values of any schema at any version, and the checks that compare
 * them: derived from the schema, so that a new one is covered at once.
 *
 * @module
 */
import fc from "fast-check";
import { uuidFromBytes } from "../../core/bytes/uuid.ts";
import {
  type Field,
  type Fields,
  includes,
  type InputFields,
  type Kind,
  type Message,
} from "../../core/schema/schema.ts";

/** Above every tag that a schema uses. */
const UNKNOWN_TAG_MIN = 64;

const INT64 = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(Infinity, -Infinity, 0, -1),
);

const SCALARS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  uint16: fc.integer({ min: 0, max: 65535 }),
  int32: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  uint32: fc.integer({ min: 0, max: 0xffffffff }),
  int64: INT64,
  bits64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  float64: fc.double({ noNaN: true }),
  string: fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.string({ minLength: 120, maxLength: 140 }),
  ),
  bytes: fc.uint8Array({ maxLength: 20 }),
  records: fc.uint8Array({ maxLength: 200 }),
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => uuidFromBytes(bytes)),
};

const UNKNOWN_TAGS = fc.uniqueArray(
  fc.record({
    tag: fc.integer({ min: UNKNOWN_TAG_MIN, max: 0x7fffffff }),
    bytes: fc.uint8Array({ maxLength: 8 }),
  }),
  { selector: ({ tag }) => tag, maxLength: 2 },
).map((tags) => tags.sort((a, b) => a.tag - b.tag));

/** Values of `schema` whose fields all exist in `version`. */
export function valuesOf(
  schema: Message,
  version: number,
): fc.Arbitrary<InputFields<Fields>> {
  const isFlexible = includes(schema.flexible, version);
  const structs = (fields: Fields): fc.Arbitrary<InputFields<Fields>> => {
    const members: Record<string, fc.Arbitrary<unknown>> = {};
    for (const [name, field] of Object.entries(fields)) {
      if (includes(field.versions, version)) members[name] = one(field);
    }
    if (!isFlexible) return fc.record(members, { requiredKeys: [] });
    return fc.tuple(
      fc.record(members, { requiredKeys: [] }),
      fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, UNKNOWN_TAGS),
    ).map(([value, unknownTags]) =>
      unknownTags.length > 0 ? { ...value, unknownTags } : value
    );
  };
  const one = (field: Field): fc.Arbitrary<unknown> => {
    const arbitrary = field.kind === "struct"
      ? structs(field.fields!)
      : field.kind === "array"
      ? fc.array(one(field.element!), { maxLength: 3 })
      : SCALARS[field.kind]!;
    return includes(field.nullable, version)
      ? fc.option(arbitrary, { freq: 4 })
      : arbitrary;
  };
  return structs(schema.fields).map((value) =>
    withRequired(schema.fields, { value, version })
  );
}

function present(kind: Kind): unknown {
  if (kind === "string") return "";
  return kind === "array" ? [] : new Uint8Array(0);
}

/** Gives fields a value whose default, null, `version` does not allow. */
function withRequired(
  fields: Fields,
  { value, version }: { value: InputFields<Fields>; version: number },
): InputFields<Fields> {
  const result: Record<string, unknown> = { ...value };
  for (const [name, field] of Object.entries(fields)) {
    if (!includes(field.versions, version)) continue;
    const isTagged = includes(field.tagged, version);
    const needsOne = field.default === null && !isTagged &&
      !includes(field.nullable, version);
    if (result[name] === undefined && needsOne) {
      result[name] = present(field.kind);
    }
    const inner = result[name];
    if (inner === null || inner === undefined) continue;
    if (field.kind === "struct") {
      result[name] = withRequired(field.fields!, { value: inner, version });
    } else if (field.element?.kind === "struct") {
      const element = field.element.fields!;
      result[name] = (inner as InputFields<Fields>[])
        .map((item) => withRequired(element, { value: item, version }));
    }
  }
  return result as InputFields<Fields>;
}
