/**
 * The table of APIs and what is announced of it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { APIS } from "./api_keys.ts";

Deno.test("every API stands under its key, rising, with matching schemas", () => {
  let before = -1;
  for (const [key, api] of APIS) {
    assertEquals(key > before, true, api.name);
    before = key;
    assertEquals(api.key, key);
    assertEquals(api.request.name, `${api.name}Request`);
    assertEquals(api.response.name, `${api.name}Response`);
    assertEquals(api.request.versions, api.response.versions, api.name);
    assertEquals(api.request.versions, api.versions, api.name);
  }
});

Deno.test("only Produce announces versions that it doesn't serve", () => {
  const differing = [...APIS.values()]
    .filter(({ versions, advertised }) => versions.min !== advertised.min);
  assertEquals(differing.map(({ name }) => name), ["Produce"]);
  assertEquals(APIS.get(0)?.advertised, { min: 0, max: 13 });
  assertEquals(APIS.get(0)?.versions, { min: 3, max: 13 });
});

Deno.test("versions that old librdkafka derives features from are announced", () => {
  const mins = {
    0: 0,
    1: 4,
    2: 1,
    8: 2,
    9: 1,
    10: 0,
    11: 0,
    12: 0,
    13: 0,
    14: 0,
    18: 0,
    22: 0,
  };
  for (const [key, min] of Object.entries(mins)) {
    const announced = APIS.get(Number(key))!.advertised.min;
    assertEquals(announced <= min, true, `key ${key}`);
  }
});
