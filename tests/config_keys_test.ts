/**
 * No config key is kept that nothing honours: each is read by name outside of
 * the tables, or gives a topic key its default. Owns no product code.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { BROKER_KEYS } from "../core/config/broker_keys.ts";
import {
  ADMIN_KEYS,
  CONSUMER_KEYS,
  PRODUCER_KEYS,
} from "../core/config/client_keys.ts";
import { GROUP_KEYS } from "../core/config/group_keys.ts";
import { TOPIC_KEYS } from "../core/config/topic_keys.ts";

const ROOT = new URL("..", import.meta.url);

/** The product's source below `folder`, without tests and config tables. */
function sourceOf(folder: string): string {
  let text = "";
  for (const entry of Deno.readDirSync(new URL(folder, ROOT))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) {
      if (path !== "core/config") text += sourceOf(`${path}/`);
    } else if (/(?<!_test)\.ts$/.test(path)) {
      text += Deno.readTextFileSync(new URL(path, ROOT));
    }
  }
  return text;
}

const SERVER = sourceOf("core/") + sourceOf("net/server/");
const CLIENT = sourceOf("core/client/") + sourceOf("net/client/");

function unread(names: readonly string[], source: string): string[] {
  return names.filter((name) =>
    !source.includes(`["${name}"]`) && !source.includes(`.${name}`) &&
    !source.includes(`"${name}"`)
  );
}

Deno.test("every broker key is read, or is a topic's or a group's default", () => {
  const defaults = new Set(
    Object.values({ ...TOPIC_KEYS, ...GROUP_KEYS })
      .flatMap(({ synonyms }) => synonyms ?? [])
      .map(({ name }) => name),
  );
  const others = Object.keys(BROKER_KEYS).filter((name) => !defaults.has(name));
  assertEquals(unread(others, SERVER), []);
});

Deno.test("every group key is read where groups are coordinated", () => {
  assertEquals(unread(Object.keys(GROUP_KEYS), SERVER), []);
});

Deno.test("every topic key is read where logs and batches are handled", () => {
  const unused = unread(Object.keys(TOPIC_KEYS), SERVER).filter((name) => {
    const field = name
      .replace(/\.(\w)/g, (_, letter: string) => letter.toUpperCase());
    return !new RegExp(`[.{ ]${field}\\b`).test(SERVER);
  });
  assertEquals(unused, []);
});

Deno.test("every client key is read by the clients", () => {
  for (const table of [PRODUCER_KEYS, CONSUMER_KEYS, ADMIN_KEYS]) {
    assertEquals(unread(Object.keys(table), CLIENT), []);
  }
});
