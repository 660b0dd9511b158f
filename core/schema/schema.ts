/**
 * The schema language of wire messages and stored records: one definition per
 * message, with the version range of every field, from which types are
 * inferred and codecs generated. Owns definitions only; it never touches
 * bytes, and no definition may hold code for a version.
 *
 * @module
 */
import { type Uuid, ZERO_UUID } from "../bytes/uuid.ts";
import { invariant } from "../invariant.ts";

/** Versions from `min` to `max`, both included; `max` may be `Infinity`. */
export interface Versions {
  readonly min: number;
  readonly max: number;
}

/** No version at all. */
const NO_VERSIONS: Versions = { min: 0, max: -1 };

/** Parses `"3+"`, `"0-12"`, `"4"` or `"none"`. */
export function versionsOf(text: string): Versions {
  if (text === "none") return NO_VERSIONS;
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text);
  invariant(match !== null, `"${text}" is a version range`);
  const min = Number(match[1]);
  if (match[2] !== undefined) return { min, max: Infinity };
  return { min, max: match[3] === undefined ? min : Number(match[3]) };
}

/** Whether `versions` includes `version`. */
export function includes(versions: Versions, version: number): boolean {
  return version >= versions.min && version <= versions.max;
}

/** Prints versions the way {@linkcode versionsOf} reads them. */
export function versionsText({ min, max }: Versions): string {
  if (max < min) return "none";
  if (max === Infinity) return `${min}+`;
  return min === max ? `${min}` : `${min}-${max}`;
}

/** Wire types. */
export type Kind =
  | "bool"
  | "int8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "bits64"
  | "float64"
  | "string"
  | "bytes"
  | "records"
  | "uuid"
  | "array"
  | "struct";

/** A tagged field that the schema does not know at the message's version. */
export interface UnknownTag {
  readonly tag: number;
  readonly bytes: Uint8Array;
}

/** What may be said of any field. */
interface FieldOptions<T> {
  /** Value where the field is absent; the type's zero value unless given. */
  readonly default?: T | null;
  /** Number in the tagged section of flexible versions. */
  readonly tag?: number;
  /** Versions in which the field is tagged; all of its own unless given. */
  readonly taggedVersions?: string;
  /** Whether a version without the field drops a value that is not default. */
  readonly ignorable?: boolean;
  /** Whether the field is (part of) the key of its array. */
  readonly mapKey?: boolean;
}

/** What may be said of fields that can be null. */
interface NullableOptions<T> extends FieldOptions<T> {
  /** Versions in which null is allowed. */
  readonly nullable?: string;
  /** `"none"` keeps the old encoding in flexible versions. */
  readonly flexible?: "none";
}

type Null<O> = O extends { readonly nullable: string } ? null : never;

interface Shape {
  readonly element?: Field;
  readonly fields?: Fields;
}

/** One field's definition; `D` is what decoding gives, `I` what encoding takes. */
export class Field<D = unknown, I = unknown> {
  /** Exists for the compiler only. */
  declare readonly decoded: D;
  /** Exists for the compiler only. */
  declare readonly input: I;
  readonly kind: Kind;
  readonly versions: Versions;
  readonly nullable: Versions;
  readonly default: unknown;
  readonly tag: number | undefined;
  readonly tagged: Versions;
  readonly isIgnorable: boolean;
  readonly isMapKey: boolean;
  readonly isFlexible: boolean;
  /** Of arrays. */
  readonly element: Field | undefined;
  /** Of structs. */
  readonly fields: Fields | undefined;

  constructor(
    kind: Kind,
    versions: string,
    options: NullableOptions<unknown> & Shape,
  ) {
    this.kind = kind;
    this.versions = versionsOf(versions);
    this.nullable = versionsOf(options.nullable ?? "none");
    this.default = options.default === undefined
      ? zeroOf(kind, options.nullable !== undefined)
      : options.default;
    this.tag = options.tag;
    this.tagged = options.tag === undefined
      ? NO_VERSIONS
      : versionsOf(options.taggedVersions ?? versions);
    this.isIgnorable = options.ignorable ?? false;
    this.isMapKey = options.mapKey ?? false;
    this.isFlexible = options.flexible !== "none";
    this.element = options.element;
    this.fields = options.fields;
  }
}

/** Fields by property name, in wire order. */
export interface Fields {
  readonly [name: string]: Field;
}

/** What a decoder gives for `F`: every field present. */
type DecodedFields<F extends Fields> =
  & { -readonly [K in keyof F]: F[K]["decoded"] }
  & { unknownTags?: readonly UnknownTag[] };

/** What an encoder takes for `F`: absent fields get their default. */
export type InputFields<F extends Fields> =
  & { readonly [K in keyof F]?: F[K]["input"] | undefined }
  & { readonly unknownTags?: readonly UnknownTag[] | undefined };

/** Placeholder of a struct's or array's default; codecs make fresh ones. */
const EMPTY = Object.freeze([]);

function zeroOf(kind: Kind, isNullable: boolean): unknown {
  switch (kind) {
    case "bool":
      return false;
    case "string":
      return "";
    case "uuid":
      return ZERO_UUID;
    case "bits64":
      return 0n;
    case "records":
      return isNullable ? null : EMPTY;
    case "bytes":
    case "array":
    case "struct":
      return EMPTY;
    default:
      return 0;
  }
}

/** One byte, 0 or 1. */
export function bool(
  versions = "0+",
  options: FieldOptions<boolean> = {},
): Field<boolean, boolean> {
  return new Field("bool", versions, options);
}

/** Signed 8 bits. */
export function int8(
  versions = "0+",
  options: FieldOptions<number> = {},
): Field<number, number> {
  return new Field("int8", versions, options);
}

/** Signed 16 bits. */
export function int16(
  versions = "0+",
  options: FieldOptions<number> = {},
): Field<number, number> {
  return new Field("int16", versions, options);
}

/** Unsigned 16 bits. */
export function uint16(
  versions = "0+",
  options: FieldOptions<number> = {},
): Field<number, number> {
  return new Field("uint16", versions, options);
}

/** Signed 32 bits. */
export function int32(
  versions = "0+",
  options: FieldOptions<number> = {},
): Field<number, number> {
  return new Field("int32", versions, options);
}

/** Unsigned 32 bits. */
export function uint32(
  versions = "0+",
  options: FieldOptions<number> = {},
): Field<number, number> {
  return new Field("uint32", versions, options);
}

/** Signed 64 bits as a safe integer; ±Infinity stands for the extremes. */
export function int64(
  versions = "0+",
  options: FieldOptions<number> = {},
): Field<number, number> {
  return new Field("int64", versions, options);
}

/** Signed 64 bits that all carry meaning, such as a hash; an int64 to Kafka. */
export function bits64(
  versions = "0+",
  options: FieldOptions<bigint> = {},
): Field<bigint, bigint> {
  return new Field("bits64", versions, options);
}

/** IEEE 754 double. */
export function float64(
  versions = "0+",
  options: FieldOptions<number> = {},
): Field<number, number> {
  return new Field("float64", versions, options);
}

/** Sixteen bytes, as 22 characters of base64url. */
export function uuid(
  versions = "0+",
  options: FieldOptions<Uuid> = {},
): Field<Uuid, Uuid> {
  return new Field("uuid", versions, options);
}

/** UTF-8 text. */
export function string<const O extends NullableOptions<string>>(
  versions = "0+",
  options?: O,
): Field<string | Null<O>, string | Null<O>> {
  return new Field("string", versions, options ?? {});
}

/** Bytes; decoded as a view of the input. */
export function bytes<const O extends NullableOptions<never>>(
  versions = "0+",
  options?: O,
): Field<Uint8Array | Null<O>, Uint8Array | Null<O>> {
  return new Field("bytes", versions, options ?? {});
}

/** Record batches; decoded as a view of the input. */
export function records<const O extends NullableOptions<never>>(
  versions = "0+",
  options?: O,
): Field<Uint8Array | Null<O>, Uint8Array | Null<O>> {
  return new Field("records", versions, options ?? {});
}

/** Fields within a field. */
export function struct<
  const F extends Fields,
  const O extends NullableOptions<never>,
>(
  versions: string,
  fields: F,
  options?: O,
): Field<DecodedFields<F> | Null<O>, InputFields<F> | Null<O>> {
  checkFields(fields);
  return new Field("struct", versions, { ...options, fields });
}

type ElementDecoded<E> = E extends Field ? E["decoded"]
  : E extends Fields ? DecodedFields<E>
  : never;
type ElementInput<E> = E extends Field ? E["input"]
  : E extends Fields ? InputFields<E>
  : never;

/** Any number of `element`: a struct's fields, or a field such as `int32()`. */
export function array<
  const E extends Fields | Field,
  const O extends NullableOptions<never>,
>(
  versions: string,
  element: E,
  options?: O,
): Field<ElementDecoded<E>[] | Null<O>, readonly ElementInput<E>[] | Null<O>> {
  const one: Field = element instanceof Field
    ? element
    : struct(versions, element);
  return new Field("array", versions, { ...options, element: one });
}

/** Heading of a message. */
interface MessageOptions {
  /** Kafka's name, e.g. `"ProduceRequest"`. */
  readonly name: string;
  /** Versions that can be encoded and decoded. */
  readonly versions: string;
  /** Versions with compact lengths and tagged fields. */
  readonly flexible: string;
}

/** A message's definition. */
export interface Message<F extends Fields = Fields> {
  readonly name: string;
  readonly versions: Versions;
  readonly flexible: Versions;
  readonly fields: F;
}

/** Defines a message. */
export function message<const F extends Fields>(
  { name, versions, flexible }: MessageOptions,
  fields: F,
): Message<F> {
  checkFields(fields);
  return {
    name,
    versions: versionsOf(versions),
    flexible: versionsOf(flexible),
    fields,
  };
}

/** What decoding `M` gives. */
export type Decoded<M extends Message> = DecodedFields<M["fields"]>;

/** What encoding `M` takes. */
export type Input<M extends Message> = InputFields<M["fields"]>;

/** Names end up in generated source: they must be plain identifiers. */
function checkFields(fields: Fields): void {
  for (const name of Object.keys(fields)) {
    invariant(
      /^[a-z][A-Za-z0-9]*$/.test(name) && name !== "unknownTags",
      `"${name}" can name a field`,
    );
  }
}
