/**
 * Building, validating and reading record batches, and the codecs: each
 * iteration handles one batch of about 1 MB (16 KB where named so).
 *
 * @module
 */
import { crc32cMemory } from "../core/bytes/crc32c.ts";
import { BatchView } from "../core/record/batch.ts";
import { BatchBuilder } from "../core/record/builder.ts";
import {
  CODEC_NAMES,
  compress,
  decompress,
} from "../core/record/compression.ts";
import { decodeRecords, RecordCursor } from "../core/record/record.ts";
import {
  type ValidateOptions,
  validateProduced,
} from "../core/record/validate.ts";

const NOW = 1_795_400_000_000;
const OPTIONS: ValidateOptions = {
  maxMessageBytes: 2 << 20,
  segmentBytes: 1 << 30,
  isCompacted: false,
  timestampType: "CreateTime",
  nowMs: NOW,
  beforeMaxMs: Infinity,
  afterMaxMs: 3_600_000,
  compressionType: "producer",
};

function fill(capacityBytes: number, valueBytes: number): BatchBuilder {
  const builder = new BatchBuilder({ capacityBytes });
  const record = {
    timestamp: NOW,
    key: null,
    value: new Uint8Array(valueBytes).fill(97),
  };
  while (builder.tryAppend(record));
  return builder;
}

for (const valueBytes of [8, 100, 1024, 10240]) {
  const batch = fill(1 << 20, valueBytes).build();
  const slot = crc32cMemory(batch.length);
  slot.set(batch);
  const view = new BatchView(slot);
  const count = view.recordCount;
  const group = `${count} records of ${valueBytes} bytes`;
  Deno.bench(`build 16 KB batches of ${valueBytes} bytes`, { group }, () => {
    for (let i = 0; i < 64; i++) fill(16384, valueBytes).build();
  });
  Deno.bench(`validate in a slot: ${group}`, { group }, () => {
    if (!validateProduced(slot, OPTIONS).ok) throw new Error("refused");
  });
  const cursor = new RecordCursor();
  Deno.bench(`cursor: ${group}`, { group }, () => {
    let sum = 0;
    cursor.open(view);
    while (cursor.next()) sum += cursor.valueLength;
    if (sum !== count * valueBytes) throw new Error(`${sum}`);
  });
  Deno.bench(`decodeRecords: ${group}`, { group }, () => {
    decodeRecords(view);
  });
}

const text = new TextEncoder().encode(
  Array.from(
    { length: 20000 },
    (_, i) => `{"id":${i * 7919 % 100003},"origin":"ATL","delay":${i % 97}}\n`,
  ).join(""),
);
for (const codec of CODEC_NAMES.slice(1)) {
  const squeezed = compress(codec, text);
  const group = `${codec}, ${text.length} to ${squeezed.length} bytes`;
  Deno.bench(`compress ${group}`, { group: "compress" }, () => {
    compress(codec, text);
  });
  Deno.bench(`decompress ${group}`, { group: "decompress" }, () => {
    decompress(codec, squeezed, { maxBytes: 1 << 26 });
  });
}
