/**
 * Random records of `__consumer_offsets`, of every kind. Owns no checks.
 *
 * @module
 */
import { Writer } from "../../../core/bytes/writer.ts";
import { CONSUMER_GROUP_RECORDS } from "../../../core/group/consumer_records.ts";
import {
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
} from "../../../core/group/records.ts";
import { encodeInto } from "../../../core/schema/codec.ts";
import type { Message } from "../../../core/schema/schema.ts";
import type { Chance } from "../../sim/chance.ts";
import { valueOf } from "../values.ts";

interface Kind {
  readonly type: number;
  readonly key: Message;
  readonly value: Message;
}

const OLDER: readonly Kind[] = [
  { type: 1, key: OFFSET_COMMIT_KEY, value: OFFSET_COMMIT_VALUE },
  { type: 2, key: GROUP_METADATA_KEY, value: GROUP_METADATA_VALUE },
];
const KINDS: readonly Kind[] = [
  ...OLDER,
  ...Object.values(CONSUMER_GROUP_RECORDS) as Kind[],
];

/** Key and value as they are stored; an empty value is a tombstone. */
export function groupRecord(
  chance: Chance,
): { readonly key: Uint8Array; readonly value: Uint8Array } {
  const { type, key, value } = chance.pick(KINDS);
  const { min, max } = value.versions;
  const version = min + chance.below(max - min + 1);
  const words = {
    groupId: () => "g",
    topic: () => "t",
    partition: () => 0,
    memberId: () => "m",
  };
  return {
    key: prefixed(type, key, valueOf(key, { version: 0, chance, words })),
    value: chance.oneIn(6)
      ? new Uint8Array(0)
      : prefixed(version, value, valueOf(value, { version, chance, words })),
  };

  function prefixed(first: number, schema: Message, fields: object) {
    const writer = new Writer();
    writer.int16(first);
    encodeInto(writer, schema, schema === key ? 0 : version, fields);
    return writer.view();
  }
}
