/**
 * What one config key is: Kafka's name, type, default, bounds and doc, and how
 * text becomes its value. Owns the meaning of a key's text; knows no particular
 * key and never reads a file or the environment.
 *
 * @module
 */

/** A key's type, as Kafka names it. */
export type ConfigType =
  | "BOOLEAN"
  | "STRING"
  | "INT"
  | "SHORT"
  | "LONG"
  | "DOUBLE"
  | "LIST";

/** Number of a type in DescribeConfigs answers. */
export const CONFIG_TYPE_CODES: Readonly<Record<ConfigType, number>> = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
};

/** How a broker key may change while the broker runs. */
export type UpdateMode = "read-only" | "per-broker" | "cluster-wide";

/** Bounds and hints of a key. */
export interface KeyOptions<T> {
  /** What it does, one or two sentences. */
  readonly doc: string;
  /** Smallest number allowed. */
  readonly min?: number;
  /** Largest number allowed. */
  readonly max?: number;
  /** The only texts allowed (of a list: of each element). */
  readonly valid?: readonly string[];
  /** A sentence why `value` is refused; undefined when it is fine. */
  readonly check?: (value: T) => string | undefined;
  /** Absent: read-only. Topic keys may always change. */
  readonly update?: UpdateMode;
  /** Of a topic key: broker keys that give its default, strongest first. */
  readonly synonyms?: readonly Synonym[];
  /** Never shown to anyone. */
  readonly isSensitive?: boolean;
}

/** A broker key that gives a topic key its default. */
export interface Synonym {
  /** Kafka's name of the broker key. */
  readonly name: string;
  /** What its number is multiplied with (hours to ms); 1 when absent. */
  readonly scale?: number;
}

/** One config key whose value is a `T`. */
export interface ConfigKey<T> extends Omit<KeyOptions<T>, "check"> {
  readonly type: ConfigType;
  /** Value when nobody says otherwise; null or undefined: none. */
  readonly default: T;
  /** The value in `text`; throws `TypeError` with the rest of a sentence. */
  readonly parse: (text: string) => T;
}

/** A table of keys by Kafka's name. */
export type KeyTable = Readonly<Record<string, ConfigKey<unknown>>>;

/** The typed values of a table, by Kafka's name. */
export type ConfigValues<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends ConfigKey<infer T> ? T
    : never;
};

const RANGES = {
  SHORT: [-32768, 32767],
  INT: [-2147483648, 2147483647],
  LONG: [-Infinity, Infinity],
} as const;

function key<T>(
  options: KeyOptions<T>,
  own: {
    readonly type: ConfigType;
    readonly default: T;
    readonly parse: (text: string) => T;
  },
): ConfigKey<T> {
  const { check, ...rest } = options;
  return {
    ...rest,
    ...own,
    parse: (text) => {
      const value = own.parse(text);
      const problem = check?.(value);
      if (problem !== undefined) throw new TypeError(problem);
      return value;
    },
  };
}

/** A 32-bit number. */
export function int<T extends number | null>(
  initial: T,
  options: KeyOptions<T | number>,
): ConfigKey<T | number> {
  return whole("INT", initial, options);
}

/** A 16-bit number. */
export function short(
  initial: number,
  options: KeyOptions<number>,
): ConfigKey<number> {
  return whole("SHORT", initial, options);
}

/** A 64-bit number; 2^63-1 is `Infinity`. */
export function long<T extends number | null>(
  initial: T,
  options: KeyOptions<T | number>,
): ConfigKey<T | number> {
  return whole("LONG", initial, options);
}

function whole<T extends number | null>(
  type: "INT" | "SHORT" | "LONG",
  initial: T,
  options: KeyOptions<T | number>,
): ConfigKey<T | number> {
  return key(options, {
    type,
    default: initial,
    parse: (text) => parseWhole(text.trim(), type, options),
  });
}

function parseWhole(
  text: string,
  type: "INT" | "SHORT" | "LONG",
  bounds: { readonly min?: number; readonly max?: number },
): number {
  if (!/^[+-]?\d{1,19}$/.test(text)) {
    throw new TypeError("is not a whole number");
  }
  const exact = BigInt(text.replace("+", ""));
  if (exact > 2n ** 63n - 1n || exact < -(2n ** 63n)) {
    throw new TypeError("does not fit 64 bits");
  }
  const value = exact === 2n ** 63n - 1n ? Infinity : Number(exact);
  const [least, most] = RANGES[type];
  const min = bounds.min ?? least;
  const max = bounds.max ?? most;
  if (value < min) throw new TypeError(`must be at least ${min}`);
  if (value > max) throw new TypeError(`must be at most ${max}`);
  if (value !== Infinity && !Number.isSafeInteger(value)) return Infinity;
  return value;
}

/** A fraction. */
export function double(
  initial: number,
  options: KeyOptions<number>,
): ConfigKey<number> {
  const { min = -Infinity, max = Infinity } = options;
  return key(options, {
    type: "DOUBLE",
    default: initial,
    parse: (text) => {
      const value = text.trim() === "" ? NaN : Number(text);
      if (!Number.isFinite(value)) throw new TypeError("is not a number");
      if (value < min) throw new TypeError(`must be at least ${min}`);
      if (value > max) throw new TypeError(`must be at most ${max}`);
      return value;
    },
  });
}

/** `true` or `false`. */
export function bool(
  initial: boolean,
  options: KeyOptions<boolean>,
): ConfigKey<boolean> {
  return key(options, {
    type: "BOOLEAN",
    default: initial,
    parse: (text) => {
      const word = text.trim().toLowerCase();
      if (word === "true") return true;
      if (word === "false") return false;
      throw new TypeError("is neither true nor false");
    },
  });
}

/** Text; `valid` bounds it to some words. */
export function string<T extends string | null>(
  initial: T,
  options: KeyOptions<T | string>,
): ConfigKey<T | string> {
  return key(options, {
    type: "STRING",
    default: initial,
    parse: (text) => {
      const value = text.trim();
      requireValid(value, options.valid);
      return value;
    },
  });
}

/** One of `valid`, typed as such. */
export function choice<const T extends string>(
  initial: NoInfer<T>,
  options: KeyOptions<T> & { readonly valid: readonly T[] },
): ConfigKey<T> {
  return key(options, {
    type: "STRING",
    default: initial,
    parse: (text) => {
      const value = text.trim();
      requireValid(value, options.valid);
      return value as T;
    },
  });
}

/** Comma-separated words. */
export function list(
  initial: readonly string[],
  options: KeyOptions<readonly string[]>,
): ConfigKey<readonly string[]> {
  return key(options, {
    type: "LIST",
    default: initial,
    parse: (text) => {
      const parts = text.trim() === ""
        ? []
        : text.split(",").map((part) => part.trim());
      for (const part of parts) requireValid(part, options.valid);
      return parts;
    },
  });
}

function requireValid(
  value: string,
  valid: readonly string[] | undefined,
): void {
  if (valid !== undefined && !valid.includes(value)) {
    throw new TypeError(`is none of ${valid.join(", ")}`);
  }
}

/** The text that Kafka shows for `value`; null when there is none. */
export function configText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value === Infinity) return "9223372036854775807";
  return Array.isArray(value) ? value.join(",") : String(value);
}
