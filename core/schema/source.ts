/**
 * Generates the source of one decoder or encoder per (message, version). Owns
 * the text only: `codec.ts` compiles and caches it. Generated code must never
 * hold a closure per field, and reads nothing but its arguments and the
 * runtime that {@linkcode RUNTIME_NAMES} lists.
 *
 * @module
 */
import { type Field, type Fields, includes, type Message } from "./schema.ts";

/** Parameters that generated code is compiled with, in order. */
export const RUNTIME_NAMES = ["rt"] as const;

const INTEGER_WIDTHS: Readonly<Record<string, string>> = {
  int8: "(x << 24 >> 24)",
  int16: "(x << 16 >> 16)",
  uint16: "(x & 65535)",
  int32: "(x | 0)",
  uint32: "(x >>> 0)",
};

const SIZES: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  bits64: 8,
  float64: 8,
  uuid: 16,
};

interface Named {
  readonly name: string;
  readonly field: Field;
}

function named(fields: Fields): Named[] {
  return Object.entries(fields).map(([name, field]) => ({ name, field }));
}

/** What decoder and encoder sources have in common: functions being gathered. */
abstract class Source {
  protected readonly version: number;
  protected readonly isFlexible: boolean;
  protected readonly message: Message;
  readonly #functions: string[] = [];
  #count = 0;

  constructor(message: Message, version: number) {
    this.message = message;
    this.version = version;
    this.isFlexible = includes(message.flexible, version);
  }

  /** The whole source; calling it returns the function for the message. */
  text(): string {
    const main = this.struct(this.message.fields, this.message.name);
    return `"use strict";\n${this.#functions.join("\n")}\nreturn ${main};`;
  }

  protected abstract struct(fields: Fields, path: string): string;

  protected add(parameters: string, body: string): string {
    const name = `f${this.#count++}`;
    this.#functions.push(`function ${name}(${parameters}) {\n${body}\n}`);
    return name;
  }

  protected has(field: Field): boolean {
    return includes(field.versions, this.version);
  }

  protected isTagged(field: Field): boolean {
    return this.has(field) && includes(field.tagged, this.version);
  }

  protected isNullable(field: Field): boolean {
    return includes(field.nullable, this.version);
  }

  protected isCompact(field: Field): boolean {
    return this.isFlexible && field.isFlexible;
  }

  /** Tagged fields of this version, rising. */
  protected tagged(fields: Fields): Named[] {
    return named(fields).filter(({ field }) => this.isTagged(field))
      .sort((a, b) => a.field.tag! - b.field.tag!);
  }

  /** Fewest bytes that a field can take. */
  protected sizeMin(field: Field): number {
    const size = SIZES[field.kind];
    if (size !== undefined) return size;
    if (field.kind === "struct") {
      return this.isNullable(field) ? 1 : this.structSizeMin(field.fields!);
    }
    if (this.isCompact(field)) return 1;
    return field.kind === "string" ? 2 : 4;
  }

  protected structSizeMin(fields: Fields): number {
    let size = this.isFlexible ? 1 : 0;
    for (const { field } of named(fields)) {
      if (this.has(field) && !this.isTagged(field)) size += this.sizeMin(field);
    }
    return Math.max(1, size);
  }
}

/** Source of a default value that nobody else holds. */
function defaultSource({ kind, default: value, fields }: Field): string {
  if (value === null) return "null";
  if (kind === "array") return "[]";
  if (kind === "bytes" || kind === "records") return "rt.EMPTY";
  if (kind === "struct") {
    const parts = named(fields!)
      .map(({ name, field }) => `${name}: ${defaultSource(field)}`);
    return `({ ${parts.join(", ")} })`;
  }
  if (kind === "bits64") return `${value}n`;
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

class DecoderSource extends Source {
  protected struct(fields: Fields, path: string): string {
    const lines: string[] = [];
    named(fields).forEach(({ name, field }, i) => {
      const isRead = this.has(field) && !this.isTagged(field);
      const word = isRead || !this.isTagged(field) ? "const" : "let";
      const value = isRead
        ? this.#value(field, `${path}.${name}`)
        : defaultSource(field);
      lines.push(`  ${word} v${i} = ${value};`);
    });
    if (this.isFlexible) lines.push(this.#tags(fields, path));
    const parts = named(fields).map(({ name }, i) => `${name}: v${i}`);
    lines.push(`  const o = { ${parts.join(", ")} };`);
    if (this.isFlexible) {
      lines.push("  if (unknown !== undefined) o.unknownTags = unknown;");
    }
    lines.push("  return o;");
    return this.add("r", lines.join("\n"));
  }

  #tags(fields: Fields, path: string): string {
    const names = Object.keys(fields);
    const cases = this.tagged(fields).map(({ name, field }) =>
      `      case ${field.tag}: v${names.indexOf(name)} = ${
        this.#value(field, `${path}.${name}`)
      }; break;`
    );
    return `  let unknown;
  let left = r.uvarint();
  let before = -1;
  while (left-- > 0) {
    const tag = r.uvarint();
    if (tag <= before) rt.badTag("${path}", tag, before);
    before = tag;
    const size = r.uvarint();
    const end = r.position + size;
    switch (tag) {
${cases.join("\n")}
      default: (unknown ??= []).push({ tag, bytes: r.view(size) });
    }
    if (r.position !== end) rt.badTagSize("${path}", tag, size);
  }`;
  }

  #value(field: Field, path: string): string {
    const isCompact = this.isCompact(field);
    const isNullable = this.isNullable(field);
    switch (field.kind) {
      case "string":
        if (isNullable) {
          return `r.nullable${isCompact ? "Compact" : ""}String()`;
        }
        return isCompact ? "r.compactString()" : "r.string()";
      case "bytes":
      case "records":
        if (isNullable) {
          return `r.nullable${isCompact ? "Compact" : ""}Bytes()`;
        }
        return isCompact ? "r.compactBytes()" : "r.lengthBytes()";
      case "struct": {
        const call = `${this.struct(field.fields!, path)}(r)`;
        // A tagged struct says null by 0, any other by −1.
        const nothing = this.isTagged(field) ? 1 : 0;
        return isNullable ? `r.int8() < ${nothing} ? null : ${call}` : call;
      }
      case "array":
        return `${this.#array(field, path)}(r)`;
      default:
        return `r.${field.kind}()`;
    }
  }

  #array(field: Field, path: string): string {
    const element = field.element!;
    const read = this.isCompact(field) ? "r.uvarint() - 1" : "r.int32()";
    const onNull = this.isNullable(field)
      ? "if (n === -1) return null;"
      : `if (n === -1) rt.unexpectedNull("${path}");`;
    return this.add(
      "r",
      `  const n = ${read};
  ${onNull}
  if (n < 0 || n * ${
        this.sizeMin(element)
      } > r.remaining) rt.badCount("${path}", n, r);
  const a = [];
  for (let i = 0; i < n; i++) a.push(${this.#value(element, path)});
  return a;`,
    );
  }
}

class EncoderSource extends Source {
  protected struct(fields: Fields, path: string): string {
    const lines: string[] = [];
    const tagged = this.tagged(fields);
    for (const { name, field } of named(fields)) {
      if (this.isTagged(field)) continue;
      const fieldPath = `${path}.${name}`;
      if (this.has(field)) {
        lines.push(
          `  { let x = o.${name}; if (x === undefined) x = ${
            this.#fallback(field)
          };\n${this.#write(field, fieldPath)} }`,
        );
      } else if (!field.isIgnorable) {
        lines.push(
          `  { const x = o.${name}; if (${
            this.#differs(field)
          }) rt.unsupported(${this.#where(fieldPath)}); }`,
        );
      }
    }
    lines.push(
      this.isFlexible
        ? this.#tags(tagged, path)
        : `  if (o.unknownTags !== undefined && o.unknownTags.length > 0) rt.unsupported(${
          this.#where(`${path}.unknownTags`)
        });`,
    );
    return this.add("w, o", lines.join("\n"));
  }

  #tags(tagged: Named[], path: string): string {
    const flags = tagged.map(({ name, field }, i) =>
      `  const x${i} = o.${name}; const is${i} = ${
        this.#differs(field, `x${i}`)
      };`
    );
    const count = tagged.map((_, i) => `(is${i} ? 1 : 0)`);
    const known = `[${tagged.map(({ field }) => field.tag).join(", ")}]`;
    const writes = tagged.map(({ name, field }, i) =>
      `  if (is${i}) {
    if (unknown !== undefined) at = rt.writeTags(w, unknown, at, ${field.tag});
    w.uvarint(${field.tag});
    const start = w.beginSized();
    { let x = x${i};\n${this.#write(field, `${path}.${name}`)} }
    w.endSized(start);
  }`
    );
    return `${flags.join("\n")}
  const unknown = rt.checkedTags(o.unknownTags, ${known}, ${this.#where(path)});
  let at = 0;
  w.uvarint(${
      ["(unknown === undefined ? 0 : unknown.length)", ...count].join(" + ")
    });
${writes.join("\n")}
  if (unknown !== undefined) rt.writeTags(w, unknown, at, Infinity);`;
  }

  #where(path: string): string {
    return `"${path}", ${this.version}`;
  }

  /** What an absent value is written as. */
  #fallback(field: Field): string {
    if (field.kind === "struct" && field.default !== null) {
      return "rt.EMPTY_STRUCT";
    }
    return field.kind === "array" && field.default !== null
      ? "rt.EMPTY_ARRAY"
      : defaultSource(field);
  }

  /** Whether variable `x` holds something else than the default. */
  #differs(field: Field, x = "x"): string {
    if (field.default === null) return `${x} !== undefined && ${x} !== null`;
    switch (field.kind) {
      case "array":
      case "bytes":
      case "records":
        return `${x} !== undefined && (${x} === null || ${x}.length !== 0)`;
      case "struct":
        return `${x} !== undefined && (${x} === null || ${
          this.#structDiffers(field.fields!)
        }(${x}))`;
      default:
        return `${x} !== undefined && ${x} !== ${defaultSource(field)}`;
    }
  }

  #structDiffers(fields: Fields): string {
    const lines = named(fields).map(({ name, field }) =>
      `  { const x = o.${name}; if (${this.#differs(field)}) return true; }`
    );
    return this.add(
      "o",
      `${lines.join("\n")}
  return o.unknownTags !== undefined && o.unknownTags.length > 0;`,
    );
  }

  /** Statements that write `x`. */
  #write(field: Field, path: string): string {
    const where = this.#where(path);
    const isNullable = this.isNullable(field);
    const width = INTEGER_WIDTHS[field.kind];
    if (width !== undefined) {
      return `  if (${width} !== x) rt.badInteger(x, ${where}); w.${field.kind}(x);`;
    }
    switch (field.kind) {
      case "string":
      case "bytes":
      case "records":
      case "array": {
        const onNull = isNullable
          ? this.isCompact(field)
            ? "w.int8(0)"
            : `w.int${field.kind === "string" ? 16 : 32}(-1)`
          : `rt.notNullable(${where})`;
        return `  if (x === null) ${onNull}; else { ${
          this.#writePresent(field, path)
        } }`;
      }
      case "struct": {
        const call = `${this.struct(field.fields!, path)}(w, x);`;
        return isNullable
          ? `  if (x === null) w.int8(${
            this.isTagged(field) ? 0 : -1
          }); else { w.int8(1); ${call} }`
          : `  if (x === null) rt.notNullable(${where}); ${call}`;
      }
      case "int64":
        return `  if (!rt.isInt64(x)) rt.badInteger(x, ${where}); w.int64(x);`;
      case "uuid":
        return `  if (!rt.isUuid(x)) rt.badUuid(x, ${where}); w.uuid(x);`;
      default:
        return `  w.${field.kind}(x);`;
    }
  }

  #writePresent(field: Field, path: string): string {
    const isCompact = this.isCompact(field);
    if (field.kind === "string") {
      return isCompact ? "w.compactString(x);" : "w.string(x);";
    }
    const length = isCompact
      ? "w.uvarint(x.length + 1);"
      : "w.int32(x.length);";
    if (field.kind !== "array") return `${length} w.raw(x);`;
    return `${length} ${this.#arrayWriter(field.element!, path)}(w, x);`;
  }

  #arrayWriter(element: Field, path: string): string {
    return this.add(
      "w, list",
      `  for (let i = 0; i < list.length; i++) {
    let x = list[i];
  ${this.#write(element, path)}
  }`,
    );
  }
}

/** Source of the decoder `(reader) => value`. */
export function decoderSource(message: Message, version: number): string {
  return new DecoderSource(message, version).text();
}

/** Source of the encoder `(writer, value) => void`. */
export function encoderSource(message: Message, version: number): string {
  return new EncoderSource(message, version).text();
}
