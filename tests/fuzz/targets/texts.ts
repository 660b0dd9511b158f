/**
 * Text that people and programs write: properties files, topics.yaml, JSON
 * envelopes, framings, formats, exports. Each is read, or refused with one
 * sentence.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { readEnvelope } from "../../../cli/envelope.ts";
import { ExportFile } from "../../../cli/export_file.ts";
import { readExportedTopic } from "../../../cli/export_folder.ts";
import { UsageError } from "../../../cli/failure.ts";
import { decodeFramed, FRAMINGS } from "../../../cli/framing.ts";
import { compileFormat, envelopeFormat } from "../../../cli/record_format.ts";
import { readFramed, readRecords } from "../../../cli/record_reader.ts";
import { topicsOf } from "../../../cli/topics_file.ts";
import { ByteSink } from "../../../cli/byte_sink.ts";
import { parseYaml } from "../../../cli/yaml.ts";
import { parseProperties } from "../../../core/config/properties.ts";
import { resolveBrokerConfig } from "../../../core/config/resolve.ts";
import { KafkaError } from "../../../core/errors.ts";
import type { Chance } from "../../sim/chance.ts";
import { mutate } from "../mutate.ts";
import { type FuzzTarget, headed, headOf, varyBody } from "../target.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** A reader of text: examples of what it takes, and how it is run. */
interface Text {
  readonly examples: readonly string[];
  read(body: Uint8Array): void | Promise<void>;
}

const RECORD = {
  topic: "t",
  partition: 0,
  offset: 7,
  timestamp: 1_800_000_000_000,
  leaderEpoch: 0,
  key: ENCODER.encode("k\x1b"),
  value: ENCODER.encode('{"a":[1,"é"]}'),
  headers: [{ key: "h", value: null }],
};

const TEXTS: Readonly<Record<string, Text>> = {
  properties: {
    examples: [
      "log.dirs=/tmp/x\n# no\nlog.segment.bytes : 1048576\\\n  0\n",
      "listeners=PLAINTEXT://:9092\nnode.id=\\u0031\nnum.partitions=3",
      "log.retention.ms=9223372036854775807\nlog.cleanup.policy=compact,delete",
    ],
    read(body) {
      const properties = parseProperties(DECODER.decode(body));
      refusing([KafkaError], () => resolveBrokerConfig(properties));
    },
  },
  topics: {
    examples: [
      "topics:\n  a:\n    partitions: 3\n    configs:\n      cleanup.policy: [compact, delete]\n",
      "topics: {a: {replicas: 1}, b: null}\n",
      "topics:\n  &x a: {configs: {retention.ms: -1}}\n  b: *x\n",
      'topics: !!map {"\\u0000": {partitions: 0x10}}\n--- 1\n',
    ],
    read: (body) =>
      refusing([UsageError], async () => {
        const values = await parseYaml("f.yaml", DECODER.decode(body));
        topicsOf("f.yaml", values);
      }),
  },
  envelope: {
    examples: [
      '{"topic":"t","partition":0,"offset":1,"timestamp":5,"key":"k","value":{"base64":"AAE="},"headers":[["a",null]]}',
      '{"value":null,"headers":[["a","b"],["a",{"base64":""}]],"timestamp":-1}',
      '{"value":"\\ud800"}',
      '{"__proto__":1,"value":[[[[]]]]}',
    ],
    read: readBack,
  },
  framed: {
    examples: ["\0\0\0\x03abc\xff\xff\xff\xff\0\0\0\0", " 00ff \n", "AAE=\n"],
    async read(body) {
      for (const framing of FRAMINGS) {
        refusing([Error], () => decodeFramed(framing, body));
      }
      const take = () => undefined;
      await refusing([Error], () => readFramed(sourceOf(body), { take }));
      const delimiter = Uint8Array.of(10, 13);
      await readRecords(sourceOf(body), { delimiter, take });
    },
  },
  format: {
    examples: ["%p %o %k %v\\n", "%T{iso} %h %%\\x00\\u{1f600}", "%K%V%t%s\\t"],
    read(body) {
      const text = DECODER.decode(body);
      const print = refusing(
        [UsageError],
        () => compileFormat(text, { isTerminal: body.length % 2 === 0 }),
      );
      if (print instanceof Function) print(RECORD, new ByteSink());
    },
  },
  export: {
    examples: [
      '{"topic":"t","partition":0,"offset":0,"timestamp":5,"key":null,"value":"x"}\n' +
      '{"topic":"t","partition":1,"offset":4,"timestamp":5,"key":null,"value":"x"}\n' +
      '{"topic":"t","partition":0,"off',
    ],
    read: (body) =>
      inFolder(async (folder) => {
        const path = `${folder}/0.jsonl`;
        Deno.writeFileSync(path, body);
        const file = await refusing([Error], () => ExportFile.open(path, "t"));
        if (!(file instanceof ExportFile)) return;
        const reaches = Deno.statSync(path).size;
        assert(reaches <= body.length, "an export is never made longer");
        assertEquals(
          Deno.readFileSync(path),
          body.slice(0, reaches),
          "whole lines stay",
        );
        file.close();
      }),
  },
  exported: {
    examples: ['{"topic":"t","partitions":3,"configs":{"a":"b"}}'],
    read: (body) =>
      inFolder((folder) => {
        Deno.writeFileSync(`${folder}/topic.json`, body);
        refusing([Error], () => readExportedTopic(folder));
        return Promise.resolve();
      }),
  },
};

/** What was read of an envelope says the same when it is printed. */
function readBack(body: Uint8Array): void {
  const read = refusing([Error], () => readEnvelope(body));
  if (typeof read !== "object" || !("value" in read)) return;
  const bytesOf = (value: Uint8Array | string | null) =>
    typeof value === "string" ? ENCODER.encode(value) : value;
  const record = {
    ...RECORD,
    partition: read.partition ?? 0,
    timestamp: read.timestamp ?? -1,
    key: bytesOf(read.key),
    value: bytesOf(read.value),
    headers: (read.headers ?? [])
      .map(([key, value]) => ({ key, value: bytesOf(value) })),
  };
  const sink = new ByteSink();
  envelopeFormat(new Uint8Array(0))(record, sink);
  const again = readEnvelope(sink.view());
  assertEquals(bytesOf(again.key), record.key);
  assertEquals(bytesOf(again.value), record.value);
  assertEquals(
    (again.headers ?? []).map(([key, value]) => [key, bytesOf(value)]),
    record.headers.map(({ key, value }) => [key, value]),
  );
}

/** Reads a few bytes at a time. */
function sourceOf(bytes: Uint8Array) {
  let at = 0;
  return {
    read(into: Uint8Array): Promise<number | null> {
      if (at === bytes.length) return Promise.resolve(null);
      const part = bytes.subarray(at, at + Math.min(7, into.length));
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    },
    close() {},
  };
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "kf-fuzz-" });
  try {
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Errors that only a slip in the code throws. */
const SLIPS = ["TypeError", "RangeError", "ReferenceError", "InvariantError"];

/** Runs `call`; an expected refusal is one sentence, anything else gets out. */
function refusing<T>(
  expected: readonly (new (...args: never[]) => Error)[],
  call: () => T,
): T | undefined {
  const refused = (error: unknown) => {
    const isExpected = error instanceof Error &&
      expected.some((type) => error instanceof type) &&
      !SLIPS.includes(error.name);
    if (!isExpected) throw error;
    assert(error.message.length < 8192, "a refusal is a sentence");
    return undefined;
  };
  try {
    const result = call();
    return result instanceof Promise ? result.catch(refused) as T : result;
  } catch (error) {
    return refused(error);
  }
}

function bodyOf(text: Text, chance: Chance): Uint8Array {
  const example = ENCODER.encode(chance.pick(text.examples));
  const words = text.examples.flatMap((each) => each.match(/\w+|\W/g) ?? [])
    .map((word) => ENCODER.encode(word));
  return mutate(example, chance, words);
}

export const texts: FuzzTarget = {
  name: "texts",
  // The parser is loaded at first use: not on an input's account.
  prepare: async () => void await parseYaml("", ""),
  generate(chance) {
    const kind = chance.pick(Object.keys(TEXTS));
    return headed(kind, bodyOf(TEXTS[kind]!, chance));
  },
  vary: varyBody,
  run(input) {
    const { head, body } = headOf(input);
    if (Object.hasOwn(TEXTS, head)) return TEXTS[head]!.read(body);
  },
};
