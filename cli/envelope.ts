/**
 * The JSON envelope as input: turns a line of `kf consume -J` back into the
 * record it was printed from, byte for byte. What it doesn't know it refuses:
 * a record must never lose a field because of a slip of the pen.
 *
 * @module
 */

/** What an envelope says of a record; whether it goes there is the command's. */
export interface Enveloped {
  /** The partition it was in. */
  readonly partition?: number | undefined;
  /** The key. */
  readonly key: Uint8Array | string | null;
  /** The value; `null` is a tombstone. */
  readonly value: Uint8Array | string | null;
  /** In order, names as often as they stood. */
  readonly headers: [string, Uint8Array | string | null][] | undefined;
  /** Milliseconds since the Unix epoch; the current time when absent. */
  readonly timestamp: number | undefined;
}

const FIELDS: ReadonlySet<string> = new Set([
  "topic",
  "partition",
  "offset",
  "timestamp",
  "key",
  "value",
  "headers",
]);

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads one line; throws with what is wrong with it. */
export function readEnvelope(line: Uint8Array): Enveloped {
  const fields = readObject(line);
  for (const name of Object.keys(fields)) {
    if (!FIELDS.has(name)) throw new Error(`it has no field "${name}"`);
  }
  // A forgotten value must not become a tombstone.
  if (!("value" in fields)) throw new Error('it needs a "value", null or not');
  return {
    partition: readPartition(fields["partition"]),
    key: readBytes(fields["key"] ?? null, "key"),
    value: readBytes(fields["value"], "value"),
    headers: readHeaders(fields["headers"]),
    timestamp: readTimestamp(fields["timestamp"]),
  };
}

function readObject(line: Uint8Array): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(strict.decode(line));
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : "no UTF-8";
    throw new Error(`it is no JSON: ${why}`, { cause: error });
  }
  if (isObject(parsed)) return parsed;
  throw new Error("it is no JSON object");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readBytes(field: unknown, what: string): Uint8Array | string | null {
  if (field === null) return null;
  if (typeof field === "string") return readText(field, what);
  if (
    isObject(field) && typeof field["base64"] === "string" &&
    Object.keys(field).length === 1
  ) {
    try {
      return Uint8Array.fromBase64(field["base64"]);
    } catch (error) {
      throw new Error(`its ${what} is no base64`, { cause: error });
    }
  }
  throw new Error(`its ${what} must be a string, {"base64"} or null`);
}

/** Half a character has no bytes in UTF-8: it would come out as another. */
function readText(text: string, what: string): string {
  if (text.isWellFormed()) return text;
  throw new Error(`its ${what} holds half of a surrogate pair`);
}

function readHeaders(field: unknown): Enveloped["headers"] {
  if (field === undefined) return undefined;
  if (!Array.isArray(field)) throw new Error(`its headers must be a list`);
  return field.map((pair: unknown) => {
    if (
      !Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string"
    ) {
      throw new Error("its headers must be pairs [name, value]");
    }
    const name = readText(pair[0], "header's name");
    return [name, readBytes(pair[1], `header "${name}"`)];
  });
}

function readPartition(field: unknown): number | undefined {
  if (field === undefined) return undefined;
  if (Number.isSafeInteger(field) && Number(field) >= 0) return Number(field);
  throw new Error("its partition must be a whole number from 0");
}

/** -1 is how Kafka writes that a record has no timestamp. */
function readTimestamp(field: unknown): number | undefined {
  if (field === undefined) return undefined;
  if (Number.isSafeInteger(field) && Number(field) >= -1) return Number(field);
  throw new Error("its timestamp must be milliseconds since 1970, or -1");
}
