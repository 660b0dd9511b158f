/**
 * A broker on a damaged data folder: one or more files of every kind flipped,
 * cut, swapped, lost or made up. It starts, or refuses in one sentence; it never
 * serves bytes that fail their CRC where it has scanned them, and recovering
 * twice gives what recovering once gave.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { denoEnv } from "../../../core/env/deno_env.ts";
import type { Trace } from "../../../core/env/env.ts";
import { KafkaError } from "../../../core/errors.ts";
import { batchesOf } from "../../../core/record/batch.ts";
import type { Broker } from "../../../net/server/broker.ts";
import { LIST_OFFSETS } from "../../../net/wire/02_list_offsets.ts";
import { METADATA } from "../../../net/wire/03_metadata.ts";
import { OFFSET_FETCH } from "../../../net/wire/09_offset_fetch.ts";
import { fetch, latest, produce, start } from "../../raw_broker.ts";
import { RawClient } from "../../raw_client.ts";
import { fit, NOW_MS, randomBatch } from "../batches.ts";
import type { Chance } from "../../sim/chance.ts";
import {
  type Ending,
  ENDINGS,
  type Files,
  FOLDER_CONFIG,
  makeFolders,
} from "../folder.ts";
import { mutate } from "../mutate.ts";
import { expecting, type FuzzTarget, joined } from "../target.ts";

/** One piece of damage. `at` counts modulo the size of what it hits. */
interface Edit {
  readonly file: string;
  readonly op:
    | "flip"
    | "cut"
    | "zero"
    | "append"
    | "write"
    | "fit"
    | "remove"
    | "folder"
    | "copy";
  readonly at?: number;
  readonly hex?: string;
  readonly from?: string;
}

interface Damage {
  readonly ending: Ending;
  readonly edits: readonly Edit[];
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const NEVER_SAID = [
  "TypeError",
  "RangeError",
  "ReferenceError",
  "SyntaxError",
  "InvariantError",
  "EncodeError",
];

let folders: ReadonlyMap<Ending, Files> | undefined;

function damageFrom(chance: Chance): Damage {
  const ending = chance.pick(ENDINGS);
  const files = [...folders!.get(ending)!.keys()];
  const count = 1 + chance.size(8);
  const edits = Array.from({ length: count }, () => editFrom(chance, files));
  return { ending, edits };
}

function editFrom(chance: Chance, files: readonly string[]): Edit {
  const file = chance.pick(files);
  const at = chance.below(1 << 20);
  switch (chance.below(12)) {
    case 0:
    case 1:
    case 2:
      return { file, op: "flip", at };
    case 3:
    case 4:
      return { file, op: "cut", at };
    case 5:
      return { file, op: "zero", at };
    case 6: {
      const bytes = chance.oneIn(2)
        ? randomBatch(chance)
        : chance.bytes(chance.size(200));
      return { file, op: "append", hex: bytes.toHex() };
    }
    case 7:
      return {
        file,
        op: "write",
        hex: mutate(new Uint8Array(9), chance).toHex(),
      };
    case 8:
      return { file, op: "remove" };
    case 9:
      return chance.oneIn(4)
        ? { file, op: "folder" }
        : { file, op: "copy", from: chance.pick(files) };
    default: {
      // What a broken writer, not a broken disk, leaves: the CRC is right.
      const logs = files.filter((path) => /\.(log|checkpoint)$/.test(path));
      return { file: chance.pick(logs), op: "fit", at };
    }
  }
}

function edited(bytes: Uint8Array, { op, at = 0, hex = "" }: Edit): Uint8Array {
  const result = bytes.slice();
  const place = at % (bytes.length || 1);
  switch (op) {
    case "flip":
      if (bytes.length > 0) result[place]! ^= 1 << at % 8;
      return result;
    case "cut":
      return bytes.subarray(0, place);
    case "zero":
      return result.fill(0, place, place + 1 + at % 64);
    case "append":
      return joined([bytes, Uint8Array.fromHex(hex)]);
    case "write":
      return Uint8Array.fromHex(hex);
    default:
      return refitted(result, at);
  }
}

/** Flips a bit of one batch and gives it the CRC that it has then. */
function refitted(bytes: Uint8Array, at: number): Uint8Array {
  const batches = expecting([KafkaError], () => [...batchesOf(bytes)]) ?? [];
  const batch = batches[at % (batches.length || 1)]?.bytes;
  if (batch === undefined) return bytes;
  batch[at % batch.length]! ^= 1 << at % 8;
  fit(batch);
  return bytes;
}

/** Lays the files down, damaged. */
function layDown(folder: string, { ending, edits }: Damage): void {
  const files = new Map(folders!.get(ending));
  const made: string[] = [];
  for (const edit of edits) {
    const { file, op, from = "" } = edit;
    if (op === "remove") files.delete(file);
    else if (op === "folder") {
      files.delete(file);
      made.push(file);
    } else if (op === "copy") {
      files.set(file, files.get(from) ?? new Uint8Array(0));
    } else files.set(file, edited(files.get(file) ?? new Uint8Array(0), edit));
  }
  for (const [path, bytes] of files) {
    Deno.mkdirSync(`${folder}/${path.replace(/[^/]*$/, "")}`, {
      recursive: true,
    });
    if (!made.includes(path)) Deno.writeFileSync(`${folder}/${path}`, bytes);
  }
  for (const path of made) {
    Deno.mkdirSync(`${folder}/${path}`, { recursive: true });
  }
}

/** A start, what it traced, and what it said when it refused. */
interface Started {
  readonly broker: Broker | undefined;
  settled(): Promise<void>;
}

async function tryStart(folder: string): Promise<Started> {
  const trace: Trace = (_level, event, fields) => {
    const error = fields?.["error"];
    if (error instanceof Error) checkSaid(error, event);
  };
  const env = denoEnv({ trace });
  try {
    const broker = await start(folder, { env, config: FOLDER_CONFIG });
    return { broker, settled: () => env.tasks.settled() };
  } catch (error) {
    checkSaid(error, "the start was refused");
    await env.tasks.settled();
    return { broker: undefined, settled: () => Promise.resolve() };
  }
}

/** Slips in the code, for whoever looks when the input is through. */
const slips: unknown[] = [];

function checkSaid(error: unknown, event: string): void {
  const isSentence = error instanceof Error &&
    !NEVER_SAID.includes(error.name) && !error.message.includes("\n") &&
    error.message.length < 1000;
  if (isSentence) return;
  slips.push(
    `${event}: ${error instanceof Error ? error.stack : String(error)}`,
  );
}

/** What a partition serves: base offset and CRC of each batch. */
type Served = Record<string, string[]>;

async function serve(
  port: number,
  { isScanned }: { readonly isScanned: boolean },
): Promise<Served> {
  using client = await RawClient.connect(port);
  const { topics } = await client.call(latest(METADATA), { topics: null });
  const served: Served = {};
  for (const { name, partitions } of topics) {
    for (const { partitionIndex } of partitions.slice(0, 1)) {
      served[`${name}-${partitionIndex}`] = await readAll(client, name!, {
        isScanned,
      });
    }
  }
  await client.call({ api: OFFSET_FETCH, version: 7 }, {
    groupId: "g",
    topics: null,
  });
  for (const timestamp of [NOW_MS, NOW_MS + 2001, NOW_MS * 2, -1, -2, -3]) {
    await client.call({ api: LIST_OFFSETS, version: 7 }, {
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp }] }],
    });
  }
  return served;
}

async function readAll(
  client: RawClient,
  topic: string,
  { isScanned }: { readonly isScanned: boolean },
): Promise<string[]> {
  const found: string[] = [];
  for (let offset = 0, reads = 0; reads < 100; reads++) {
    const { errorCode, records, logStartOffset } = await fetch(client, {
      topic,
      offset,
    });
    if (errorCode === 1 && logStartOffset > offset) {
      offset = logStartOffset;
      continue;
    }
    if (errorCode !== 0 || !records || records.length === 0) break;
    const before = offset;
    for (const view of batchesOf(records)) {
      assert(
        !isScanned || view.isCrcValid(),
        `${topic} serves a batch at ${view.baseOffset} that fails its CRC`,
      );
      found.push(`${view.baseOffset} ${view.crc}`);
      offset = Math.max(offset, view.nextOffset);
    }
    if (offset === before) break;
  }
  return found;
}

async function appendOne(port: number): Promise<void> {
  using client = await RawClient.connect(port);
  await produce(client, null, { topic: "t" });
}

async function check(folder: string, ending: Ending): Promise<void> {
  const isScanned = ending === "scratch";
  const first = await tryStart(folder);
  if (first.broker === undefined) return;
  let before: Served;
  try {
    before = await serve(first.broker.address.port, { isScanned });
    await appendOne(first.broker.address.port);
  } finally {
    await first.broker.stop().catch((error) => checkSaid(error, "the stop"));
    await first.settled();
  }
  if (!isScanned) return;
  for (
    const name of [".kafka_cleanshutdown", "recovery-point-offset-checkpoint"]
  ) {
    try {
      Deno.removeSync(`${folder}/${name}`, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  const second = await tryStart(folder);
  assert(second.broker !== undefined, "what started once starts again");
  try {
    const after = await serve(second.broker.address.port, { isScanned });
    assertEquals(after, before, "recovering again changes nothing");
  } finally {
    await second.broker.stop().catch((error) => checkSaid(error, "the stop"));
    await second.settled();
  }
}

export const recovery: FuzzTarget = {
  name: "recovery",
  extraBytesMax: 64 * 1024 * 1024,
  inputMsMax: 20_000,
  async prepare() {
    folders ??= await makeFolders();
  },
  generate: (chance) => ENCODER.encode(JSON.stringify(damageFrom(chance))),
  /** More damage on top of what is known to hurt. */
  vary(input, chance) {
    const { ending, edits } = JSON.parse(DECODER.decode(input)) as Damage;
    const more = damageFrom(chance).edits;
    return ENCODER.encode(
      JSON.stringify({ ending, edits: [...edits, ...more] }),
    );
  },
  async run(input) {
    const damage = JSON.parse(DECODER.decode(input)) as Damage;
    const folder = Deno.makeTempDirSync({ prefix: "kf-fuzz-" });
    try {
      layDown(folder, damage);
      await check(folder, damage.ending);
    } catch (error) {
      slips.push(error instanceof Error ? error.stack : error);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
    const found = slips.splice(0);
    assert(found.length === 0, found.join("\n"));
  },
};
