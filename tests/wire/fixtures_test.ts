/**
 * Requests captured from real clients decode without a byte left over and
 * encode back to the same bytes.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { decodeExact, encode } from "../../core/schema/codec.ts";
import { APIS } from "../../net/wire/api_keys.ts";
import { decodeRequestHeader, encodeRequest } from "../../net/wire/headers.ts";

const FOLDER = new URL("./fixtures/", import.meta.url);

interface Fixture {
  readonly file: string;
  readonly name: string;
  readonly version: number;
}

function fixtures(): Fixture[] {
  const found: Fixture[] = [];
  for (const { name: file } of Deno.readDirSync(FOLDER)) {
    const match = /^.+--(\w+)-v(\d+)-\d+\.bin$/.exec(file);
    if (match === null) continue;
    found.push({ file, name: match[1]!, version: Number(match[2]) });
  }
  return found.sort((a, b) => a.file < b.file ? -1 : 1);
}

const BY_NAME = new Map([...APIS.values()].map((api) => [api.name, api]));

Deno.test("frames of real clients decode exactly and encode back to the same bytes", () => {
  let checked = 0;
  for (const { file, name, version } of fixtures()) {
    const api = BY_NAME.get(name);
    assert(api !== undefined, `${file} has no schema`);
    const frame = Deno.readFileSync(new URL(file, FOLDER));
    const header = decodeRequestHeader(frame);
    assertEquals([header.apiKey, header.apiVersion], [api.key, version], file);
    const payload = frame.subarray(header.bodyAt);
    const body = decodeExact(api.request, version, payload);
    assertEquals(encode(api.request, version, body), payload, file);
    const { correlationId, clientId } = header;
    const again = encodeRequest(
      { api, version, correlationId, clientId },
      body,
    );
    assertEquals(again.subarray(4), frame, file);
    checked++;
  }
  assertEquals(checked > 100, true, `only ${checked} fixtures were checked`);
});
