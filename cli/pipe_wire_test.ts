/**
 * Records to a command and back: nothing changes, and one never looks like two.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import type { ConsumerRecord } from "../net/client.ts";
import { ByteSink } from "./byte_sink.ts";
import { Flags } from "./command.ts";
import { UsageError } from "./failure.ts";
import { Uncrossable, wireOf } from "./pipe_wire.ts";
import { readFramed, readRecords } from "./record_reader.ts";

const TEXT = new TextEncoder();

function record(
  key: string | null,
  value: string | null,
): ConsumerRecord {
  return {
    topic: "t",
    partition: 1,
    offset: 2,
    timestamp: 3,
    leaderEpoch: 0,
    key: key === null ? null : TEXT.encode(key),
    value: value === null ? null : TEXT.encode(value),
    headers: [{ key: "h", value: TEXT.encode("\n") }],
  };
}

/** What comes back of records from a command that changes nothing. */
async function echoed(
  flags: Record<string, unknown>,
  records: readonly ConsumerRecord[],
) {
  const wire = wireOf(new Flags(flags));
  const sink = new ByteSink();
  for (const each of records) wire.print(each, sink);
  let left = sink.view();
  const source = {
    read(into: Uint8Array) {
      const count = Math.min(left.length, into.length);
      into.set(left.subarray(0, count));
      left = left.subarray(count);
      return Promise.resolve(count === 0 ? null : count);
    },
    close() {},
  };
  const answers: ReturnType<typeof wire.read>[] = [];
  const take = (bytes: Uint8Array | null) => {
    answers.push(wire.read(bytes));
    return undefined;
  };
  const { delimiter } = wire;
  if (delimiter === undefined) await readFramed(source, { take });
  else await readRecords(source, { delimiter, take });
  const text = (field: unknown) =>
    field instanceof Uint8Array ? new TextDecoder().decode(field) : field;
  return answers.map(({ key, value, headers, timestamp }) => [
    text(key),
    text(value),
    headers?.map(([name, each]) => [name, text(each)]),
    timestamp,
  ]);
}

Deno.test("lines carry values, and keys where those are asked for", async () => {
  const records = [record("k", "a:b"), record(null, "")];
  const none = [undefined, undefined];
  assertEquals(await echoed({}, records), [
    [undefined, "a:b", ...none],
    [undefined, "", ...none],
  ]);
  assertEquals(await echoed({ "key-delimiter": ":" }, records), [
    ["k", "a:b", ...none],
    [null, "", ...none],
  ]);
});

Deno.test("envelopes carry everything, lengths any value", async () => {
  const records = [record("k", "a\nb"), record(null, null)];
  assertEquals(await echoed({ json: true }, records), [
    ["k", "a\nb", [["h", "\n"]], 3],
    [null, null, [["h", "\n"]], 3],
  ]);
  for (const framing of ["length", "hex", "base64"]) {
    const values = (await echoed({ framing }, records)).map(([, value]) =>
      value
    );
    // A line can't be told from none.
    assertEquals(values, ["a\nb", framing === "length" ? null : ""]);
  }
});

Deno.test("what would look like two records does not cross", () => {
  const sink = new ByteSink();
  const refused: [Record<string, unknown>, ConsumerRecord][] = [
    [{}, record(null, "a\nb")],
    [{ null: true }, record(null, "a\0b")],
    [{ "key-delimiter": ":" }, record("k:", "v")],
    [{ "key-delimiter": ":" }, record("k\n", "v")],
  ];
  for (const [flags, each] of refused) {
    const wire = wireOf(new Flags(flags));
    assertThrows(() => wire.print(each, sink), Uncrossable);
  }
  assertThrows(
    () => wireOf(new Flags({ json: true, framing: "hex" })),
    UsageError,
  );
});
