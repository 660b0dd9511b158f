/**
 * What people may type for durations, times, offsets, lists and delimiters.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./failure.ts";
import {
  formatBytes,
  formatDuration,
  parseCount,
  parseDuration,
  parseEscapes,
  parsePair,
  parsePartitions,
  parsePerSecond,
  parseStart,
  parseTimestamp,
} from "./units.ts";

Deno.test("parseDuration() reads units and refuses bare numbers", () => {
  assertEquals(parseDuration("500ms"), 500);
  assertEquals(parseDuration("1.5s"), 1500);
  assertEquals(parseDuration("2m"), 120_000);
  assertEquals(parseDuration("1h"), 3_600_000);
  assertThrows(() => parseDuration("5"), UsageError, "500ms");
});

Deno.test("parsePerSecond() reads sizes and refuses none at all", () => {
  assertEquals(parsePerSecond("64k"), 65_536);
  assertEquals(parsePerSecond("1.5MB/s"), 1_572_864);
  assertEquals(parsePerSecond("7"), 7);
  for (const text of ["0", "-1m", "1t", "m", "1e9"]) {
    assertThrows(() => parsePerSecond(text), UsageError, "64k");
  }
});

Deno.test("parseTimestamp() reads milliseconds and RFC 3339", () => {
  assertEquals(parseTimestamp("@1706700000000"), 1706700000000);
  assertEquals(parseTimestamp("@2024-01-31T11:20:00Z"), 1706700000000);
  assertEquals(parseTimestamp("@2024-01-31"), 1706659200000);
  for (const none of ["@noon", "@abc 1", "@Jan 5", "@2024-01-31 noon"]) {
    assertThrows(() => parseTimestamp(none), UsageError);
  }
});

Deno.test("parseStart() reads every form of an offset", () => {
  assertEquals(parseStart("start"), { kind: "start" });
  assertEquals(parseStart("end"), { kind: "end" });
  assertEquals(parseStart("7"), { kind: "offset", offset: 7 });
  assertEquals(parseStart("-7"), { kind: "beforeEnd", count: 7 });
  assertEquals(parseStart("@5"), { kind: "time", timestampMs: 5 });
  assertThrows(() => parseStart("middle"), UsageError);
});

Deno.test("parsePartitions() reads lists and ranges", () => {
  assertEquals(parsePartitions("3,0-2,1"), [3, 0, 1, 2]);
  assertThrows(() => parsePartitions("a"), UsageError);
  assertThrows(() => parsePartitions("3-1"), UsageError);
});

Deno.test("parseEscapes() gives the bytes that are meant", () => {
  assertEquals([...parseEscapes("\\r\\n")], [13, 10]);
  assertEquals([...parseEscapes("\\0\\t\\x7f\\\\")], [0, 9, 127, 92]);
  assertEquals([...parseEscapes("é\\q")], [0xc3, 0xa9, 92, 113]);
});

Deno.test("parseCount() holds its bounds and parsePair() its equals sign", () => {
  assertEquals(parseCount("0", { name: "n" }), 0);
  assertThrows(() => parseCount("1e3", { name: "n" }), UsageError);
  assertThrows(() => parseCount("0", { name: "n", min: 1 }), UsageError);
  assertEquals(parsePair("a=b=c", "x"), ["a", "b=c"]);
  assertThrows(() => parsePair("=b", "x"), UsageError);
});

Deno.test("formatDuration() names the two largest units", () => {
  assertEquals(formatDuration(0), "0ms");
  assertEquals(formatDuration(999.4), "999ms");
  assertEquals(formatDuration(1000), "1s");
  assertEquals(formatDuration(59_999), "59s");
  assertEquals(formatDuration(60_000), "1m");
  assertEquals(formatDuration(3_725_000), "1h 2m");
  assertEquals(formatDuration(86_400_000 * 400 + 3_600_000), "400d 1h");
});

Deno.test("formatBytes() picks the unit", () => {
  assertEquals(formatBytes(999), "999 B");
  assertEquals(formatBytes(1500), "1.5 kB");
  assertEquals(formatBytes(2_500_000_000), "2.5 GB");
});
