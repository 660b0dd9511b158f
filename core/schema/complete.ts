/**
 * Fills the absent fields of a value with their defaults, so that a record
 * made here equals the same record read back from a log. Walks the schema on
 * every call: not for hot paths.
 *
 * @module
 */
import type {
  Decoded,
  Field,
  Fields,
  Input,
  InputFields,
  Message,
} from "./schema.ts";

/** A whole value of `schema`: what `value` has, and defaults for the rest. */
export function complete<M extends Message>(
  schema: M,
  value: Input<M>,
): Decoded<M> {
  return completeFields(schema.fields, value) as Decoded<M>;
}

function completeFields(fields: Fields, value: InputFields<Fields>): unknown {
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    result[name] = completeField(field, value[name]);
  }
  if (value.unknownTags !== undefined && value.unknownTags.length > 0) {
    result.unknownTags = value.unknownTags;
  }
  return result;
}

function completeField(field: Field, value: unknown): unknown {
  if (value === undefined && field.default === null) return null;
  if (value === null) return null;
  switch (field.kind) {
    case "struct":
      return completeFields(field.fields!, value ?? {});
    case "array": {
      const element = field.element!;
      return ((value ?? []) as readonly unknown[])
        .map((item) => completeField(element, item));
    }
    case "bytes":
    case "records":
      return value ?? new Uint8Array(0);
    default:
      return value ?? field.default;
  }
}
