/**
 * Decodes and encodes messages by their schema. Owns the compiled codecs, one
 * per (message, version), made at first use. Decoding must never allocate on
 * the word of a count, and throws nothing but `DecodeError` on bad input.
 *
 * @module
 */
import { DecodeError, Reader } from "../bytes/reader.ts";
import { isUuid } from "../bytes/uuid.ts";
import { EncodeError, Writer } from "../bytes/writer.ts";
import {
  type Decoded,
  includes,
  type Input,
  type Message,
  type UnknownTag,
  versionsText,
} from "./schema.ts";
import { decoderSource, encoderSource, RUNTIME_NAMES } from "./source.ts";

export { DecodeError, EncodeError };

/** A value that a version of a message can't hold; another one may. */
export class VersionError extends EncodeError {
  /** Of the message and the field. */
  readonly path: string;

  constructor(path: string, why: string) {
    super(`Cannot encode ${path}: ${why}`);
    this.path = path;
  }
}

type Decoder = (reader: Reader) => unknown;
type Encoder = (writer: Writer, value: unknown) => void;

const decoders = new WeakMap<Message, Decoder[]>();
const encoders = new WeakMap<Message, Encoder[]>();

/** What generated code calls for everything that is not the fast path. */
const RUNTIME = {
  EMPTY: new Uint8Array(0),
  EMPTY_ARRAY: Object.freeze([]),
  EMPTY_STRUCT: Object.freeze({}),
  isUuid,
  isInt64,
  badTag,
  badTagSize,
  unexpectedNull,
  badCount,
  unsupported,
  notNullable,
  badInteger,
  badUuid,
  checkedTags,
  writeTags,
};

function isInt64(x: number): boolean {
  return Number.isSafeInteger(x) || x === Infinity || x === -Infinity;
}

function badTag(path: string, tag: number, before: number): never {
  throw new DecodeError(
    `Cannot decode ${path}: tag ${tag} stands after tag ${before}`,
  );
}

function badTagSize(path: string, tag: number, size: number): never {
  throw new DecodeError(
    `Cannot decode ${path}: tag ${tag} does not fill its ${size} bytes`,
  );
}

function unexpectedNull(path: string): never {
  throw new DecodeError(`Cannot decode ${path}: null is not allowed`);
}

function badCount(path: string, count: number, reader: Reader): never {
  throw new DecodeError(
    `Cannot decode ${path}: ${count} elements in ${reader.remaining} bytes`,
  );
}

function unsupported(path: string, version: number): never {
  throw new VersionError(path, `version ${version} does not have this field`);
}

function notNullable(path: string, version: number): never {
  throw new VersionError(path, `null is not allowed in version ${version}`);
}

function badInteger(x: unknown, path: string, version: number): never {
  throw new EncodeError(
    `Cannot encode ${path} of version ${version}: ${x} does not fit its type`,
  );
}

function badUuid(x: unknown, path: string, version: number): never {
  throw new EncodeError(
    `Cannot encode ${path} of version ${version}: "${x}" is not a uuid`,
  );
}

function checkedTags(
  tags: readonly UnknownTag[] | undefined,
  known: readonly number[],
  path: string,
  version: number,
): readonly UnknownTag[] | undefined {
  if (tags === undefined || tags.length === 0) return undefined;
  const sorted = [...tags].sort((a, b) => a.tag - b.tag);
  sorted.forEach(({ tag }, i) => {
    const isFree = tag >= 0 && tag <= 0xffffffff && Number.isInteger(tag) &&
      !known.includes(tag) && sorted[i - 1]?.tag !== tag;
    if (!isFree) {
      throw new EncodeError(
        `Cannot encode ${path} of version ${version}: tag ${tag} is taken or not a tag`,
      );
    }
  });
  return sorted;
}

/** Writes unknown tags from index `at` on that lie below `limit`. */
function writeTags(
  writer: Writer,
  tags: readonly UnknownTag[],
  at: number,
  limit: number,
): number {
  let i = at;
  for (; i < tags.length && tags[i]!.tag < limit; i++) {
    const { tag, bytes } = tags[i]!;
    writer.uvarint(tag);
    writer.uvarint(bytes.length);
    writer.raw(bytes);
  }
  return i;
}

function compile<F>(source: string): F {
  return new Function(...RUNTIME_NAMES, source)(RUNTIME);
}

function decoderOf(schema: Message, version: number): Decoder {
  let byVersion = decoders.get(schema);
  if (byVersion === undefined) decoders.set(schema, byVersion = []);
  const cached = byVersion[version];
  if (cached !== undefined) return cached;
  if (!includes(schema.versions, version) || !Number.isInteger(version)) {
    throw new DecodeError(outside("decode", schema, version));
  }
  return byVersion[version] = compile<Decoder>(decoderSource(schema, version));
}

function encoderOf(schema: Message, version: number): Encoder {
  let byVersion = encoders.get(schema);
  if (byVersion === undefined) encoders.set(schema, byVersion = []);
  const cached = byVersion[version];
  if (cached !== undefined) return cached;
  if (!includes(schema.versions, version) || !Number.isInteger(version)) {
    throw new EncodeError(outside("encode", schema, version));
  }
  return byVersion[version] = compile<Encoder>(encoderSource(schema, version));
}

function outside(verb: string, { name, versions }: Message, version: number) {
  return `Cannot ${verb} ${name}: version ${version} is outside ${
    versionsText(versions)
  }`;
}

/**
 * Decodes one message from `input`; a {@linkcode Reader} is left behind it.
 * Byte fields are views of the input.
 */
export function decode<M extends Message>(
  schema: M,
  version: number,
  input: Uint8Array | Reader,
): Decoded<M> {
  const reader = input instanceof Reader ? input : new Reader(input);
  return decoderOf(schema, version)(reader) as Decoded<M>;
}

/** Like {@linkcode decode}, and throws `DecodeError` when bytes are left over. */
export function decodeExact<M extends Message>(
  schema: M,
  version: number,
  input: Uint8Array | Reader,
): Decoded<M> {
  const reader = input instanceof Reader ? input : new Reader(input);
  const value = decoderOf(schema, version)(reader) as Decoded<M>;
  if (reader.remaining > 0) {
    throw new DecodeError(
      `Cannot decode ${schema.name} version ${version}: ${reader.remaining} bytes are left over`,
    );
  }
  return value;
}

/** Appends `value` to `writer`; throws `EncodeError` when it has no encoding. */
export function encodeInto<M extends Message>(
  writer: Writer,
  schema: M,
  version: number,
  value: Input<M>,
): void {
  encoderOf(schema, version)(writer, value);
}

/** Encodes `value`; throws `EncodeError` when it has no encoding. */
export function encode<M extends Message>(
  schema: M,
  version: number,
  value: Input<M>,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  encoderOf(schema, version)(writer, value);
  return writer.view();
}
