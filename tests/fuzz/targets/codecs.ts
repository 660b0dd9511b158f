/**
 * Inflation of every codec, raw and framed Snappy alike, and its bombs: output
 * within the cap or a `CompressionError`, and what was deflated comes back.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  CODEC_NAMES,
  type CodecName,
  compress,
  CompressionError,
  decompress,
} from "../../../core/record/compression.ts";
import type { Chance } from "../../sim/chance.ts";
import { mutate } from "../mutate.ts";
import {
  expecting,
  type FuzzTarget,
  headed,
  headOf,
  joined,
  varyBody,
} from "../target.ts";

/** What an input may inflate to here. */
const INFLATED_BYTES_MAX = 4 * 1024 * 1024;
const XERIAL_HEADER_BYTES = 16;

export const codecs: FuzzTarget = {
  name: "codecs",
  // The output, and the buffer that it outgrew.
  extraBytesMax: 4 * INFLATED_BYTES_MAX,
  generate(chance) {
    const codec = chance.pick(CODEC_NAMES.slice(1));
    const plain = plainBytes(chance);
    const deflated = compress(codec, plain);
    assertEquals(
      decompress(codec, deflated, { maxBytes: plain.length + 1 }),
      plain,
      `${codec} gives back what it took`,
    );
    return headed(codec, variantOf(codec, deflated, chance));
  },
  vary: varyBody,
  run(input) {
    const { head, body } = headOf(input);
    const codec = CODEC_NAMES.find((name) => name === head);
    if (codec === undefined) return;
    const options = { maxBytes: INFLATED_BYTES_MAX };
    const inflated = expecting(
      [CompressionError],
      () => decompress(codec, body, options),
    );
    if (inflated === undefined) return;
    assert(inflated.length <= INFLATED_BYTES_MAX, "the cap holds");
    if (inflated.length < 2) return;
    assertThrows(
      () => decompress(codec, body, { maxBytes: inflated.length - 1 }),
      CompressionError,
    );
  },
};

function plainBytes(chance: Chance): Uint8Array {
  const size = chance.size(40_000);
  switch (chance.below(4)) {
    case 0:
      return chance.bytes(size);
    case 1:
      return new Uint8Array(size * 4).fill(chance.below(256));
    case 2:
      // A bomb: far beyond the cap of `run`.
      return chance.oneIn(20) ? new Uint8Array(9_000_000) : new Uint8Array(9);
    default: {
      const period = chance.bytes(1 + chance.size(400));
      return Uint8Array.from(
        { length: size },
        (_, i) => period[i % period.length]!,
      );
    }
  }
}

/** Without xerial's framing, several behind one another, or damaged. */
function variantOf(
  codec: CodecName,
  deflated: Uint8Array,
  chance: Chance,
): Uint8Array {
  let bytes = deflated;
  if (codec === "snappy" && chance.oneIn(2)) {
    bytes = deflated.subarray(XERIAL_HEADER_BYTES + 4);
  }
  if (chance.oneIn(10)) bytes = joined([bytes, bytes]);
  return chance.oneIn(8) ? bytes : mutate(bytes, chance);
}
