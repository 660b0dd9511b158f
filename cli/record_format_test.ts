/**
 * What records look like in print.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import type { ConsumerRecord } from "../net/client.ts";
import { ByteSink } from "./byte_sink.ts";
import { UsageError } from "./failure.ts";
import {
  compileFormat,
  envelopeFormat,
  plainFormat,
  type PrintRecord,
} from "./record_format.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const PIPE = { isTerminal: false };

const RECORD: ConsumerRecord = {
  topic: "t",
  partition: 2,
  offset: 41,
  timestamp: 1706700000000,
  leaderEpoch: 0,
  key: bytes("k"),
  value: bytes("vé"),
  headers: [{ key: "a", value: bytes("1") }, { key: "b", value: null }],
};
const NULLS: ConsumerRecord = {
  ...RECORD,
  key: null,
  value: null,
  headers: [],
};

function printed(print: PrintRecord, record = RECORD): string {
  const sink = new ByteSink(1);
  print(record, sink);
  return new TextDecoder().decode(sink.view());
}

function formatted(format: string, record = RECORD): string {
  return printed(compileFormat(format, PIPE), record);
}

Deno.test("compileFormat() prints every verb", () => {
  assertEquals(
    formatted("%t %p %o %k %v %s %T %h %K %S %V%%\\t\\x41\\n"),
    "t 2 41 k vé vé 1706700000000 a=1,b=NULL 1 3 3%\tA\n",
  );
});

Deno.test("compileFormat() prints null as nothing, of length -1", () => {
  assertEquals(formatted("[%k|%v|%K|%S|%h]", NULLS), "[||-1|-1|]");
  assertEquals(formatted("%k{hex}%v{base64}", NULLS), "");
});

Deno.test("compileFormat() prints hex, base64, times and lengths in bytes", () => {
  assertEquals(formatted("%v{hex} %k{base64}"), "76c3a9 aw==");
  assertEquals(formatted("%T{rfc3339}"), "2024-01-31T11:20:00.000Z");
  assertEquals(formatted("%V{big32}"), "\0\0\0\x03");
  assertEquals(formatted("%K{little16}"), "\x01\0");
  assertEquals(formatted("%R"), "\0\0\0\x03");
});

Deno.test("compileFormat() refuses verbs that it does not know", () => {
  for (const format of ["%x", "%", "%v{rot13}", "%t{hex}", "%T{iso}"]) {
    assertThrows(() => compileFormat(format, PIPE), UsageError, "%");
  }
});

Deno.test("compileFormat() keeps control bytes from the terminal only", () => {
  const evil = { ...RECORD, value: bytes("a\x1b[2Jb\u009bc\td") };
  const onTerminal = compileFormat("%v", { isTerminal: true });
  assertEquals(printed(onTerminal, evil), "a\\x1b[2Jb\\xc2\\x9bc\td");
  assertEquals(formatted("%v", evil), "a\x1b[2Jb\u009bc\td");
});

Deno.test("plainFormat() prints the value and what ends it", () => {
  assertEquals(printed(plainFormat(bytes("\n"), PIPE)), "vé\n");
  assertEquals(printed(plainFormat(bytes("\r\n"), PIPE)), "vé\r\n");
  assertEquals(printed(plainFormat(bytes("\n"), PIPE), NULLS), "\n");
});

Deno.test("envelopeFormat() loses nothing", () => {
  const record = { ...RECORD, key: Uint8Array.of(0xff, 0), value: null };
  const parsed = JSON.parse(printed(envelopeFormat(bytes("\n")), record));
  assertEquals(parsed, {
    topic: "t",
    partition: 2,
    offset: 41,
    timestamp: 1706700000000,
    key: { base64: "/wA=" },
    value: null,
    headers: [["a", "1"], ["b", null]],
  });
});
