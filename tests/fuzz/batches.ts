/**
 * Random record batches, whole or damaged; a damaged one may get a CRC that
 * fits it, as a broken producer would send it. Owns no checks.
 *
 * @module
 */
import { crc32c } from "../../core/bytes/crc32c.ts";
import { setInt32At } from "../../core/bytes/big_endian.ts";
import { AT, BATCH_OVERHEAD, LOG_OVERHEAD } from "../../core/record/batch.ts";
import { buildBatch, type RecordInput } from "../../core/record/builder.ts";
import { CODEC_NAMES } from "../../core/record/compression.ts";
import type { Chance } from "../sim/chance.ts";
import { mutate } from "./mutate.ts";

/** A time that tests take for now. */
export const NOW_MS = 1_800_000_000_000;

/** A whole batch. */
export function randomBatch(chance: Chance): Uint8Array {
  const count = 1 + chance.size(chance.oneIn(10) ? 2000 : 20);
  const hasProducer = chance.oneIn(2);
  return buildBatch(Array.from({ length: count }, () => randomRecord(chance)), {
    codec: chance.pick(CODEC_NAMES),
    ...(hasProducer
      ? {
        producerId: chance.below(5),
        producerEpoch: chance.below(2),
        baseSequence: chance.pick([0, 0, 1, 5, 0x7fffffff, chance.below(100)]),
      }
      : {}),
    isTransactional: hasProducer && chance.oneIn(8),
  });
}

function randomRecord(chance: Chance): RecordInput {
  const value = chance.oneIn(3)
    ? chance.bytes(chance.size(300))
    : new Uint8Array(chance.size(3000)).fill(chance.below(256));
  return {
    timestamp: chance.oneIn(12)
      ? chance.pick([-1, 0, 1, NOW_MS * 1000])
      : NOW_MS - chance.below(1000),
    key: chance.oneIn(2) ? null : chance.bytes(chance.size(40)),
    value: chance.oneIn(8) ? null : value,
    headers: Array.from(
      { length: chance.oneIn(3) ? chance.below(4) : 0 },
      () => ({
        key: `h${chance.below(9)}`,
        value: chance.oneIn(4) ? null : chance.bytes(chance.size(20)),
      }),
    ),
  };
}

/** A batch, whole in one of four cases. */
export function someBatch(chance: Chance): Uint8Array {
  const batch = randomBatch(chance);
  return chance.oneIn(4) ? batch : damaged(batch, chance);
}

/** A damaged copy of a batch; size and CRC are made to fit in most cases. */
export function damaged(batch: Uint8Array, chance: Chance): Uint8Array {
  const result = chance.oneIn(2)
    ? fieldChanged(batch, chance)
    : mutate(batch, chance).slice();
  if (result.length < BATCH_OVERHEAD || chance.oneIn(4)) return result;
  if (!chance.oneIn(4)) fit(result);
  return result;
}

/** Gives a batch the size and the CRC that it has. */
export function fit(batch: Uint8Array): void {
  setInt32At(batch, AT.batchLength, batch.length - LOG_OVERHEAD);
  setInt32At(batch, AT.crc, crc32c(batch, AT.attributes));
}

/** Overwrites one field of the header, seldom the records' first bytes. */
function fieldChanged(batch: Uint8Array, chance: Chance): Uint8Array {
  const result = batch.slice();
  const at = chance.oneIn(6)
    ? BATCH_OVERHEAD + chance.below(20)
    : chance.pick(Object.values(AT));
  const edge = chance.pick([
    [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [0x80, 0, 0, 0, 0, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [0, 0, 0, 0],
    [0, 0, 0, 1],
    [0x7f, 0xff, 0xff, 0xff],
    [0x80, 0, 0, 0],
    [0, chance.below(256)],
    [...chance.bytes(8)],
  ]);
  for (const [i, byte] of edge.entries()) {
    if (at + i < result.length) result[at + i] = byte;
  }
  return result;
}
